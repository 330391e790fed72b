import { describe, expect, test } from "vitest";
import { DockerfileError } from "../../../src/errors.js";
import { configAt, type ConfigOptions, type StepConfiguration } from "../../../src/dockerfile/config.js";
import { parseDockerfile } from "../../../src/dockerfile/parse.js";
import { planBuild, type PlanOptions } from "../../../src/dockerfile/plan.js";
import type { Plan } from "../../../src/dockerfile/syntax.js";

type Options = Partial<Omit<PlanOptions, "buildArgs">> & { readonly buildArgs?: Readonly<Record<string, string>> };

function plan(lines: readonly string[], options: Options = {}): Plan {
  const buildArgs = new Map(Object.entries(options.buildArgs ?? {}));
  return planBuild(parseDockerfile(lines.join("\n"), { file: "Dockerfile" }), { ...options, buildArgs });
}

const shown = ({ steps }: Plan): string[] =>
  steps.map(
    ({ number, total, stage, stageStep, stageTotal, instruction, dependsOn }) =>
      `${String(number)}/${String(total)} [${stage.label} ${String(stageStep)}/${String(stageTotal)}] ${instruction.text} <- ${dependsOn.join(",")}`,
  );

function code(make: () => unknown): string {
  try {
    make();
  } catch (error) {
    if (error instanceof DockerfileError) return `${error.code} ${error.message} ${error.hint ?? ""}`;
    throw error;
  }
  return "none";
}

const shop = [
  "ARG BASE=base",
  "FROM busybox AS base",
  "FROM busybox AS unused",
  "RUN unused",
  "FROM $BASE AS Build",
  "RUN --mount=from=BASE,target=/b make",
  "FROM scratch AS docs",
  "COPY --from=build /d /d",
  "FROM scratch",
  "COPY --from=BUILD /a /a",
  "COPY --from=0 /c /c",
  "COPY --from=nginx /n /n",
];

describe("planBuild", () => {
  test("takes what the target needs, in file order", () => {
    expect(shown(plan(shop))).toEqual([
      "1/7 [base 1/1] FROM busybox AS base <- ",
      "2/7 [build 1/2] FROM $BASE AS Build <- 1",
      "3/7 [build 2/2] RUN --mount=from=BASE,target=/b make <- 2,1",
      "4/7 [stage-4 1/4] FROM scratch <- ",
      "5/7 [stage-4 2/4] COPY --from=BUILD /a /a <- 4,3",
      "6/7 [stage-4 3/4] COPY --from=0 /c /c <- 5,1",
      "7/7 [stage-4 4/4] COPY --from=nginx /n /n <- 6",
    ]);
    expect(plan(shop, { target: "DOCS" }).target.index).toBe(3);
  });

  test("expands FROM with global and platform arguments", () => {
    const lines = ["ARG TAG=$TARGETARCH", "ARG IMAGE=busybox:${TAG}", "FROM --platform=$BUILDPLATFORM $IMAGE"];
    const options = { platform: "linux/arm64/v8", buildPlatform: "linux/x86_64" };
    expect(plan(lines, options).stages).toMatchObject([
      { base: { kind: "image", name: "busybox:arm64" }, platform: "linux/amd64" },
    ]);
    expect(plan(lines, { ...options, buildArgs: { TAG: "1" } }).stages[0]?.base).toEqual({
      kind: "image",
      name: "busybox:1",
    });
  });

  test("a named context takes a stage's place", () => {
    const steps = shown(plan(shop, { namedContexts: new Set(["build"]) }));
    expect(steps.slice(0, 4)).toEqual([
      "1/6 [base 1/1] FROM busybox AS base <- ",
      "2/6 [build 1/1] FROM $BASE AS Build <- ",
      "3/6 [stage-4 1/4] FROM scratch <- ",
      "4/6 [stage-4 2/4] COPY --from=BUILD /a /a <- 3,2",
    ]);
  });

  test("ONBUILD triggers of a base stage bring the stages they name", () => {
    const lines = ["FROM a AS tools", "FROM a AS base", "ONBUILD COPY --from=tools /t /t", "FROM base"];
    expect(shown(plan(lines)).at(-1)).toBe("4/4 [stage-2 1/1] FROM base <- 3,1");
  });

  test.each([
    [
      ["FROM a AS build", "FROM b AS test"],
      { target: "biuld" },
      /^UNKNOWN_TARGET .*did you mean "build"\? Its stages: build, test/,
    ],
    [["FROM $none"], {}, /^BLANK_BASE /],
    [["ARG TAG", "FROM a:$TAG"], {}, /^BLANK_BASE .*expands to "a:" Give TAG a default/],
    [["FROM a", "ARG TAG=1", "FROM a:${TAG}"], {}, /^BLANK_BASE .* ARG TAG on line 2 is of a stage/],
    [["FROM $REGISTRY/a"], {}, /^BLANK_BASE .*expands to "\/a"/],
    [["FROM ${REGISTRY:-r:5000/}a:${TAG:-1}@sha256:b"], {}, /^none/],
    [["FROM --platform=$none a"], {}, /^BAD_PLATFORM /],
    [["FROM a", "COPY --from=$x a b"], {}, /^VARIABLE_IN_FROM /],
    [["FROM a", "COPY --from=3 a b"], {}, /^UNKNOWN_STAGE /],
    [["FROM a AS x", "COPY --from=y a b", "FROM x AS y", "RUN z"], {}, /^LATER_STAGE /],
    [["FROM a AS x", "COPY --from=x a b"], {}, /^CIRCULAR_STAGES /],
    [["FROM a AS x", "COPY --from=y a b", "FROM a AS y", "COPY --from=x a b", "FROM a"], {}, /^CIRCULAR_STAGES /],
    [["FROM a", 'ENV b="c'], {}, /^UNTERMINATED_QUOTE /],
    [["FROM a", "WORKDIR ${b"], {}, /^BAD_SUBSTITUTION /],
    [["ARG X=${Y:?needed}", "FROM a"], {}, /^REQUIRED_VARIABLE /],
    [["FROM a AS unused", 'ENV b="c', "FROM a", 'ARG c="d', "RUN 'x"], {}, /^none/],
  ] as const)("%j %j", (lines, options, expected) => {
    expect(code(() => plan(lines, options))).toMatch(expected);
  });

  test("1000 instructions in 50 stages take linear work", () => {
    const lines = Array.from({ length: 50 }, (_, index) => [
      `FROM ${index === 0 ? "busybox" : `s${String(index - 1)}`} AS s${String(index)}`,
      ...Array.from({ length: 19 }, (_, step) => `RUN echo ${String(step)}`),
    ]).flat();
    expect(plan(lines).steps.length).toBe(1000);
  });
});

describe("configAt", () => {
  async function at(
    lines: readonly string[],
    number: number,
    options: Options & Partial<Pick<ConfigOptions, "when" | "base">> = {},
  ): Promise<StepConfiguration> {
    const planned = plan(lines, options);
    const step = planned.steps[number - 1];
    if (step === undefined) throw new Error("no such step");
    const base = options.base ?? (() => ({ Env: ["PATH=/bin"], Cmd: ["sh"], WorkingDir: "/srv" }));
    const buildArgs = new Map(Object.entries(options.buildArgs ?? {}));
    return configAt(planned, step, { when: options.when ?? "after", buildArgs, platform: options.platform, base });
  }
  const env = ({ env }: StepConfiguration): Record<string, string> =>
    Object.fromEntries(env.map(({ name, value }) => [name, value]));

  test("ENV sees the variables as they were before it, and keeps its place in the image", async () => {
    const result = await at(["FROM x", "ENV a=1 b=2", 'ENV a=$b b="$a c" PATH=$PATH:/x', "RUN x"], 4);
    expect(result.config.Env).toEqual(["PATH=/bin:/x", "a=2", "b=1 c"]);
    expect(result.env.map(({ name, origin, line }) => [name, origin, line])).toEqual([
      ["a", "ENV", 3],
      ["b", "ENV", 3],
      ["PATH", "ENV", 3],
    ]);
    expect(result.run?.argv).toEqual(["/bin/sh", "-c", "x"]);
  });

  test("ARG: default, --build-arg, global, platform and undeclared ones", async () => {
    const lines = [
      "ARG V=1",
      "ARG U",
      "FROM x",
      "ARG V",
      "ARG U",
      "ARG D=d$V",
      "ARG TARGETARCH",
      "ARG HTTP_PROXY",
      "RUN x",
    ];
    const result = await at(lines, 7, {
      buildArgs: { D: "given", http_proxy: "p", OTHER: "o" },
      platform: "linux/arm64",
    });
    expect(result.args.map(({ name, value, setBy, line }) => [name, value, setBy, line])).toEqual([
      ["V", "1", "global", 4],
      ["U", undefined, "nothing", 5],
      ["D", "given", "build-arg", 6],
      ["TARGETARCH", "arm64", "global", 7],
      ["HTTP_PROXY", undefined, "nothing", 8],
    ]);
    expect(result.runEnv).toEqual(["PATH=/bin", "V=1", "D=given", "TARGETARCH=arm64", "HTTP_PROXY=p", "http_proxy=p"]);
    expect(result.config.Env).toEqual(["PATH=/bin"]);
  });

  test("a stage built on a stage has its ARGs, ENV wins over them, and CMD stays until ENTRYPOINT", async () => {
    const lines = [
      "FROM x AS a",
      "ARG p=1",
      "ENV q=2",
      "ARG q=3",
      'CMD ["c"]',
      "ONBUILD ENV t=$p",
      "FROM a",
      "ENTRYPOINT e",
      "CMD f",
    ];
    const entered = await at(lines, 7);
    expect(env(entered)).toEqual({ PATH: "/bin", p: "1", q: "2", t: "1" });
    expect(entered.config).toMatchObject({ Cmd: ["c"], Env: ["PATH=/bin", "q=2", "t=1"] });
    expect(entered.config.OnBuild).toBeUndefined();
    expect((await at(lines, 8)).config.Cmd).toBeUndefined();
    expect((await at(lines, 9)).config).toMatchObject({
      Entrypoint: ["/bin/sh", "-c", "e"],
      Cmd: ["/bin/sh", "-c", "f"],
    });
    expect((await at(lines, 6)).config.OnBuild).toEqual(["ENV t=$p"]);
  });

  test("everything else", async () => {
    const lines = [
      "FROM scratch",
      "WORKDIR a",
      "WORKDIR ../b",
      "USER u:g",
      'SHELL ["/bin/bash", "-c"]',
      "EXPOSE 80 53/UDP 8000-8001",
      'VOLUME ["/a b", "/c"]',
      'LABEL a=b "c d"="e f"',
      "STOPSIGNAL SIGINT",
      "HEALTHCHECK --interval=1m30s --retries=2 CMD curl x",
      "RUN <<EOF",
      "one",
      "EOF",
      "RUN --network=none cat <<A <<B",
      "1",
      "A",
      "2",
      "B",
    ];
    const result = await at(lines, 11, { when: "before" });
    expect(result.config).toEqual({
      Env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
      WorkingDir: "/b",
      User: "u:g",
      Shell: ["/bin/bash", "-c"],
      ExposedPorts: { "80/tcp": {}, "53/udp": {}, "8000/tcp": {}, "8001/tcp": {} },
      Volumes: { "/a b": {}, "/c": {} },
      Labels: { a: "b", "c d": "e f" },
      StopSignal: "SIGINT",
      Healthcheck: { Test: ["CMD-SHELL", "curl x"], Interval: 9e10, Retries: 2 },
    });
    expect([result.user, result.cwd, result.run?.argv]).toEqual(["u:g", "/b", ["/bin/bash", "-c", "one\n"]]);
    expect((await at(lines, 12)).run?.argv[2]).toBe("cat <<A <<B\n1\nA\n2\nB");
  });

  test("triggers of an image run behind FROM, and what they break is reported there", async () => {
    const base = () => ({ OnBuild: ["ENV t=1", "WORKDIR /t"] });
    const result = await at(["FROM x", "RUN y"], 2, { when: "before", base });
    expect([result.cwd, env(result)["t"], result.config.OnBuild]).toEqual(["/t", "1", undefined]);
    const broken = at(["FROM x"], 1, { base: () => ({ OnBuild: ["ENV t=${x:?}"] }) });
    await expect(broken).rejects.toMatchObject({ code: "REQUIRED_VARIABLE", range: { start: { line: 1 } } });
  });
});
