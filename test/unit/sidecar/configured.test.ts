import { expect, it } from "vitest";
import type { ContainerInfo } from "../../../src/docker/containers.js";
import { configured } from "../../../src/sidecar/report/configured.js";

function container(hostConfig: object): ContainerInfo {
  return { Config: { User: "app", WorkingDir: "/srv" }, HostConfig: hostConfig } as unknown as ContainerInfo;
}

it("what the next start gives a container is told from what the engine keeps", () => {
  const found = configured(
    container({
      Memory: 64 << 20,
      MemorySwap: -1,
      CpuQuota: 150_000,
      CpuPeriod: 100_000,
      PidsLimit: 50,
      CapAdd: ["CAP_NET_ADMIN"],
      Tmpfs: { "/t": "", "/run": "size=1m" },
      PortBindings: { "80/tcp": [{ HostIp: "", HostPort: "8080" }], "81/tcp": [{ HostIp: "127.0.0.1", HostPort: "" }] },
      Ulimits: [{ Name: "nofile", Soft: 10, Hard: 20 }],
      ReadonlyRootfs: true,
    }),
  );
  expect(found).toMatchObject({
    user: "app",
    directory: "/srv",
    memory: 64 << 20,
    memoryAndSwap: undefined,
    cpus: 1.5,
    pids: 50,
    capAdd: ["CAP_NET_ADMIN"],
    tmpfs: ["/t", "/run: size=1m"],
    ports: ["0.0.0.0:8080->80/tcp", "127.0.0.1:any->81/tcp"],
    ulimits: ["nofile 10:20"],
    readOnlyRoot: true,
    privileged: false,
  });
  expect(configured(container({ NanoCpus: 5e8, CapAdd: null, Ulimits: null }))).toMatchObject({
    cpus: 0.5,
    capAdd: [],
  });
  expect(configured(container({ NanoCpus: 0, CpuQuota: 0, PidsLimit: null })).cpus).toBeUndefined();
});
