import { Attendance, type Loss } from "./attendance.ts";
import { retryDelay } from "./backoff.ts";
import { Bell } from "./bell.ts";
import { codeRetry } from "./codes.ts";
import { CLOSED_BY_US, type Closed, PushError } from "./errors.ts";
import type { Push } from "./frames.ts";
import { Inbox } from "./inbox.ts";
import type { Live } from "./live.ts";
import type { JoinedMessage, Message, Reply } from "./message.ts";
import type { Delivery, PresenceReader } from "./options.ts";
import { Outbox } from "./outbox.ts";
import type { Position } from "./position.ts";
import { Progress } from "./progress.ts";
import type { Settings } from "./settings.ts";
import { failuresAfter } from "./state.ts";
import type { Retry } from "./wire.ts";

/** How long a channel that is being left waits for the answers to its pushes, in milliseconds. */
const FLUSH = 5_000;

/** Where the answer to a push goes. */
export interface Ticket {
  resolve(reply: Reply): void;
  reject(error: PushError): void;
}

/** What a member asks for in its join, as it goes on the wire. */
export interface Membership {
  readonly topic: string;
  readonly since: Position | undefined;
  readonly delivery: Delivery;
  readonly priority: number;
  readonly params: Uint8Array | undefined;
  readonly presence: PresenceReader | undefined;
  readonly buffer: number;
}

/** One membership: it outlives connections, and joins again after each loss. */
export class Member {
  /** Rings when anything here has changed. */
  readonly bell = new Bell();
  readonly topic: string;
  readonly delivery: Delivery;
  readonly priority: number;
  readonly params: Uint8Array | undefined;
  readonly presence: PresenceReader | undefined;
  readonly progress: Progress;
  readonly inbox: Inbox;
  readonly outbox = new Outbox<Ticket>();
  /** Takes messages as they come, instead of the inbox. */
  sink: ((message: Message) => void) | undefined;
  /** The connection in use. */
  #link: Live | undefined;
  #end: Closed | undefined;
  #leaving = false;
  #mustLeave = false;
  #lostAt: number | undefined;
  readonly #settings: Settings;
  readonly #random: () => number;
  readonly #onJoined: (joined: JoinedMessage) => void;

  constructor(
    membership: Membership,
    settings: Settings,
    random: () => number,
    onJoined: (joined: JoinedMessage) => void,
  ) {
    const { topic, since, delivery, priority, params, presence, buffer } = membership;
    this.topic = topic;
    this.delivery = delivery;
    this.priority = priority;
    this.params = params;
    this.presence = presence;
    this.progress = new Progress(topic, delivery, since);
    this.inbox = new Inbox(buffer);
    this.#settings = settings;
    this.#random = random;
    this.#onJoined = onJoined;
  }

  get link(): Live | undefined {
    return this.#link;
  }

  set link(link: Live | undefined) {
    this.#link = link;
    this.bell.ring();
  }

  /** Whether it is time to go: nothing waits for an answer, or it has waited long enough. */
  get mayLeave(): boolean {
    return this.#leaving && (this.outbox.size === 0 || this.#mustLeave);
  }

  get isLeaving(): boolean {
    return this.#leaving;
  }

  /** Whether answers to pushes are to come down the stream. */
  get awaitsReplies(): boolean {
    return this.#leaving || this.outbox.size > 0;
  }

  /** How long there was no server, in milliseconds. */
  get awayMs(): number {
    return this.#lostAt === undefined ? 0 : Date.now() - this.#lostAt;
  }

  /** Joins, and joins again, until the membership is over; never rejects. */
  async run(): Promise<Closed> {
    const closed = await this.#stay();
    const unanswered = () => new PushError("closed", `the channel ended: ${closed.message}`, closed.code);
    for (const ticket of this.outbox.clear()) ticket.reject(unanswered());
    return closed;
  }

  /** Ends the membership because the client has ended. */
  end(closed: Closed): void {
    this.#end = closed;
    this.bell.ring();
  }

  /** Leaves once pushes are answered, or a time has passed. */
  leave(): void {
    if (this.#leaving) return;
    this.#leaving = true;
    this.bell.ring();
    const timer = setTimeout(() => {
      this.#mustLeave = true;
      this.bell.ring();
    }, FLUSH);
    void this.bell.until(() => this.mayLeave).then(() => clearTimeout(timer));
  }

  /** Takes a push in. */
  accept(push: Push, ticket: Ticket): void {
    this.outbox.accept(push, ticket);
    this.bell.ring();
  }

  /** The server has let this member in. */
  welcomed(joined: JoinedMessage): void {
    this.#lostAt = undefined;
    this.outbox.rewind();
    this.#onJoined(joined);
    this.deliver(joined);
  }

  deliver(message: Message): void {
    if (this.sink) this.sink(message);
    else this.inbox.offer(message);
    this.bell.ring();
  }

  async #stay(): Promise<Closed> {
    let failures = 0;
    let notBefore = Number.NEGATIVE_INFINITY;
    /** This link is of no use any more. */
    let usedUp: Live | undefined;
    const isUsable = () => this.#link !== undefined && this.#link !== usedUp;
    const isOver = () => this.mayLeave || this.#end !== undefined;
    for (;;) {
      await this.bell.until(isOver, notBefore - Date.now());
      await this.bell.until(() => isOver() || isUsable());
      const live = this.#link;
      if (this.mayLeave) return CLOSED_BY_US;
      if (this.#end !== undefined || live === undefined) return this.#end ?? CLOSED_BY_US;
      const start = Date.now();
      const loss = await new Attendance(this, live).run();
      if (loss.type === "left") return CLOSED_BY_US;
      const now = Date.now();
      this.#lostAt ??= now;
      if (loss.type === "link") {
        usedUp = live;
        continue;
      }
      failures = failuresAfter(now - start, failures);
      const delay = retryDelay(this.#settings.backoff, failures, retryOf(loss), this.#random);
      if (delay === undefined) return closedBy(loss);
      notBefore = now + delay;
    }
  }
}

function retryOf(loss: Loss): Retry {
  return loss.type === "refused" ? codeRetry(loss.refusal.code, loss.refusal.retryAfterMs) : "now";
}

function closedBy(loss: Loss): Closed {
  if (loss.type === "refused") return { code: loss.refusal.code, message: loss.refusal.message };
  return { code: undefined, message: loss.type === "broken" ? loss.problem : "the connection was lost" };
}
