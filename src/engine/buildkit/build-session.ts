import type { Dockerfile } from "../../dockerfile/syntax.js";
import { withoutSyntaxDirective } from "../../dockerfile/edit.js";
import { dockerignoreText } from "../context.js";
import type { BuildRequest } from "../engine.js";
import { frontendOptions, type LocalNames } from "./frontend.js";
import type { BuildkitSession } from "./session/session.js";

/** Under this name the session serves a folder of tools. */
export const toolboxSource = "dfdebug-toolbox";

/** How a vertex is named that does dfdebug's own work, which is no part of the build. */
export const ownVertex = "[dfdebug] ";

/** What people call a source that the session serves: the Dockerfile's name in later plans is our own. */
export function sourceShown(name: string): string {
  return name.replace(/^dockerfile-\d+$/, "dockerfile");
}

/** What one build's session serves, and under which names. */
export class BuildSession {
  readonly id: string;
  private readonly session: BuildkitSession;
  private readonly request: BuildRequest;
  /** Where the engine itself fetches the context from. */
  private readonly contextUrl: string | undefined;
  /** What is served beside the Dockerfile as its own ignore file, which the frontend prefers to the context's. */
  private dockerignore: string | undefined;

  constructor(session: BuildkitSession, id: string, request: BuildRequest, contextUrl: string | undefined) {
    this.session = session;
    this.id = id;
    this.request = request;
    this.contextUrl = contextUrl;
    this.dockerignore = request.dockerignore;
  }

  /**
   * Makes the Dockerfile's text available for one plan. Each plan asks for it under another name: BuildKit runs equal
   * ops of one build only once, so the second request under the same name would get the first text.
   */
  prepare(dockerfile: Dockerfile | undefined, generation: number): LocalNames {
    const name = generation === 1 ? "dockerfile" : `dockerfile-${String(generation)}`;
    if (dockerfile) {
      const text = this.request.ignoreSyntax ? withoutSyntaxDirective(dockerfile) : dockerfile.source;
      const { dockerfileName } = this.request;
      const files = new Map([[dockerfileName, Buffer.from(text)]]);
      if (this.dockerignore !== undefined) files.set(`${dockerfileName}.dockerignore`, Buffer.from(this.dockerignore));
      this.session.setSource(name, { kind: "memory", files });
    }
    return { context: "context", dockerfile: name, first: generation === 1 };
  }

  /**
   * Takes the ignore file as it is on disk now into the next plan. It is served beside the Dockerfile, wherever it lies:
   * the context's own .dockerignore is an op that BuildKit would not run again. Rejects with BuildError.
   */
  async readDockerignoreAgain(): Promise<void> {
    const { context, dockerfilePath } = this.request;
    if (context.kind !== "directory") return;
    this.dockerignore = (await dockerignoreText(context.path, dockerfilePath))?.text ?? "";
  }

  /** The frontend's options for a plan. */
  frontendOptions(names: LocalNames, dockerfile: Dockerfile | undefined): Record<string, string> {
    const options = frontendOptions(this.request, names, this.contextUrl, dockerfile !== undefined);
    for (const [name, value] of this.request.buildContexts) options[`context:${name}`] = namedContext(name, value);
    return options;
  }

  /** Serves a folder of static tools; returns what BuildKit calls it. */
  serveToolbox(path: string): { identifier: string; attrs: Record<string, string> } {
    this.session.setSource(toolboxSource, { kind: "directory", path });
    return {
      identifier: `local://${toolboxSource}`,
      attrs: { "local.session": this.id, "local.sharedkeyhint": toolboxSource },
    };
  }
}

/** The folders of `--build-context` that are served from this machine, by the names they are served under. */
export function localContexts(contexts: ReadonlyMap<string, string>): Map<string, string> {
  const local = [...contexts].filter(([, value]) => !isRemote(value));
  return new Map(local.map(([name, value]) => [servedAs(name), value]));
}

/** The build's own context and Dockerfile are served under their names already (buildx's rule). */
function servedAs(name: string): string {
  return name === "context" || name === "dockerfile" ? `_${name}` : name;
}

/** docker build's forms of a named context: docker-image://, oci-layout://, target:, http(s)://, git URLs, else a folder. */
function isRemote(value: string): boolean {
  return /^(docker-image|oci-layout|https?|git|ssh):\/\//.test(value) || /^(git@|target:|github\.com\/)/.test(value);
}

function namedContext(name: string, value: string): string {
  return isRemote(value) ? value : `local:${servedAs(name)}`;
}
