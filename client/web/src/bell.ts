/** Wakes all who wait whenever something has changed; each looks for itself whether it is what it waits for. */
export class Bell {
  #waiting: (() => void)[] = [];

  ring(): void {
    for (const wake of this.#waiting.splice(0)) wake();
  }

  /** Waits until the condition holds, or for so many milliseconds; tells whether it holds. */
  async until(condition: () => boolean, timeoutMs = Infinity): Promise<boolean> {
    let late = timeoutMs <= 0;
    const timer = Number.isFinite(timeoutMs)
      ? setTimeout(() => {
          late = true;
          this.ring();
        }, timeoutMs)
      : undefined;
    while (!condition() && !late) await new Promise<void>((wake) => this.#waiting.push(wake));
    clearTimeout(timer);
    return condition();
  }
}
