import { blank, HEADER, MessageKind, Violation } from "./muxmessage.ts";
import { type ConnectionLost, type Stream, StreamEnded } from "./transport.ts";

/** What each side may send on a channel before it is granted more. */
const FIRST_WINDOW = 65_536;

/** What this client lets the server have on its way: a megabyte and a half per second at 150 ms. */
const WINDOW = 256 * 1024;

const MAX_WINDOW = 2 ** 32 - 1;

/** Bytes to send, and who waits for them to be sent. */
interface Outgoing {
  bytes: Uint8Array;
  readonly sent: () => void;
  readonly failed: (error: Error) => void;
}

/** One stream over a WebSocket: the two halves, each with its window. */
export class MuxStream implements Stream {
  /** Given when the first message goes out: so numbers go out in order. */
  id: number | undefined;

  readonly #work: () => void;
  /** Messages that need no window: RESET, STOP and WINDOW, by kind. */
  #signals = new Map<number, number>();

  #outgoing: Outgoing[] = [];
  #sendWindow = FIRST_WINDOW;
  #finishing = false;
  /** FIN or RESET has gone out. */
  #sendEnded = false;
  #sendError: Error | undefined;

  #incoming: Uint8Array[] = [];
  /** What the server may still send. */
  #receiveWindow = FIRST_WINDOW;
  /** What was read and not granted again; at first, what the larger window has more. */
  #ungranted = WINDOW - FIRST_WINDOW;
  /** FIN or RESET has arrived. */
  #receiveEnded = false;
  #receiveError: Error | undefined;
  #stopped = false;
  #reader: (() => void) | undefined;

  /** Calls `work` when there is something to send. */
  constructor(work: () => void) {
    this.#work = work;
  }

  /** Whether both halves have ended. */
  get isOver(): boolean {
    return this.#sendEnded && this.#receiveEnded;
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      const chunk = this.#incoming.shift();
      if (chunk !== undefined) {
        this.#ungranted += chunk.length;
        this.#grant();
        return chunk;
      }
      if (this.#receiveError) throw this.#receiveError;
      if (this.#receiveEnded) return undefined;
      await new Promise<void>((wake) => {
        this.#reader = wake;
      });
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    if (this.#sendError) throw this.#sendError;
    if (this.#finishing) throw new Error("the stream was finished");
    if (bytes.length === 0) return;
    return new Promise((sent, failed) => {
      this.#outgoing.push({ bytes, sent, failed });
      this.#work();
    });
  }

  finish(): void {
    if (this.#sendError || this.#finishing) return;
    this.#finishing = true;
    this.#work();
  }

  abandon(code: number): void {
    if (!this.#sendEnded) this.#reset(code, new StreamEnded(code));
    if (!this.#receiveEnded && !this.#stopped) {
      this.#stopped = true;
      this.#incoming = [];
      this.#receiveError = new StreamEnded(code);
      this.#signals.set(MessageKind.STOP, code);
      this.#reader?.();
    }
    this.#work();
  }

  /** The next message, with at most so many bytes of data. Its channel is still to be filled in. */
  next(turn: number): Uint8Array<ArrayBuffer> | undefined {
    for (const [kind, value] of this.#signals) {
      // Nothing but data, or an end, opens a channel.
      if (kind === MessageKind.WINDOW && this.id === undefined) continue;
      this.#signals.delete(kind);
      if (kind === MessageKind.RESET) this.#sendEnded = true;
      const message = blank(kind, 4);
      new DataView(message.buffer).setUint32(HEADER, value);
      return message;
    }
    if (this.#sendEnded) return undefined;
    const first = this.#outgoing[0];
    if (first === undefined) {
      if (!this.#finishing) return undefined;
      this.#sendEnded = true;
      return blank(MessageKind.FIN, 0);
    }
    const length = Math.min(first.bytes.length, this.#sendWindow, turn);
    if (length === 0) return undefined;
    this.#sendWindow -= length;
    const whole = length === first.bytes.length;
    const last = whole && this.#finishing && this.#outgoing.length === 1;
    const message = blank(last ? MessageKind.FIN : MessageKind.DATA, length);
    message.set(first.bytes.subarray(0, length), HEADER);
    first.bytes = first.bytes.subarray(length);
    if (whole) {
      this.#outgoing.shift();
      first.sent();
    }
    if (last) this.#sendEnded = true;
    if (this.id === undefined) this.#grant();
    return message;
  }

  onData(body: Uint8Array, last: boolean): void {
    if (this.#receiveEnded) throw new Violation("bytes after a channel's end");
    if (body.length > this.#receiveWindow) throw new Violation("more bytes than the window");
    this.#receiveWindow -= body.length;
    if (last) this.#receiveEnded = true;
    if (body.length > 0 && !this.#stopped) this.#incoming.push(body);
    this.#reader?.();
  }

  onReset(code: number): void {
    if (this.#receiveEnded) return;
    this.#receiveEnded = true;
    this.#receiveError ??= new StreamEnded(code);
    this.#reader?.();
  }

  onStop(code: number): void {
    if (this.#sendEnded) return;
    this.#reset(code, new StreamEnded(code));
    this.#work();
  }

  onWindow(more: number): void {
    if (this.#sendWindow + more > MAX_WINDOW) throw new Violation("a window of more than 2^32 - 1");
    this.#sendWindow += more;
    this.#work();
  }

  fail(error: ConnectionLost): void {
    this.#receiveError ??= error;
    this.#failSending(error);
    this.#reader?.();
  }

  /** Tells the server that it may send more, when that is worth a message. */
  #grant(): void {
    if (this.#receiveEnded || this.#stopped || this.#ungranted < WINDOW / 2) return;
    const waiting = this.#signals.get(MessageKind.WINDOW) ?? 0;
    this.#signals.set(MessageKind.WINDOW, waiting + this.#ungranted);
    this.#receiveWindow += this.#ungranted;
    this.#ungranted = 0;
    this.#work();
  }

  #reset(code: number, error: Error): void {
    this.#signals.set(MessageKind.RESET, code);
    this.#failSending(error);
  }

  #failSending(error: Error): void {
    this.#sendError ??= error;
    for (const { failed } of this.#outgoing.splice(0)) failed(this.#sendError);
  }
}
