import { Containers } from "../../docker/containers.js";
import { UsageError } from "../../errors.js";
import { Lifetime } from "../../lifetime.js";
import type { ContainerFiles } from "../../sidecar/copy/container-files.js";
import { LiveFiles } from "../../sidecar/copy/live-files.js";
import { StoredFiles } from "../../sidecar/copy/stored-files.js";
import { ownerLabels } from "../../sidecar/labels.js";
import { nameOf, resolveTarget } from "../../sidecar/target.js";
import { ConnectedEngine } from "../connect.js";
import type { CliIo } from "../io.js";
import type { EngineFlags } from "../program.js";
import { DebugTarget } from "./debug-target.js";

/** The files of what a name stands for, and how they are reached. Dispose removes what was made for it. */
export class CopyTarget implements AsyncDisposable {
  /** The target's name for people. */
  readonly name: string;
  readonly files: ContainerFiles;
  private readonly lifetime: Lifetime;

  private constructor(name: string, files: ContainerFiles, lifetime: Lifetime) {
    this.name = name;
    this.files = files;
    this.lifetime = lifetime;
  }

  /**
   * A container that runs is looked into through a sidecar, one that does not and an image through the engine. `writes`:
   * something is to be copied in, which an image refuses. Rejects with UsageError, ContainerError (125) or EngineError.
   */
  static async open(
    name: string,
    options: { writes: boolean; image: string | undefined; engine: EngineFlags; io: CliIo },
  ): Promise<CopyTarget> {
    const { writes, image, engine, io } = options;
    const lifetime = new Lifetime();
    try {
      const connected = lifetime.own(new ConnectedEngine(engine, io, undefined));
      const containers = new Containers(await connected.connection());
      const target = await resolveTarget(containers, name, { cwd: io.cwd, images: true });
      if (target.kind === "image" && writes)
        throw new UsageError(`${name} is an image, which cannot be changed`, {
          hint: "Copy into a container, or COPY in its Dockerfile.",
        });
      const shown = target.kind === "image" ? name : nameOf(target.info);
      if (target.kind === "image" || !target.info.State.Running || target.info.State.Restarting)
        return new CopyTarget(shown, lifetime.own(await StoredFiles.open(target, containers, ownerLabels())), lifetime);
      const flags = { ...(image === undefined ? {} : { image }), capAdd: writes ? unpackRights : [] };
      const beside = lifetime.own(await DebugTarget.open(name, flags, engine, io, { engine: connected, target }));
      return new CopyTarget(shown, new LiveFiles(await beside.sidecar(), beside.toolbox.kit), lifetime);
    } catch (error) {
      await lifetime[Symbol.asyncDispose]();
      throw error;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.lifetime[Symbol.asyncDispose]();
  }
}

/** What unpacking needs beyond looking: set-group-id bits of files of other groups, and devices. */
const unpackRights = ["FSETID", "MKNOD"];
