/** The JSON objects of an engine's answer, one a line (Docker Engine API: image pulls, events, stats). */
export async function* jsonLines<T>(stream: AsyncIterable<Buffer>): AsyncGenerator<T> {
  const decoder = new TextDecoder();
  let text = "";
  for await (const chunk of stream) {
    text += decoder.decode(chunk, { stream: true });
    const lines = text.split("\n");
    text = lines.pop() ?? "";
    for (const line of lines) if (line.trim() !== "") yield JSON.parse(line) as T;
  }
  if (text.trim() !== "") yield JSON.parse(text) as T;
}
