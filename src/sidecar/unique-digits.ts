/**
 * So many lower-case hexadecimal digits that no other session has: for names, never for what has to stay unknown to others.
 * Not of node:crypto, whose loading alone takes a hundredth of a second of every `dfdebug debug`.
 */
export function uniqueDigits(length: number): string {
  let digits = "";
  while (digits.length < length)
    digits += Math.floor(Math.random() * 2 ** 48)
      .toString(16)
      .padStart(12, "0");
  return digits.slice(0, length);
}
