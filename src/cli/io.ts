/** The world around a command; tests give their own. */
export interface CliIo {
  readonly env: NodeJS.ProcessEnv;
  readonly cwd: string;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
  /** Aborts with CancelledError when the user interrupts. */
  readonly signal: AbortSignal;
  /** Takes Ctrl-C over, in place of `signal`, until the returned function is called. */
  onInterrupt(handler: () => void): () => void;
}
