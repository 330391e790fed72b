/** Instructions that say what a container runs. */
export type RunInstruction = "ENTRYPOINT" | "CMD" | "USER" | "WORKDIR";

/** Why a container cannot run; `kind` is for scripts. */
export interface Finding {
  readonly kind:
    | "no-command"
    | "program-missing"
    | "program-is-folder"
    | "not-executable"
    | "not-a-program"
    | "wrong-architecture"
    | "loader-missing"
    | "interpreter-missing"
    | "crlf"
    | "user-missing"
    | "group-missing"
    | "not-root"
    | "library-missing"
    | "library-version"
    | "workdir-is-file";
  /** Where it comes from. */
  readonly instruction: RunInstruction;
  readonly message: string;
  readonly hint: string | undefined;
}

/** A program that is started, and those that start it: an interpreter, a loader. */
export interface Program {
  /** `script`: what a shell's `-c` begins with; `command`: what an init, `gosu` or an entrypoint's script starts. */
  readonly role: "program" | "interpreter" | "loader" | "script" | "command";
  /** As the command line, the `#!` line or the ELF header name it. */
  readonly name: string;
  /** Undefined where it was not found. */
  readonly path: string | undefined;
  /** Where the path's symlinks lead. */
  readonly real: string | undefined;
  /** `ELF amd64, dynamic, 6 libraries`, `script, #!/bin/sh`. */
  readonly type: string | undefined;
}
