import { BinaryReader } from "@bufbuild/protobuf/wire";
import { digestOf } from "./connection.js";
import { Definition, Op, type OpMetadata, type SourceOp } from "./gen/ops.js";

/** One output of one op: a filesystem state to be. */
export interface Edge {
  readonly digest: string;
  readonly index: bigint;
}

/** One op of a build graph. */
export interface Vertex {
  readonly digest: string;
  /** The marshalled op; the digest is of these bytes, so they are passed on as they came. */
  readonly bytes: Buffer;
  readonly op: Op;
  readonly metadata: OpMetadata | undefined;
  readonly name: string;
  /** Lines of the Dockerfile it was written in, from 1, inclusive; several where equal instructions were merged. */
  readonly lines: readonly { readonly start: number; readonly end: number }[];
}

/** BuildKit's definition of a build, readable: ops by digest, and what the last one points at. */
export class BuildGraph {
  readonly definition: Definition;
  readonly vertices: ReadonlyMap<string, Vertex>;
  /** The result; undefined for an empty filesystem. */
  readonly result: Edge | undefined;

  constructor(definition: Definition) {
    this.definition = definition;
    const vertices = new Map<string, Vertex>();
    let result: Edge | undefined;
    for (const bytes of definition.def) {
      const op = Op.decode(bytes);
      const last = op.inputs[0];
      if (op.op === undefined && last) {
        result = { digest: last.digest, index: last.index };
        continue;
      }
      const digest = digestOf(bytes);
      const metadata = definition.metadata[digest];
      vertices.set(digest, {
        digest,
        bytes,
        op,
        metadata,
        name: metadata?.description["llb.customname"] ?? "",
        lines: linesOf(definition, digest),
      });
    }
    this.vertices = vertices;
    this.result = result;
  }

  /** The definition of one op alone. */
  static ofOne(bytes: Buffer, name: string): Definition {
    const digest = digestOf(bytes);
    return pointAt({ digest, index: 0n }, [bytes], { [digest]: describe({ "llb.customname": name }) }, undefined);
  }

  /** The definition of the empty filesystem. */
  static empty(): Definition {
    return Definition.fromPartial({});
  }

  vertex(digest: string | undefined): Vertex | undefined {
    return digest === undefined ? undefined : this.vertices.get(digest);
  }

  /** The input of `vertex` that its filesystem is based on: a RUN's root, the state that a COPY adds to. */
  baseOf(vertex: Vertex): Edge | undefined {
    const { op } = vertex.op;
    switch (op?.$case) {
      case "exec":
        return edge(vertex.op, op.value.mounts.find((mount) => mount.dest === "/")?.input);
      case "file":
        return edge(vertex.op, op.value.actions[0]?.input);
      case "merge":
        return edge(vertex.op, op.value.inputs[0]?.input);
      default:
        return undefined;
    }
  }

  /** The definition of the result. It has no source map: with that a failure comes back with the whole Dockerfile in it. */
  toResult(): Definition {
    return { ...this.definition, Source: undefined };
  }

  /**
   * The definition of everything up to one edge, to be solved by itself. Stepping sends many: as `toResult` it has no source
   * map, and nothing said about ops that the engine has from an earlier one.
   */
  upTo(target: Edge, isKnown: (digest: string) => boolean = () => false): Definition {
    const kept = new Set<string>();
    this.addTo(kept, target);
    const metadata: Record<string, OpMetadata> = {};
    const def: Buffer[] = [];
    for (const [digest, vertex] of this.vertices) {
      if (!kept.has(digest)) continue;
      def.push(vertex.bytes);
      // An op that ignores the cache is another one to BuildKit: that is always said.
      if (vertex.metadata && (vertex.metadata.ignore_cache || !isKnown(digest))) metadata[digest] = vertex.metadata;
    }
    return pointAt(target, def, metadata, undefined);
  }

  /** Adds the digests of everything up to one edge; what is in the set already is taken to be there with its inputs. */
  addTo(digests: Set<string>, target: Edge): void {
    const pending = [target.digest];
    for (let digest = pending.pop(); digest !== undefined; digest = pending.pop()) {
      if (digests.has(digest)) continue;
      digests.add(digest);
      for (const input of this.vertex(digest)?.op.inputs ?? []) pending.push(input.digest);
    }
  }

  /** The same graph with other metadata for some ops; digests stay. */
  withMetadata(change: (vertex: Vertex) => OpMetadata | undefined): BuildGraph {
    const metadata = { ...this.definition.metadata };
    for (const vertex of this.vertices.values()) {
      const changed = change(vertex);
      if (changed) metadata[vertex.digest] = changed;
    }
    return new BuildGraph({ ...this.definition, metadata });
  }

  /** The same graph with other attributes for some sources, and so with other digests for all that depends on them. */
  withSources(change: (source: SourceOp) => Readonly<Record<string, string>> | undefined): BuildGraph {
    const renamed = new Map<string, string>();
    const metadata: Record<string, OpMetadata> = {};
    const locations = { ...this.definition.Source?.locations };
    const def: Buffer[] = [];
    for (const bytes of this.definition.def) {
      const before = digestOf(bytes);
      const op = Op.decode(bytes);
      const source = op.op?.$case === "source" ? op.op.value : undefined;
      const attrs = source && change(source);
      const moved = op.inputs.some((input) => renamed.has(input.digest));
      const inputs = op.inputs.map((input) => ({ ...input, digest: renamed.get(input.digest) ?? input.digest }));
      const after =
        attrs || moved ? rewritten(bytes, { inputs, source: attrs && { ...source, attrs: sorted(attrs) } }) : bytes;
      const digest = digestOf(after);
      if (digest !== before) renamed.set(before, digest);
      def.push(after);
      const old = this.definition.metadata[before];
      if (old) metadata[digest] = old;
      const location = locations[before];
      if (location) locations[digest] = location;
    }
    const source = this.definition.Source && { ...this.definition.Source, locations };
    return new BuildGraph({ ...this.definition, def, metadata, Source: source });
  }
}

/**
 * An op with other inputs, and maybe another source; all else byte for byte, for an engine knows fields that are not in our
 * proto: BuildKit 0.25 puts one that is gone back in, and then knows the op by another digest than we do.
 */
function rewritten(bytes: Buffer, to: { inputs: Op["inputs"]; source: SourceOp | undefined }): Buffer {
  const { source } = to;
  const parts = [marshal(Op.fromPartial({ inputs: to.inputs }))];
  const reader = new BinaryReader(bytes);
  while (reader.pos < reader.len) {
    const from = reader.pos;
    const [field, wireType] = reader.tag();
    reader.skip(wireType, field);
    if (field === opFields.source && source)
      parts.push(marshal(Op.fromPartial({ op: { $case: "source", value: source } })));
    else if (field !== opFields.inputs) parts.push(bytes.subarray(from, reader.pos));
  }
  return Buffer.concat(parts);
}

/** Fields of pb.Op. */
const opFields = { inputs: 1, source: 3 } as const;

/** In the order in which Go marshals a map when it is to be the same each time. */
function sorted(attrs: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(attrs).toSorted(([left], [right]) => (left < right ? -1 : 1)));
}

/** The edge that an op's input index names; undefined for -1, the empty filesystem. */
export function edge(op: Op, input: bigint | undefined): Edge | undefined {
  if (input === undefined || input < 0n) return undefined;
  const found = op.inputs[Number(input)];
  return found && { digest: found.digest, index: found.index };
}

/** An op's bytes as they travel. */
export function marshal(op: Op): Buffer {
  return Buffer.from(Op.encode(op).finish());
}

/** A definition whose last op points at the result, as BuildKit wants it. */
function pointAt(
  target: Edge,
  def: readonly Buffer[],
  metadata: Record<string, OpMetadata>,
  source: Definition["Source"],
): Definition {
  const last = marshal(Op.fromPartial({ inputs: [{ digest: target.digest, index: target.index }] }));
  // Not fromPartial, which copies everything.
  return { def: [...def, last], metadata: { ...metadata, [digestOf(last)]: describe({}) }, Source: source };
}

function describe(description: Record<string, string>): OpMetadata {
  return { ignore_cache: false, description, caps: {}, progress_group: undefined };
}

function linesOf(definition: Definition, digest: string): { start: number; end: number }[] {
  const lines: { start: number; end: number }[] = [];
  for (const location of definition.Source?.locations[digest]?.locations ?? [])
    for (const range of location.ranges)
      if (range.start) lines.push({ start: range.start.line, end: Math.max(range.end?.line ?? 0, range.start.line) });
  return lines;
}
