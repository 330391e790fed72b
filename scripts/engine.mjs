// Real engines for tests, demo and benchmarks. `npm run engine -- start|stop|status [default|26.1|28.5|28.5-containerd ...]`
//
// On a machine whose default socket answers, that engine is used and nothing is installed. Otherwise, on Debian with root
// rights: 20.10 is Debian 12's docker.io; 26.1 is Debian 13's and 28.5 sid's, each from a root filesystem of its own made by
// mmdebstrap and started in a mount namespace of its own. Plain Node, no dependencies: it runs before `npm ci`.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { request } from "node:http";
import { homedir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const cache = "/var/cache/dfdebug/engine";
const state = "/var/lib/dfdebug-engine";
const defaultSocket = "/var/run/docker.sock";
const packages = ["docker.io", "iptables", "iproute2", "ca-certificates", "busybox-static", "mmdebstrap"];

/** @typedef {{name: string, host: string, socket: string, startedByUs: boolean}} Engine */

const say = (text) => process.stderr.write(`engine: ${text}\n`);

/** Whether something answers the Docker API's ping on a socket, and with which engine version. */
export function ping(socket, timeoutMs = 2000) {
  return new Promise((resolve) => {
    const call = request({ socketPath: socket, path: "/_ping", timeout: timeoutMs }, (response) => {
      response.resume();
      const server = String(response.headers.server ?? "");
      resolve(response.statusCode === 200 ? (/Docker\/(\S+)/.exec(server)?.[1] ?? "unknown") : undefined);
    });
    call.on("timeout", () => call.destroy());
    call.on("error", () => resolve(undefined));
    call.end();
  });
}

/** Waits until the socket answers; shows the end of the log when it does not, or when the process ends. */
async function waitFor(socket, child, log, seconds = 60) {
  for (let tries = 0; tries < seconds * 10; tries++) {
    if (await ping(socket)) return;
    if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) break;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  child.kill("SIGKILL");
  const lines = existsSync(log) ? readFileSync(log, "utf8").trim().split("\n").slice(-15).join("\n") : "(no log)";
  throw new Error(`the engine did not come up on ${socket}; the end of ${log}:\n${lines}`);
}

function run(command, args, options = {}) {
  return execFileSync(command, args, { stdio: ["ignore", "ignore", "inherit"], ...options });
}

function has(command) {
  return spawnSync("sh", ["-c", `command -v ${command}`]).status === 0;
}

/** Installs Debian packages that are missing. */
export function install(names) {
  const missing = names.filter(
    (name) =>
      spawnSync("dpkg-query", ["-W", "-f=${Status}", name]).stdout?.toString().includes("ok installed") !== true,
  );
  if (missing.length === 0) return;
  say(`installing ${missing.join(", ")}`);
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive" };
  const args = ["install", "-y", "-qq", "--no-install-recommends", ...missing];
  if (spawnSync("apt-get", args, { env, stdio: "ignore" }).status === 0) return;
  run("apt-get", ["update", "-qq"], { env });
  run("apt-get", args, { env });
}

function requireDebianRoot() {
  if (process.platform !== "linux" || !has("apt-get"))
    throw new Error("no engine answers, and only on Debian one can be set up: start Docker and try again");
  if (process.getuid?.() !== 0)
    throw new Error("no engine answers: start Docker, or run this as root to have one set up");
}

/** Whether a process runs a program; pids are used again, so that a pid file alone proves nothing. */
function runs(pid, program) {
  if (!Number.isInteger(pid) || pid <= 0) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0")[0].endsWith(program);
  } catch {
    return false;
  }
}

/** A pid file whose process is gone makes dockerd refuse to start. */
function removeStalePid(file, program) {
  if (!existsSync(file)) return;
  if (!runs(Number(readFileSync(file, "utf8")), program)) rmSync(file, { force: true });
}

/** Starts a process that outlives us, with its output in a file. */
function daemon(command, args, log) {
  mkdirSync(state, { recursive: true });
  const output = openSync(log, "w");
  const child = spawn(command, args, { detached: true, stdio: ["ignore", output, output] });
  closeSync(output);
  // A program that is missing shows as a child without a pid.
  child.on("error", (error) => say(error.message));
  child.unref();
  return child;
}

/** Where engines of this user listen: DOCKER_HOST, the default, Docker Desktop, OrbStack, Colima, rootless. */
function candidateSockets() {
  const host = process.env.DOCKER_HOST ?? "";
  if (host.startsWith("unix://")) return [host.slice("unix://".length)];
  const below = [".docker/run/docker.sock", ".orbstack/run/docker.sock", ".colima/default/docker.sock"];
  const rootless = process.env.XDG_RUNTIME_DIR ? [join(process.env.XDG_RUNTIME_DIR, "docker.sock")] : [];
  return [defaultSocket, ...rootless, ...below.map((path) => join(homedir(), path))];
}

/** The engine that answers, or Debian 12's on the default socket. */
async function startDefault() {
  for (const candidate of candidateSockets()) {
    const version = await ping(candidate);
    if (version)
      return { name: shortVersion(version), host: `unix://${candidate}`, socket: candidate, startedByUs: false };
  }
  const socket = defaultSocket;
  requireDebianRoot();
  install(packages);
  removeStalePid("/var/run/docker.pid", "dockerd");
  removeStalePid("/var/run/docker/containerd/containerd.pid", "containerd");
  const log = join(state, "default.log");
  say("starting Debian's dockerd");
  const child = daemon("/usr/sbin/dockerd", [], log);
  await waitFor(socket, child, log);
  writeFileSync(join(state, "default.pid"), String(child.pid));
  return { name: shortVersion(await ping(socket)), host: `unix://${socket}`, socket, startedByUs: true };
}

function shortVersion(version) {
  return /^(\d+\.\d+)/.exec(version)?.[1] ?? version;
}

/**
 * Newer engines, each in a root filesystem of a later Debian, beside the default one. git is for git contexts.
 * 28.5-containerd is 28.5 with the containerd image store instead of the graph driver, with data of its own.
 */
const newer = {
  26.1: { suite: "trixie", bridge: "dfdebug0", address: "172.30.61.1/16", flags: [] },
  28.5: { suite: "sid", bridge: "dfdebug1", address: "172.31.61.1/16", flags: [] },
  "28.5-containerd": {
    suite: "sid",
    bridge: "dfdebug2",
    address: "172.29.61.1/16",
    flags: ["--feature", "containerd-snapshotter=true"],
  },
};

/** Starts one of them. */
async function startNewer(name) {
  const { suite, bridge, address, flags } = newer[name];
  const socket = `/var/run/dfdebug-engine-${name}.sock`;
  const engine = { name, host: `unix://${socket}`, socket };
  if (await ping(socket)) return { ...engine, startedByUs: false };
  requireDebianRoot();
  install(packages);
  const root = join(cache, suite);
  if (!existsSync(join(root, "usr/sbin/dockerd")) || !existsSync(join(root, "usr/bin/git"))) {
    say(`making the root filesystem of engine ${name} (about 20 s)`);
    rmSync(root, { recursive: true, force: true });
    rmSync(`${root}.new`, { recursive: true, force: true });
    mkdirSync(cache, { recursive: true });
    const include = "docker.io,docker-cli,docker-buildx,iptables,ca-certificates,git";
    // A mirror's copy of sid may be older than it says it may be.
    const old = ['--aptopt=Acquire::Check-Valid-Until "false"'];
    run("mmdebstrap", ["--quiet", "--variant=minbase", ...old, `--include=${include}`, suite, `${root}.new`]);
    renameSync(`${root}.new`, root);
  }
  const data = join(state, name);
  mkdirSync(data, { recursive: true });
  rmSync(socket, { force: true });
  if (spawnSync("ip", ["link", "show", bridge]).status !== 0) run("ip", ["link", "add", bridge, "type", "bridge"]);
  spawnSync("ip", ["addr", "replace", address, "dev", bridge]);
  run("ip", ["link", "set", bridge, "up"]);
  const script = `set -e
mount --make-rprivate /
mount --bind "$1" "$1"
mkdir -p "$1/data" "$1/oldroot" "$1/hostrun"
mount --bind "$2" "$1/data"
for d in proc sys dev; do mount --rbind /$d "$1/$d"; done
mount -t tmpfs tmpfs "$1/run"
mount --bind /var/run "$1/hostrun"
cat /etc/resolv.conf > "$1/etc/resolv.conf"
cd "$1"
pivot_root . oldroot
umount -l /oldroot
exec dockerd --data-root /data --exec-root /run/dfdebug-docker --pidfile /run/dfdebug-docker.pid \\
  -H unix:///hostrun/dfdebug-engine-${name}.sock --bridge=${bridge} ${flags.join(" ")}`;
  const log = join(state, `${name}.log`);
  say(`starting engine ${name}`);
  const child = daemon("unshare", ["-m", "bash", "-c", script, "engine", root, data], log);
  await waitFor(socket, child, log);
  writeFileSync(join(state, `${name}.pid`), String(child.pid));
  repairDefaultBridge();
  return { ...engine, startedByUs: true };
}

/** A dockerd that is started with --bridge deletes docker0 of its neighbour. */
function repairDefaultBridge() {
  if (spawnSync("ip", ["link", "show", "docker0"]).status === 0) return;
  spawnSync("ip", ["link", "add", "docker0", "type", "bridge"]);
  spawnSync("ip", ["addr", "add", "172.17.0.1/16", "dev", "docker0"]);
  spawnSync("ip", ["link", "set", "docker0", "up"]);
}

/**
 * Engines by name: "default" (the one that answers on the default socket, else Debian 12's), or one of `newer`.
 * @param {string[]} names
 * @returns {Promise<Engine[]>}
 */
export async function ensureEngines(names) {
  const engines = [];
  for (const name of names) {
    if (name !== "default" && !Object.hasOwn(newer, name))
      throw new Error(`there is no engine ${name}: default, ${Object.keys(newer).join(", ")}`);
    engines.push(name === "default" ? await startDefault() : await startNewer(name));
  }
  return engines;
}

/** Ends what ensureEngines started, by pid. */
export async function stopEngine(name) {
  const file = join(state, `${name}.pid`);
  if (!existsSync(file)) return;
  const pid = Number(readFileSync(file, "utf8"));
  rmSync(file, { force: true });
  if (runs(pid, "dockerd")) {
    process.kill(pid, "SIGTERM");
    // dockerd gives containers 10 s to end, and itself 15 s.
    for (let tries = 0; tries < 300 && runs(pid, "dockerd"); tries++)
      await new Promise((resolve) => setTimeout(resolve, 100));
    if (runs(pid, "dockerd")) process.kill(pid, "SIGKILL");
  }
  if (Object.hasOwn(newer, name)) spawnSync("ip", ["link", "del", newer[name].bridge]);
}

function docker(engine, args, options = {}) {
  return spawnSync(existsSync("/usr/bin/docker") ? "/usr/bin/docker" : "docker", ["-H", engine.host, ...args], options);
}

/** Base images that the fixtures name, made on this machine where no registry gives them. */
export function baseImages(engine, wanted = ["busybox:latest", "debian:bookworm-slim", "node:20-slim"]) {
  if (!has("docker")) throw new Error("docker's command-line client is missing: install it and try again");
  const path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  for (const image of wanted) {
    if (docker(engine, ["image", "inspect", image]).status === 0) continue;
    if (docker(engine, ["pull", "--quiet", image], { timeout: 120_000 }).status === 0) continue;
    const archive = baseArchive(image);
    say(`importing ${image} into engine ${engine.name} (made here, not pulled)`);
    const command = image.startsWith("busybox")
      ? 'CMD ["sh"]'
      : image.startsWith("node")
        ? 'CMD ["node"]'
        : 'CMD ["bash"]';
    // Machines behind a proxy trust its certificate; what runs in the image must, too.
    const extra = image.startsWith("node") ? ["-c", "ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt"] : [];
    const imported = docker(engine, ["import", "-c", `ENV ${path}`, "-c", command, ...extra, archive, image], {
      encoding: "utf8",
    });
    if (imported.status !== 0) throw new Error(`${image} could not be imported: ${imported.stderr}`);
  }
}

/** A tar of a base image's files, cached. */
function baseArchive(image) {
  mkdirSync(cache, { recursive: true });
  const archive = join(cache, `${image.replaceAll(/[^a-z0-9]+/g, "-")}.tar`);
  if (existsSync(archive) && statSync(archive).size > 0) return archive;
  if (process.platform !== "linux" || !has("apt-get") || process.getuid?.() !== 0)
    throw new Error(`${image} could not be pulled, and only on Debian, as root, it can be made: docker pull ${image}`);
  install(packages);
  const fresh = archive.replace(/\.tar$/, ".new.tar");
  rmSync(fresh, { recursive: true, force: true });
  if (image.startsWith("busybox")) {
    const script = `set -e; d=$(mktemp -d); mkdir -p "$d/bin" "$d/etc" "$d/tmp" "$d/root" "$d/home" "$d/var"; chmod 1777 "$d/tmp"; chmod 755 "$d"
cp /bin/busybox "$d/bin/"; for a in $(/bin/busybox --list); do [ "$a" = busybox ] || ln -s busybox "$d/bin/$a"; done
printf 'root:x:0:0:root:/root:/bin/sh\\ndaemon:x:1:1:daemon:/usr/sbin:/bin/false\\nnobody:x:65534:65534:nobody:/home:/bin/false\\n' > "$d/etc/passwd"
printf 'root:x:0:\\ndaemon:x:1:\\nnobody:x:65534:\\n' > "$d/etc/group"
tar -C "$d" --sort=name --mtime=@1700000000 --numeric-owner --owner=0 --group=0 -cf "$1" .; rm -rf "$d"`;
    run("bash", ["-c", script, "base", fresh]);
  } else if (image.startsWith("debian")) {
    say("making a Debian base image (about 15 s)");
    run("mmdebstrap", ["--quiet", "--variant=minbase", "--include=ca-certificates", "bookworm", fresh]);
  } else {
    const debian = baseArchive("debian:bookworm-slim");
    const script = `set -e; d=$(mktemp -d); tar -C "$d" -xf "$2"; mkdir -p "$d/usr/local/lib/node_modules"
cp "$3" "$d/usr/local/bin/node"; cp -r "$4" "$d/usr/local/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$d/usr/local/bin/npm"; ln -s ../lib/node_modules/npm/bin/npx-cli.js "$d/usr/local/bin/npx"
if [ -s /etc/ssl/certs/ca-certificates.crt ]; then cp /etc/ssl/certs/ca-certificates.crt "$d/etc/ssl/certs/ca-certificates.crt"; fi
tar -C "$d" --numeric-owner --owner=0 --group=0 -cf "$1" .; rm -rf "$d"`;
    const npm = join(
      execFileSync("npm", ["root", "-g"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] }).trim(),
      "npm",
    );
    run("bash", ["-c", script, "base", fresh, debian, process.execPath, npm]);
  }
  renameSync(fresh, archive);
  return archive;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [action = "start", ...names] = process.argv.slice(2);
  const chosen = names.length > 0 ? names : ["default"];
  try {
    if (action === "start") {
      for (const engine of await ensureEngines(chosen)) {
        say(`${engine.name} at ${engine.host}${engine.startedByUs ? " (started)" : ""}`);
        console.log(engine.host);
      }
    } else if (action === "stop") {
      for (const name of names.length > 0 ? names : [...Object.keys(newer), "default"]) await stopEngine(name);
    } else if (action === "status") {
      for (const socket of [defaultSocket, ...Object.keys(newer).map((name) => `/var/run/dfdebug-engine-${name}.sock`)])
        console.log(`${socket}: ${(await ping(socket)) ?? "no engine"}`);
    } else if (action === "images") {
      for (const engine of await ensureEngines(chosen)) baseImages(engine);
    } else throw new Error("usage: npm run engine -- start|stop|status|images [default|26.1|28.5|28.5-containerd ...]");
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    process.exitCode = 1;
  }
}
