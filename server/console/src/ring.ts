/**
 * The newest of what was put in, up to a number. Each item has a place that never changes: the first ever has 0, the
 * next one 1, and so on.
 */
export class Ring<T> {
  readonly capacity: number;
  readonly #items: (T | undefined)[];
  #start = 0;
  #end = 0;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.#items = new Array<T | undefined>(capacity);
  }

  /** The place of the oldest item that is still there. */
  get start(): number {
    return this.#start;
  }

  /** The place that the next item will have. */
  get end(): number {
    return this.#end;
  }

  get size(): number {
    return this.#end - this.#start;
  }

  /** The item at a place, if it is still there. */
  at(place: number): T | undefined {
    return place >= this.#start && place < this.#end ? this.#items[place % this.capacity] : undefined;
  }

  get last(): T | undefined {
    return this.at(this.#end - 1);
  }

  /** Puts one in, and takes out and returns the oldest if there is no room. */
  push(item: T): T | undefined {
    const gone = this.size === this.capacity ? this.shift() : undefined;
    this.#items[this.#end % this.capacity] = item;
    this.#end += 1;
    return gone;
  }

  /** Takes out the oldest. */
  shift(): T | undefined {
    const oldest = this.at(this.#start);
    if (this.size === 0) return undefined;
    this.#items[this.#start % this.capacity] = undefined;
    this.#start += 1;
    return oldest;
  }

  /** Takes out all. Places go on. */
  clear(): void {
    this.#items.fill(undefined);
    this.#start = this.#end;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let place = this.#start; place < this.#end; place += 1)
      yield this.#items[place % this.capacity] as T;
  }
}
