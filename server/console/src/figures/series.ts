import { Ring } from "../ring.ts";

/** A figure at a time, in milliseconds. */
export interface Point {
  readonly at: number;
  readonly value: number;
}

/** A figure over the last few minutes, one point a second. */
export class Series {
  /** How much of the past is kept and drawn, in milliseconds. */
  static readonly SPAN = 300_000;
  readonly #points = new Ring<Point>(Series.SPAN / 1000 + 1);

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

  /** The greatest value that is kept; 0 if there is none. */
  get peak(): number {
    let peak = 0;
    for (const { value } of this.#points) peak = Math.max(peak, value);
    return peak;
  }
}
