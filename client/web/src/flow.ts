/** What comes so soon after something else came with it, in milliseconds. */
const TOGETHER = 20;

/** Arrivals after which their mean interval is taken for a pace. */
const ENOUGH = 5;

/** The shortest silence that is worth a question, in milliseconds. */
const SHORTEST = 300;

/** How regularly something arrives. */
export class Flow {
  #lastAt = -Infinity;
  #arrivals = 0;
  /** Of the intervals, the latest ones counting most; in milliseconds. */
  #mean = 0;

  arrived(now: number): void {
    const interval = now - this.#lastAt;
    // A clock that was set back begins anew.
    if (interval < 0) this.stopped();
    else if (interval < TOGETHER) return;
    else if (this.#arrivals > 0) this.#mean += (interval - this.#mean) / Math.min(this.#arrivals, 8);
    this.#lastAt = now;
    this.#arrivals += 1;
  }

  /** It has ended: what comes later may have another pace. */
  stopped(): void {
    this.#arrivals = 0;
    this.#mean = 0;
  }

  /** When silence begins to be strange; never while nothing arrives regularly. */
  strangeAt(rttMs: number): number {
    if (this.#arrivals < ENOUGH) return Infinity;
    return this.#lastAt + Math.max(SHORTEST, 3 * rttMs, 4 * this.#mean);
  }
}
