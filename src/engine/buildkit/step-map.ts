import type { Step } from "../engine.js";
import type { Instruction, Stage } from "../../dockerfile/syntax.js";
import { edge, type BuildGraph, type Edge, type Vertex } from "./graph.js";

/** Where one step stands in BuildKit's graph. */
export interface StepPlace {
  readonly step: Step;
  /** The state before it; undefined for an empty filesystem (FROM, and what follows FROM scratch). */
  readonly before: Edge | undefined;
  readonly after: Edge | undefined;
  /** The op that does the step's work; undefined for instructions that change no file and for FROM. */
  readonly vertex: Vertex | undefined;
}

/**
 * Which op is which step. Source locations alone cannot say: equal instructions of two stages are one op, with (before
 * BuildKit 0.11) one location. So each stage is walked from its result backwards along the filesystem it is based on,
 * one op for each instruction that makes a layer; other stages' results are found where this one reads them.
 */
export class StepMap {
  private readonly places = new Map<number, StepPlace>();
  private readonly owners = new Map<string, Step[]>();
  /** Of this file's ONBUILDs, by the op that does their work. */
  private readonly triggers = new Map<string, Instruction>();
  private readonly steps: readonly Step[];

  constructor(graph: BuildGraph, steps: readonly Step[]) {
    this.steps = steps;
    const stages = stagesOf(steps);
    const results = new Map<number, Edge | undefined>();
    const target = stages.at(-1)?.[0]?.stage.index;
    if (target !== undefined) results.set(target, graph.result);
    for (const stageSteps of stages.toReversed()) {
      const index = stageSteps[0]?.stage.index ?? 0;
      this.walkStage(graph, stageSteps, results.get(index), results);
    }
  }

  /** The place of a step of this map. */
  place(step: Step): StepPlace {
    const place = this.places.get(step.number);
    if (!place) throw new Error(`step ${String(step.number)} is not of this plan`);
    return place;
  }

  /** The steps that an op does the work of; several where stages share it, none for the build's own errands. */
  stepsOf(digest: string): readonly Step[] {
    return this.owners.get(digest) ?? [];
  }

  /** The instruction that an ONBUILD of this file holds, where the op does its work in a stage that is built on that stage. */
  triggerOf(digest: string): Instruction | undefined {
    return this.triggers.get(digest);
  }

  /** The step to blame for an op that is no step itself, such as a download that an ADD reads. */
  userOf(graph: BuildGraph, digest: string): Step | undefined {
    for (const { step, vertex } of this.places.values())
      if (vertex && reads(graph, vertex, digest, (other) => this.owners.has(other))) return step;
    return undefined;
  }

  private walkStage(
    graph: BuildGraph,
    steps: readonly Step[],
    result: Edge | undefined,
    results: Map<number, Edge | undefined>,
  ): void {
    let current = result;
    for (const step of steps.toReversed()) {
      const { instruction } = step;
      if (instruction.keyword === "FROM") {
        this.placeFrom(graph, step, current, results);
        return;
      }
      const vertex = graph.vertex(current?.digest);
      if (!vertex || !doesWorkOf(graph, vertex, instruction)) {
        this.places.set(step.number, { step, before: current, after: current, vertex: undefined });
        continue;
      }
      const before = graph.baseOf(vertex);
      const worker = workerOf(graph, vertex);
      this.places.set(step.number, { step, before, after: current, vertex: worker });
      this.own(vertex.digest, step);
      if (worker !== vertex) this.own(worker.digest, step);
      this.findResults(worker, step, instruction, results);
      current = before;
    }
  }

  private placeFrom(
    graph: BuildGraph,
    step: Step,
    state: Edge | undefined,
    results: Map<number, Edge | undefined>,
  ): void {
    this.places.set(step.number, { step, before: undefined, after: state, vertex: undefined });
    const parent = this.steps[(step.dependsOn[0] ?? 0) - 1]?.stage;
    if (parent) {
      const before = this.peelTriggers(graph, step, parent, state, results);
      if (!results.has(parent.index)) results.set(parent.index, before);
      return;
    }
    // An image, and what its ONBUILD triggers added.
    for (let at = graph.vertex(state?.digest); at; at = graph.vertex(graph.baseOf(at)?.digest))
      this.own(at.digest, step);
  }

  /** The ops of a stage's ONBUILDs belong to the FROM that they run behind. Gives the state before them: the stage's result. */
  private peelTriggers(
    graph: BuildGraph,
    step: Step,
    parent: Stage,
    state: Edge | undefined,
    results: Map<number, Edge | undefined>,
  ): Edge | undefined {
    let current = state;
    for (const { trigger } of parent.instructions.toReversed()) {
      const vertex = graph.vertex(current?.digest);
      if (!trigger || !vertex || !doesWorkOf(graph, vertex, trigger)) continue;
      const worker = workerOf(graph, vertex);
      for (const { digest } of new Set([vertex, worker])) {
        this.own(digest, step);
        this.triggers.set(digest, trigger);
      }
      this.findResults(worker, step, trigger, results);
      current = graph.baseOf(vertex);
    }
    return current;
  }

  private findResults(
    vertex: Vertex,
    step: Step,
    instruction: Instruction,
    results: Map<number, Edge | undefined>,
  ): void {
    for (const [stage, state] of this.stagesRead(vertex, step, instruction))
      if (!results.has(stage)) results.set(stage, state);
  }

  /** The results of other stages that a COPY, an ADD or a RUN's mounts read, as this op names them. */
  private stagesRead(vertex: Vertex, step: Step, instruction: Instruction): [stage: number, state: Edge | undefined][] {
    const others = new Map<string, number>();
    for (const number of step.dependsOn) {
      const stage = this.steps[number - 1]?.stage;
      if (!stage || stage === step.stage) continue;
      others.set(String(stage.index), stage.index);
      if (stage.name !== undefined) others.set(stage.name.toLowerCase(), stage.index);
    }
    if (others.size === 0) return [];
    const { op } = vertex.op;
    const found: [number, Edge | undefined][] = [];
    if (op?.$case === "file") {
      const from = others.get(flagValue(instruction, "from")?.toLowerCase() ?? "");
      const copy = op.value.actions.find((action) => action.action?.$case === "copy");
      if (from !== undefined && copy) found.push([from, edge(vertex.op, copy.secondaryInput)]);
    } else if (op?.$case === "exec") {
      for (const flag of instruction.flags) {
        if (flag.name !== "mount") continue;
        const fields = mountFields(flag.value ?? "");
        const from = others.get(fields.get("from")?.toLowerCase() ?? "");
        const target = fields.get("target") ?? fields.get("dst") ?? fields.get("destination") ?? "";
        const mount = op.value.mounts.find((one) => one.dest === target || one.dest.endsWith(`/${target}`));
        if (from !== undefined && mount) found.push([from, edge(vertex.op, mount.input)]);
      }
    }
    return found;
  }

  private own(digest: string, step: Step): void {
    const steps = this.owners.get(digest);
    if (!steps) this.owners.set(digest, [step]);
    else if (!steps.includes(step)) steps.push(step);
  }
}

/** The steps by stage, in file order. */
function stagesOf(steps: readonly Step[]): Step[][] {
  const stages = new Map<number, Step[]>();
  for (const step of steps) {
    const stage = stages.get(step.stage.index);
    if (stage) stage.push(step);
    else stages.set(step.stage.index, [step]);
  }
  return [...stages.values()];
}

/** Whether the topmost op of a state was made by this instruction. The kind decides but for WORKDIR, which makes none for `/`. */
function doesWorkOf(graph: BuildGraph, vertex: Vertex, instruction: Instruction): boolean {
  const worker = workerOf(graph, vertex);
  const kind = worker.op.op;
  switch (instruction.keyword) {
    case "RUN":
      return kind?.$case === "exec";
    case "COPY":
    case "ADD":
      return kind?.$case === "file" || vertex.op.op?.$case === "merge";
    case "WORKDIR": {
      if (kind?.$case !== "file" || kind.value.actions[0]?.action?.$case !== "mkdir") return false;
      const { start, end } = instruction.range;
      return (
        vertex.lines.some((line) => line.start <= end.line && line.end >= start.line) ||
        vertex.name.endsWith(instruction.text)
      );
    }
    default:
      return false;
  }
}

/** `COPY --link` is a merge of the state with a copy onto nothing: the copy does the work. */
function workerOf(graph: BuildGraph, vertex: Vertex): Vertex {
  const { op } = vertex.op;
  if (op?.$case !== "merge") return vertex;
  return graph.vertex(edge(vertex.op, op.value.inputs.at(-1)?.input)?.digest) ?? vertex;
}

/** Whether `vertex` reads `digest`, through ops that belong to no step. */
function reads(graph: BuildGraph, vertex: Vertex, digest: string, owned: (digest: string) => boolean): boolean {
  return vertex.op.inputs.some((input) => {
    if (input.digest === digest) return true;
    const next = graph.vertex(input.digest);
    return next !== undefined && !owned(next.digest) && reads(graph, next, digest, owned);
  });
}

function flagValue(instruction: Instruction, name: string): string | undefined {
  return instruction.flags.find((flag) => flag.name === name)?.value;
}

/** `type=bind,from=build,target=/x` by name; values that hold commas or quotes are not stage names and do not matter here. */
function mountFields(value: string): Map<string, string> {
  return new Map(
    value.split(",").map((field) => {
      const [name = "", ...rest] = field.split("=");
      return [name.trim().toLowerCase(), rest.join("=").trim()] as const;
    }),
  );
}
