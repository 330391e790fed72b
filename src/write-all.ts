/** Writes, and waits while the reader is slow. False when nobody reads any more, or it cannot be written. */
export async function writeAll(
  stream: NodeJS.WritableStream & { readonly destroyed?: boolean },
  data: string | Uint8Array,
): Promise<boolean> {
  if (stream.destroyed) return false;
  if (stream.write(data)) return true;
  return new Promise((resolve) => {
    const settle = (isWritten: boolean) => (): void => {
      stream.off("drain", drained).off("close", failed).off("error", failed);
      resolve(isWritten);
    };
    const drained = settle(true);
    const failed = settle(false);
    // A stream that failed never drains, and Node keeps those of the process from closing.
    stream.once("drain", drained).once("close", failed).once("error", failed);
  });
}
