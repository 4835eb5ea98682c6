import { decodeValue } from "./codec.ts";
import type { DeliveryMode } from "./options.ts";
import type { Position } from "./position.ts";

/** The next thing that happened in a channel, in order. */
export type Message = EventMessage | GapMessage | JoinedMessage | RestartedMessage | DirectMessage;

/** Whether everything since the position that was asked for follows. */
export type Start =
  /** No position was asked for: events from now on. */
  | "live"
  /** Everything since then follows, nothing is missing and nothing comes twice. */
  | "recovered"
  /** History does not reach back so far: fetch the present state by other means. */
  | "lost";

/**
 * One event of the topic. None is handed out twice, and none out of order; only with datagrams, what came in them and what came on
 * the stream are two orders.
 */
export class EventMessage {
  readonly type = "event";

  constructor(
    readonly topic: string,
    /** Its place in the topic's log. A join `since` this position goes on with the event after it. */
    readonly position: Position,
    /** When the server took it, in milliseconds since 1970. */
    readonly at: number,
    /** The event's name. */
    readonly event: string,
    /** Opaque bytes; by convention MessagePack. */
    readonly payload: Uint8Array,
    /** What `"latest"` readers conflate by. */
    readonly key: string | undefined,
  ) {}

  /** The payload read as MessagePack, anew each time; throws if it is not. */
  get data(): unknown {
    return decodeValue(this.payload);
  }
}

/** These events are missing, inclusive on both ends: this client read slower than history is long. */
export interface GapMessage {
  readonly type: "gap";
  readonly from: Position;
  readonly to: Position;
}

/** The channel was joined: at first, and again after each loss of the connection. */
export interface JoinedMessage {
  readonly type: "joined";
  /** False for the first join of this channel, true when it came back. */
  readonly again: boolean;
  /** Whether everything since `previous` follows. */
  readonly start: Start;
  /** Events after this position follow. */
  readonly position: Position;
  /** The position that was asked for: the last one received, or the option `since`. */
  readonly previous: Position | undefined;
  /**
   * How events are delivered from now on: not always as asked, for some servers and transports have no datagrams. Undefined if an
   * older server does not say.
   */
  readonly delivery: DeliveryMode | undefined;
  /** How long the channel was without a server, in milliseconds; 0 for the first join. */
  readonly awayMs: number;
  /** The channel's answer to the join, by convention MessagePack; empty from the built-in channel. */
  readonly reply: Uint8Array;
}

/** The topic's log started over: what follows comes after this position, of a new epoch. */
export interface RestartedMessage {
  readonly type: "restarted";
  readonly position: Position;
}

/** An event for this member alone, from no log and so without a position. */
export class DirectMessage {
  readonly type = "direct";

  constructor(
    readonly event: string,
    readonly payload: Uint8Array,
  ) {}

  /** The payload read as MessagePack, anew each time; throws if it is not. */
  get data(): unknown {
    return decodeValue(this.payload);
  }
}

/** The server's answer to a push that was applied. */
export class Reply {
  constructor(
    /**
     * Opaque bytes; by convention MessagePack. Empty if the push was applied so long ago, before the connection was
     * lost, that the server no longer holds its answer.
     */
    readonly payload: Uint8Array,
  ) {}

  /** The payload read as MessagePack, anew each time; undefined if it is empty, throws if it is not MessagePack. */
  get data(): unknown {
    return this.payload.length === 0 ? undefined : decodeValue(this.payload);
  }
}

/** Where in the topic's log the reader is after a message, if it moves the reader. */
export function positionAfter(message: Message): Position | undefined {
  switch (message.type) {
    case "event":
    case "joined":
    case "restarted":
      return message.position;
    case "gap":
      return message.to;
    case "direct":
      return undefined;
  }
}
