import type { ContainerInfo, Containers } from "../docker/containers.js";
import { removeImage } from "../docker/images.js";
import { ContainerError, DfdebugError } from "../errors.js";
import { Lifetime } from "../lifetime.js";
import { checkReady, holdContainer, sidecarName } from "./first-process.js";
import type { OwnerLabels } from "./labels.js";
import type { Target } from "./target.js";
import type { ToolboxImage } from "./toolbox.js";
import { uniqueDigits } from "./unique-digits.js";

/**
 * What a stand-in runs: the one static program in its own writable layer, which takes itself away before anybody looks. Its
 * name is no other file's.
 */
const holderScript = '"$0" rm -rf "${0%/*}"; echo ready; while read -r _; do :; done';

/**
 * A container of dfdebug's own in the place of a target that does not run: made from an image, or from a stopped container's
 * files (committed to a temporary image) with its volumes. Nothing of the image's own is started in it. The target is not
 * started and not changed. It ends with this process, as a sidecar does; dispose removes it and the image.
 */
export class StandIn implements AsyncDisposable {
  readonly info: ContainerInfo;
  private readonly lifetime: Lifetime;

  private constructor(info: ContainerInfo, lifetime: Lifetime) {
    this.info = info;
    this.lifetime = lifetime;
  }

  /** Rejects with ContainerError (exit code 125). */
  static async open(
    target: Target,
    options: { containers: Containers; toolbox: ToolboxImage; labels: OwnerLabels; signal: AbortSignal },
  ): Promise<StandIn> {
    const { containers, toolbox, labels, signal } = options;
    const { connection } = containers;
    const lifetime = new Lifetime();
    try {
      let image: string;
      if (target.kind === "image") image = target.image.Id;
      else {
        const committed = await containers.commit(target.info.Id, labels);
        lifetime.defer(() => removeImage(connection, committed));
        image = committed;
      }
      const folder = `.dfdebug-${uniqueDigits(12)}`;
      const program = `/${folder}/busybox`;
      const holding = staticBusybox(containers, toolbox, labels).then((busybox) => holderArchive(folder, busybox));
      // It makes a container of its own for a moment: that is waited for, whatever fails meanwhile.
      const settled = holding.then(noop, noop);
      lifetime.defer(() => settled);
      const held = await holdContainer({
        containers,
        signal,
        speaks: true,
        prepare: async (id) => containers.putArchive(id, "/", await holding),
        spec: {
          name: sidecarName("files"),
          Image: image,
          Entrypoint: [program],
          Cmd: ["sh", "-c", holderScript, program],
          User: "0:0",
          WorkingDir: "/",
          Labels: { ...labels },
          Healthcheck: { Test: ["NONE"] },
          HostConfig: {
            CapDrop: ["ALL"],
            ...(target.kind === "container" ? { VolumesFrom: [target.info.Id] } : {}),
          },
        },
      });
      lifetime.own(held);
      checkReady(held.firstLine);
      held.control.resume();
      return new StandIn(await containers.inspect(held.id), lifetime);
    } catch (error) {
      await lifetime[Symbol.asyncDispose]();
      if (!(error instanceof DfdebugError) || ["ENGINE_LOST", "CANCELLED"].includes(error.code)) throw error;
      throw new ContainerError(
        `The files cannot be opened: ${error.message}`,
        { code: "STAND_IN", cause: error, hint: error.hint },
        125,
      );
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lifetime[Symbol.asyncDispose]();
  }
}

function noop(): void {
  // What it rejects with is told where it is needed.
}

/** The toolbox's static busybox, as bytes. Rejects with ContainerError where it has none. */
async function staticBusybox(containers: Containers, toolbox: ToolboxImage, labels: OwnerLabels): Promise<Buffer> {
  const source = await containers.create({
    Image: toolbox.id,
    Cmd: ["true"],
    Labels: { ...labels },
    HostConfig: { NetworkMode: "none" },
  });
  try {
    for (const folder of [toolbox.kit.replace(/\/$/, ""), ""]) {
      const file = await containers.readFile(source, `${folder}/bin/busybox`);
      if (file) return file;
    }
  } finally {
    await containers.remove(source);
  }
  throw new ContainerError(
    `the toolbox ${toolbox.name} has no static busybox, which holds a stopped container's files open`,
    { code: "NO_TOOLBOX", hint: "`dfdebug toolbox build` makes one that has." },
    125,
  );
}

async function holderArchive(folder: string, busybox: Buffer): Promise<Buffer> {
  const { pack } = (await import("tar-stream")).default;
  const archive = pack();
  archive.entry({ name: folder, type: "directory", mode: 0o755 });
  archive.entry({ name: `${folder}/busybox`, mode: 0o755 }, busybox);
  archive.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of archive) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
