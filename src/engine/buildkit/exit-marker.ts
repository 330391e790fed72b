import { randomBytes } from "node:crypto";

/*
 * BuildKit ends a gateway container when any process in it exits with an error, other processes included (the errgroup of
 * frontend/gateway/container). So a command runs under a small shell that always exits well and says the command's code
 * at the end of its output, in a sequence that terminals ignore and that nobody else can know.
 *
 * An engine may keep a container whose client is gone (20.10 does): it notices only when it has something to pass on. So the
 * shell says that it is alive, in the same way, and is ended by that when nobody listens any more.
 */

/** Seconds between two signs of life. */
const beatSeconds = 2;
const beatText = "alive";

/** One process's exit marker. */
export class ExitMarker {
  private readonly id = randomBytes(9).toString("hex");
  /** What every marker starts with; the code and BEL follow. */
  private readonly prefix = Buffer.from(`\x1b]6973;${this.id};`, "latin1");

  /**
   * argv that runs `command` under `shell`. `files` are written first. With `hold` the shell stays when the command has
   * ended, and says that it is there: the first process of a container is the container.
   */
  wrap(
    shell: string,
    command: readonly string[],
    options: { tty: boolean; stdin: boolean; hold: boolean; keepsPwd: boolean; files: ReadonlyMap<string, string> },
  ): string[] {
    const mark = `printf '\\033]6973;${this.id};%d\\007' "$dfdebug_code"`;
    const files = [...options.files].map(
      ([path, content]) => `printf %s ${quoted(content)} > ${quoted(path)}; chmod 755 ${quoted(path)}`,
    );
    const hide = `unset SHLVL OLDPWD${options.keepsPwd ? "" : " PWD"}`;
    // With a terminal the command is in the foreground and signals come from the keyboard. Without one it is waited for
    // in the background, so that signals sent to this shell can be passed on.
    const run = options.tty
      ? `${options.hold ? this.beating(":") : ""}
trap : INT QUIT TERM HUP; (${hide}; exec "$@"); dfdebug_code=$?; ${mark}`
      : [
          // A background command's standard input is /dev/null unless it is given another descriptor.
          options.stdin
            ? `exec 3<&0; (${hide}; exec "$@") <&3 3<&- & dfdebug_pid=$!; exec 3<&-`
            : `(${hide}; exec "$@") & dfdebug_pid=$!`,
          options.hold ? this.beating("kill -9 $dfdebug_pid") : "",
          `for dfdebug_s in INT QUIT TERM HUP USR1 USR2; do trap "kill -$dfdebug_s $dfdebug_pid 2>/dev/null" $dfdebug_s; done`,
          `while :; do wait $dfdebug_pid; dfdebug_code=$?; kill -0 $dfdebug_pid 2>/dev/null || break; done`,
          `${mark}; ${mark} >&2`,
        ].join("\n");
    if (!options.hold) return [shell, "-c", [...files, run, "exit 0"].join("\n"), "sh", ...command];
    const end = `[ -n "$dfdebug_beats" ] || while :; do read -r dfdebug_line || exec tail -f /dev/null; done
kill -9 $dfdebug_beats 2>/dev/null; ${this.beats}`;
    return [shell, "-c", [...files, run, end].join("\n"), "sh", ...command];
  }

  /** Says that the shell is alive for as long as it can be said. */
  private get beats(): string {
    return `while sleep ${String(beatSeconds)} && printf '\\033]6973;${this.id};${beatText}\\007'; do :; done`;
  }

  /** The same in the background, with what is done when nobody listens any more: behind a terminal the engine does enough. */
  private beating(afterwards: string): string {
    // What the keyboard sends is not for it, nor what a terminal sends to whoever writes in the background.
    return `dfdebug_beats=; if command -v sleep >/dev/null 2>&1; then
(trap '' INT QUIT TERM HUP TTOU PIPE; ${this.beats}; ${afterwards}) 2>/dev/null & dfdebug_beats=$!; fi`;
  }

  /** A reader of one output stream that takes the marker out of it. */
  reader(): MarkerReader {
    return new MarkerReader(this.prefix);
  }
}

/** Takes signs of life and one exit marker out of a stream of bytes. */
export class MarkerReader {
  /** Set when the marker has been seen. */
  code: number | undefined;
  private readonly prefix: Buffer;
  private held: Buffer = Buffer.alloc(0);

  constructor(prefix: Buffer) {
    this.prefix = prefix;
  }

  /** What of `chunk` (and of what was held back before) is output. Copies only where a marker may begin. */
  take(chunk: Buffer): Buffer {
    if (this.code !== undefined) return Buffer.alloc(0);
    let bytes = this.held.length > 0 ? Buffer.concat([this.held, chunk]) : chunk;
    this.held = Buffer.alloc(0);
    const output: Buffer[] = [];
    for (let at = bytes.indexOf(this.prefix); at >= 0; at = bytes.indexOf(this.prefix)) {
      output.push(bytes.subarray(0, at));
      const end = bytes.indexOf(0x07, at);
      if (end < 0) {
        this.held = bytes.subarray(at);
        return Buffer.concat(output);
      }
      const said = bytes.toString("latin1", at + this.prefix.length, end);
      bytes = bytes.subarray(end + 1);
      if (said === beatText) continue;
      this.code = Number(said);
      return Buffer.concat(output);
    }
    const partial = this.partialAtEnd(bytes);
    if (partial > 0) {
      this.held = bytes.subarray(bytes.length - partial);
      bytes = bytes.subarray(0, bytes.length - partial);
    }
    return output.length === 0 ? bytes : Buffer.concat([...output, bytes]);
  }

  /** What was held back and turned out to be no marker: the stream has ended. */
  rest(): Buffer {
    const rest = this.held;
    this.held = Buffer.alloc(0);
    return rest;
  }

  /** How many bytes at the end could be the beginning of the marker. */
  private partialAtEnd(bytes: Buffer): number {
    const from = Math.max(0, bytes.length - this.prefix.length + 1);
    for (let at = bytes.indexOf(0x1b, from); at >= 0; at = bytes.indexOf(0x1b, at + 1))
      if (this.prefix.subarray(0, bytes.length - at).equals(bytes.subarray(at))) return bytes.length - at;
    return 0;
  }
}

/** A word for a POSIX shell. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}
