/** `key=value` or `key` of a --mount. Keys are lower-case. */
export interface MountField {
  readonly key: string;
  readonly value: string | undefined;
}

/** Splits the value of `RUN --mount` at its commas (CSV, quotes as RFC 4180 has them); undefined where a quote is wrong. */
export function mountFields(value: string): MountField[] | undefined {
  const fields: MountField[] = [];
  let at = 0;
  for (;;) {
    let text: string;
    if (value[at] === '"') {
      text = "";
      for (at++; ; at++) {
        const quote = value.indexOf('"', at);
        if (quote === -1) return undefined;
        text += value.slice(at, quote);
        at = quote + 1;
        if (value[at] !== '"') break;
        text += '"';
      }
      if (at < value.length && value[at] !== ",") return undefined;
    } else {
      const comma = value.indexOf(",", at);
      const end = comma === -1 ? value.length : comma;
      text = value.slice(at, end);
      if (text.includes('"')) return undefined;
      at = end;
    }
    const equals = text.indexOf("=");
    fields.push(
      equals === -1
        ? { key: text.toLowerCase(), value: undefined }
        : { key: text.slice(0, equals).toLowerCase(), value: text.slice(equals + 1) },
    );
    if (at >= value.length) return fields;
    at++;
  }
}

/** The last value of a field, or undefined. */
export function mountField(fields: readonly MountField[], ...keys: string[]): string | undefined {
  return fields.findLast((field) => keys.includes(field.key))?.value;
}
