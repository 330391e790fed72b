import type { IncomingMessage } from "node:http";
import { DfdebugError, EngineError, errorMessage } from "../errors.js";
import type { DockerEndpoint } from "./endpoint.js";

/** A connection that could not be made or was lost, by its system code. */
export function dialError(error: unknown, endpoint: DockerEndpoint): DfdebugError {
  if (error instanceof DfdebugError) return error;
  const code = (error as NodeJS.ErrnoException).code ?? "";
  const where = `${endpoint.host} (${endpoint.source})`;
  if (code === "EACCES" || code === "EPERM")
    return new EngineError(`No permission to use the engine at ${where}`, {
      code: "ENGINE_PERMISSION",
      cause: error,
      hint: "Add yourself to the docker group (sudo usermod -aG docker $USER, then log in again), or run as root.",
    });
  if (endpoint.target.kind === "ssh")
    return new EngineError(`The engine at ${where} cannot be reached: ${errorMessage(error)}`, {
      code: "ENGINE_SSH",
      cause: error,
      hint:
        code === "ENOENT"
          ? "There is no ssh on PATH: install OpenSSH's client."
          : `Try: ${["ssh", ...endpoint.target.args, endpoint.target.destination].join(" ")} docker version. ssh must not have to ask for a password or a host key.`,
    });
  // The alerts of TLS (RFC 8446, 6.2) by which a server refuses the client's certificate, as OpenSSL names them.
  if (
    /ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA|UNSUPPORTED_CERTIFICATE|HANDSHAKE_FAILURE|ACCESS_DENIED)/.test(code)
  )
    return clientCertificate(endpoint, error);
  if (/^(ERR_TLS|ERR_OSSL|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_SSL|EPROTO)/.test(code))
    return new EngineError(`The TLS connection to the engine at ${where} failed: ${errorMessage(error)}`, {
      code: "ENGINE_TLS",
      cause: error,
      hint: tlsHint,
    });
  if (code === "ECONNRESET" || code === "EPIPE")
    return new EngineError(`The connection to the engine at ${where} was lost`, {
      code: "ENGINE_LOST",
      cause: error,
      hint: "What was built stays in the engine's cache. `dfdebug doctor` says what is reachable.",
    });
  return new EngineError(
    `No engine answers at ${where}: ${code === "ENOENT" ? "there is no such socket" : errorMessage(error)}`,
    {
      code: "ENGINE_UNREACHABLE",
      cause: error,
      hint: [...endpoint.tried.map((line) => `Tried ${line}.`), startHint()].join("\n"),
    },
  );
}

/** Podman builds with Buildah; nothing there can be asked to stop before a step. */
export function noBuildkit(endpoint: DockerEndpoint): EngineError {
  return new EngineError(
    `The engine at ${endpoint.host} (${endpoint.source}) is Podman, which has no BuildKit to build with`,
    {
      code: "ENGINE_NO_BUILDKIT",
      hint: "dfdebug build needs Docker Engine 20.10 or later: name one with --host, --context or DOCKER_HOST. Containers and images of Podman can be looked into: dfdebug debug, ps, logs, exec.",
    },
  );
}

const tlsHint = "Check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH (ca.pem, cert.pem, key.pem), or the context's TLS files.";

function clientCertificate(endpoint: DockerEndpoint, cause: unknown): EngineError {
  const sent = endpoint.target.kind === "tcp" && endpoint.target.tls?.cert !== undefined;
  const where = `${endpoint.host} (${endpoint.source})`;
  return new EngineError(
    sent
      ? `The engine at ${where} refused dfdebug's client certificate`
      : `The engine at ${where} asks for a client certificate, and there is none`,
    { code: "ENGINE_TLS", cause, hint: tlsHint },
  );
}

/** Something is there, and it does not answer a ping as an engine does: `status`, or the connection closed. */
export function noAnswer(endpoint: DockerEndpoint, cause: unknown, status?: number): EngineError {
  const { target } = endpoint;
  // Some servers close the connection after the handshake where they do not like the client's certificate.
  if (target.kind === "tcp" && target.tls && status === undefined) return clientCertificate(endpoint, cause);
  const what = status === undefined ? "closed the connection" : `answered ${String(status)}`;
  return new EngineError(`What listens at ${endpoint.host} (${endpoint.source}) ${what}: it is no Docker engine`, {
    code: "ENGINE_UNREACHABLE",
    cause,
    hint:
      target.kind === "tcp" && !target.tls
        ? "If it is one with TLS, set DOCKER_TLS_VERIFY=1, and DOCKER_CERT_PATH to the folder with ca.pem, cert.pem and key.pem."
        : "Is something else at that address?",
  });
}

/** How an engine is started on this kind of machine. */
export function startHint(): string {
  switch (process.platform) {
    case "darwin":
      return "Start Docker Desktop, OrbStack or Colima (colima start), or set DOCKER_HOST.";
    case "win32":
      return "Run dfdebug inside WSL 2, where Docker Desktop's socket is.";
    default:
      return "Start one: sudo systemctl start docker (or, from a checkout of dfdebug, npm run engine start); or set DOCKER_HOST.";
  }
}

/** An answer of 400 or more, with the engine's own message; reads the body. */
export async function responseError(response: IncomingMessage, method: string, path: string): Promise<EngineError> {
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  return refusal(response.statusCode ?? 500, Buffer.concat(chunks).toString("utf8"), method, path);
}

/** The same of an answer that was read already. */
export function refusal(status: number, text: string, method: string, path: string): EngineError {
  let message = text.trim();
  try {
    message = (JSON.parse(text) as { message?: string }).message ?? message;
  } catch {
    // Not JSON: a proxy's page, or Podman. The text says what there is to say.
  }
  return new EngineError(message || `The engine answered ${String(status)} to ${method} ${path}`, {
    code: statusErrorCode(status),
  });
}

function statusErrorCode(status: number): string {
  switch (status) {
    case 404:
      return "NOT_FOUND";
    case 409:
      return "CONFLICT";
    case 401:
    case 403:
      return "ENGINE_DENIED";
    default:
      return "ENGINE_REFUSED";
  }
}
