import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, it } from "vitest";
import { ExitMarker } from "../../../../src/engine/buildkit/exit-marker.js";

const options = { tty: false, stdin: false, hold: false, keepsPwd: false, files: new Map<string, string>() };

describe("ExitMarker", () => {
  it.each(["/bin/sh", "/bin/bash"])("lets %s report the code of a command on both streams and exit well", (shell) => {
    const marker = new ExitMarker();
    const [program = "", ...args] = marker.wrap(shell, ["/bin/sh", "-c", "echo out; echo err >&2; exit 7"], options);
    const run = spawnSync(program, args);
    expect(run.status).toBe(0);
    for (const [stream, text] of [
      [run.stdout, "out\n"],
      [run.stderr, "err\n"],
    ] as const) {
      const reader = marker.reader();
      expect(reader.take(stream).toString()).toBe(text);
      expect(reader.code).toBe(7);
    }
  });

  it("passes standard input on, byte for byte, and its end", () => {
    const marker = new ExitMarker();
    const [program = "", ...args] = marker.wrap("/bin/sh", ["cat"], { ...options, stdin: true });
    const input = Buffer.from(Array.from({ length: 5000 }, (_value, index) => index % 256));
    const output = execFileSync(program, args, { input, stdio: ["pipe", "pipe", "ignore"] });
    const reader = marker.reader();
    expect(reader.take(output).equals(input)).toBe(true);
    expect(reader.code).toBe(0);
  });

  it("finds the marker wherever chunks are cut, and holds back nothing else", () => {
    const marker = new ExitMarker();
    const [program = "", ...args] = marker.wrap("/bin/sh", ["printf", "a\\033]b\\033]6973;c"], options);
    const output = spawnSync(program, args).stdout;
    for (let cut = 0; cut <= output.length; cut++) {
      const reader = marker.reader();
      const text = Buffer.concat([reader.take(output.subarray(0, cut)), reader.take(output.subarray(cut))]);
      expect(text.toString()).toBe("a\x1b]b\x1b]6973;c");
      expect(reader.code).toBe(0);
    }
  });

  it("takes signs of life out wherever chunks are cut", () => {
    const marker = new ExitMarker();
    const [program = "", ...args] = marker.wrap(
      "/bin/sh",
      ["/bin/sh", "-c", "printf 'a\\0b'; sleep 3; printf c; exit 4"],
      {
        ...options,
        hold: true,
      },
    );
    // It stays when the command has ended, for it is the container; what it says until then is enough.
    const output = spawnSync("timeout", ["-s", "KILL", "4", program, ...args]).stdout;
    for (let cut = 0; cut <= output.length; cut++) {
      const reader = marker.reader();
      const text = Buffer.concat([reader.take(output.subarray(0, cut)), reader.take(output.subarray(cut))]);
      expect(text.toString("latin1")).toBe("a\0bc");
      expect(reader.code).toBe(4);
    }
  });
});
