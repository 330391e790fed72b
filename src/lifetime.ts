/** Releases one thing. Called at most once; "already gone" is success. */
export type Release = () => Promise<void> | void;

/**
 * Owns things to release and releases them last-in-first-out (Node 20 has no AsyncDisposableStack).
 * Releasing goes on after an error; the first error is thrown at the end. Dispose is idempotent, and each release is
 * given at most `timeoutMs` before the next one starts.
 */
export class Lifetime implements AsyncDisposable {
  private readonly releases: Release[] = [];
  private disposal: Promise<void> | undefined;

  private readonly timeoutMs: number;

  constructor(timeoutMs = 5_000) {
    this.timeoutMs = timeoutMs;
  }

  /** Takes ownership of `resource` and returns it. */
  own<T extends AsyncDisposable>(resource: T): T {
    this.defer(async () => {
      await resource[Symbol.asyncDispose]();
    });
    return resource;
  }

  /** Runs `release` when this lifetime ends; at once when it has ended already. */
  defer(release: Release): void {
    if (this.disposal) {
      void Promise.resolve()
        .then(release)
        .catch(() => undefined);
      return;
    }
    this.releases.push(release);
  }

  get disposed(): boolean {
    return this.disposal !== undefined;
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.disposal ??= this.releaseAll();
    return this.disposal;
  }

  private async releaseAll(): Promise<void> {
    let failed = false;
    let firstError: unknown;
    for (let release = this.releases.pop(); release; release = this.releases.pop()) {
      try {
        await withTimeout(release, this.timeoutMs);
      } catch (error) {
        if (!failed) firstError = error;
        failed = true;
      }
    }
    if (failed) throw firstError;
  }
}

async function withTimeout(release: Release, timeoutMs: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const timeout = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, timeoutMs);
  });
  try {
    await Promise.race([Promise.resolve().then(release), timeout]);
  } finally {
    clearTimeout(timer);
  }
}
