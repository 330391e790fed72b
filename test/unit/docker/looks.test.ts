import { describe, expect, it } from "vitest";
import { parseFilters } from "../../../src/docker/events.js";
import { logSplitter, type LogMessage } from "../../../src/docker/log-messages.js";
import { usageOf, type StatsSample } from "../../../src/docker/stats.js";
import { laterTimestamp, parseTimestamp, toApiTimestamp } from "../../../src/docker/timestamps.js";

describe("docker's grammar of time", () => {
  const now = Date.parse("2026-01-02T12:00:00Z");
  const at = (text: string): string => parseTimestamp(text, "--since", now);

  it.each([
    ["1767355200", "1767355200.000000000"],
    ["1767355200.5", "1767355200.500000000"],
    ["2026-01-02T12:00:00Z", "1767355200.000000000"],
    ["2026-01-02T12:00:00.123456789Z", "1767355200.123456789"],
    ["2026-01-02T14:00:00+02:00", "1767355200.000000000"],
    ["2026-01-02T12:00Z", "1767355200.000000000"],
    ["10m", "1767354600.000000000"],
    ["1h30m", "1767349800.000000000"],
    ["1.5s", "1767355198.500000000"],
    ["250ms", "1767355199.750000000"],
    ["0s", "1767355200.000000000"],
  ])("%s is %s", (text, expected) => {
    expect(at(text)).toBe(expected);
  });

  it("is local without a zone", () => {
    const local = String(Date.parse("2026-01-02T12:00:00") / 1000);
    expect(at("2026-01-02T12:00:00")).toBe(`${local}.000000000`);
  });

  it.each(["", "yesterday", "10 m", "2026-13-45", "2026-1-2"])("%j is none", (text) => {
    expect(() => at(text)).toThrow("not a time");
  });

  it("takes what engines print", () => {
    expect(toApiTimestamp("2026-01-02T12:00:00.1Z")).toBe("1767355200.100000000");
    expect(toApiTimestamp("")).toBeUndefined();
  });

  it("orders two moments by their value", () => {
    expect(laterTimestamp("99.9", "100.000000001")).toBe("100.000000001");
    expect(laterTimestamp("100.1", "100.090000000")).toBe("100.1");
    expect(laterTimestamp(undefined, "1.5")).toBe("1.5");
    expect(laterTimestamp("1.5", undefined)).toBe("1.5");
  });
});

describe("a log", () => {
  const frame = (stream: number, text: string): Buffer => {
    const payload = Buffer.from(text);
    const header = Buffer.from([stream, 0, 0, 0, 0, 0, 0, 0]);
    header.writeUInt32BE(payload.length, 4);
    return Buffer.concat([header, payload]);
  };
  const stamp = "2026-01-02T12:00:00.000000001Z";
  /** Every way to cut the bytes in two, and byte by byte. */
  const cuts = (bytes: Buffer): Buffer[][] => [
    ...Array.from({ length: bytes.length }, (_, at) => [bytes.subarray(0, at), bytes.subarray(at)]),
    [...bytes].map((byte) => Buffer.from([byte])),
  ];
  const read = (isTerminal: boolean, chunks: readonly Buffer[]): [number, string, string][] => {
    const splitter = logSplitter(isTerminal);
    const messages: LogMessage[] = [...chunks.flatMap((chunk) => splitter.push(chunk)), ...splitter.end()];
    return messages.map(({ stream, time, data }) => [stream, time, data.toString()]);
  };

  it("without a terminal comes in frames, wherever they are cut", () => {
    const bytes = Buffer.concat([
      frame(1, `${stamp} out\n`),
      frame(2, `${stamp} err with ${stamp} in it\n`),
      frame(1, `${stamp} `),
    ]);
    for (const chunks of cuts(bytes))
      expect(read(false, chunks)).toEqual([
        [1, stamp, "out\n"],
        [2, stamp, `err with ${stamp} in it\n`],
        [1, stamp, ""],
      ]);
  });

  it("with a terminal comes in lines, and in pieces of 16 KiB", () => {
    const long = "x".repeat(16 * 1024);
    const bytes = Buffer.from(`${stamp} one\r\n${stamp} ${long}${stamp} rest\r\n${stamp} prompt`);
    const expected = [
      [1, stamp, "one\r\n"],
      [1, stamp, long],
      [1, stamp, "rest\r\n"],
      [1, stamp, "prompt"],
    ];
    expect(read(true, [bytes])).toEqual(expected);
    expect(
      read(
        true,
        [...bytes].map((byte) => Buffer.from([byte])),
      ),
    ).toEqual(expected);
  });
});

describe("docker's numbers", () => {
  const sample = (total: number, system: number, more: Partial<StatsSample> = {}): StatsSample => ({
    read: "2026-01-02T12:00:00Z",
    cpu_stats: { cpu_usage: { total_usage: total }, system_cpu_usage: system, online_cpus: 4 },
    ...more,
  });

  it("of CPU are a share of the machine's time, times its CPUs", () => {
    expect(usageOf(sample(150, 2000), sample(100, 1000)).cpuPercent).toBe(20);
    expect(usageOf(sample(100, 2000), sample(100, 1000)).cpuPercent).toBe(0);
    expect(usageOf(sample(100, 2000), undefined).cpuPercent).toBeUndefined();
  });

  it.each([
    ["version 1", { total_inactive_file: 300, inactive_file: 1 }, 700],
    ["version 2", { inactive_file: 300 }, 700],
    ["more cache than use", { inactive_file: 1300 }, 1000],
  ])("of memory leave out cache that can be dropped: %s", (_title, stats, used) => {
    const { memory } = usageOf(sample(0, 0, { memory_stats: { usage: 1000, limit: 10_000, stats } }), undefined);
    expect(memory).toEqual({ used, limit: 10_000, percent: (used / 10_000) * 100 });
  });

  it("of network and disk are sums", () => {
    const usage = usageOf(
      sample(0, 0, {
        networks: { eth0: { rx_bytes: 1, tx_bytes: 2 }, eth1: { rx_bytes: 10, tx_bytes: 20 } },
        blkio_stats: {
          io_service_bytes_recursive: [
            { op: "Read", value: 5 },
            { op: "read", value: 6 },
            { op: "Write", value: 7 },
            { op: "Total", value: 100 },
          ],
        },
      }),
      undefined,
    );
    expect([usage.network, usage.block]).toEqual([
      { received: 11, sent: 22 },
      { read: 11, written: 7 },
    ]);
  });
});

it("filters are docker's", () => {
  expect(parseFilters(["event=die", "event=start", "label=a=b"])).toEqual({ event: ["die", "start"], label: ["a=b"] });
  expect(() => parseFilters(["die"])).toThrow("not a filter");
});
