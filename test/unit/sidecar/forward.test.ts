import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { parseListeners } from "../../../src/sidecar/forward/listeners.js";
import { parsePortSpec } from "../../../src/sidecar/forward/port-spec.js";
import { overlap } from "../../../src/sidecar/forward/relay.js";
import { finisher } from "../../../src/sidecar/forward/relay-script.js";

describe("a port to forward", () => {
  it.each([
    ["80", { bind: undefined, local: 80, host: undefined, port: 80 }],
    ["8080:80/tcp", { bind: undefined, local: 8080, host: undefined, port: 80 }],
    ["0:80", { bind: undefined, local: 0, host: undefined, port: 80 }],
    ["0.0.0.0:8080:80", { bind: "0.0.0.0", local: 8080, host: undefined, port: 80 }],
    ["[::]:8080:80", { bind: "::", local: 8080, host: undefined, port: 80 }],
    ["localhost:8080:80", { bind: "localhost", local: 8080, host: undefined, port: 80 }],
    ["db:5432", { bind: undefined, local: 5432, host: "db", port: 5432 }],
    ["15432:db:5432", { bind: undefined, local: 15432, host: "db", port: 5432 }],
    ["127.0.0.1:0:[fd00::2]:80", { bind: "127.0.0.1", local: 0, host: "fd00::2", port: 80 }],
  ])("%s", (text, spec) => {
    expect(parsePortSpec(text)).toEqual(spec);
  });

  it.each(["", "http", "80:", "70000", "0", "::1:80", "a b:80", "-x:80", "1:2:3:4:5", "80/udp", "80/tcp/x"])(
    "%j is none",
    (text) => {
      expect(() => parsePortSpec(text)).toThrow();
    },
  );
});

describe("what listens", () => {
  it("is read from the kernel's tables", () => {
    const tables = [
      "  sl  local_address rem_address   st tx_queue",
      "   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000",
      "   1: 0100007F:1F91 0100007F:1F90 01 00000000:00000000 00:00000000 00000000",
      "   0: 00000000000000000000000001000000:0050 00000000000000000000000000000000:0000 0A 00000000:00000000",
    ].join("\n");
    expect(parseListeners(tables)).toEqual([
      { address: "::1", port: 80 },
      { address: "127.0.0.1", port: 8080 },
    ]);
  });
});

describe("the end of a server's output", () => {
  it("is known by its mark alone", () => {
    const mark = Buffer.from("abcabd");
    expect(overlap(Buffer.from("xabcabd"), mark)).toBe(6);
    expect(overlap(Buffer.from("xabcab"), mark)).toBe(5);
    expect(overlap(Buffer.from("abcabdx"), mark)).toBe(0);
    expect(overlap(Buffer.from("abcabcabc"), mark)).toBe(3);
  });

  it("is passed on by a program that runs", () => {
    const folder = mkdtempSync(join(tmpdir(), "dfdebug-finisher-"));
    try {
      const file = join(folder, "finish");
      writeFileSync(file, finisher(process.arch === "arm64" ? "aarch64" : "x86_64"), { mode: 0o755 });
      expect(execFileSync(file).length).toBe(0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("is made for arm64 too", () => {
    const file = finisher("aarch64");
    expect(file.readUInt16LE(18)).toBe(183);
    expect(file.length).toBe(64 + 56 + 28);
  });
});
