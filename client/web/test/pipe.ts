import { Splitter } from "../src/codec.ts";
import {
  type CloseInfo,
  type Connection,
  ConnectionLost,
  type DatagramSource,
  type Stream,
  StreamEnded,
  type TransportKind,
} from "../src/transport.ts";

/** One direction of a stream in memory. */
class Half {
  chunks: Uint8Array[] = [];
  ended = false;
  error: Error | undefined;
  written = 0;
  /** What is written gets lost. */
  isVoid = false;
  #wake: (() => void) | undefined;

  push(bytes: Uint8Array): void {
    if (this.isVoid) return;
    this.chunks.push(bytes);
    this.written += bytes.length;
    this.#wake?.();
  }

  end(error?: Error): void {
    this.ended = true;
    this.error ??= error;
    this.#wake?.();
  }

  async read(): Promise<Uint8Array | undefined> {
    for (;;) {
      if (this.error) throw this.error;
      const chunk = this.chunks.shift();
      if (chunk) return chunk;
      if (this.ended) return undefined;
      await new Promise<void>((wake) => {
        this.#wake = wake;
      });
    }
  }
}

/** The client's end of a stream in memory. */
class PipeStream implements Stream {
  constructor(
    readonly up: Half,
    readonly down: Half,
  ) {}

  read() {
    return this.down.read();
  }

  async write(bytes: Uint8Array) {
    if (this.up.error) throw this.up.error;
    this.up.push(bytes);
  }

  finish() {
    this.up.end();
  }

  abandon(code: number) {
    this.up.end(new StreamEnded(code));
    this.down.end(new StreamEnded(code));
  }
}

/** The server's end of a stream in memory, cut into frames. */
export class ServerStream {
  readonly #splitter = new Splitter(1 << 20);

  constructor(
    readonly up: Half,
    readonly down: Half,
  ) {}

  send(frame: Uint8Array): void {
    this.down.push(frame);
  }

  finish(): void {
    this.down.end();
  }

  reset(code: number): void {
    this.down.end(new StreamEnded(code));
  }

  /** The next frame's body; undefined at the client's FIN, reset, or the end of the connection. */
  async next(): Promise<Uint8Array | undefined> {
    try {
      for (;;) {
        const frame = this.#splitter.next();
        if (frame) return frame;
        const chunk = await this.up.read();
        if (!chunk) return undefined;
        this.#splitter.push(chunk);
      }
    } catch {
      return undefined;
    }
  }
}

/** Datagrams in memory, from the server only. */
export class PipeDatagrams implements DatagramSource {
  incomingHighWaterMark = 1;
  incomingMaxAge: number | null = null;
  /** How often somebody began to read. */
  readers = 0;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  readonly #stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (controller) => {
      this.#controller = controller;
    },
  });

  get readable() {
    this.readers += 1;
    return this.#stream;
  }

  send(datagram: Uint8Array<ArrayBuffer>): void {
    this.#controller.enqueue(datagram);
  }

  fail(error: Error): void {
    this.#controller.error(error);
  }
}

/** A connection in memory. */
export class PipeConnection implements Connection {
  readonly closed: Promise<CloseInfo>;
  readonly datagrams: PipeDatagrams | undefined;
  /** How the client closed it, if it did. */
  closedByClient: { code: number; reason: string } | undefined;
  isOver = false;
  /** The server has closed it, and not the network. */
  isClosed = false;
  #isLost = false;
  #streams: PipeStream[] = [];
  #close!: (info: CloseInfo) => void;

  constructor(
    readonly kind: TransportKind,
    readonly accept: (connection: PipeConnection, stream: ServerStream, first: boolean) => void,
    readonly onClose: (connection: PipeConnection, code: number | undefined) => void,
  ) {
    this.datagrams = kind === "webtransport" ? new PipeDatagrams() : undefined;
    this.closed = new Promise((resolve) => {
      this.#close = resolve;
    });
  }

  async openStream(): Promise<Stream> {
    if (this.isOver) throw new ConnectionLost("over");
    const [up, down] = [new Half(), new Half()];
    down.isVoid = this.#isLost;
    const stream = new PipeStream(up, down);
    this.#streams.push(stream);
    this.accept(this, new ServerStream(up, down), this.#streams.length === 1);
    return stream;
  }

  close(code: number, reason: string): void {
    if (this.isOver) return;
    this.closedByClient = { code, reason };
    this.#end({ code: undefined, reason: "closed by this client" });
    this.onClose(this, code);
  }

  /** From now on nothing of what the server sends arrives, and nobody says so. */
  lose(): void {
    this.#isLost = true;
    for (const { down } of this.#streams) down.isVoid = true;
  }

  /** The server closes it; without a code it is lost. */
  fail(code?: number, reason = ""): void {
    if (this.isOver) return;
    this.isClosed = code !== undefined;
    if (this.#isLost) return;
    this.#end({ code, reason });
    this.onClose(this, undefined);
  }

  stats() {
    const sum = (half: "up" | "down") =>
      this.#streams.reduce((total, stream) => total + stream[half].written, 0);
    return { sentBytes: sum("up"), receivedBytes: sum("down") };
  }

  #end(info: CloseInfo): void {
    this.isOver = true;
    const error = new ConnectionLost(info.reason);
    this.datagrams?.fail(error);
    for (const { up, down } of this.#streams) {
      up.end(error);
      down.end(error);
    }
    this.#close(info);
  }
}
