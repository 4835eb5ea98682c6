import { Mux } from "./mux.ts";
import { Violation } from "./muxmessage.ts";
import { cut } from "./text.ts";
import {
  type CloseInfo,
  type Connection,
  ConnectionLost,
  type Stats,
  type Stream,
  SUBPROTOCOL,
} from "./transport.ts";
import { Code } from "./wire.ts";

/** A code of the table as a WebSocket status. */
const STATUS = 4000;

/** The longest reason that a close frame has room for (RFC 6455, 5.5.1). */
const MAX_REASON = 123;

/** How long a socket that is not wanted any more may take to open, in milliseconds: to close it before makes browsers complain. */
const OPENING = 1_000;

/** Bytes in the socket's own queue beyond which streams wait for their turn in ours, where turns are fair. */
const HIGH_WATER = 64 * 1024;

/** How often to look whether the socket's queue has shrunk, in milliseconds: nothing tells. */
const DRAIN = 5;

/** Connects to a `ws://` or `wss://` URL. Rejects with {@link ConnectionLost}. */
export function dialWebSocket(url: string, signal: AbortSignal): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url, SUBPROTOCOL);
    socket.binaryType = "arraybuffer";
    const close = () => socket.close();
    const abort = () => {
      socket.onopen = close;
      setTimeout(close, OPENING);
      reject(new ConnectionLost("called off"));
    };
    signal.addEventListener("abort", abort);
    const failed = () => {
      signal.removeEventListener("abort", abort);
      reject(new ConnectionLost("no WebSocket connection"));
    };
    socket.onerror = failed;
    socket.onclose = failed;
    socket.onopen = () => {
      signal.removeEventListener("abort", abort);
      if (socket.protocol === SUBPROTOCOL) return resolve(new WebSocketConnection(socket));
      socket.close();
      reject(new ConnectionLost("another protocol over WebSocket"));
    };
  });
}

/** Streams over an open WebSocket. */
export class WebSocketConnection implements Connection {
  readonly kind = "websocket";
  readonly closed: Promise<CloseInfo>;
  readonly #socket: WebSocket;
  readonly #mux = new Mux(() => this.#pump());
  #closed!: (info: CloseInfo) => void;
  #draining = false;
  #over = false;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    this.closed = new Promise((resolve) => {
      this.#closed = resolve;
    });
    socket.onerror = null;
    socket.onmessage = ({ data }) => this.#receive(data);
    socket.onclose = ({ code, reason }) => {
      const known = code >= STATUS && code < STATUS + 1000;
      this.#end(known ? { code: code - STATUS, reason } : { code: undefined, reason });
    };
  }

  openStream(): Promise<Stream> {
    return this.#mux.open();
  }

  close(code: number, reason: string): void {
    // What waits for its turn goes first, as far as the socket takes it.
    for (let message = this.#mux.next(); message !== undefined; message = this.#mux.next())
      this.#send(message);
    this.#socket.close(STATUS + code, cut(reason, MAX_REASON));
    // The answer may take as long as it likes.
    this.#end({ code: undefined, reason: "closed by this client" });
  }

  stats(): Stats {
    return this.#mux.stats;
  }

  #receive(data: unknown): void {
    if (this.#over) return;
    try {
      if (!(data instanceof ArrayBuffer)) throw new Violation("a text message");
      this.#mux.receive(new Uint8Array(data));
    } catch (error) {
      if (!(error instanceof Violation)) throw error;
      // Scripts may not close with the status 1002, which is meant for this.
      this.#socket.close(STATUS + Code.MALFORMED, cut(error.message, MAX_REASON));
      this.#end({ code: undefined, reason: `the server breaks the protocol: ${error.message}` });
    }
  }

  #pump(): void {
    while (!this.#over && this.#socket.bufferedAmount < HIGH_WATER) {
      const message = this.#mux.next();
      if (message === undefined) return;
      this.#send(message);
    }
    if (this.#over || this.#draining) return;
    this.#draining = true;
    setTimeout(() => {
      this.#draining = false;
      this.#pump();
    }, DRAIN);
  }

  #send(message: Uint8Array<ArrayBuffer>): void {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(message);
  }

  #end(info: CloseInfo): void {
    if (this.#over) return;
    this.#over = true;
    this.#mux.fail(info.reason);
    this.#closed(info);
  }
}
