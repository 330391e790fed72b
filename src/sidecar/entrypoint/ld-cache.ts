const format = "glibc-ld.so.cache1.1";
const headerBytes = 48;
const entryBytes = 24;

/**
 * /etc/ld.so.cache, which ldconfig writes: where each library's name is to be found, the best first (glibc, dl-cache.h).
 * Its numbers are in the machine's order of bytes. Empty for what is no such file.
 */
export function readLibraryCache(file: Buffer, little: boolean): ReadonlyMap<string, readonly string[]> {
  const found = new Map<string, string[]>();
  // The older format stands before it where ldconfig wrote both.
  const start = file.indexOf(format);
  if (start < 0) return found;
  const cache = file.subarray(start);
  const word = (at: number): number => (little ? cache.readUInt32LE(at) : cache.readUInt32BE(at));
  const text = (at: number): string => cache.toString("utf8", at, cache.indexOf(0, at));
  if (cache.length < headerBytes) return found;
  const count = word(format.length);
  for (let index = 0, at = headerBytes; index < count && at + entryBytes <= cache.length; index++, at += entryBytes) {
    const name = text(word(at + 4));
    found.set(name, [...(found.get(name) ?? []), text(word(at + 8))]);
  }
  return found;
}
