import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { describeEngines, expectNothingLeft } from "../support/engines.js";
import { installed } from "../support/servers.js";
import { Terminal } from "../support/terminal.js";

describeEngines("a failing step whose SHELL is zsh", (engine) => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "dfdebug-zsh-"));
    copyZsh(join(folder, "root"));
  });

  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
    expectNothingLeft(engine);
  });

  const build = (run: string): Terminal => {
    const head = 'FROM busybox:latest\nCOPY root /\nWORKDIR /srv\nSHELL ["/usr/bin/zsh", "-o", "extendedglob", "-c"]\n';
    writeFileSync(join(folder, "Dockerfile"), `${head}${run}\n`);
    return new Terminal(engine, ["build", "."], folder);
  };

  it("has the instruction typed, editable, and recognises the fix", async () => {
    await using terminal = build("RUN words=(a b) && print -l -- /no/*(N) $words[2] && cat input");
    await terminal.expect(/step 5 \/srv [#%$] .*words=\(a b\) && print -l -- \/no\/\*\(N\) \$words\[2\] && cat input/);
    terminal.type("\r");
    await terminal.expect(/\nb\n/);
    await terminal.expect(/step 5 \/srv [#%$] /);
    // The step's own options hold, and the instruction is in the history to be taken up again.
    terminal.type("[[ -o extendedglob ]] && echo data > input\r");
    await terminal.expect(/step 5 \/srv [#%$] /);
    terminal.type("\x1b[A\x1b[A\x1b[D\x1b[D\x1b[D\x1b[D\x1b[D\r");
    await terminal.expect(/\nb\ndata\n/);
    await terminal.expect(/step 5 \/srv [#%$] /);
    terminal.type("exit\r");
    await terminal.expect("ended with 0 there. Retry step 5 with it? [Y/n]");
    terminal.type("y\r");
    await terminal.expect("Write this change? [y/N]");
    terminal.type("y\r");
    await terminal.expect("Built sha256:");
    expect(await terminal.exited).toBe(0);
    expect(readFileSync(join(folder, "Dockerfile"), "utf8")).toContain(
      "RUN [[ -o extendedglob ]] && echo data > input && words=(a b) && print -l -- /no/*(N) $words[2] && cat input\n",
    );
  });

  it("keeps several lines as they are", async () => {
    await using terminal = build("RUN print one && \\\n    false");
    await terminal.expect(/step 5 \/srv [#%$] print one && \\\n/);
    await terminal.expect("false");
    terminal.type("\r");
    await terminal.expect(/\none\n/);
    await terminal.expect(/step 5 \/srv [#%$] /);
    terminal.type("exit\r");
    await terminal.expect("(dfdebug) ");
    terminal.type("quit\r");
    expect(await terminal.exited).toBe(1);
  });
});

/** This machine's zsh with all that it loads, as an image of Debian has it. */
function copyZsh(root: string): void {
  const zsh = installed("/usr/bin/zsh", "zsh");
  const modules = execFileSync(zsh, ["-fc", "print -- $module_path[1]"], { encoding: "utf8" }).trim();
  const libraries = execFileSync("ldd", [zsh], { encoding: "utf8" }).match(/\/\S+(?= \()/g) ?? [];
  const terminfo = execFileSync("sh", ["-c", "ls -d /lib/terminfo /usr/share/terminfo 2>/dev/null | head -1"], {
    encoding: "utf8",
  }).trim();
  for (const path of [zsh, modules, terminfo, ...libraries]) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    cpSync(path, join(root, path), { recursive: true, dereference: true });
  }
}
