import type { CredentialLookup } from "../../docker/credentials.js";
import { EngineError } from "../../errors.js";
import { Lifetime } from "../../lifetime.js";
import { log } from "../../log.js";
import type { BuildEngine, BuildRequest, EngineCapabilities } from "../engine.js";
import { BuildkitBuild } from "./build.js";
import { BuildEvents } from "./build-events.js";
import { BuildSession, localContexts, sourceShown, toolboxSource } from "./build-session.js";
import { BuildkitConnection, randomId, type EngineTransport } from "./connection.js";
import { CallError } from "./failures.js";
import { planError } from "./plan-error.js";
import { AskedRegistries } from "./registry-failure.js";
import { planRequest } from "./planned-graph.js";
import { withHostGateway } from "./host-gateway.js";
import { OpenSolve } from "./open-solve.js";
import { BuildkitSession, type FileSource } from "./session/session.js";
import { StatusReader } from "./status.js";
import { capabilitiesOf, refuseIgnored } from "./capabilities.js";

/** What the composition root gives the engine of the world around it. */
export interface BuildkitEngineOptions {
  readonly transport: EngineTransport;
  /** For people: the engine's version. Rejects with EngineError where the engine cannot be used at all. */
  readonly version: () => Promise<string>;
  readonly sharedKey: (contextPath: string) => string;
  readonly credentials: CredentialLookup;
  /** The engine's address on its default bridge; undefined where it has none. */
  readonly bridgeGateway: (signal: AbortSignal | undefined) => Promise<string | undefined>;
}

/** Builds on the BuildKit inside a Docker engine. */
export class BuildkitEngine implements BuildEngine {
  readonly kind = "buildkit";
  private readonly options: BuildkitEngineOptions;
  private known: { readonly version: string; readonly capabilities: EngineCapabilities } | undefined;

  constructor(options: BuildkitEngineOptions) {
    this.options = options;
  }

  /** Known once a build was opened. */
  get version(): string {
    return this.afterOpen.version;
  }

  /** Known once a build was opened. */
  get capabilities(): EngineCapabilities {
    return this.afterOpen.capabilities;
  }

  private get afterOpen(): NonNullable<BuildkitEngine["known"]> {
    if (!this.known) throw new Error("version and capabilities are known after the first open()");
    return this.known;
  }

  async open(asked: BuildRequest, options: { signal?: AbortSignal }): Promise<BuildkitBuild> {
    const { signal } = options;
    // What is wrong with the Dockerfile or the target is said before the engine is asked, and better.
    if (asked.dockerfile) planRequest(asked, asked.dockerfile);
    const lifetime = new Lifetime();
    const emitter = new BuildEvents();
    // Asked together with everything else; an engine that is none says so before its refusals do.
    const version = this.options.version();
    version.catch(() => undefined);
    try {
      const id = randomId();
      const contextUrl = contextUrlOf(asked, id);
      const registries = new AskedRegistries(this.options.credentials);
      const session = lifetime.own(this.session(asked, id, emitter, registries));
      const [connection, socket] = await Promise.all([
        BuildkitConnection.open(this.options.transport, options),
        this.options.transport.upgrade("/session", session.headers, options),
      ]);
      lifetime.defer(() => {
        socket.destroy();
      });
      lifetime.own(connection);
      session.serve(socket);
      log("buildkit", "connected");
      const { bridgeGateway } = this.options;
      const addHosts = await withHostGateway(asked.addHosts, connection.control, () => bridgeGateway(signal), signal);
      const request = { ...asked, addHosts };
      const status = new StatusReader((event) => emitter.emit(event));
      const openSolve = (): OpenSolve => {
        const solve = new OpenSolve(connection, {
          session: id,
          names: request.names,
          entitlements: request.network === "host" ? ["network.host"] : [],
          onLost: (error) => emitter.emit({ type: "lost", error }),
          translate: (error) => planError(error, { request, registries }, request.dockerfile),
        });
        status.read(connection.control.status({ Ref: solve.ref }, solve.metadata));
        return lifetime.own(solve);
      };
      const solve = openSolve();
      const capabilities = solve.solver.ping(signal).then((pong) => {
        const known = capabilitiesOf(pong);
        refuseIgnored(request, known);
        return known;
      });
      const planning = BuildkitBuild.plan(
        {
          request,
          connection,
          session: new BuildSession(session, id, request, contextUrl),
          status,
          capabilities,
          solve,
          openSolve,
          lifetime,
          emitter,
          registries,
        },
        signal,
      );
      planning.catch(() => undefined);
      // What the engine would ignore is said rather than what comes of it.
      this.known = { capabilities: await capabilities, version: await version };
      return await planning;
    } catch (error) {
      await lifetime[Symbol.asyncDispose]();
      await version;
      if (error instanceof CallError)
        throw new EngineError(`The engine's BuildKit refused the build: ${error.message}`, {
          code: "BUILDKIT_REFUSED",
          cause: error,
          hint: "`dfdebug doctor` says what this engine can do.",
        });
      throw error;
    }
  }

  private session(
    request: BuildRequest,
    id: string,
    emitter: BuildEvents,
    registries: AskedRegistries,
  ): BuildkitSession {
    const sources = new Map<string, FileSource>();
    if (request.context.kind === "directory") sources.set("context", { kind: "directory", path: request.context.path });
    else if (request.context.kind === "empty") sources.set("context", { kind: "memory", files: new Map() });
    for (const [name, path] of localContexts(request.buildContexts)) sources.set(name, { kind: "directory", path });
    const { context } = request;
    return new BuildkitSession({
      id,
      name: "dfdebug",
      sharedKey: this.options.sharedKey(context.kind === "directory" ? context.path : ""),
      sources,
      credentials: (host) => registries.lookup(host),
      secrets: request.secrets,
      ssh: request.ssh,
      uploads: context.kind === "archive" ? new Map([[id, () => context.stream]]) : new Map(),
      onTransfer: (event) => {
        // Nobody asked for the tools: they are no part of what is built.
        if (event.name !== toolboxSource) emitter.emit({ type: "transfer", ...event, name: sourceShown(event.name) });
        else if (event.done) log("buildkit", "toolbox sent", { files: event.files, bytes: event.bytes });
      },
    });
  }
}

/** The URL under which the engine fetches the context itself; an archive comes through the session (Upload.Pull). */
function contextUrlOf(request: BuildRequest, id: string): string | undefined {
  switch (request.context.kind) {
    case "remote":
      return request.context.url;
    case "archive":
      return `http://buildkit-session/${id}`;
    case "directory":
    case "empty":
      return undefined;
  }
}
