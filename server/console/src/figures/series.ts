import { Ring } from "../ring.ts";

/** A figure at a time, in milliseconds. */
export interface Point {
  readonly at: number;
  readonly value: number;
}

/** How much of the past is kept, and the least that is drawn, in milliseconds. */
const LONGEST = 300_000;
const SHORTEST = 60_000;

/** A figure over the last few minutes, one point a second. */
export class Series {
  readonly #points = new Ring<Point>(LONGEST / 1000 + 1);

  /** Times must rise: what is older than the last point starts anew, for the clock that it came from did so. */
  add(at: number, value: number): void {
    const last = this.#points.last;
    if (last !== undefined && at <= last.at) this.#points.clear();
    this.#points.push({ at, value });
  }

  get last(): Point | undefined {
    return this.#points.last;
  }

  get points(): Iterable<Point> {
    return this.#points;
  }

  /** How much of the past is worth a chart, in milliseconds: as much as there is, within bounds. */
  spanAt(now: number): number {
    const oldest = this.#points.at(this.#points.start)?.at ?? now;
    return Math.min(Math.max(now - oldest, SHORTEST), LONGEST);
  }

  /** The greatest value that is kept; 0 if there is none. */
  get peak(): number {
    let peak = 0;
    for (const { value } of this.#points) peak = Math.max(peak, value);
    return peak;
  }
}
