import { Flow } from "./flow.ts";

/** How long there may be no sign of life after a `Ping`, in milliseconds. */
const PATIENCE = 5_000;

/** How often to ask again meanwhile: each `Ping` is a new packet, while a transport repeats a lost one at growing intervals. */
const AGAIN = 1_000;

/** A timer that is later than this was frozen, with the page or the machine. */
const FROZEN = 2_000;

/** A timer that is later than this proves no silence: what has arrived meanwhile may not have been handed out. */
const LATE = 250;

/** What a page that comes back grants, for people look at it, and the first question after a flow that has stopped. */
const QUICK = 1_000;

/** What the second question after a flow that has stopped grants. */
const LAST = 2_000;

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
 *
 * Where something arrived regularly, silence means more than elsewhere, and every moment of it costs: whoever publishes goes on,
 * and history is finite. So it is asked about at once, and waited for less.
 */
export class Liveness {
  #every: number;
  #due: number;
  #seen: Traffic;
  /** The last round trip in milliseconds: knowing it spares slow networks. */
  rttMs = 0;
  readonly #flow = new Flow();
  /** When something was sent that is answered, since anything arrived. */
  #question: number | undefined;
  #asked: { readonly at: number; readonly received: number; readonly patience: number } | undefined;

  constructor(every: number, now: number, traffic: Traffic) {
    this.#every = every;
    this.#due = now + every;
    this.#seen = traffic;
  }

  /** When to call {@link Liveness.act}. */
  get due(): number {
    return this.#asked ? this.#due : Math.min(this.#due, this.#flow.strangeAt(this.rttMs));
  }

  /** Something of a channel's has arrived: {@link Liveness.due} may be sooner. */
  arrived(now: number): void {
    this.#flow.arrived(now);
    this.#question = undefined;
  }

  /** An answer of the server's has arrived, which says nothing about a flow. */
  answered(): void {
    this.#question = undefined;
  }

  /** Something was sent that is answered: a `Ping`, a push. */
  sent(now: number): void {
    this.#question ??= now;
  }

  /** Changes the interval. */
  setInterval(every: number, now: number): void {
    if (every === this.#every) return;
    this.#every = every;
    if (this.#asked === undefined) this.#due = Math.min(this.#due, now + every);
  }

  /** Asks at once, for instance because the page came back: the caller sends a `Ping`. */
  check(now: number, traffic: Traffic): void {
    const patience = this.#hurry;
    this.#asked = { at: now, received: traffic.receivedBytes, patience };
    this.#due = now + Math.min(AGAIN, patience);
  }

  /** Decides at the time that was due. */
  act(now: number, traffic: Traffic): Act {
    const late = now - this.due;
    const frozen = late > FROZEN;
    const asked = this.#asked;
    if (asked !== undefined && traffic.receivedBytes > asked.received) {
      this.#asked = undefined;
      this.#due = Math.max(asked.at + this.#every, now);
      this.#seen = traffic;
      return "rest";
    }
    if (asked === undefined) {
      if (now >= this.#flow.strangeAt(this.rttMs)) return this.#wonder(now, traffic);
      // A clock may have been set back.
      this.#due = Math.min(this.#due, now + this.#every);
      if (now < this.#due) return "rest";
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
      if (late <= LATE) return "giveUp";
      this.#asked = { at: now, received: traffic.receivedBytes, patience: QUICK };
    }
    this.#due = now + AGAIN;
    return "ping";
  }

  get #hurry(): number {
    return Math.max(QUICK, 3 * this.rttMs);
  }

  /** A flow has stopped: asks about it, unless that was asked already, and if there is no answer once more. */
  #wonder(now: number, { receivedBytes }: Traffic): Act {
    const at = Math.max(this.#question ?? now, now - this.#hurry);
    const isFirst = this.#question === undefined;
    this.#flow.stopped();
    this.#asked = { at, received: receivedBytes, patience: this.#hurry + LAST };
    this.#due = at + this.#hurry;
    if (this.#due > now) return isFirst ? "ping" : "rest";
    this.#due = now + AGAIN;
    return "ping";
  }

  #isBusy({ sentBytes, receivedBytes }: Traffic): boolean {
    return sentBytes > this.#seen.sentBytes && receivedBytes > this.#seen.receivedBytes;
  }
}
