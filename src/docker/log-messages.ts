/** What a container wrote at once: usually a line with its end; a long line comes in several. */
export interface LogMessage {
  /** 1: standard output, 2: standard error. A container with a terminal has one stream. */
  readonly stream: 1 | 2;
  /** RFC 3339 with nine decimals, as the engine stamped it. */
  readonly time: string;
  /** Byte for byte what was written. */
  readonly data: Buffer;
}

/** Takes an engine's stream of stamped messages apart; chunks may be cut anywhere. */
export interface LogSplitter {
  push(chunk: Buffer): LogMessage[];
  /** What was begun and not completed when the stream ended. */
  end(): LogMessage[];
}

/** For a container with or without a terminal, whose log is asked for with timestamps. */
export function logSplitter(isTerminal: boolean): LogSplitter {
  return isTerminal ? new TerminalSplitter() : new FrameSplitter();
}

/** Without a terminal each message is a frame of its own (ContainerAttach: stream, three zeros, the length, the payload). */
class FrameSplitter implements LogSplitter {
  private rest: Buffer[] = [];
  private length = 0;
  private needed = 8;

  push(chunk: Buffer): LogMessage[] {
    this.rest.push(chunk);
    this.length += chunk.length;
    if (this.length < this.needed) return [];
    let bytes = Buffer.concat(this.rest, this.length);
    const messages: LogMessage[] = [];
    this.needed = 8;
    while (bytes.length >= 8) {
      const end = 8 + bytes.readUInt32BE(4);
      if (bytes.length < end) {
        this.needed = end;
        break;
      }
      messages.push(stamped(bytes[0] === 2 ? 2 : 1, bytes.subarray(8, end)));
      bytes = bytes.subarray(end);
    }
    this.rest = [bytes];
    this.length = bytes.length;
    return messages;
  }

  end(): LogMessage[] {
    return [];
  }
}

/** The engine cuts a line that is longer than this (moby, daemon/logger/copier.go). */
const longestMessage = 16 * 1024;

/**
 * With a terminal nothing marks where a message ends but its line's end, or its greatest length. A last line without an
 * end, of a run before the present one, cannot be told from the message after it: it keeps that one's timestamp.
 */
class TerminalSplitter implements LogSplitter {
  private rest = Buffer.alloc(0);

  push(chunk: Buffer): LogMessage[] {
    let bytes = this.rest.length > 0 ? Buffer.concat([this.rest, chunk]) : chunk;
    const messages: LogMessage[] = [];
    for (;;) {
      const start = bytes.indexOf(0x20) + 1;
      if (start === 0) break;
      const line = bytes.indexOf(0x0a, start) + 1;
      const full = start + longestMessage;
      if ((line === 0 || line > full) && bytes.length < full) break;
      const end = line === 0 || line > full ? full : line;
      messages.push(stamped(1, bytes.subarray(0, end)));
      bytes = bytes.subarray(end);
    }
    this.rest = Buffer.from(bytes);
    return messages;
  }

  end(): LogMessage[] {
    return this.rest.length > 0 ? [stamped(1, this.rest)] : [];
  }
}

function stamped(stream: 1 | 2, bytes: Buffer): LogMessage {
  const at = bytes.indexOf(0x20);
  return { stream, time: bytes.toString("latin1", 0, Math.max(at, 0)), data: bytes.subarray(at + 1) };
}
