import type { PullProgress } from "../docker/image-transfer.js";
import { formatBytes } from "../debugger/format.js";

/** Tells of a pull on standard error: a line that is redrawn on a terminal, elsewhere one line at its beginning. */
export function showPull(image: string, stderr: NodeJS.WriteStream): (progress: PullProgress) => void {
  const layers = new Map<string, PullProgress>();
  const done = new Set<string>();
  let shown = "";
  return (progress) => {
    if (shown === "" && !stderr.isTTY) stderr.write(`Pulling ${image}\n`);
    // The engine's own words (docker/docker distribution/pull): there is no status besides its text.
    if (/^(Pull complete|Already exists)$/.test(progress.status)) done.add(progress.layer);
    else if (progress.status === "Downloading" && progress.total > 0) layers.set(progress.layer, progress);
    let current = 0;
    let total = 0;
    for (const layer of layers.values()) {
      current += done.has(layer.layer) ? layer.total : layer.current;
      total += layer.total;
    }
    const text = `Pulling ${image}: ${formatBytes(current)} of ${formatBytes(total)}`;
    if (stderr.isTTY && text !== shown) stderr.write(`\r\x1b[K${text}${total > 0 && current >= total ? "\n" : ""}`);
    shown = text;
  };
}
