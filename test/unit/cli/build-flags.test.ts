import { describe, expect, it } from "vitest";
import {
  parseAddHosts,
  parseBuildArgs,
  parseBuildContexts,
  parseLabels,
  parsePlatformFlag,
  parseSecret,
  parseSsh,
  parseTags,
} from "../../../src/cli/build-flags.js";
import { refusedFlag } from "../../../src/cli/refused-flags.js";
import { UsageError } from "../../../src/errors.js";

describe("docker build's flags", () => {
  it("takes build args from the environment where they have no value", () => {
    const args = parseBuildArgs(["A=1=2", "B", "MISSING", "EMPTY="], { B: "from env" });
    expect([...args]).toEqual([
      ["A", "1=2"],
      ["B", "from env"],
      ["EMPTY", ""],
    ]);
    expect(() => parseBuildArgs(["=x"], {})).toThrow(UsageError);
  });

  it("reads labels and contexts", () => {
    expect([...parseLabels(["a=b=c", "bare"])]).toEqual([
      ["a", "b=c"],
      ["bare", ""],
    ]);
    expect([...parseBuildContexts(["base=docker-image://alpine", "src=../x"], "/work/here")]).toEqual([
      ["base", "docker-image://alpine"],
      ["src", "/work/x"],
    ]);
    for (const bad of ["broken", "First=../data", "a b=x", "a:=x"])
      expect(() => parseBuildContexts([bad], "/")).toThrow(UsageError);
  });

  it("knows a build context by its image's familiar name", () => {
    const names = [
      "busybox:latest",
      "docker.io/library/busybox",
      "index.docker.io/busybox",
      "app:1",
      "r.io:5/a:latest",
    ];
    const contexts = parseBuildContexts(
      names.map((name) => `${name}=/${name}`),
      "/",
    );
    expect([...contexts.keys()]).toEqual(["busybox", "app:1", "r.io:5/a"]);
  });

  it("reads secrets", () => {
    expect(parseSecret("id=a,src=f", {}, "/w")).toEqual({ id: "a", source: { file: "/w/f" } });
    expect(parseSecret("id=a,env=V", { V: "x" }, "/w")).toEqual({ id: "a", source: { env: "V" } });
    expect(parseSecret("id=a", { a: "x" }, "/w")).toEqual({ id: "a", source: { env: "a" } });
    expect(parseSecret("type=file,id=a", { a: "x" }, "/w")).toEqual({ id: "a", source: { file: "/w/a" } });
    expect(parseSecret('"id=a,b",src=f', {}, "/w")).toEqual({ id: "a,b", source: { file: "/w/f" } });
    expect(() => parseSecret("src=f", {}, "/w")).toThrow(UsageError);
    expect(parseSecret("id=a,env=V", {}, "/w")).toEqual({ id: "a", source: { env: "V" } });
    expect(parseSecret("type=env,id=a,src=V", {}, "/w")).toEqual({ id: "a", source: { env: "V" } });
    expect(() => parseSecret("type=env,id=a", {}, "/w")).toThrow(UsageError);
    expect(() => parseSecret("id=a,mode=1", {}, "/w")).toThrow(UsageError);
  });

  it("reads ssh agents", () => {
    expect(parseSsh("default", { SSH_AUTH_SOCK: "/s" }, "/w")).toEqual({ id: "default", paths: [] });
    expect(parseSsh("k=a,b", {}, "/w")).toEqual({ id: "k", paths: ["/w/a", "/w/b"] });
    expect(() => parseSsh("default", {}, "/w")).toThrow(UsageError);
  });

  it("reads hosts as buildx does", () => {
    const hosts = parseAddHosts([
      ...["a:10.0.0.1", "b=10.0.0.2", "c:::1", "d:[fe80::1]", "e=[::2]", "gw:host-gateway", "h=host-gateway"],
      "two=10.0.0.1,[::1]",
    ]);
    expect(hosts.map(({ host, address }) => `${host} ${address}`)).toEqual([
      ...["a 10.0.0.1", "b 10.0.0.2", "c ::1", "d fe80::1", "e ::2", "gw host-gateway", "h host-gateway"],
      ...["two 10.0.0.1", "two ::1"],
    ]);
    for (const bad of ["foo:notanip", "foo", "foo:", ":1.2.3.4", "a:1.2.3", "a:[x]", "a=1.2.3.4,", "a:fe80::1%eth0"])
      expect(() => parseAddHosts([bad]), bad).toThrow(`--add-host ${bad}`);
  });

  it("reads one platform", () => {
    for (const own of [undefined, "", "local", "LOCAL"]) expect(parsePlatformFlag(own)).toBeUndefined();
    for (const one of ["linux", "arm64", "linux/arm64", "linux/arm/v7", "linux/new-one"])
      expect(parsePlatformFlag(one)).toBe(one);
    for (const bad of ["nonsense", "a/b/c/d", "linux/", "linux/amd64,", "linux /amd64", "locale"])
      expect(() => parsePlatformFlag(bad), bad).toThrow("is not a platform");
    expect(() => parsePlatformFlag("linux/amd64,linux/arm64")).toThrow("one platform at a time");
  });

  it("checks image names", () => {
    expect(parseTags(["a", "a/b:c", "localhost:5000/x/y:1.0", "reg.example.com/a-b_c"])).toHaveLength(4);
    for (const bad of ["A", "a:", "a b", "-x", "a/:b"]) expect(() => parseTags([bad])).toThrow(UsageError);
  });

  it("says why a flag of docker build is refused", () => {
    expect(refusedFlag(["build", "--push", "."])).toContain("docker push");
    expect(refusedFlag(["build", "--output=x"])).toContain("docker build -o");
    expect(refusedFlag(["build", "--whatever"])).toBeUndefined();
  });
});
