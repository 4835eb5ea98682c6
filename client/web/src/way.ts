/** How long WebSocket is used before QUIC is tried again, in milliseconds; it doubles each time that fails. */
const RETRY = { first: 60_000, last: 30 * 60_000 };

/** Where to remember across pages: `sessionStorage`, or what is like it. */
export type Memory = Pick<Storage, "getItem" | "setItem" | "removeItem">;

/** QUIC gave no answer on this network. */
interface Blocked {
  readonly failures: number;
  /** When to try again, in milliseconds since 1970. */
  readonly retryAt: number;
}

/** What worked, by server and network, for clients of one page. */
const remembered = new Map<string, Blocked>();

/** Whether QUIC gets through to a server on the network of now. */
export class Way {
  readonly #server: string;
  readonly #network: () => string;
  readonly #memory: Memory | undefined;

  /** `network` names the network as well as the browser tells it. */
  constructor(server: string, network: () => string, memory: Memory | undefined) {
    this.#server = server;
    this.#network = network;
    this.#memory = memory;
  }

  /** When to try QUIC again: now, unless it did not work. */
  get retryAt(): number {
    return this.#blocked?.retryAt ?? 0;
  }

  /** QUIC gave no answer and something else did. */
  quicFailed(now: number): void {
    const failures = (this.#blocked?.failures ?? 0) + 1;
    const blocked = { failures, retryAt: now + Math.min(RETRY.first * 2 ** (failures - 1), RETRY.last) };
    remembered.set(this.#key, blocked);
    this.#store((memory) => memory.setItem(this.#key, JSON.stringify(blocked)));
  }

  /** QUIC works, or there is reason to hope so: the network has changed. */
  forget(): void {
    remembered.delete(this.#key);
    this.#store((memory) => memory.removeItem(this.#key));
  }

  get #key(): string {
    return `dunlin:${this.#server}:${this.#network()}`;
  }

  get #blocked(): Blocked | undefined {
    const known = remembered.get(this.#key);
    if (known) return known;
    let stored: Partial<Blocked> | null | undefined;
    this.#store((memory) => {
      stored = JSON.parse(memory.getItem(this.#key) ?? "null");
    });
    const { failures, retryAt } = stored ?? {};
    return Number.isFinite(failures) && Number.isFinite(retryAt) ? (stored as Blocked) : undefined;
  }

  /** Storage may be full or forbidden, and what is in it may be anything. */
  #store(use: (memory: Memory) => void): void {
    try {
      if (this.#memory) use(this.#memory);
    } catch {
      // Then the page remembers for itself.
    }
  }
}
