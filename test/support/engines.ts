import { execFileSync } from "node:child_process";
import { describe, expect } from "vitest";

/** A real engine that tests run on. */
export interface TestEngine {
  /** `20.10`, `26.1`. */
  readonly name: string;
  /** As for docker's -H. */
  readonly host: string;
}

/** The engines of DFDEBUG_TEST_ENGINES (scripts/test.mjs sets it), else the one on the default socket. */
export function testEngines(): TestEngine[] {
  const listed = process.env["DFDEBUG_TEST_ENGINES"];
  if (!listed) return [{ name: "default", host: process.env["DOCKER_HOST"] ?? "unix:///var/run/docker.sock" }];
  return listed.split(",").map((entry) => {
    const [name = "", ...host] = entry.split("=");
    return { name, host: host.join("=") };
  });
}

/** Runs a suite once for every engine. */
export function describeEngines(title: string, suite: (engine: TestEngine) => void): void {
  for (const engine of testEngines())
    describe(`${title} on engine ${engine.name}`, () => {
      suite(engine);
    });
}

/** Whether the engine is the old one: no heredocs, no error details. */
export function isOld(engine: TestEngine): boolean {
  return engine.name.startsWith("20.");
}

/**
 * Whether the engine's images are containerd's: there a reference without an image for the platform that was asked for gives
 * the one that there is, to docker build as well.
 */
export function hasContainerdStore(engine: TestEngine): boolean {
  return docker(engine, "info", "-f", "{{json .DriverStatus}}").includes("io.containerd.snapshotter");
}

/** docker's CLI on a test engine: Debian's, which has a BuildKit client of its own. */
export function docker(engine: TestEngine, ...args: string[]): string {
  return execFileSync("/usr/bin/docker", ["-H", engine.host, ...args], {
    encoding: "utf8",
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, DOCKER_BUILDKIT: "1" },
    maxBuffer: 64 * 1024 * 1024,
  }).trim();
}

/** Nothing with dfdebug's label is left in the engine. */
export function expectNothingLeft(engine: TestEngine): void {
  const filter = "label=dev.dfdebug.session";
  expect(docker(engine, "ps", "-aq", "--filter", filter)).toBe("");
  expect(docker(engine, "volume", "ls", "-q", "--filter", filter)).toBe("");
  expect(docker(engine, "network", "ls", "-q", "--filter", filter)).toBe("");
}

/** What a container has changed in its files, as `docker diff` has it; the engine's order is not always the same. */
export function changedFiles(engine: TestEngine, container: string): string[] {
  return docker(engine, "diff", container).split("\n").sort();
}
