/** How long there may be no sign of life after a `Ping`, in milliseconds. */
const PATIENCE = 5_000;

/** How often to ask again meanwhile: each `Ping` is a new packet, while a transport repeats a lost one at growing intervals. */
const AGAIN = 1_000;

/** A timer that is later than this was frozen, with the page or the machine. */
const FROZEN = 2_000;

/** What a page that comes back grants: people look at it. */
const QUICK = 1_000;

/** Bytes on streams so far. */
interface Traffic {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** What to do now: send a `Ping`, nothing, or give the connection up. */
export type Act = "ping" | "rest" | "giveUp";

/**
 * When to ask for a sign of life, and when to stop hoping for one.
 *
 * A transport's own idle timeout is longer than people wait. Any byte received counts as a sign: a `Pong` may be late
 * behind a burst of events. And a server learns a client's new address only from what arrives, so one that is silent for
 * an interval has to say something.
 */
export class Liveness {
  #every: number;
  #due: number;
  #seen: Traffic;
  #asked: { readonly at: number; readonly received: number; readonly patience: number } | undefined;

  constructor(every: number, now: number, traffic: Traffic) {
    this.#every = every;
    this.#due = now + every;
    this.#seen = traffic;
  }

  /** When to call {@link Liveness.act}. */
  get due(): number {
    return this.#due;
  }

  /** Changes the interval. */
  setInterval(every: number, now: number): void {
    if (every === this.#every) return;
    this.#every = every;
    if (this.#asked === undefined) this.#due = Math.min(this.#due, now + every);
  }

  /** Asks at once, for instance because the page came back: the caller sends a `Ping`. Knowing the round trip spares slow networks. */
  check(now: number, traffic: Traffic, rttMs = 0): void {
    const patience = Math.max(QUICK, 3 * rttMs);
    this.#asked = { at: now, received: traffic.receivedBytes, patience };
    this.#due = now + Math.min(AGAIN, patience);
  }

  /** Decides at the time that was due. */
  act(now: number, traffic: Traffic): Act {
    const frozen = now - this.#due > FROZEN;
    const asked = this.#asked;
    if (asked !== undefined && traffic.receivedBytes > asked.received) {
      this.#asked = undefined;
      this.#due = Math.max(asked.at + this.#every, now);
      this.#seen = traffic;
      return "rest";
    }
    if (asked === undefined && this.#isBusy(traffic) && !frozen) {
      this.#seen = traffic;
      this.#due = now + this.#every;
      return "rest";
    }
    if (asked === undefined || frozen) {
      // What arrived while everything stood still has not been seen yet: its absence proves nothing.
      this.#asked = { at: now, received: traffic.receivedBytes, patience: frozen ? QUICK : PATIENCE };
    } else if (now - asked.at >= asked.patience) {
      return "giveUp";
    }
    this.#due = now + AGAIN;
    return "ping";
  }

  #isBusy({ sentBytes, receivedBytes }: Traffic): boolean {
    return sentBytes > this.#seen.sentBytes && receivedBytes > this.#seen.receivedBytes;
  }
}
