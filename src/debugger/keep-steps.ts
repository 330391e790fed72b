import type { Build, Step } from "../engine/engine.js";
import { errorMessage } from "../errors.js";

/** `--keep-steps`: a step's state was tagged, or could not be. */
export type KeptEvent =
  | { readonly type: "kept"; readonly step: Step; readonly image: string }
  | { readonly type: "notKept"; readonly step: Step; readonly message: string };

/** Tags the state of every step that is built as NAME:step-<number>, and tells of each. What cannot be kept ends nothing. */
export async function keepSteps(build: Build, name: string, tell: (event: KeptEvent) => void): Promise<void> {
  for (const step of build.steps) {
    if (!build.isBuilt(step)) continue;
    const image = `${name}:step-${String(step.number)}`;
    try {
      await build.saveImage(await build.after(step, {}), image, {});
      tell({ type: "kept", step, image });
    } catch (error) {
      tell({ type: "notKept", step, message: errorMessage(error) });
    }
  }
}
