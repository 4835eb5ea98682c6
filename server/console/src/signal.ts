/** Tells its listeners that something has changed. */
export class Signal {
  readonly #listeners = new Set<() => void>();

  /** Returns what ends it. */
  listen(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  tell(): void {
    for (const listener of this.#listeners) listener();
  }
}
