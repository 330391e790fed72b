import type { Line, Span, Tone } from "../../debugger/commands/io.js";
import { sanitizeLine } from "./sanitize.js";
import type { Style } from "./style.js";

/** A command's line as text for a stream: control characters made harmless, tones in the stream's style. */
export function renderLine(line: Line, style: Style): string {
  const spans = typeof line === "string" ? [line] : line;
  return spans
    .map((span) => renderSpan(typeof span === "string" ? { text: span, tone: "plain" } : span, style))
    .join("");
}

function renderSpan({ text, tone }: Span, style: Style): string {
  const clean = sanitizeLine(text, { colour: tone === "output" && style.colour });
  return paint(tone, style)(style.unicode ? clean : withAscii(clean));
}

function paint(tone: Tone, style: Style): (text: string) => string {
  switch (tone) {
    case "bold":
      return style.bold;
    case "dim":
      return style.dim;
    case "good":
      return style.green;
    case "bad":
      return style.red;
    case "warn":
      return style.yellow;
    case "plain":
    case "output":
      return (text) => text;
  }
}

/** dfdebug's own symbols for terminals that have no others. */
function withAscii(text: string): string {
  return text.replaceAll("▸", ">").replaceAll("│", "|").replaceAll("→", "->").replaceAll("…", "~");
}
