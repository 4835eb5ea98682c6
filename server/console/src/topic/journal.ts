import { Ring } from "../ring.ts";
import type { Entry } from "./entry.ts";

/** Most lines that are kept. */
const LINES = 2_000;

/** Most bytes of payload that are kept. */
const BYTES = 16 * 1024 * 1024;

/** The newest lines of a topic, bounded in number and in bytes. */
export class Journal {
  readonly #entries: Ring<Entry>;
  readonly #most: number;
  #bytes = 0;

  constructor(lines = LINES, bytes = BYTES) {
    this.#entries = new Ring(lines);
    this.#most = bytes;
  }

  /** The place of the oldest line. Places only rise, also over {@link clear}. */
  get start(): number {
    return this.#entries.start;
  }

  /** The place that the next line will have. */
  get end(): number {
    return this.#entries.end;
  }

  at(place: number): Entry | undefined {
    return this.#entries.at(place);
  }

  add(entry: Entry): void {
    this.#bytes += bytesOf(entry) - bytesOf(this.#entries.push(entry));
    // The newest stays, however long it is.
    while (this.#bytes > this.#most && this.#entries.size > 1) this.#bytes -= bytesOf(this.#entries.shift());
  }

  clear(): void {
    this.#entries.clear();
    this.#bytes = 0;
  }
}

function bytesOf(entry: Entry | undefined): number {
  return entry?.type === "happening" ? entry.payload.length : 0;
}
