import { encodeValue } from "./codec.ts";
import { Emitter } from "./emitter.ts";
import { CLOSED_BY_US, type Closed, JoinError, PushError } from "./errors.ts";
import type { Member } from "./member.ts";
import {
  type DirectMessage,
  type EventMessage,
  type GapMessage,
  type JoinedMessage,
  type Message,
  positionAfter,
  type Reply,
  type RestartedMessage,
} from "./message.ts";
import type { Adjustment, PushOptions } from "./options.ts";
import type { Position } from "./position.ts";
import { fits } from "./text.ts";
import { Limit } from "./wire.ts";
import { wishProblem } from "./wishes.ts";

/** Pushes without an answer in one channel: whoever has more on their way does not wait for them. */
const MOST_PUSHES = 1280;

/** What a channel tells its listeners. */
export interface ChannelEvents {
  event: EventMessage;
  gap: GapMessage;
  joined: JoinedMessage;
  restarted: RestartedMessage;
  direct: DirectMessage;
  /** Each of the above. */
  message: Message;
  /** The channel has ended. */
  closed: Closed;
}

/**
 * A membership in a topic: messages down, pushes up.
 *
 * It outlives connections: after a loss it joins again from the last position received, so that nothing is missing and nothing
 * comes twice, and says so with a message of the type `"joined"`.
 *
 * Messages are taken either with `for await (const message of channel)` or with {@link Channel.on}. While nobody takes any, a
 * few wait ({@link JoinOptions.buffer}); then the stream is no longer read, the server stops sending on it, and no other channel
 * notices. As answers to pushes come down the same stream, 16 times as many wait while a push has none.
 */
export class Channel implements AsyncIterable<Message> {
  /**
   * Resolves when the server has let this client in, however long there is no connection. Rejects with {@link JoinError} if the
   * server says no for good, or the client ends before.
   */
  readonly joined: Promise<JoinedMessage>;
  readonly #member: Member;
  readonly #nextReference: () => number;
  readonly #listeners = new Emitter<ChannelEvents>();
  readonly #over: Promise<void>;
  #closed: Closed | undefined;
  /** Messages go to listeners, and not to a loop. */
  #hasListeners = false;
  #position: Position | undefined;

  /** @internal Channels come from `Client.join`. */
  constructor(
    member: Member,
    /** Attends until the membership is over. */
    run: () => Promise<Closed>,
    nextReference: () => number,
  ) {
    this.#member = member;
    this.#nextReference = nextReference;
    let refuse: (error: JoinError) => void = () => {};
    this.joined = new Promise((resolve, reject) => {
      refuse = reject;
      member.onJoined = (joined) => {
        resolve(joined);
        this.#listeners.emit("joined", joined);
      };
    });
    this.#over = run().then((closed) => {
      this.#closed = closed;
      refuse(new JoinError(closed.message, closed.code));
      member.bell.ring();
      this.#listeners.emit("closed", closed);
    });
    // Nobody has to wait for it.
    this.joined.catch(() => {});
  }

  /** The topic's name. */
  get topic(): string {
    return this.#member.membership.topic;
  }

  /**
   * The position of the last message handed out: join with it as `since` to go on from there in another life of the
   * application. Undefined before the first one.
   */
  get position(): Position | undefined {
    return this.#position;
  }

  /** Why the channel has ended, if it has. */
  get closed(): Closed | undefined {
    return this.#closed;
  }

  /**
   * The messages to come, in order, until the channel has ended. The first one is of the type `"joined"`. Breaking out of the
   * loop does not leave the topic.
   */
  [Symbol.asyncIterator](): AsyncIterator<Message, void> {
    if (this.#hasListeners) throw new Error("this channel's messages go to listeners");
    const { bell, inbox } = this.#member;
    return {
      next: async () => {
        await bell.until(() => !inbox.isEmpty || this.#closed !== undefined);
        const message = inbox.take();
        if (message === undefined) return { done: true, value: undefined };
        this.#moveTo(message);
        // There is room for another one.
        bell.ring();
        return { done: false, value: message };
      },
      return: async () => ({ done: true, value: undefined }),
    };
  }

  /**
   * Adds a listener; the function that is returned removes it. From the first listener on, messages are not kept for a loop any
   * more. Listeners of `"joined"` and `"closed"` may be had beside a loop.
   */
  on<K extends keyof ChannelEvents>(event: K, listener: (value: ChannelEvents[K]) => void): () => void {
    const remove = this.#listeners.on(event, listener);
    if (event !== "joined" && event !== "closed" && !this.#hasListeners) {
      this.#hasListeners = true;
      // What waits comes when this caller has added its other listeners.
      queueMicrotask(() => this.#handWaiting());
    }
    return remove;
  }

  /**
   * Pushes an event with a value as MessagePack, and waits for the answer, however long the connection is away. Rejects with
   * {@link PushError}. Pushes are applied in the order of the calls, each one once.
   */
  async push(event: string, value: unknown, options: PushOptions = {}): Promise<Reply> {
    let payload: Uint8Array;
    try {
      payload = encodeValue(value);
    } catch (error) {
      throw new PushError("encode", `the value cannot be written as MessagePack: ${error}`);
    }
    return this.pushBytes(event, payload, options);
  }

  /** Pushes an event with a payload of bytes as they are; otherwise as {@link Channel.push}. */
  async pushBytes(event: string, payload: Uint8Array, { key }: PushOptions = {}): Promise<Reply> {
    if (event === "" || !fits(event, Limit.EVENT)) {
      throw new PushError("name", `an event name has 1 to ${Limit.EVENT} bytes`);
    }
    if (key !== undefined && !fits(key, Limit.KEY)) {
      throw new PushError("name", `a key has at most ${Limit.KEY} bytes`);
    }
    const member = this.#member;
    if (this.#closed || member.isLeaving) {
      const { code, message } = this.#closed ?? CLOSED_BY_US;
      throw new PushError("closed", `the channel ended: ${message}`, code);
    }
    if (member.outbox.size >= MOST_PUSHES) {
      throw new PushError("full", `${MOST_PUSHES} pushes of this channel wait for their answers`);
    }
    return new Promise((resolve, reject) => {
      member.accept({ reference: this.#nextReference(), event, payload, key }, { resolve, reject });
    });
  }

  /**
   * Changes what was asked for in the join, from now on and over reconnects too; what is not given stays as it is. Throws a
   * `RangeError` for a number that is none of those which {@link Adjustment} allows.
   *
   * ```ts
   * // The application shows the map now.
   * map.adjust({ priority: 200, interval: 0 });
   * ```
   */
  adjust(changes: Adjustment): void {
    const problem = wishProblem(changes);
    if (problem !== undefined) throw new RangeError(problem);
    const member = this.#member;
    const { priority, interval, deadline } = member.wishes;
    member.wishes = {
      priority: changes.priority ?? priority,
      interval: changes.interval ?? interval,
      deadline: changes.deadline ?? deadline,
    };
    member.bell.ring();
  }

  /** Leaves the topic, after the pushes on their way are answered or five seconds are over. */
  leave(): Promise<void> {
    this.#member.leave();
    return this.#over;
  }

  #handWaiting(): void {
    const { inbox, bell } = this.#member;
    for (let message = inbox.take(); message; message = inbox.take()) this.#hand(message);
    this.#member.sink = (message) => this.#hand(message);
    bell.ring();
  }

  #hand(message: Message): void {
    this.#moveTo(message);
    // The listeners of "joined" were called when it arrived.
    if (message.type !== "joined") this.#listeners.emit(message.type, message as never);
    this.#listeners.emit("message", message);
  }

  #moveTo(message: Message): void {
    this.#position = positionAfter(message) ?? this.#position;
  }
}
