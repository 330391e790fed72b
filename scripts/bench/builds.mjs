// Issue 2: start-up, a build of ten steps, and the way to the prompt at a failing step.
import { docker, program } from "./measure.mjs";

async function startup(bench) {
  const { quick } = bench;
  await bench.compare("start-up (--version)", quick ? 5 : 21, {
    "node -e 0": () => bench.timed(process.execPath, ["-e", "0"]),
    dfdebug: () => bench.timed(process.execPath, [program, "--version"]),
  });
}

async function build(bench) {
  const { quick } = bench;
  const steps = Array.from({ length: 9 }, (_, index) => `RUN echo ${index} > /step-${index}`);
  const context = bench.folder("build", { Dockerfile: `FROM busybox:latest\n${steps.join("\n")}\n` });
  await bench.compare("10 steps, uncached", quick ? 1 : 4, {
    docker: () => bench.dockerBuild(["--no-cache", context]),
    dfdebug: () => bench.dfdebugBuild(["--no-cache", context]),
  });
  // Both find their steps: the last uncached build left them.
  await bench.compare("10 steps, cached", quick ? 3 : 11, {
    docker: () => bench.dockerBuild([context]),
    dfdebug: () => bench.dfdebugBuild([context]),
  });
}

async function prompt(bench) {
  const { quick } = bench;
  const text = "FROM busybox:latest\nRUN echo 1 > /1\nRUN echo 2 > /2\nRUN echo 3 > /3\nRUN test -e /not-there\n";
  const context = bench.folder("prompt", { Dockerfile: text });
  await bench.dockerBuild([context], { expected: 1 });
  const leave = [
    { after: /test -e \/not-there/, keys: "\x15exit\r" },
    { after: /\(dfdebug\) $/, keys: "quit\r" },
  ];
  await bench.compare("failing step, all before it cached", quick ? 3 : 11, {
    "docker (its error)": () => bench.dockerBuild([context], { expected: 1 }),
    "dfdebug (its prompt)": () =>
      bench.untilPrompt(process.execPath, [program, "build", context], /step \d+ \S+ [$#] test -e \/not-there/, leave),
    "docker run (its prompt)": () =>
      bench.untilPrompt(docker, ["run", "--rm", "-it", "busybox:latest", "sh"], /\/ # $/, [
        { after: /# $/, keys: "exit\r" },
      ]),
  });
}

export const benchmarks = { startup, build, prompt };
