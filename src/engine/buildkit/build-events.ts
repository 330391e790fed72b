import type { BuildEvent } from "../engine.js";

/** Listeners of one build. Events before the first listener are kept for it: planning reports progress, too. */
export class BuildEvents {
  private readonly listeners = new Set<(event: BuildEvent) => void>();
  private early: BuildEvent[] | undefined = [];

  emit(event: BuildEvent): void {
    if (this.early) this.early.push(event);
    for (const listener of this.listeners) listener(event);
  }

  subscribe(listener: (event: BuildEvent) => void): () => void {
    this.listeners.add(listener);
    const early = this.early ?? [];
    this.early = undefined;
    for (const event of early) listener(event);
    return () => this.listeners.delete(listener);
  }
}
