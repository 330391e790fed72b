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
      hint: `Try: ssh ${endpoint.target.destination} docker version`,
    });
  if (/^(ERR_TLS|CERT_|DEPTH_ZERO|SELF_SIGNED|UNABLE_TO|ERR_SSL|EPROTO)/.test(code))
    return new EngineError(`The TLS connection to the engine at ${where} failed: ${errorMessage(error)}`, {
      code: "ENGINE_TLS",
      cause: error,
      hint: "Check DOCKER_TLS_VERIFY and DOCKER_CERT_PATH (ca.pem, cert.pem, key.pem), or the context's TLS files.",
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
  const text = Buffer.concat(chunks).toString("utf8");
  let message = text.trim();
  try {
    message = (JSON.parse(text) as { message?: string }).message ?? message;
  } catch {
    // Not JSON: a proxy's page, or Podman. The text says what there is to say.
  }
  const status = response.statusCode ?? 500;
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
