import { lstat, mkdtemp, readdir, rm } from "node:fs/promises";
import { connect, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Begins the names of all these folders. */
const prefix = "dfdebug-tmp-";
/** The socket in each on which its owner listens; who is gone, whatever way, answers no longer. */
const ownerName = "owner";
/** Milliseconds after which a folder is no longer just being made. */
const settled = 10_000;

/**
 * A folder of this process's own below the system's for temporary files, removed when it is disposed. What processes that
 * were killed left of theirs is removed whenever one is made.
 */
export class TempFolder implements AsyncDisposable {
  readonly path: string;
  private readonly owner: Server;

  private constructor(path: string, owner: Server) {
    this.path = path;
    this.owner = owner;
  }

  /** Rejects with the system's error where none can be made. */
  static async make(): Promise<TempFolder> {
    void sweepTempFolders().catch(() => undefined);
    const path = await mkdtemp(join(tmpdir(), prefix));
    const owner = createServer((visitor) => visitor.destroy()).unref();
    try {
      await new Promise<void>((resolve, reject) => {
        owner.once("error", reject);
        owner.listen(join(path, ownerName), resolve);
      });
    } catch (error) {
      await rm(path, { recursive: true, force: true });
      throw error;
    }
    return new TempFolder(path, owner);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.owner.close();
    await rm(this.path, { recursive: true, force: true });
  }
}

/** Removes the folders of this user whose owner is gone. */
export async function sweepTempFolders(): Promise<void> {
  const parent = tmpdir();
  const names = (await readdir(parent)).filter((name) => name.startsWith(prefix));
  await Promise.all(names.map((name) => sweep(join(parent, name)).catch(() => undefined)));
}

async function sweep(path: string): Promise<void> {
  const found = await lstat(path);
  if (!found.isDirectory() || found.uid !== process.getuid?.() || Date.now() - found.mtimeMs < settled) return;
  if (!(await answers(join(path, ownerName)))) await rm(path, { recursive: true, force: true });
}

function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const visit = connect(socket);
    visit.once("connect", () => {
      visit.destroy();
      resolve(true);
    });
    visit.once("error", () => resolve(false));
  });
}
