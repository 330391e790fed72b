/*
 * Sizes as docker prints them (docker/go-units, size.go), for output that people compare with docker's.
 */

/** `8.5MiB`: powers of 1024, four significant digits. */
export function binarySize(bytes: number): string {
  return size(bytes, 1024, 4, ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]);
}

/** `1.05kB`: powers of 1000, three significant digits. */
export function decimalSize(bytes: number): string {
  return size(bytes, 1000, 3, ["B", "kB", "MB", "GB", "TB", "PB"]);
}

function size(bytes: number, base: number, digits: number, units: readonly string[]): string {
  let value = bytes;
  let unit = 0;
  while (value >= base && unit < units.length - 1) {
    value /= base;
    unit += 1;
  }
  return `${String(Number(value.toPrecision(digits)))}${units[unit] ?? ""}`;
}
