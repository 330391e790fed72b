/** An image's name, taken apart and completed as distribution/reference does (ParseNormalizedNamed). */
export interface ImageReference {
  /** `docker.io` where the name has none. */
  readonly domain: string;
  /** With `library/` where Docker Hub's own images leave it out. */
  readonly path: string;
  /** Undefined: the name has none, which is not yet `latest`. */
  readonly tag: string | undefined;
  /** `sha256:…` */
  readonly digest: string | undefined;
}

const hub = "docker.io";
const ownImages = "library/";

const grammar = (() => {
  const part = "[a-z0-9]+(?:(?:\\.|__?|-+)[a-z0-9]+)*";
  const label = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])";
  const address = `(?:${label}(?:\\.${label})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?`;
  const digest = "[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}";
  return new RegExp(`^(${address})/(${part}(?:/${part})*)(?::(\\w[\\w.-]{0,127}))?(?:@(${digest}))?$`);
})();

/** Reads an image's name; undefined where it is none by the registry's grammar, as with a capital letter in it. */
export function parseImageReference(text: string): ImageReference | undefined {
  // An image's id is no name: it would read as Docker Hub's.
  if (/^[0-9a-f]{64}$/.test(text)) return undefined;
  const [first = "", ...rest] = text.split("/");
  const hasDomain = rest.length > 0 && (/[.:]/.test(first) || first === "localhost" || first !== first.toLowerCase());
  const domain = hasDomain && first !== "index.docker.io" ? first : hub;
  const remote = hasDomain ? rest.join("/") : text;
  const isOwn = domain === hub && !remote.includes("/");
  const match = grammar.exec(`${domain}/${isOwn ? ownImages : ""}${remote}`);
  if (!match) return undefined;
  const [, , path = "", tag, digest] = match;
  return { domain, path, tag, digest };
}

/** `docker.io/library/busybox:latest`: the whole name, with the tag that is meant where there is none. */
export function fullName(reference: ImageReference): string {
  const { domain, path, tag, digest } = reference;
  return `${domain}/${path}${suffix(tag ?? (digest === undefined ? "latest" : undefined), digest)}`;
}

/**
 * `busybox` for `docker.io/library/busybox:latest`: how BuildKit (dockerui's namedContext) and buildx look a build context
 * up. What is no image's name stays as it is.
 */
export function contextName(name: string): string {
  const reference = parseImageReference(name);
  if (!reference) return name;
  const { domain, path, tag, digest } = reference;
  const isOwn = path.startsWith(ownImages) && !path.slice(ownImages.length).includes("/");
  const familiar = domain === hub ? (isOwn ? path.slice(ownImages.length) : path) : `${domain}/${path}`;
  return `${familiar}${suffix(tag, digest)}`.replace(/:latest$/, "");
}

function suffix(tag: string | undefined, digest: string | undefined): string {
  return `${tag === undefined ? "" : `:${tag}`}${digest === undefined ? "" : `@${digest}`}`;
}
