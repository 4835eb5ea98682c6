import { decodeChannel, type EventFrame } from "./frames.ts";
import type { Connection, DatagramSource } from "./transport.ts";
import { Kind } from "./wire.ts";

/** Bytes before the event, which tell whose it is. */
const HEADER = 4;

/** Events that wait for a membership, and datagrams that wait in the browser; beyond, the oldest go. */
const WAITING = 64;

/** How long a datagram may wait in the browser, in milliseconds: as long as a server holds one unless told otherwise. */
const MAX_AGE = 1_000;

/** One membership's events, on one of its streams. */
export class Flow {
  #events: EventFrame[] = [];

  constructor(
    /** Names it in `Join` and in datagrams. */
    readonly number: number,
    /** Called when an event has come. */
    readonly arrived: () => void,
    /** Nothing is to come any more. */
    readonly close: () => void,
  ) {}

  /** Takes an event in. Who is slow gets what is fresh. */
  offer(event: EventFrame): void {
    this.#events.push(event);
    if (this.#events.length > WAITING) this.#events.shift();
    this.arrived();
  }

  /** The next event that has come. */
  take(): EventFrame | undefined {
    return this.#events.shift();
  }

  get isEmpty(): boolean {
    return this.#events.length === 0;
  }
}

/** The flows of one connection, whose datagrams are read once for all of them. */
export class Flows {
  #flows = new Map<number, Flow>();
  #last = 0;

  constructor(source: DatagramSource) {
    // Not every browser has both.
    if ("incomingHighWaterMark" in source) source.incomingHighWaterMark = WAITING;
    if ("incomingMaxAge" in source) source.incomingMaxAge = MAX_AGE;
    void this.#read(source.readable.getReader());
  }

  /** Another flow of this connection. */
  open(arrived: () => void): Flow {
    const number = ++this.#last;
    const flow = new Flow(number, arrived, () => this.#flows.delete(number));
    this.#flows.set(number, flow);
    return flow;
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<void> {
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        this.#take(value);
      }
    } catch {
      // The connection has ended: its streams say why.
    }
  }

  /** What is no event, or nobody's, is ignored. */
  #take(datagram: Uint8Array): void {
    if (datagram.length < HEADER) return;
    const number = new DataView(datagram.buffer, datagram.byteOffset).getUint32(0);
    const event = eventOf(datagram.subarray(HEADER));
    if (event !== undefined) this.#flows.get(number)?.offer(event);
  }
}

/** Those of each connection that anybody has asked. */
const known = new WeakMap<Connection, Flows>();

/** The flows of a connection; undefined where there are no datagrams. */
export function flowsOf(connection: Connection): Flows | undefined {
  const { datagrams } = connection;
  const flows = known.get(connection) ?? (datagrams && new Flows(datagrams));
  if (flows !== undefined) known.set(connection, flows);
  return flows;
}

function eventOf(body: Uint8Array): EventFrame | undefined {
  try {
    const frame = decodeChannel(body);
    return frame.kind === Kind.EVENT ? frame : undefined;
  } catch {
    return undefined;
  }
}
