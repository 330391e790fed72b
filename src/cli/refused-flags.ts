/** docker build's options that dfdebug refuses, and what to do instead. A flag that cannot be honoured is never ignored. */
const refused: ReadonlyMap<string, string> = new Map([
  ["--output", "dfdebug builds an image into the engine. Use docker build -o for other outputs."],
  ["-o", "dfdebug builds an image into the engine. Use docker build -o for other outputs."],
  ["--push", "Build with -t, then docker push."],
  ["--cache-from", "dfdebug uses the engine's own cache. Use docker build for external caches."],
  ["--cache-to", "dfdebug uses the engine's own cache. Use docker build for external caches."],
  ["--builder", "dfdebug builds with the BuildKit inside the engine: choose the engine with -H or --context."],
  ["--squash", "BuildKit does not squash. Use a last stage with COPY --from."],
  ["--sbom", "Attestations are docker buildx build's: dfdebug builds a plain image."],
  ["--provenance", "Attestations are docker buildx build's: dfdebug builds a plain image."],
  ["--attest", "Attestations are docker buildx build's: dfdebug builds a plain image."],
  ["--check", "Use docker build --check; dfdebug plan shows the steps."],
  ["--call", "Use docker build --call."],
  ["--ulimit", "dfdebug does not set limits of RUN: a step's container could not have the same ones."],
  ["--memory", "BuildKit has no memory limit for a build."],
  ["-m", "BuildKit has no memory limit for a build."],
  ["--shm-size", "dfdebug does not set /dev/shm of RUN: a step's container could not have the same one."],
  ["--cgroup-parent", "dfdebug does not set the cgroup of RUN: a step's container could not be in it."],
  ["--isolation", "That is for Windows containers."],
  ["--compress", "BuildKit sends only what changed; there is nothing to compress."],
  ["--allow", "dfdebug grants network.host with --network host, and no other entitlement."],
]);

/** Why an option of docker build is refused, where the command line has one. */
export function refusedFlag(argv: readonly string[]): string | undefined {
  for (const argument of argv) {
    const [name = ""] = argument.split("=", 1);
    const reason = refused.get(name);
    if (reason !== undefined) return `${name}: ${reason}`;
  }
  return undefined;
}
