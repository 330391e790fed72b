import { spawn } from "node:child_process";
import { Duplex } from "node:stream";
import type { SshTarget } from "./endpoint.js";

/** How long an ssh that has ended may still hold its complaint back: a ControlPersist master keeps standard error open. */
const complaintMs = 250;

/**
 * docker's way over ssh: one ssh process a connection, which passes on the bytes of the engine's socket over there
 * (`docker system dial-stdio`). The user's own ssh with their configuration, keys and agent; it never asks at the terminal.
 * An ssh that fails ends the connection with what it complained of, translated by `translate`.
 */
export function dialSsh(target: SshTarget, translate: (error: Error) => Error): Duplex {
  const remote = ["docker", ...(target.remoteSocket ? ["--host", `unix://${target.remoteSocket}`] : [])];
  const child = spawn("ssh", ["-T", ...target.args, "--", target.destination, ...remote, "system", "dial-stdio"], {
    stdio: ["pipe", "pipe", "pipe"],
    // A session of its own, as docker does: Ctrl-C at our terminal is ours to handle, and must not cut the connection.
    detached: true,
  });
  let complaint = "";
  child.stderr.on("data", (chunk: Buffer) => {
    complaint = (complaint + chunk.toString("utf8")).slice(-2000);
  });
  const socket = new Duplex({
    read: () => child.stdout.resume(),
    write: (chunk: Buffer, _encoding, done) => {
      if (child.stdin.write(chunk) || child.stdin.destroyed) done();
      else child.stdin.once("drain", done);
    },
    final: (done) => child.stdin.end(done),
    destroy: (error, done) => {
      child.kill();
      done(error);
    },
  });
  child.stdout.on("data", (chunk: Buffer) => {
    if (!socket.push(chunk)) child.stdout.pause();
  });
  // A pipe that broke shows as the end of ssh.
  child.stdin.on("error", () => undefined);
  child.once("error", (error) => socket.destroy(translate(error)));
  child.once("exit", (code, signal) => {
    const end = (): void => {
      clearTimeout(timer);
      child.off("close", end);
      if (code === 0) socket.push(null);
      else socket.destroy(translate(new Error(complaint.trim() || `ssh ended with ${signal ?? String(code)}`)));
    };
    const timer = setTimeout(end, complaintMs);
    child.once("close", end);
  });
  return socket;
}
