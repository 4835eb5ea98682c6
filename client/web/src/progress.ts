import type { EventFrame, JoinedFrame } from "./frames.ts";
import { EventMessage, type GapMessage, type JoinedMessage, type RestartedMessage } from "./message.ts";
import type { DeliveryMode } from "./options.ts";
import { OLDEST, type Position, samePosition, showPosition } from "./position.ts";

const EMPTY = new Uint8Array();

/** What arrived cannot come after what arrived before. */
export class OutOfOrder extends Error {
  override readonly name = "OutOfOrder";
}

/**
 * How far one channel has read. Turns frames into messages, so that the application never gets an event twice or out of
 * order, whatever a server sends.
 */
export class Progress {
  /** What was asked for, and from the join on what is in force. */
  protected delivery: DeliveryMode | undefined;
  protected position: Position | undefined;
  readonly #topic: string;
  #joins = 0;

  constructor(topic: string, delivery: DeliveryMode | undefined, since: Position | undefined) {
    this.#topic = topic;
    this.delivery = delivery;
    this.position = since;
  }

  /** What the next join asks to go on from. */
  get since(): Position | undefined {
    return this.position;
  }

  joined({ position, start, reply = EMPTY, delivery }: JoinedFrame, awayMs: number): JoinedMessage {
    const previous = this.since;
    // From the oldest position a server recovers to wherever its history begins.
    const exact =
      previous === undefined || samePosition(previous, OLDEST) || samePosition(previous, position);
    if (start === "recovered" && !exact) {
      throw new OutOfOrder(`recovered from ${showPosition(position)}, not what was asked for`);
    }
    this.position = position;
    this.delivery = delivery ?? this.delivery;
    this.#joins += 1;
    return { type: "joined", again: this.#joins > 1, start, position, previous, delivery, awayMs, reply };
  }

  /** An event on the stream; undefined if the application has it already. */
  event(frame: EventFrame): EventMessage | undefined {
    const { epoch } = this.follow("event", frame.offset);
    return this.message(epoch, frame);
  }

  gap(from: number, to: number): GapMessage {
    const { epoch } = this.follow("a gap from event", from);
    if (to < from) throw new OutOfOrder(`a gap from ${from} to ${to}`);
    this.position = { epoch, offset: to };
    return { type: "gap", from: { epoch, offset: from }, to: this.position };
  }

  restarted(position: Position): RestartedMessage {
    this.position = position;
    return { type: "restarted", position };
  }

  protected message(epoch: number, { offset, at, event, payload, key }: EventFrame): EventMessage {
    this.position = { epoch, offset };
    return new EventMessage(this.#topic, this.position, at, event, payload, key);
  }

  /**
   * The last position, if `offset` may come next on the stream: after that position, or after the offset given. Offsets may have
   * holes: what is missing is named in a gap.
   */
  protected follow(what: string, offset: number, after?: number): Position {
    const last = this.position;
    if (last === undefined || this.delivery === "none" || offset <= (after ?? last.offset)) {
      throw new OutOfOrder(`${what} ${offset} cannot follow ${last && showPosition(last)}`);
    }
    return last;
  }
}
