import { describe, expect, it } from "vitest";
import { readControlGroup } from "../../../src/sidecar/report/cgroup.js";

const files = (content: Readonly<Record<string, string>>): ReadonlyMap<string, string> =>
  new Map(Object.entries(content).map(([name, text]) => [name, `${text}\n`]));

describe("a control group", () => {
  it("is read on version 1, the peak told apart from the limit", () => {
    const group = readControlGroup(
      files({
        "memory.limit_in_bytes": "67108864",
        "memory.usage_in_bytes": "12582912",
        "memory.max_usage_in_bytes": "67108864",
        "memory.failcnt": "17",
        "memory.oom_control": "oom_kill_disable 0\nunder_oom 0\noom_kill 2",
        "memory.memsw.limit_in_bytes": "134217728",
        "memory.stat": "cache 8388608\ninactive_file 1\ntotal_inactive_file 4194304",
        "cpu.cfs_quota_us": "50000",
        "cpu.cfs_period_us": "100000",
        "cpu.shares": "512",
        "cpu.stat": "nr_periods 200\nnr_throttled 50\nthrottled_time 2500000000",
        "cpuacct.usage": "1500000000",
        "cpuset.cpus": "0-1",
        "pids.max": "100",
        "pids.current": "3",
      }),
    );
    expect(group).toEqual({
      version: 1,
      memory: {
        limit: 67108864,
        current: 12582912,
        used: 8388608,
        peak: 67108864,
        swapLimit: 134217728,
        high: undefined,
        limitHits: 17,
        oomKills: 2,
      },
      cpu: {
        limit: 0.5,
        weight: 512,
        cpus: "0-1",
        usedSeconds: 1.5,
        periods: 200,
        throttledPeriods: 50,
        throttledSeconds: 2.5,
      },
      pids: { limit: 100, current: 3, peak: undefined },
      pressure: undefined,
    });
  });

  it("has no limits on version 1 where the kernel shows the greatest numbers", () => {
    const group = readControlGroup(
      files({ "memory.limit_in_bytes": "9223372036854771712", "cpu.cfs_quota_us": "-1", "pids.max": "max" }),
    );
    expect([group?.memory.limit, group?.cpu.limit, group?.pids.limit]).toEqual([undefined, undefined, undefined]);
  });

  it("is read on version 2, pressure included", () => {
    const group = readControlGroup(
      files({
        "cgroup.controllers": "cpuset cpu io memory pids",
        "memory.max": "67108864",
        "memory.high": "max",
        "memory.current": "12582912",
        "memory.peak": "33554432",
        "memory.swap.max": "0",
        "memory.events": "low 0\nhigh 0\nmax 17\noom 2\noom_kill 2\noom_group_kill 0",
        "memory.stat": "anon 4096\nfile 8388608\ninactive_file 4194304",
        "memory.pressure":
          "some avg10=1.50 avg60=0.70 avg300=0.10 total=123\nfull avg10=0.50 avg60=0.20 avg300=0.00 total=45",
        "cpu.max": "150000 100000",
        "cpu.weight": "100",
        "cpu.stat":
          "usage_usec 1500000\nuser_usec 1\nsystem_usec 1\nnr_periods 200\nnr_throttled 50\nthrottled_usec 2500000",
        "cpu.pressure": "some avg10=0.00 avg60=0.00 avg300=0.00 total=0",
        "cpuset.cpus.effective": "0-3",
        "pids.max": "max",
        "pids.current": "3",
        "pids.peak": "9",
      }),
    );
    expect(group).toEqual({
      version: 2,
      memory: {
        limit: 67108864,
        current: 12582912,
        used: 8388608,
        peak: 33554432,
        swapLimit: 0,
        high: undefined,
        limitHits: 17,
        oomKills: 2,
      },
      cpu: {
        limit: 1.5,
        weight: 100,
        cpus: "0-3",
        usedSeconds: 1.5,
        periods: 200,
        throttledPeriods: 50,
        throttledSeconds: 2.5,
      },
      pids: { limit: undefined, current: 3, peak: 9 },
      pressure: {
        cpu: { some: [0, 0, 0], full: undefined },
        memory: { some: [1.5, 0.7, 0.1], full: [0.5, 0.2, 0] },
        io: undefined,
      },
    });
  });

  it("without a limit of CPU is `max` on version 2", () => {
    expect(readControlGroup(files({ "cpu.stat": "usage_usec 1", "cpu.max": "max 100000" }))?.cpu.limit).toBeUndefined();
  });

  it("is not made up where there are no files", () => {
    expect(readControlGroup(new Map())).toBeUndefined();
  });
});
