/** A small generator of numbers below `limit` (mulberry32): the same for the same seed. */
export function generator(seed: number): (limit: number) => number {
  let state = seed * 0x9e3779b9;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}

/** How RUN says things. */
export interface Dialect {
  /** The image that stages begin with. */
  readonly base: string;
  /** A RUN that does something to files; `number` is another one for each. */
  run(number: number, command: string): string;
  write(path: string, text: string): string;
  append(path: string, text: string): string;
  remove(path: string): string;
}

/** FakeBuild's language. */
export const fakeDialect: Dialect = {
  base: "scratch",
  run: (_number, command) => `RUN ${command}`,
  write: (path, text) => `write ${path} ${text}`,
  append: (path, text) => `append ${path} ${text}`,
  remove: (path) => `rm ${path}`,
};

/**
 * A shell's; each RUN leaves its number in a cache that outlives the build: what ran twice is there twice. The cache's name
 * is in the command, too, for BuildKit does not tell steps apart by their mounts' names.
 */
export function countingDialect(cache: string): Dialect {
  return {
    base: "busybox",
    run: (number, command) =>
      `RUN --mount=type=cache,id=${cache},target=/ran echo ${String(number)} >> /ran/steps; : ${cache}; ${command}`,
    write: (path, text) => `echo ${text} > ${path}`,
    append: (path, text) => `echo ${text} >> ${path}`,
    remove: (path) => `rm -f ${path}`,
  };
}

/** Stages that are built on, and copy from, others; every instruction is another one. */
export function randomDockerfile(
  random: (limit: number) => number,
  dialect: Dialect,
  most = { stages: 5, instructions: 6 },
): string {
  const lines: string[] = [];
  const stages = 1 + random(most.stages);
  let count = 0;
  for (let stage = 0; stage < stages; stage++) {
    const base = stage > 0 && random(2) === 0 ? `s${String(random(stage))}` : dialect.base;
    count += 1;
    lines.push(`FROM ${base} AS s${String(stage)}`, dialect.run(count, dialect.write("/own", `s${String(stage)}`)));
    for (let index = random(most.instructions); index > 0; index--) {
      count += 1;
      const name = String(count);
      const kind = random(5);
      if (kind === 0) lines.push(`ENV V${name}=${name}`);
      else if (kind === 1 && stage > 0) lines.push(`COPY --from=s${String(random(stage))} /own /copy${name}`);
      else if (kind === 2) lines.push(dialect.run(count, dialect.append("/own", name)));
      else if (kind === 3) {
        const both = `${dialect.remove(`/f${String(random(count))}`)}; ${dialect.write(`/r${name}`, "gone")}`;
        lines.push(dialect.run(count, both));
      } else lines.push(dialect.run(count, dialect.write(`/f${name}`, name)));
    }
  }
  return `${lines.join("\n")}\n`;
}
