import { describe, expect, it } from "vitest";
import { digestOf } from "../../../../src/engine/buildkit/connection.js";
import { Definition, Op } from "../../../../src/engine/buildkit/gen/ops.js";
import { BuildGraph, marshal } from "../../../../src/engine/buildkit/graph.js";

describe("a build graph", () => {
  it("with other sources keeps, in all that depends on them, fields that it does not know", () => {
    const source = marshal(
      Op.fromPartial({ op: { $case: "source", value: { identifier: "local://context", attrs: { b: "1" } } } }),
    );
    const exec = marshal(
      Op.fromPartial({ op: { $case: "exec", value: { meta: { args: ["true"], cwd: "/" }, mounts: [] } } }),
    );
    // Field 90 of the op, and field 91 of what is in it: neither is in our proto.
    const unknown = Buffer.from([0xd0, 0x05, 0x07]);
    const inside = Buffer.from([0xd8, 0x05, 0x09]);
    const [tag = 0, length = 0] = exec;
    const strange = Buffer.concat([Buffer.from([tag, length + inside.length]), exec.subarray(2), inside, unknown]);
    const run = Buffer.concat([
      marshal(Op.fromPartial({ inputs: [{ digest: digestOf(source), index: 0n }] })),
      strange,
    ]);
    const end = marshal(Op.fromPartial({ inputs: [{ digest: digestOf(run), index: 0n }] }));
    const graph = new BuildGraph(Definition.fromPartial({ def: [source, run, end] }));

    const changed = graph.withSources(({ attrs }) => ({ ...attrs, a: "2" }));

    const [newSource, newRun, newEnd] = changed.definition.def;
    if (!newSource || !newRun || !newEnd) throw new Error("ops are gone");
    // As Go writes it: the map in the order of its keys.
    expect(newSource.toString("latin1")).toMatch(/a.*2.*b.*1/s);
    expect(newRun.subarray(-strange.length)).toEqual(strange);
    expect(Op.decode(newRun).inputs[0]?.digest).toBe(digestOf(newSource));
    expect(changed.result?.digest).toBe(digestOf(newRun));
    expect(Op.decode(newEnd).inputs[0]?.digest).toBe(digestOf(newRun));
  });
});
