import { Attendance, type Loss } from "./attendance.ts";
import { retryDelay } from "./backoff.ts";
import { Bell } from "./bell.ts";
import { codeRetry } from "./codes.ts";
import { CLOSED_BY_US, type Closed, PushError } from "./errors.ts";
import type { Push } from "./frames.ts";
import { Inbox } from "./inbox.ts";
import type { Live } from "./live.ts";
import type { JoinedMessage, Message, Reply } from "./message.ts";
import type { JoinOptions } from "./options.ts";
import { Outbox } from "./outbox.ts";
import { Progress } from "./progress.ts";
import type { Settings } from "./settings.ts";
import { failuresAfter } from "./state.ts";
import type { Retry } from "./wire.ts";
import type { Wishes } from "./wishes.ts";

/** How long a channel that is being left waits for the answers to its pushes, in milliseconds. */
const FLUSH = 5_000;

/** Where the answer to a push goes. */
export interface Ticket {
  resolve(reply: Reply): void;
  reject(error: PushError): void;
}

/** What a member asks for, its `params` as they go on the wire. */
export interface Membership extends JoinOptions {
  readonly topic: string;
  readonly params: Uint8Array | undefined;
}

/** What reads the datagrams of one membership. */
export interface DatagramMember {
  /** Knows the order of both, datagrams and stream. */
  readonly progress: Progress;
  /** Hands out what comes while an attendance lasts: the flow to join with, or undefined where there are no datagrams. */
  open(attendance: Attendance): number | undefined;
}

/** One membership: it outlives connections, and joins again after each loss. */
export class Member {
  /** Rings when anything here has changed. */
  readonly bell = new Bell();
  readonly membership: Membership;
  readonly datagrams: DatagramMember | undefined;
  readonly progress: Progress;
  readonly inbox: Inbox;
  readonly outbox = new Outbox<Ticket>();
  /** What is wanted of the stream now. */
  wishes: Wishes;
  /** Is told of each join, when it is answered. */
  onJoined: ((joined: JoinedMessage) => void) | undefined;
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

  constructor(membership: Membership, settings: Settings, random: () => number) {
    const { topic, since, delivery, priority = 128, interval = 0, deadline = 0, buffer } = membership;
    this.membership = membership;
    this.wishes = { priority, interval, deadline };
    if (typeof delivery === "object") {
      this.datagrams = delivery.attach(topic, since);
      this.progress = this.datagrams.progress;
    } else this.progress = new Progress(topic, delivery, since);
    this.inbox = new Inbox(buffer);
    this.#settings = settings;
    this.#random = random;
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

  /** Whether another message may be taken in; more of them while answers to pushes are to come down the same stream. */
  get hasRoom(): boolean {
    return this.inbox.hasRoom(this.#leaving || this.outbox.size > 0);
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
    this.onJoined?.(joined);
    this.deliver(joined);
  }

  /** Hands a message out, if it is one. */
  deliver(message: Message | undefined): void {
    if (message === undefined) return;
    if (this.sink) this.sink(message);
    else this.inbox.offer(message);
    this.bell.ring();
  }

  async #stay(): Promise<Closed> {
    let failures = 0;
    let notBefore = -Infinity;
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
