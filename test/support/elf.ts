/** An ELF file of headers alone, for what reads them. `machine`: e_machine; `loader`: its PT_INTERP. */
export function elfProgram(shape: { machine: number; bits: 32 | 64; little: boolean; loader?: string }): Buffer {
  const { machine, bits, little, loader } = shape;
  const [header, segment] = bits === 64 ? [64, 56] : [52, 32];
  const text = loader === undefined ? Buffer.alloc(0) : Buffer.from(`${loader}\0`);
  const file = Buffer.alloc(header + segment + text.length);
  const put = (at: number, size: number, value: number): void => {
    if (little) file.writeUIntLE(value, at, size);
    else file.writeUIntBE(value, at, size);
  };
  file.set([0x7f, 0x45, 0x4c, 0x46, bits === 64 ? 2 : 1, little ? 1 : 2, 1]);
  put(16, 2, 2);
  put(18, 2, machine);
  put(bits === 64 ? 54 : 42, 2, segment);
  put(bits === 64 ? 56 : 44, 2, 1);
  put(header, 4, loader === undefined ? 1 : 3);
  const address = bits === 64 ? 8 : 4;
  const wide = (at: number, value: number): void => {
    put(little ? at : at + address - 4, 4, value);
  };
  wide(bits === 64 ? 32 : 28, header);
  wide(header + (bits === 64 ? 8 : 4), header + segment);
  wide(header + (bits === 64 ? 32 : 16), text.length);
  text.copy(file, header + segment);
  return file;
}
