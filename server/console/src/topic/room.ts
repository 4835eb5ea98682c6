import {
  type Channel,
  type Client,
  type Closed,
  type Delivery,
  type JoinOptions,
  type Message,
  type Position,
  PushError,
  type Reply,
} from "@dunlin/client";
import type { Member } from "../connection/link.ts";
import { Rate } from "../figures/rate.ts";
import { Series } from "../figures/series.ts";
import { Signal } from "../signal.ts";
import { happeningOf } from "./entry.ts";
import { Journal } from "./journal.ts";
import { closedNotice, gapNotice, joinedNotice, missingOf, restartedNotice } from "./notice.ts";

/** What came since the topic was joined here. */
export interface Counts {
  events: number;
  bytes: number;
  gaps: number;
  /** At most so many events are missing in the gaps. */
  missing: number;
  /** Times that the page came back and nothing was missing. */
  recovered: number;
  /** Times that it came back and something was. */
  lost: number;
}

/** A topic that this page has joined: what happens in it, and how well that arrives. */
export class Room implements Member {
  /** Tells when anything here has changed. */
  readonly changed = new Signal();
  readonly journal = new Journal();
  /** Events a second. */
  readonly rates = new Series();
  readonly counts: Counts = { events: 0, bytes: 0, gaps: 0, missing: 0, recovered: 0, lost: 0 };
  readonly #rate = new Rate();
  #channel: Channel | undefined;
  #since: Position | undefined;
  #ended: Closed | undefined;

  constructor(
    readonly topic: string,
    readonly delivery: Delivery,
    since: Position | undefined,
  ) {
    this.#since = since;
  }

  /** Where in the topic's log this page is. */
  get position(): Position | undefined {
    return this.#channel?.position;
  }

  /** Why nothing comes any more, if so. */
  get ended(): Closed | undefined {
    return this.#ended;
  }

  /** Joins the topic, and goes on from where an earlier client was. */
  attach(client: Client): void {
    this.#since = this.#channel?.position ?? this.#since;
    this.#ended = undefined;
    const options: JoinOptions = { delivery: this.delivery, since: this.#since };
    const channel = client.join(this.topic, options);
    this.#channel = channel;
    // The same is told by "closed".
    channel.joined.catch(() => {});
    channel.on("message", (message) => this.#take(message));
    channel.on("closed", (closed) => this.#end(channel, closed));
    this.changed.tell();
  }

  async leave(): Promise<void> {
    await this.#channel?.leave();
  }

  /** Throws {@link PushError}. */
  publish(event: string, value: unknown, key: string | undefined): Promise<Reply> {
    if (this.#channel === undefined)
      return Promise.reject(new PushError("closed", "the topic is not joined yet"));
    return this.#channel.push(event, value, key === undefined ? {} : { key });
  }

  /** Notes the rate; to be called once a second. */
  tick(now: number): void {
    const rate = this.#rate.next(now, this.counts.events);
    if (rate !== undefined) this.rates.add(now, rate);
  }

  #take(message: Message): void {
    const now = Date.now();
    switch (message.type) {
      case "event":
      case "direct":
        this.counts.events += 1;
        this.counts.bytes += message.payload.length;
        this.journal.add(happeningOf(message, now));
        break;
      case "gap":
        this.counts.gaps += 1;
        this.counts.missing += missingOf(message);
        this.journal.add(gapNotice(message, now));
        break;
      case "joined":
        if (message.again && message.start === "recovered") this.counts.recovered += 1;
        if (message.start === "lost") this.counts.lost += 1;
        this.journal.add(joinedNotice(message, now));
        break;
      case "restarted":
        this.journal.add(restartedNotice(message, now));
        break;
    }
    this.changed.tell();
  }

  #end(channel: Channel, closed: Closed): void {
    // Without a code the end was this page's: the topic is left, or another client takes the place of this one.
    if (channel !== this.#channel || closed.code === undefined) return;
    this.#ended = closed;
    this.journal.add(closedNotice(closed.code, closed.message, Date.now()));
    this.changed.tell();
  }
}
