import { expect, it } from "vitest";
import { contextName, fullName, parseImageReference } from "../../../src/dockerfile/image-reference.js";

const digest = `sha256:${"0123456789abcdef".repeat(4)}`;

it.each([
  ["busybox", "docker.io/library/busybox:latest", "busybox"],
  ["busybox:latest", "docker.io/library/busybox:latest", "busybox"],
  ["docker.io/busybox", "docker.io/library/busybox:latest", "busybox"],
  ["index.docker.io/library/busybox:1", "docker.io/library/busybox:1", "busybox:1"],
  ["moby/buildkit:v0.12", "docker.io/moby/buildkit:v0.12", "moby/buildkit:v0.12"],
  ["library/a/b", "docker.io/library/a/b:latest", "library/a/b"],
  ["localhost/app", "localhost/app:latest", "localhost/app"],
  ["localhost:5000/x/y:latest", "localhost:5000/x/y:latest", "localhost:5000/x/y"],
  ["MyHost/app", "MyHost/app:latest", "MyHost/app"],
  ["[::1]:5000/app", "[::1]:5000/app:latest", "[::1]:5000/app"],
  [`app@${digest}`, `docker.io/library/app@${digest}`, `app@${digest}`],
  [`app:1@${digest}`, `docker.io/library/app:1@${digest}`, `app:1@${digest}`],
])("%s is %s, a context %s", (written, full, context) => {
  const reference = parseImageReference(written);
  expect(reference && fullName(reference)).toBe(full);
  expect(contextName(written)).toBe(context);
});

it.each(["", "App", "a:", "a b", "-x", "a/:b", "a//b", "/a", "a:b:c", "a@sha256:1", "0123456789abcdef".repeat(4)])(
  "%j is no image's name",
  (written) => {
    expect(parseImageReference(written)).toBeUndefined();
    expect(contextName(written)).toBe(written);
  },
);
