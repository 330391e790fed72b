import { describe, expect, it } from "vitest";
import { capabilityNames } from "../../../src/sidecar/report/capabilities.js";
import { compareEnvironment, mask, maskArguments } from "../../../src/sidecar/report/environment.js";
import { readAddress, readInterfaces, readListeners, socketOwners } from "../../../src/sidecar/report/network.js";
import { filesOf, linksOf, recordsOf, splitParts } from "../../../src/sidecar/report/parts.js";
import { processTree, readProcesses } from "../../../src/sidecar/report/processes.js";
import { cpuPercents, readTimes } from "../../../src/sidecar/report/process-times.js";
import { readHostPids } from "../../../src/sidecar/report/report.js";

describe("what a script printed", () => {
  it("is told apart by a mark that the container cannot know", () => {
    const parts = splitParts("\nabc one\n1\nxyz two\nfake\n\nabc two\n2\n", "abc");
    expect([...parts]).toEqual([
      ["one", "1\nxyz two\nfake\n"],
      ["two", "2\n"],
    ]);
  });

  it("gives files back by their lines' paths", () => {
    const files = filesOf("/proc/1/status:Name:\tsh\n/proc/1/status:PPid:\t0\nnoise\n/proc/2/cgroup:0::/x\n");
    expect(files.get("/proc/1/status")).toBe("Name:\tsh\nPPid:\t0\n");
    expect(files.get("/proc/2/cgroup")).toBe("0::/x\n");
  });

  it("keeps line feeds in arguments, which cannot speak for another process", () => {
    const records = recordsOf("/proc/1/cmdline:sh\0/proc/1/cmdline:-c\0/proc/1/cmdline:a\n/proc/2/cmdline:b\0");
    expect(records.get("/proc/1/cmdline")).toEqual(["sh", "-c", "a\n/proc/2/cmdline:b"]);
    expect(records.has("/proc/2/cmdline")).toBe(false);
  });

  it("gives links back, with and without a folder's heading", () => {
    const links = linksOf(
      "/proc/7/fd:\ntotal 0\nlrwx------ 1 root root 64 Nov 24 23:51 3 -> socket:[183549]\n\nlrwxrwxrwx 1 root root 0 Nov 24 23:51 /proc/self/ns/net -> net:[4026531833]\n",
    );
    expect(links.get("/proc/7/fd/3")).toBe("socket:[183549]");
    expect(links.get("/proc/self/ns/net")).toBe("net:[4026531833]");
  });
});

describe("secrets", () => {
  it.each([
    ["DB_PASSWORD", "hunter2", "***"],
    ["GITHUB_TOKEN", "x", "***"],
    ["AWS_SECRET_ACCESS_KEY", "x", "***"],
    ["STRIPE_APIKEY", "x", "***"],
    ["MYSQL_PWD", "x", "***"],
    ["ANYTHING", "ghp_0123456789abcdefghijABCDEFGHIJ", "***"],
    ["ANYTHING", "eyJhbGciOi.eyJzdWIi.c2ln", "***"],
    ["DATABASE_URL", "postgres://ann:opensesame@db:5432/shop", "postgres://ann:***@db:5432/shop"],
    ["REDIS_URL", "redis://:opensesame@cache", "redis://:***@cache"],
    ["PWD", "/app", "/app"],
    ["OLDPWD", "/", "/"],
    ["SSL_KEY_FILE", "/run/secrets/key.pem", "/run/secrets/key.pem"],
    ["HOMEPAGE", "https://example.org/a@b", "https://example.org/a@b"],
    ["EMPTY_TOKEN", "", ""],
  ])("%s=%s", (name, value, shown) => {
    expect(mask(name, value).value).toBe(shown);
  });

  it("are masked in command lines", () => {
    expect(
      maskArguments(["srv", "--password", "p", "--token=t", "--verbose", "--url", "amqp://u:p@h/", "--key", "-x"]),
    ).toEqual(["srv", "--password", "***", "--token=***", "--verbose", "--url", "amqp://u:***@h/", "--key", "-x"]);
    expect(maskArguments(["env", "PGPASSWORD=x", "LANG=C", "a=b"])).toEqual(["env", "PGPASSWORD=***", "LANG=C", "a=b"]);
  });
});

it("an environment is told apart from the image's", () => {
  const variables = compareEnvironment(
    ["A=1", "B=two", "C=3", "HOSTNAME=x"],
    ["A=1", "B=2", "D=4"],
    ["A=1", "B=two", "C=3"],
  );
  expect(variables.map(({ name, status, fromConfiguration }) => [name, status, fromConfiguration])).toEqual([
    ["A", "image", false],
    ["B", "changed", true],
    ["C", "added", true],
    ["D", "missing", false],
    ["HOSTNAME", "added", false],
  ]);
});

describe("the network", () => {
  it.each([
    ["0100007F", "127.0.0.1"],
    ["00000000", "0.0.0.0"],
    ["00000000000000000000000000000000", "::"],
    ["00000000000000000000000001000000", "::1"],
    ["0000000000000000FFFF00000100007F", "::ffff:127.0.0.1"],
    ["B80D0120000000000000000001000000", "2001:db8::1"],
    ["000080FE00000000FF005450E8C0FEFF", "fe80::5054:ff:fffe:c0e8"],
  ])("address %s is %s", (hex, address) => {
    expect(readAddress(hex)).toBe(address);
  });

  it("has listeners with their processes, and no connections", () => {
    const owners = socketOwners(
      new Map([
        ["/proc/9/fd/3", "socket:[42]"],
        ["/proc/7/fd/5", "socket:[42]"],
      ]),
    );
    const tcp = [
      "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode",
      "   0: 00000000:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 42 1 0 100 0 0 10 0",
      "   1: 0100007F:1F90 0100007F:C000 01 00000000:00000000 00:00000000 00000000     0        0 43 1 0 100 0 0 10 0",
    ].join("\n");
    expect(readListeners(new Map([["/proc/net/tcp", tcp]]), owners)).toEqual([
      { protocol: "tcp", address: "0.0.0.0", port: 8080, pid: 7 },
    ]);
  });

  it("has interfaces with addresses, traffic and the other end of their pair", () => {
    const files = filesOf(
      [
        "/sys/class/net/eth0/ifindex:946",
        "/sys/class/net/eth0/iflink:947",
        "/sys/class/net/eth0/mtu:1500",
        "/sys/class/net/eth0/operstate:up",
        "/sys/class/net/eth0/address:02:42:ac:2e:00:02",
        "/proc/net/dev:  eth0:    1016      12    0    0    0     0          0         0      776      9    0    0    0     0       0          0",
        "",
      ].join("\n"),
    );
    const addresses =
      "946: eth0@if947    inet 172.46.0.2/16 brd 172.46.255.255 scope global eth0\\       valid_lft forever\n";
    const host = new Map([[947, { name: "veth90a7153", bridge: "docker0" }]]);
    expect(readInterfaces(files, addresses, host)).toEqual([
      {
        name: "eth0",
        index: 946,
        state: "up",
        mtu: 1500,
        mac: "02:42:ac:2e:00:02",
        addresses: ["172.46.0.2/16"],
        receivedBytes: 1016,
        sentBytes: 776,
        peer: { index: 947, name: "veth90a7153", bridge: "docker0" },
      },
    ]);
  });
});

describe("processes", () => {
  const id = "a".repeat(64);
  const files = filesOf(
    [
      ["1", "sh", "0", `/docker/${id}`],
      ["7", "httpd", "1", `/docker/${id}/sub`],
      ["30", "sh", "0", "/docker/sidecar"],
      ["31", "bash", "0", `/docker/${id}`],
    ]
      .map(
        ([pid, name, parent, cgroup]) =>
          `/proc/${pid ?? ""}/status:Name:\t${name ?? ""}\n/proc/${pid ?? ""}/status:PPid:\t${parent ?? ""}\n/proc/${pid ?? ""}/status:Uid:\t33\t33\t33\t33\n/proc/${pid ?? ""}/cgroup:0::${cgroup ?? ""}\n`,
      )
      .join(""),
  );
  const source = { files, argv: new Map(), passwd: "www-data:x:33:33::/:/x\n", hostPids: new Map([[7, 9339]]) };

  it("are those of the container, not those of sidecars", () => {
    const processes = readProcesses(id, 1, source);
    expect(processes.map(({ pid, hostPid, user }) => [pid, hostPid, user])).toEqual([
      [1, undefined, "www-data"],
      [7, 9339, "www-data"],
      [31, undefined, "www-data"],
    ]);
    expect(processTree(processes).map(({ process, depth }) => [process.pid, depth])).toEqual([
      [1, 0],
      [7, 1],
      [31, 0],
    ]);
  });

  it("have their numbers on the machine", () => {
    const text = "/proc/9339/status:NSpid:\t9339\t7\n/proc/9264/status:NSpid:\t9264\t1\n";
    expect([...readHostPids(text, false)]).toEqual([
      [7, 9339],
      [1, 9264],
    ]);
    expect(readHostPids("/proc/55/status:NSpid:\t55\n", true).get(55)).toBe(55);
  });

  it("use CPU between two moments, whatever their names hold", () => {
    const at = (uptime: string, ticks: string): string =>
      `/proc/uptime:${uptime} 1\n/proc/7/stat:7 (a) b) S 1 7 7 0 -1 0 0 0 0 0 ${ticks} 10 0 0 20 0 1 0\n`;
    expect(cpuPercents(readTimes(at("12.00", "140")), readTimes(at("10.00", "40"))).get(7)).toBeCloseTo(50);
  });
});

it("capabilities have names", () => {
  expect(capabilityNames("00000000a80425fb")).toEqual(
    "CHOWN DAC_OVERRIDE FOWNER FSETID KILL SETGID SETUID SETPCAP NET_BIND_SERVICE NET_RAW SYS_CHROOT MKNOD AUDIT_WRITE SETFCAP".split(
      " ",
    ),
  );
  expect(capabilityNames("0000020000000001")).toEqual(["CHOWN", "CAP_41"]);
  expect(capabilityNames("")).toEqual([]);
});
