import type { Containers } from "../../docker/containers.js";
import { CancelledError, UsageError } from "../../errors.js";
import { pick } from "../../frontends/terminal/picker.js";
import { RawTerminal } from "../../frontends/terminal/raw-terminal.js";
import { detectStyle } from "../../frontends/terminal/style.js";
import { sessionLabel } from "../../sidecar/labels.js";
import { nameOf } from "../../sidecar/target.js";
import type { CliIo } from "../io.js";

/** What people look into most comes first. */
const order = ["running", "paused", "restarting", "exited", "created", "dead"];

/**
 * Lets the user choose a container on the terminal; its id. Rejects with CancelledError where they choose none, UsageError
 * where there is none.
 */
export async function pickContainer(containers: Containers, io: CliIo): Promise<string> {
  // dfdebug's own are nobody's target.
  const all = (await containers.list()).filter(({ Labels }) => Labels[sessionLabel] === undefined);
  if (all.length === 0)
    throw new UsageError("There is no container to choose from", {
      hint: "Start one, or name an image: dfdebug debug IMAGE.",
    });
  const sorted = all.toSorted((a, b) => order.indexOf(a.State) - order.indexOf(b.State));
  const choice = await pick({
    terminal: new RawTerminal(io.stdin, io.stderr),
    output: io.stderr,
    style: detectStyle(io.stderr, io.env),
    title: "Debug which container? (arrows or a part of its name, Enter)",
    rows: sorted.map((container) => [nameOf(container), container.State, container.Image, container.Status]),
  });
  const chosen = choice === undefined ? undefined : sorted[choice];
  if (!chosen) throw new CancelledError("No container was chosen");
  return chosen.Id;
}
