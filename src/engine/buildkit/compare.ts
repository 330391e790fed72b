import type { Metadata } from "@grpc/grpc-js";
import { cancellation } from "../../errors.js";
import type { FileChange, FileStat, Ref } from "../engine.js";
import { compareByReading, compareEntries, ordered } from "../compare-states.js";
import type { BuildkitConnection } from "./connection.js";
import { GatewayContainer, plainContainer, toolboxMount, type ToolboxState } from "./container.js";
import { Mount, MountType } from "./gen/ops.js";
import { listTrees, lookMount } from "./listing.js";

/** A state that a container can mount: BuildKit's id of it, empty for the empty filesystem. */
export interface MountableState extends Ref {
  readonly id: string;
}

/** Finds what differs between two states: both mounted in one container where there is a toolbox, else read by calls. */
export async function compareStates(
  input: { connection: BuildkitConnection; metadata: Metadata; toolbox: ToolboxState },
  before: MountableState,
  after: MountableState,
  signal: AbortSignal | undefined,
): Promise<readonly FileChange[]> {
  if (before.id === after.id) return [];
  if (!input.toolbox.available) return compareByReading(before, after, signal);
  const states = [before, after];
  const mounts = states.flatMap(({ id }, index) =>
    id === ""
      ? []
      : Mount.fromPartial({
          input: -1n,
          output: -1n,
          dest: lookMount(index),
          readonly: true,
          mountType: MountType.BIND,
          resultID: id,
        }),
  );
  await using container = await GatewayContainer.open(
    input.connection.bridge,
    input.metadata,
    {
      ...plainContainer,
      rootId: undefined,
      mounts,
      view: "inside",
      toolbox: input.toolbox,
      shell: `${toolboxMount}/bin/sh`,
      environment: { env: [], cwd: "/", user: "", shell: [], argv: undefined },
      platform: undefined,
      signals: false,
    },
    signal,
  );
  const roots = states.flatMap(({ id }, index) => (id === "" ? [] : [lookMount(index)]));
  const listings = await listTrees(container, roots, { signal });
  // A listing that was interrupted is a short one.
  if (signal?.aborted) throw cancellation(signal);
  const empty = new Map<string, FileStat>();
  const left = before.id === "" ? empty : (listings[0] ?? empty);
  const right = after.id === "" ? empty : (listings.at(-1) ?? empty);
  return ordered(compareEntries(left, right).changes);
}
