// Issue 4: a sidecar beside a container against docker's own run and exec, as whole processes.
import { execFileSync } from "node:child_process";
import { docker, program } from "./measure.mjs";

/** Runs `measure` beside a container that sleeps, with the static toolbox in the engine: the first session imports it. */
async function beside(bench, measure) {
  const run = (file, args) =>
    execFileSync(file, args, { env: bench.env, encoding: "utf8", stdio: ["ignore", "pipe", 2] });
  const container = run(docker, ["run", "-d", "busybox:latest", "sleep", "100000"]).trim();
  try {
    run(process.execPath, [program, "debug", container, "--", "true"]);
    await measure(container);
  } finally {
    run(docker, ["rm", "-f", container]);
  }
}

/** The same container that dfdebug makes, less its rights: docker's client, and no shell in between. */
const dockerRun = (container, ...command) => {
  const joins = [`--pid=container:${container}`, `--network=container:${container}`];
  return ["run", "--rm", ...joins, "dfdebug/toolbox:static", ...command];
};

function debug(bench) {
  return beside(bench, (container) =>
    bench.compare("a command beside a container", bench.quick ? 3 : 15, {
      "docker run": () => bench.timed(docker, dockerRun(container, "true")),
      dfdebug: () => bench.timed(process.execPath, [program, "debug", container, "--", "true"]),
    }),
  );
}

function debugPrompt(bench) {
  return beside(bench, (container) => {
    const leave = [{ after: /# $/, keys: "exit\r" }];
    const dockerArgs = dockerRun(container, "sh").toSpliced(2, 0, "-it");
    return bench.compare("a prompt beside a container", bench.quick ? 3 : 11, {
      "docker run -it": () => bench.untilPrompt(docker, dockerArgs, /# $/, leave),
      dfdebug: () => bench.untilPrompt(process.execPath, [program, "debug", container], / \/target # $/, leave),
    });
  });
}

function debugStreams(bench) {
  const mebibytes = bench.quick ? 32 : 256;
  const through = (words) => {
    const quoted = words.map((word) => `'${word}'`).join(" ");
    return bench.timed("/bin/sh", ["-c", `head -c ${mebibytes}M /dev/zero | ${quoted} >/dev/null`], { memory: true });
  };
  return beside(bench, (container) =>
    bench.compare(`${mebibytes} MiB through a command`, bench.quick ? 2 : 5, {
      "docker exec -i": () => through([docker, "exec", "-i", container, "cat"]),
      dfdebug: () => through([process.execPath, program, "debug", container, "--", "cat"]),
    }),
  );
}

/** How fast bytes go, without the start and the end: what the many take longer than the few. */
function debugRate(bench) {
  const [few, many] = bench.quick ? [1, 33] : [32, 288];
  const directions = {
    "into a command": (mebibytes, run) => `head -c ${mebibytes}M /dev/zero | ${run("wc -c")} >/dev/null`,
    "out of a command": (mebibytes, run) =>
      `${run(`head -c ${mebibytes << 20} /dev/zero`)} </dev/null | cat >/dev/null`,
    "through a command": (mebibytes, run) => `head -c ${mebibytes}M /dev/zero | ${run("cat")} | cat >/dev/null`,
  };
  return beside(bench, async (container) => {
    const tools = {
      "docker exec -i": (command) => `'${docker}' exec -i ${container} ${command}`,
      dfdebug: (command) => `'${process.execPath}' '${program}' debug ${container} -- ${command}`,
    };
    for (const [direction, script] of Object.entries(directions)) {
      const measure = (run) => async () => {
        const time = async (mebibytes) => bench.timed("/bin/sh", ["-c", script(mebibytes, run)], { memory: true });
        const [short, long] = [await time(few), await time(many)];
        return { ...long, milliseconds: long.milliseconds - short.milliseconds, mebibytes: many - few };
      };
      await bench.compare(
        `${many - few} MiB ${direction}`,
        bench.quick ? 1 : 5,
        Object.fromEntries(Object.entries(tools).map(([tool, run]) => [tool, measure(run)])),
      );
    }
  });
}

export const benchmarks = {
  debug,
  "debug-prompt": debugPrompt,
  "debug-streams": debugStreams,
  "debug-rate": debugRate,
};
