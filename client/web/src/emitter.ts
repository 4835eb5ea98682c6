/** Listeners by the name of what they listen to. */
export class Emitter<Events> {
  #listeners = new Map<keyof Events, Set<(value: never) => void>>();

  /** Adds a listener; the function that is returned removes it. */
  on<K extends keyof Events>(event: K, listener: (value: Events[K]) => void): () => void {
    const listeners = this.#listeners.get(event) ?? new Set();
    this.#listeners.set(event, listeners);
    // Wrapped, so that one that was added twice is two.
    const added = (value: Events[K]) => listener(value);
    listeners.add(added);
    return () => listeners.delete(added);
  }

  /** Calls the listeners. What one of them throws is reported as if nobody had called it, and stops no other. */
  emit<K extends keyof Events>(event: K, value: Events[K]): void {
    for (const listener of [...(this.#listeners.get(event) ?? [])]) {
      try {
        listener(value as never);
      } catch (error) {
        queueMicrotask(() => {
          throw error;
        });
      }
    }
  }
}
