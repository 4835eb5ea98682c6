import type { EventFrame, JoinedFrame } from "./frames.ts";
import { EventMessage, type GapMessage, type JoinedMessage, type RestartedMessage } from "./message.ts";
import type { Delivery } from "./options.ts";
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
  readonly #topic: string;
  readonly #delivery: Delivery;
  #position: Position | undefined;
  #joins = 0;

  constructor(topic: string, delivery: Delivery, since: Position | undefined) {
    this.#topic = topic;
    this.#delivery = delivery;
    this.#position = since;
  }

  /** What the next join asks to go on from. */
  get position(): Position | undefined {
    return this.#position;
  }

  joined({ position, start, reply = EMPTY }: JoinedFrame, awayMs: number): JoinedMessage {
    const previous = this.#position;
    // From the oldest position a server recovers to wherever its history begins.
    const exact =
      previous === undefined || samePosition(previous, OLDEST) || samePosition(previous, position);
    if (start === "recovered" && !exact) {
      throw new OutOfOrder(`recovered from ${showPosition(position)}, not what was asked for`);
    }
    this.#position = position;
    this.#joins += 1;
    return { type: "joined", again: this.#joins > 1, start, position, previous, awayMs, reply };
  }

  event({ offset, at, event, payload, key }: EventFrame): EventMessage {
    const { epoch } = this.#follow("event", offset);
    const position = { epoch, offset };
    this.#position = position;
    return new EventMessage(this.#topic, position, at, event, payload, key);
  }

  gap(from: number, to: number): GapMessage {
    const { epoch } = this.#follow("a gap from event", from);
    if (to < from) throw new OutOfOrder(`a gap from ${from} to ${to}`);
    this.#position = { epoch, offset: to };
    return { type: "gap", from: { epoch, offset: from }, to: this.#position };
  }

  restarted(position: Position): RestartedMessage {
    this.#position = position;
    return { type: "restarted", position };
  }

  /** The last position, if `offset` may come next. Offsets may have holes: what is missing is named in a gap. */
  #follow(what: string, offset: number): Position {
    const last = this.#position;
    if (last === undefined || this.#delivery === "none" || offset <= last.offset) {
      const after = last === undefined ? "nothing" : showPosition(last);
      throw new OutOfOrder(`${what} ${offset} cannot follow ${after}`);
    }
    return last;
  }
}
