import { Collector } from "../docker/collector.js";
import type { Containers } from "../docker/containers.js";
import { copyOutput } from "../docker/streams.js";
import { ContainerError } from "../errors.js";
import type { OwnerLabels } from "./labels.js";
import type { ToolboxImage } from "./toolbox.js";

export interface HostScript {
  readonly containers: Containers;
  readonly toolbox: ToolboxImage;
  readonly labels: OwnerLabels;
  /** POSIX shell; `$1` and so on are `args`. */
  readonly script: string;
  readonly args: readonly string[];
  /** Without CAP_. With none the script runs as nobody. */
  readonly capabilities: readonly string[];
  /** `apparmor=...`, where it has to deal with processes of that profile. */
  readonly profiles?: readonly string[] | undefined;
}

/**
 * Runs a script in the namespaces of the engine's machine, in a container that ends with it, and resolves with what it
 * printed. It may look at what any user of that machine may: its root is read-only, all capabilities but those named are
 * dropped. Rejects with EngineError, or ContainerError where the script failed.
 */
export async function runOnHost(options: HostScript): Promise<string> {
  const { containers, toolbox, labels, script, args, capabilities, profiles = [] } = options;
  const id = await containers.create({
    Image: toolbox.id,
    Entrypoint: [],
    Cmd: ["/bin/sh", "-c", script, "dfdebug", ...args],
    User: capabilities.length > 0 ? "0:0" : "65534:65534",
    WorkingDir: "/",
    Labels: { ...labels },
    AttachStdout: true,
    AttachStderr: true,
    HostConfig: {
      PidMode: "host",
      NetworkMode: "host",
      IpcMode: "host",
      UTSMode: "host",
      UsernsMode: "host",
      CgroupnsMode: "host",
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      CapAdd: [...capabilities],
      SecurityOpt: ["no-new-privileges", ...profiles],
      AutoRemove: true,
      LogConfig: { Type: "none", Config: {} },
    },
  } as Parameters<Containers["create"]>[0]);
  try {
    const stream = await containers.attach(id);
    const output = new Collector();
    const copied = copyOutput(stream, { stdout: output, stderr: new Collector() }, { isTerminal: false });
    const ended = containers.wait(id, "removed");
    ended.catch(() => undefined);
    await containers.start(id);
    await copied;
    const code = await ended;
    if (code !== 0)
      throw new ContainerError(`A script on the engine's machine ended with ${String(code)}`, { code: "HOST_SCRIPT" });
    return output.bytes.toString("utf8");
  } finally {
    await containers.remove(id);
  }
}
