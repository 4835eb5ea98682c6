import type { Push } from "./frames.ts";

/**
 * The unanswered pushes of one channel, oldest first, each with a ticket for its answer.
 *
 * References rise, and survive the connection: the server applies each one once, so sending all of them again in order
 * after a loss is always right.
 */
export class Outbox<T> {
  #waiting: { readonly push: Push; readonly ticket: T }[] = [];
  /** How many of them, from the front, were written to the stream in use. */
  #written = 0;

  /** How many pushes have no answer. */
  get size(): number {
    return this.#waiting.length;
  }

  /** How many were written and have no answer. */
  get written(): number {
    return this.#written;
  }

  /** Takes a push in, to be written after those before it. Its reference must be higher than theirs. */
  accept(push: Push, ticket: T): void {
    this.#waiting.push({ push, ticket });
  }

  /** The next push to write to the stream in use. */
  next(): Push | undefined {
    const next = this.#waiting[this.#written];
    if (next !== undefined) this.#written += 1;
    return next?.push;
  }

  /** A new stream is in use: everything without an answer is to be written again. */
  rewind(): void {
    this.#written = 0;
  }

  /** The ticket of the push that was answered; undefined if it is not known, or was not written to this stream. */
  answered(reference: number): T | undefined {
    const at = this.#waiting.findIndex(({ push }) => push.reference === reference);
    if (at < 0 || at >= this.#written) return undefined;
    this.#written -= 1;
    return this.#waiting.splice(at, 1)[0]?.ticket;
  }

  /** Gives all tickets back: no answer will come. */
  clear(): T[] {
    this.#written = 0;
    return this.#waiting.splice(0).map(({ ticket }) => ticket);
  }
}
