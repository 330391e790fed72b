/** The image configuration as it stands at a step (OCI image-spec's ImageConfig, docker's additions included). */
export interface ImageConfig {
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly WorkingDir?: string;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  /** Durations in nanoseconds; what is 0 is left out. */
  readonly Healthcheck?: Readonly<Record<string, unknown>>;
  readonly OnBuild?: readonly string[];
  readonly Shell?: readonly string[];
}

/** PATH where the base image has none. */
export function defaultPath(os: string): string | undefined {
  return os === "windows" ? undefined : "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/** The shell of RUN, CMD and ENTRYPOINT where no SHELL names another. */
export function defaultShell(os: string): readonly string[] {
  return os === "windows" ? ["cmd", "/S", "/C"] : ["/bin/sh", "-c"];
}

/** The configuration of FROM scratch. */
export function scratchConfig(os: string): ImageConfig {
  const path = defaultPath(os);
  return path === undefined ? { WorkingDir: "/" } : { WorkingDir: "/", Env: [`PATH=${path}`] };
}
