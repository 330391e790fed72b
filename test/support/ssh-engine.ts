import { chmodSync, mkdirSync, writeFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import type { TestEngine } from "./engines.js";
import { freePort, installed, script, ServerProcess } from "./servers.js";

/** An OpenSSH server on the loopback whose `docker` reaches a test engine. */
export interface SshEngine extends AsyncDisposable {
  readonly host: string;
  /** For dfdebug: an ssh before the real one on PATH that knows the key (people have it in ~/.ssh/config). */
  readonly env: Readonly<Record<string, string>>;
}

/** `folder` gets keys, configuration and the ssh wrapper. */
export async function startSshEngine(engine: TestEngine, folder: string): Promise<SshEngine> {
  const sshd = installed("/usr/sbin/sshd", "openssh-server");
  const port = await freePort();
  const { username } = userInfo();
  // sshd drops its rights in this folder, which Debian makes at boot.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true });
  script(`cd "$1"; ssh-keygen -q -t ed25519 -N '' -f host; ssh-keygen -q -t ed25519 -N '' -f key`, folder);
  const bin = join(folder, "bin");
  mkdirSync(bin);
  writeFileSync(
    join(folder, "sshd_config"),
    `Port ${String(port)}
ListenAddress 127.0.0.1
HostKey ${folder}/host
AuthorizedKeysFile ${folder}/key.pub
PidFile none
UsePAM no
StrictModes no
PermitRootLogin prohibit-password
PasswordAuthentication no
SetEnv DOCKER_HOST=${engine.host} PATH=/usr/bin:/bin
`,
  );
  writeFileSync(
    join(folder, "ssh_config"),
    `Host *
  IdentityFile ${folder}/key
  IdentitiesOnly yes
  UserKnownHostsFile ${folder}/known_hosts
  StrictHostKeyChecking accept-new
  LogLevel ERROR
`,
  );
  writeFileSync(join(bin, "ssh"), `#!/bin/sh\nexec /usr/bin/ssh -F '${folder}/ssh_config' "$@"\n`);
  chmodSync(join(bin, "ssh"), 0o755);
  const server = await ServerProcess.listen(port, sshd, ["-D", "-e", "-f", join(folder, "sshd_config")]);
  return {
    host: `ssh://${username}@127.0.0.1:${String(port)}`,
    env: { PATH: `${bin}:${process.env["PATH"] ?? ""}` },
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}
