import { open } from "node:fs/promises";
import type { SshAgent } from "./ssh.js";
import { parseSshKey, type SshKey } from "./ssh-key.js";
import { SshReader, sshString, sshUint32 } from "./ssh-wire.js";

/** A key file beyond this is none. Bytes, buildx's limit. */
const largestKey = 100 * 1024;

/** An agent in this process for key files: nothing is written anywhere, and it forgets the keys when it is disposed. */
export class KeyAgent implements SshAgent {
  private keys: readonly SshKey[];

  private constructor(keys: readonly SshKey[]) {
    this.keys = keys;
  }

  /** Rejects with SshKeyError for what is no usable key. */
  static async load(paths: readonly string[]): Promise<KeyAgent> {
    return new KeyAgent(await Promise.all(paths.map(async (path) => parseSshKey(await readStart(path), path))));
  }

  async answer(request: Buffer): Promise<Buffer> {
    const reader = new SshReader(request);
    // SSH_AGENTC_REQUEST_IDENTITIES is answered with SSH_AGENT_IDENTITIES_ANSWER, SSH_AGENTC_SIGN_REQUEST with
    // SSH_AGENT_SIGN_RESPONSE, everything else with SSH_AGENT_FAILURE (draft-miller-ssh-agent).
    switch (reader.byte()) {
      case 11:
        return Buffer.concat([
          Buffer.of(12),
          sshUint32(this.keys.length),
          ...this.keys.flatMap((key) => [sshString(key.publicBlob), sshString(key.comment)]),
        ]);
      case 13: {
        const blob = reader.string();
        const data = reader.string();
        const key = this.keys.find((candidate) => candidate.publicBlob.equals(blob));
        if (key) return Buffer.concat([Buffer.of(14), sshString(key.sign(data, reader.uint32()))]);
        break;
      }
      default:
        break;
    }
    return Buffer.of(5);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.keys = [];
  }
}

async function readStart(path: string): Promise<string> {
  await using file = await open(path);
  const buffer = Buffer.alloc(largestKey);
  const { bytesRead } = await file.read(buffer, 0, largestKey, 0);
  return buffer.toString("latin1", 0, bytesRead);
}
