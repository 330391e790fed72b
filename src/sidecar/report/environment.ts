/** A variable of the running process, against the image's. */
export interface Variable {
  readonly name: string;
  /** With what may be a secret in it replaced by asterisks. */
  readonly value: string;
  readonly masked: boolean;
  /** `missing`: the image sets it and the process does not have it. */
  readonly status: "image" | "added" | "changed" | "missing";
  /** Its value comes from `docker run -e` or compose, as far as the container's configuration says. */
  readonly fromConfiguration: boolean;
}

/** What the image and the container's configuration set, and what the process was started with: `NAME=value` each. */
export function compareEnvironment(
  process: readonly string[],
  image: readonly string[],
  configuration: readonly string[],
): Variable[] {
  const [running, ofImage, configured] = [process, image, configuration].map(toMap) as [
    Map<string, string>,
    Map<string, string>,
    Map<string, string>,
  ];
  const variables: Variable[] = [];
  for (const [name, value] of running) {
    const before = ofImage.get(name);
    const status = before === undefined ? "added" : before === value ? "image" : "changed";
    const fromConfiguration = status !== "image" && configured.get(name) === value;
    variables.push({ name, ...mask(name, value), status, fromConfiguration });
  }
  for (const [name, value] of ofImage)
    if (!running.has(name)) variables.push({ name, ...mask(name, value), status: "missing", fromConfiguration: false });
  return variables.sort((left, right) => (left.name < right.name ? -1 : 1));
}

function toMap(entries: readonly string[]): Map<string, string> {
  const map = new Map<string, string>();
  for (const entry of entries) {
    const at = entry.indexOf("=");
    if (at > 0) map.set(entry.slice(0, at), entry.slice(at + 1));
  }
  return map;
}

const stars = "***";

/** Parts of names of secrets. Rather MONKEY too than a key in a report that is pasted somewhere. */
const secretName = /TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|PRIVATE|KEY|(?:^|_)(?:PASS|AUTH|PAT|DSN)$|_PWD$/i;

/** `scheme://user:password@host`, also where the user is empty. */
const urlPassword = /([a-z][a-z\d+.-]*:\/\/[^\s/:@]*):([^\s/@]+)@/gi;

/** Forms that only credentials have: GitHub, GitLab, Slack, AWS, OpenAI and Stripe keys, JSON web tokens, PEM. */
const secretValue =
  /^(?:gh[oprsu]_\w{20,}|github_pat_\w{20,}|glpat-[\w-]{20,}|xox[abprs]-[\w-]{10,}|(?:AKIA|ASIA)[A-Z\d]{16}|sk[-_][\w-]{20,}|eyJ[\w-]+\.[\w-]+\.[\w-]*|-----BEGIN )/;

/** A variable's value as it may be shown. */
export function mask(name: string, value: string): { value: string; masked: boolean } {
  if (value === "") return { value, masked: false };
  // A path tells where a secret lies, not what it is.
  const isPath = /_FILE$|_PATH$|_DIR$/i.test(name) && /^[~./]/.test(value);
  if ((secretName.test(name) && !isPath) || secretValue.test(value)) return { value: stars, masked: true };
  const shown = value.replaceAll(urlPassword, `$1:${stars}@`);
  return { value: shown, masked: shown !== value };
}

/** A command line's arguments as they may be shown: `--password x`, `--token=x`, `PGPASSWORD=x` and passwords in URLs. */
export function maskArguments(argv: readonly string[]): string[] {
  return argv.map((argument, index) => {
    const option = /^(--?[\w-]+|[A-Za-z_]\w*)=(.*)$/s.exec(argument);
    if (option?.[1] !== undefined) return `${option[1]}=${mask(optionName(option[1]), option[2] ?? "").value}`;
    const before = argv[index - 1] ?? "";
    const isValue = /^--[\w-]+$/.test(before) && !argument.startsWith("-");
    return mask(isValue ? optionName(before) : "", argument).value;
  });
}

function optionName(option: string): string {
  return option.replace(/^-+/, "").replaceAll("-", "_");
}
