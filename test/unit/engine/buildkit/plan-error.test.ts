import { status } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { parseDockerfile } from "../../../../src/dockerfile/parse.js";
import { CallError, cleaned } from "../../../../src/engine/buildkit/failures.js";
import { planError } from "../../../../src/engine/buildkit/plan-error.js";
import { AskedRegistries } from "../../../../src/engine/buildkit/registry-failure.js";
import { DockerfileError } from "../../../../src/errors.js";

/** What people read of an engine's error: `code line:column message`, and the hint. */
function shown(lines: readonly string[], message: string, line?: number, platform?: string): string {
  const error = planError(
    new CallError(message, {
      code: status.UNKNOWN,
      sources: line === undefined ? [] : [{ filename: "Dockerfile", startLine: line, endLine: line }],
    }),
    {
      request: {
        buildArgs: new Map(),
        buildContexts: new Map(),
        context: { kind: "empty" },
        dockerfileName: "Dockerfile",
        ignoreSyntax: false,
        platform,
        target: undefined,
      },
      registries: new AskedRegistries(() => Promise.reject(new Error("not asked"))),
    },
    parseDockerfile(lines.join("\n"), { file: "Dockerfile" }),
  );
  const at = error instanceof DockerfileError ? error.range?.start : undefined;
  return `${error.code} ${at ? `${String(at.line)}:${String(at.column)}` : "-"} ${error.message}\n${error.hint ?? ""}`;
}

describe("an image that cannot be pulled", () => {
  const unreachable = (name: string) =>
    `failed to solve: ${name}: failed to resolve source metadata for docker.io/library/${name}:latest: dial tcp: lookup registry-1.docker.io: no such host (did you mean builder?)`;
  // Docker Hub, through engine 20.10: no name, no line.
  const denied =
    "failed to solve with frontend dockerfile.v0: failed to create LLB definition: pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed";
  const lines = ["FROM busybox AS builder", "FROM busybox", "RUN --mount=from=bulider,target=/m true"];

  it("is a misspelt stage, at the mount that names it, whether the engine says which line or not", () => {
    for (const line of [undefined, 3]) {
      const text = shown(lines, unreachable("bulider"), line);
      expect(text).toContain('UNKNOWN_STAGE 3:12 "bulider" names neither an earlier stage');
      expect(text).toContain(
        "\nDid you mean stage builder (line 1)?\nThe engine took it for an image: failed to resolve",
      );
      expect(text).not.toContain("did you mean");
    }
    expect(shown(lines, denied)).toContain('UNKNOWN_STAGE 3:12 "bulider"');
  });

  it("that is like no stage keeps what is known of the registry", () => {
    const text = shown(["FROM busybox", "COPY --from=nginx /a /b"], unreachable("nginx"));
    expect(text).toContain('REGISTRY_UNREACHABLE 2:7 "nginx" names neither');
    expect(text).toContain("Images are pulled by the engine");
  });

  it("is a registry's fault where only an image can be meant", () => {
    expect(shown(["FROM nginx"], unreachable("nginx"), 1)).toContain(
      "REGISTRY_UNREACHABLE 1:0 The engine cannot reach a registry: nginx: failed",
    );
    expect(shown(["FROM a AS b", "FROM nginx:1"], denied)).toContain("REGISTRY_UNAUTHORIZED - A registry refused");
  });

  it("is beyond the registry's limit of pulls", () => {
    const limit = (name: string) =>
      `failed to solve: ${name}: failed to resolve source metadata for docker.io/library/${name}:latest: toomanyrequests: You have reached your pull rate limit.`;
    expect(shown(["FROM nginx"], limit("nginx"), 1)).toMatch(
      /^IMAGE_PULL 1:0 The registry gives no more .*\n.*docker login/,
    );
    expect(shown(lines, limit("bulider"))).toContain("UNKNOWN_STAGE 3:12");
  });

  it("may be wanted for a processor that there is none of", () => {
    const text = shown(["FROM --platform=linux/amd46 nginx"], unreachable("nginx"), 1);
    expect(text).toContain("It has to be one for --platform linux/amd46.");
    expect(text).toContain("did you mean linux/amd64?");
    expect(shown(["FROM nginx"], unreachable("nginx"), 1, "linux/arm64")).not.toContain("processor");
  });
});

it("the line of a value that engine 20.10 refuses is looked for", () => {
  expect(shown(["FROM a", "EXPOSE 80", "EXPOSE 1 http/tcp"], "Invalid containerPort: http")).toContain("FRONTEND 3:0");
});

it("a step's paths are shown as the step sees them", () => {
  const path = "/var/lib/docker/overlay2/w41f9ka3h9aug15hf09dcns3u/merged/etc/passwd";
  expect(cleaned(`mkdir ${path}: not a directory`)).toBe("mkdir /etc/passwd: not a directory");
  expect(cleaned('open "/tmp/buildkit-mount12/a b": denied')).toBe('open "/a b": denied');
  expect(cleaned("cannot read /home/me/merged/x")).toBe("cannot read /home/me/merged/x");
});

describe("a heredoc on an engine that knows none", () => {
  it.each([
    [["FROM busybox", "RUN <<EOF", "set -e", "EOF"], "dockerfile parse error line 3: unknown instruction: SET"],
    [["FROM busybox", "COPY <<EOF /x", "RUN y", "EOF"], "dockerfile parse error line 4: unknown instruction: EOF"],
  ])("is what is wrong, not its body: %j", (lines, message) => {
    expect(shown(lines, message)).toMatch(/^FRONTEND_TOO_OLD 2:0 .*knows no heredocs\n.*Engine 23\.0/);
  });
});
