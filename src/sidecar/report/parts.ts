/** Text of a script that prints parts, each under a heading nobody but the script's caller can know. */
export const partFunction = `part() { printf '\\n%s %s\\n' "$nonce" "$1"; }`;

/** What a script printed, by heading. */
export function splitParts(text: string, nonce: string): ReadonlyMap<string, string> {
  const parts = new Map<string, string>();
  for (const piece of text.split(`\n${nonce} `).slice(1)) {
    const end = piece.indexOf("\n");
    parts.set(piece.slice(0, end), piece.slice(end + 1));
  }
  return parts;
}

/** Files as `grep -H ''` prints them, every line after its file's path: their content by path. */
export function filesOf(text: string | undefined): ReadonlyMap<string, string> {
  return gather(text, "\n");
}

/** Files of values that end with NUL, as `grep -zH ''` prints them: the values by path. */
export function recordsOf(text: string | undefined): ReadonlyMap<string, readonly string[]> {
  const records = new Map<string, readonly string[]>();
  for (const [path, content] of gather(text, "\0")) records.set(path, content.split("\0").slice(0, -1));
  return records;
}

function gather(text: string | undefined, separator: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const record of (text ?? "").split(separator)) {
    const at = record.indexOf(":");
    if (at <= 0 || !record.startsWith("/")) continue;
    const path = record.slice(0, at);
    files.set(path, `${files.get(path) ?? ""}${record.slice(at + 1)}${separator}`);
  }
  return files;
}

/** `Name:<tab>value` lines, as in /proc/PID/status. */
export function fieldsOf(text: string | undefined): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of (text ?? "").split("\n")) {
    const at = line.indexOf(":");
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1).trim());
  }
  return fields;
}

/** Symlinks as `ls -l` prints them, with the folder's heading before them where several are listed: their targets by path. */
export function linksOf(text: string | undefined): ReadonlyMap<string, string> {
  const links = new Map<string, string>();
  let folder = "";
  for (const line of (text ?? "").split("\n")) {
    const heading = /^(\/[\w/.-]+):$/.exec(line);
    if (heading) folder = `${heading[1] ?? ""}/`;
    const link = /^l[rwx-]{9}.* (\S+) -> (\S+)$/.exec(line);
    if (link?.[1] !== undefined && link[2] !== undefined)
      links.set(link[1].startsWith("/") ? link[1] : `${folder}${link[1]}`, link[2]);
  }
  return links;
}
