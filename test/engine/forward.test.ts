import { spawn, type ChildProcess } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect } from "node:net";
import { afterAll, beforeAll, expect, it } from "vitest";
import { describeEngines, docker, expectNothingLeft } from "../support/engines.js";
import { dfdebug, program } from "../support/run-dfdebug.js";

/** An echo on localhost, a counter on ::1, and a server that ends first and counts what still comes. */
const servers = `
const { createServer } = require("net");
const serve = (port, host, on) => createServer({ allowHalfOpen: true }, (socket) => {
  socket.on("error", () => {});
  on(socket);
}).listen(port, host, () => console.log("listens " + port));
const count = (socket, done) => {
  let bytes = 0;
  socket.on("data", (chunk) => (bytes += chunk.length)).on("end", () => done(bytes));
};
const open = new Set();
serve(7000, "127.0.0.1", (socket) => {
  open.add(socket.on("close", () => open.delete(socket)));
  socket.pipe(socket);
});
serve(7004, "127.0.0.1", (socket) => socket.resume().end(String(open.size)));
serve(7001, "::1", (socket) => count(socket, (bytes) => socket.end(String(bytes))));
serve(7002, "127.0.0.1", (socket) => { socket.end("bye"); count(socket, (bytes) => console.log("late " + bytes)); });
`;

describeEngines("dfdebug forward", (engine) => {
  const name = `forward-${randomBytes(4).toString("hex")}`;
  let forwarding: ChildProcess;
  let output = "";
  let complaints = "";
  const ports = new Map<string, number>();
  /** Resolves when `text` was printed. */
  const said = async (stream: NodeJS.ReadableStream | null, now: () => boolean): Promise<void> => {
    while (!now()) await once(stream as NodeJS.ReadableStream, "data");
  };

  beforeAll(async () => {
    // Engine 20.10 turns IPv6 off in networks that have none of it.
    const ipv6 = ["all", "lo"].flatMap((which) => ["--sysctl", `net.ipv6.conf.${which}.disable_ipv6=0`]);
    docker(engine, "run", "-d", "--name", name, "--network", "none", ...ipv6, "node:20-slim", "node", "-e", servers);
    while (!["7000", "7001", "7002", "7004"].every((port) => docker(engine, "logs", name).includes(`listens ${port}`)))
      if (docker(engine, "inspect", "-f", "{{.State.Running}}", name) !== "true") throw new Error("no server");
    forwarding = spawn(process.execPath, [program, "forward", name, "0:7000", "0:7001", "0:7002", "0:7004", "0:7003"], {
      env: { ...process.env, DOCKER_HOST: engine.host, NO_COLOR: "1" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    forwarding.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));
    forwarding.stderr?.setEncoding("utf8").on("data", (text: string) => (complaints += text));
    await said(forwarding.stdout, () => output.includes(`${name}:7003`));
    for (const [, local, port] of output.matchAll(/^127\.0\.0\.1:(\d+) -> .*:(\d+)$/gm))
      ports.set(port ?? "", Number(local));
  });

  afterAll(() => {
    docker(engine, "rm", "-f", name);
    expectNothingLeft(engine);
  });

  /** Sends all, ends, and reads to the end; undefined where the connection broke. */
  const exchange = (port: string, bytes: Buffer): Promise<Buffer | undefined> =>
    new Promise((resolve) => {
      const socket = connect({ port: ports.get(port) ?? 0, host: "127.0.0.1", allowHalfOpen: true });
      const chunks: Buffer[] = [];
      socket.on("data", (chunk: Buffer) => chunks.push(chunk));
      socket.once("end", () => resolve(Buffer.concat(chunks)));
      socket.once("error", () => resolve(undefined));
      socket.end(bytes);
    });

  it("passes megabytes both ways at once, and the end of them", async () => {
    const bytes = randomBytes(8 * 1024 * 1024);
    expect((await exchange("7000", bytes))?.equals(bytes)).toBe(true);
    expect((await exchange("7001", bytes))?.toString()).toBe(String(bytes.length));
  });

  it("keeps a hundred connections at once apart, and leaves none", async () => {
    const sent = Array.from({ length: 100 }, () => randomBytes(20_000));
    const received = await Promise.all(sent.map((bytes) => exchange("7000", bytes)));
    expect(received.filter((bytes, index) => bytes?.equals(sent[index] ?? Buffer.alloc(0)))).toHaveLength(100);
    while (String(await exchange("7004", Buffer.from("?"))) !== "0");
  });

  it("goes on sending to a server that has said all it has to say", async () => {
    const socket = connect({ port: ports.get("7002") ?? 0, host: "127.0.0.1", allowHalfOpen: true });
    socket.resume();
    await once(socket, "end");
    socket.end(Buffer.alloc(100_000));
    await once(socket, "close");
    expect(docker(engine, "logs", name)).toContain("late 100000");
  });

  it("says once that a port is refused, and what listens", async () => {
    expect(await exchange("7003", Buffer.from("x"))).toBeUndefined();
    await said(forwarding.stderr, () => complaints.includes("What listens there"));
    expect(await exchange("7003", Buffer.from("x"))).toBeUndefined();
    expect(complaints.match(/refused the connection/g)).toHaveLength(1);
    expect(complaints).toContain("127.0.0.1:7000, [::1]:7001, 127.0.0.1:7002, 127.0.0.1:7004");
  });

  it("ends with the container, and says so", async () => {
    const exited = once(forwarding, "close");
    docker(engine, "kill", name);
    expect((await exited)[0]).toBe(1);
    expect(complaints).toContain(`${name} exited (137)`);
    const refused = await dfdebug(engine, ["forward", name, "80"]);
    expect(refused).toMatchObject({ code: 2 });
    expect(refused.stderr).toContain("does not run");
  });
});
