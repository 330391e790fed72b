/** Flag (compressed or not) and length in front of each message. */
export const frameHeaderSize = 5;

/** A message with its gRPC header. */
export function frame(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(frameHeaderSize + message.length);
  framed[0] = 0;
  framed.writeUInt32BE(message.length, 1);
  framed.set(message, frameHeaderSize);
  return framed;
}

/** A session's peers send requests, keys and agent traffic: a message beyond this is a mistake or an attack. Bytes. */
const largestMessage = 16 << 20;

/** Finds messages in the pieces of a stream. */
export class MessageSplitter {
  private rest: Buffer = Buffer.alloc(0);

  /** The messages that are complete with this piece. Throws on compressed or oversized ones, which nobody may send us. */
  push(piece: Buffer): Buffer[] {
    const data = this.rest.length === 0 ? piece : Buffer.concat([this.rest, piece]);
    const messages: Buffer[] = [];
    let offset = 0;
    while (data.length - offset >= frameHeaderSize) {
      if (data[offset] !== 0) throw new Error("the engine sent a compressed gRPC message");
      const length = data.readUInt32BE(offset + 1);
      if (length > largestMessage) throw new Error(`the engine sent a gRPC message of ${String(length)} bytes`);
      const end = offset + frameHeaderSize + length;
      if (data.length < end) break;
      messages.push(data.subarray(offset + frameHeaderSize, end));
      offset = end;
    }
    this.rest = data.subarray(offset);
    return messages;
  }
}
