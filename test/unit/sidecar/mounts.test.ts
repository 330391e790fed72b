import { describe, expect, it } from "vitest";
import { UsageError } from "../../../src/errors.js";
import { parseMount, parseVolume } from "../../../src/sidecar/mounts.js";

describe("-v", () => {
  it.each([
    ["/data", "/data"],
    ["name:/data", "name:/data"],
    ["./here:/data:ro", "/work/here:/data:ro"],
    ["../up:/data", "/up:/data"],
    ["/a:/b:ro,z", "/a:/b:ro,z"],
  ])("%s is %s for the engine", (text, bind) => {
    expect(parseVolume(text, "/work")).toBe(bind);
  });

  it.each(["", ":", "name", "a:b", "/a:/b:ro:more", "/a:/target", "/a:/target/below", "/target"])(
    "%j is refused",
    (text) => {
      expect(() => parseVolume(text, "/work")).toThrow(UsageError);
    },
  );
});

describe("--mount", () => {
  it.each([
    ["target=/d", { Type: "volume", Source: "", Target: "/d", ReadOnly: false }],
    ["type=bind,src=./x,dst=/d,readonly", { Type: "bind", Source: "/work/x", Target: "/d", ReadOnly: true }],
    ["type=bind,source=/x,target=/d,ro=false", { Type: "bind", Source: "/x", Target: "/d", ReadOnly: false }],
    ['type=bind,"source=/a,b",target=/d', { Type: "bind", Source: "/a,b", Target: "/d", ReadOnly: false }],
    [
      "type=tmpfs,target=/d,tmpfs-size=64m,tmpfs-mode=1770",
      { Type: "tmpfs", Source: "", Target: "/d", ReadOnly: false, TmpfsOptions: { SizeBytes: 67108864, Mode: 0o1770 } },
    ],
    [
      "src=v,dst=/d,volume-nocopy,volume-opt=o=addr=1,volume-label=a=b",
      {
        Type: "volume",
        Source: "v",
        Target: "/d",
        ReadOnly: false,
        VolumeOptions: { NoCopy: true, Labels: { a: "b" }, DriverConfig: { Name: "local", Options: { o: "addr=1" } } },
      },
    ],
  ])("%s", (text, settings) => {
    expect(parseMount(text, "/work")).toEqual(settings);
  });

  it.each([
    "type=npipe,target=/d",
    "source=/x",
    "type=bind,target=/d",
    "type=tmpfs,source=/x,target=/d",
    "type=bind,source=/x,target=/d,tmpfs-size=1m",
    "target=/d,readonly=perhaps",
    "target=/d,colour=red",
    "type=tmpfs,target=/d,tmpfs-size=big",
    "type=tmpfs,target=/target",
  ])("%s is refused", (text) => {
    expect(() => parseMount(text, "/work")).toThrow(UsageError);
  });
});
