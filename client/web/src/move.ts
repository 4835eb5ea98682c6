import type { Online } from "./online.ts";
import { within } from "./patience.ts";

/** How long one attempt may take, in milliseconds. */
const PATIENCE = 10_000;

/** How long a server that was asked may take to answer when the old connection has ended, in milliseconds. */
const ANSWER = 3_000;

/** The shortest time from one attempt to the next, in milliseconds. */
const AGAIN = 5_000;

/** Makes the new connection; `asking` is called when the server is asked for the session. */
export type MakeConnection = (signal: AbortSignal, asking: () => void) => Promise<Online>;

/** Makes a new connection while the old one goes on, and tries again until it is there or no longer wanted. */
export class Move {
  /** Resolves with the new connection, also if it was called off too late; pending as long as there is none. */
  readonly done: Promise<{ readonly online: Online }>;
  readonly #due: () => number;
  readonly #make: MakeConnection;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #attempt: AbortController | undefined;
  #result: Promise<Online | undefined> = Promise.resolve(undefined);
  #lastAt = -Infinity;
  #asked = false;
  #over = false;
  #resolve!: (moved: { readonly online: Online }) => void;

  /** `due` says when the next attempt may begin by itself, in milliseconds since 1970; infinity is never. */
  constructor(due: () => number, make: MakeConnection) {
    this.#due = due;
    this.#make = make;
    this.done = new Promise((resolve) => {
      this.#resolve = resolve;
    });
    this.#schedule();
  }

  /** Whether the server was ever asked for the session: it then closes the old connection, whatever comes of the new one. */
  get hasAsked(): boolean {
    return this.#asked;
  }

  /** Begins at once, unless it has tried just now. */
  now(): void {
    if (this.#over || this.#attempt !== undefined || Date.now() < this.#lastAt + AGAIN) return;
    clearTimeout(this.#timer);
    this.#lastAt = Date.now();
    const attempt = new AbortController();
    this.#attempt = attempt;
    this.#result = this.#try(attempt);
  }

  /** The new connection, if it comes soon, now that the old one has ended. */
  async rescue(): Promise<Online | undefined> {
    if (this.#attempt === undefined || !this.#asked) return undefined;
    return within(ANSWER, this.#result);
  }

  /** Nobody wants the new connection any more. If it comes nevertheless, somebody has to end it. */
  cancel(): void {
    this.#over = true;
    clearTimeout(this.#timer);
    this.#attempt?.abort();
  }

  async #try(attempt: AbortController): Promise<Online | undefined> {
    const timer = setTimeout(() => attempt.abort(), PATIENCE);
    try {
      const online = await this.#make(attempt.signal, () => {
        this.#asked = true;
      });
      this.#over = true;
      this.#resolve({ online });
      return online;
    } catch {
      // The old connection is as good as before; the next attempt is due later.
      this.#attempt = undefined;
      this.#schedule();
      return undefined;
    } finally {
      clearTimeout(timer);
    }
  }

  #schedule(): void {
    const due = Math.max(this.#due(), this.#lastAt + AGAIN);
    if (!this.#over && Number.isFinite(due)) this.#timer = setTimeout(() => this.now(), due - Date.now());
  }
}
