import { HEADER, MAX_BODY, MessageKind, Violation } from "./muxmessage.ts";
import { MuxStream } from "./muxstream.ts";
import { ConnectionLost, type Stats, type Stream } from "./transport.ts";

/** How much of one stream goes out before it is another's turn: a long frame does not hold up the others for long. */
const TURN = 16 * 1024;

/** Streams that may be opened before the server has said how many. */
const FIRST_STREAMS = 16;

/**
 * Many streams over one WebSocket ("Blocked networks: WebSocket" in PROTOCOL.md), without the WebSocket: messages that
 * arrive go into {@link Mux.receive}, those to send come out of {@link Mux.next}.
 */
export class Mux {
  /** Streams that were opened and are not over. */
  #streams = new Map<number, MuxStream>();
  /** The number of the next stream whose first message goes out. */
  #nextId = 0;
  #opened = 0;
  #granted = FIRST_STREAMS;
  /** Who waits for room to open a stream. */
  #waiting: { readonly resolve: (stream: Stream) => void; readonly reject: (error: Error) => void }[] = [];
  /** Streams that have something to send, in the order of their turns. */
  #ready: MuxStream[] = [];
  #lost: ConnectionLost | undefined;
  #sentBytes = 0;
  #receivedBytes = 0;
  readonly #wake: () => void;

  /** Calls `wake` when there may be something to send. */
  constructor(wake: () => void) {
    this.#wake = wake;
  }

  get stats(): Stats {
    return { sentBytes: this.#sentBytes, receivedBytes: this.#receivedBytes };
  }

  /** Opens a stream, when the server grants one more. */
  async open(): Promise<Stream> {
    if (this.#lost) throw this.#lost;
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      this.#admit();
    });
  }

  /** Takes a message in. Throws {@link Violation}. */
  receive(message: Uint8Array): void {
    if (message.length < HEADER) throw new Violation("a message shorter than its header");
    if (message.length > HEADER + MAX_BODY) throw new Violation("a message that is too long");
    const view = new DataView(message.buffer, message.byteOffset, message.byteLength);
    const id = view.getUint32(0);
    const kind = view.getUint8(4);
    const body = message.subarray(HEADER);
    this.#receivedBytes += message.length;
    if (kind > MessageKind.STREAMS) throw new Violation(`a message of unknown kind ${kind}`);
    const isNumber = kind > MessageKind.FIN;
    if (isNumber && body.length !== 4)
      throw new Violation(`${body.length} bytes in a message of kind ${kind}`);
    const number = isNumber ? view.getUint32(HEADER) : 0;
    if (kind === MessageKind.STREAMS) {
      if (id !== 0) throw new Violation("STREAMS on a channel");
      this.#granted = Math.max(this.#granted, number);
      this.#admit();
      return;
    }
    if (id >= this.#nextId) throw new Violation(`channel ${id} was not opened`);
    const stream = this.#streams.get(id);
    // What crossed with the end of a stream is late, not wrong.
    if (stream === undefined) return;
    if (kind === MessageKind.RESET) stream.onReset(number);
    else if (kind === MessageKind.STOP) stream.onStop(number);
    else if (kind === MessageKind.WINDOW) stream.onWindow(number);
    else stream.onData(body, kind === MessageKind.FIN);
    if (stream.isOver) this.#streams.delete(id);
  }

  /** The next message to send, if there is one. */
  next(): Uint8Array<ArrayBuffer> | undefined {
    for (let stream = this.#ready.shift(); stream !== undefined; stream = this.#ready.shift()) {
      const message = stream.next(TURN);
      if (message === undefined) continue;
      if (stream.id === undefined) {
        stream.id = this.#nextId++;
        this.#streams.set(stream.id, stream);
      }
      new DataView(message.buffer).setUint32(0, stream.id);
      if (stream.isOver) this.#streams.delete(stream.id);
      else this.#ready.push(stream);
      this.#sentBytes += message.length;
      return message;
    }
    return undefined;
  }

  /** There is no connection any more. */
  fail(reason: string): void {
    this.#lost ??= new ConnectionLost(reason);
    for (const { reject } of this.#waiting.splice(0)) reject(this.#lost);
    for (const stream of [...this.#streams.values(), ...this.#ready.splice(0)]) stream.fail(this.#lost);
  }

  #admit(): void {
    while (this.#opened < this.#granted) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      this.#opened += 1;
      const stream: MuxStream = new MuxStream(() => this.#hasWork(stream));
      next.resolve(stream);
    }
  }

  #hasWork(stream: MuxStream): void {
    if (this.#lost) {
      stream.fail(this.#lost);
      return;
    }
    if (!this.#ready.includes(stream)) this.#ready.push(stream);
    this.#wake();
  }
}
