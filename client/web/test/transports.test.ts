import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { HEADER, MessageKind } from "../src/muxmessage.ts";
import { race } from "../src/race.ts";
import { dialWebSocket } from "../src/websocket.ts";
import { WebTransportConnection } from "../src/webtransport.ts";
import { Code } from "../src/wire.ts";
import { pass, settle } from "./world.ts";

/** Runs with a clock that stands still. */
function timeless(tell: () => Promise<void>): () => Promise<void> {
  return async () => {
    mock.timers.enable({ apis: ["setTimeout", "Date"] });
    try {
      await tell();
    } finally {
      mock.timers.reset();
    }
  };
}

/** A WebTransport session that grants streams as it is told. */
class FakeSession {
  tries: number[] = [];
  credit = 0;
  end!: (info: WebTransportCloseInfo) => void;
  lose!: (error: Error) => void;
  closedWith: WebTransportCloseInfo | undefined;
  readonly closed = new Promise<WebTransportCloseInfo>((resolve, reject) => {
    this.end = resolve;
    this.lose = reject;
  });
  readonly datagrams = { readable: new ReadableStream() } as WebTransportDatagramDuplexStream;
  /** The server's side of the last stream. */
  down!: ReadableStreamDefaultController<Uint8Array>;
  up: Uint8Array[] = [];
  aborted: unknown;

  async createBidirectionalStream(): Promise<WebTransportBidirectionalStream> {
    this.tries.push(Date.now());
    if (this.credit-- <= 0) throw new DOMException("Failed to create bidirectional stream.", "NetworkError");
    const readable = new ReadableStream<Uint8Array>({
      start: (controller) => {
        this.down = controller;
      },
    });
    const writable = new WritableStream<Uint8Array>({
      write: (chunk) => void this.up.push(chunk),
      abort: (reason) => {
        this.aborted = reason;
      },
    });
    return { readable, writable };
  }

  close(info?: WebTransportCloseInfo): void {
    this.closedWith = info;
  }
}

test(
  "a stream without credit is asked for again, at growing intervals",
  timeless(async () => {
    const session = new FakeSession();
    const connection = new WebTransportConnection(session);
    let opened = false;
    void connection.openStream().then(() => {
      opened = true;
    });
    await pass(3_000, 5);
    const waits = session.tries.slice(1).map((at, n) => at - (session.tries[n] ?? 0));
    assert.deepEqual(waits, [5, 10, 20, 40, 80, 160, 320, 500, 500, 500, 500]);
    session.credit = 1;
    await pass(500, 5);
    assert.ok(opened);
    const late = connection.openStream();
    await settle();
    session.lose(new Error("gone"));
    await assert.rejects(late, { name: "ConnectionLost" });
    assert.deepEqual(await connection.closed, {
      code: undefined,
      reason: "the connection was lost",
    });
  }),
);

test("a WebTransport session's streams and its end", async () => {
  class StreamError extends Error {
    readonly source = "stream";
    readonly streamErrorCode: number | undefined;
    constructor(message: string, options: { streamErrorCode?: number } = {}) {
      super(message);
      this.streamErrorCode = options.streamErrorCode;
    }
  }
  Object.assign(globalThis, { WebTransportError: StreamError });
  const session = new FakeSession();
  session.credit = 2;
  const connection = new WebTransportConnection(session);
  const stream = await connection.openStream();
  await stream.write(Uint8Array.of(1, 2));
  session.down.enqueue(Uint8Array.of(3));
  assert.deepEqual(await stream.read(), Uint8Array.of(3));
  assert.deepEqual(connection.stats(), { sentBytes: 2, receivedBytes: 1 });
  session.down.error(new StreamError("", { streamErrorCode: 302 }));
  await assert.rejects(stream.read(), { name: "StreamEnded", code: 302 });
  const other = await connection.openStream();
  other.abandon(Code.UNEXPECTED_FRAME);
  await settle();
  assert.equal((session.aborted as StreamError).streamErrorCode, Code.UNEXPECTED_FRAME);
  connection.close(Code.GOING_AWAY, "later");
  assert.deepEqual(session.closedWith, { closeCode: Code.GOING_AWAY, reason: "later" });
  session.end({ closeCode: 403, reason: "moved" });
  assert.deepEqual(await connection.closed, { code: 403, reason: "moved" });
  await assert.rejects(connection.openStream(), { name: "ConnectionLost" });
});

/** A WebSocket whose other side is the test. */
class FakeSocket {
  static readonly OPEN = 1;
  static last: FakeSocket;
  readyState = 1;
  bufferedAmount = 0;
  protocol = "dunlin.v1";
  sent: Uint8Array[] = [];
  closedWith: [number | undefined, string | undefined] | undefined;
  onopen: (() => void) | null = null;
  onerror: (() => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;

  constructor(
    readonly url: string,
    readonly protocols: string,
  ) {
    FakeSocket.last = this;
  }

  send(message: Uint8Array): void {
    this.sent.push(message);
  }

  close(code?: number, reason?: string): void {
    if (code !== undefined && code !== 1000 && (code < 3000 || code > 4999))
      throw new Error("InvalidAccessError");
    this.closedWith = [code, reason];
  }
}

async function openSocket() {
  Object.assign(globalThis, { WebSocket: FakeSocket });
  const dialled = dialWebSocket("ws://a/dunlin", new AbortController().signal);
  FakeSocket.last.onopen?.();
  return { connection: await dialled, socket: FakeSocket.last };
}

test("a WebSocket's statuses are codes of the table, or a lost connection", async () => {
  for (const [status, code] of [
    [4000, 0],
    [4403, 403],
    [1006, undefined],
    [1001, undefined],
    [5000, undefined],
  ] as const) {
    const { connection, socket } = await openSocket();
    socket.onclose?.({ code: status, reason: "why" });
    assert.deepEqual(await connection.closed, { code, reason: "why" });
    await assert.rejects(connection.openStream(), { name: "ConnectionLost" });
  }
});

test("a server that breaks the rules of the WebSocket is left with a status that scripts may use", async () => {
  for (const data of ["text", new ArrayBuffer(3), Uint8Array.of(0, 0, 0, 0, 9).buffer]) {
    const { connection, socket } = await openSocket();
    socket.onmessage?.({ data });
    assert.equal(socket.closedWith?.[0], 4000 + Code.MALFORMED);
    assert.match((await connection.closed).reason, /breaks the protocol/);
    // What comes after that is not looked at.
    socket.onmessage?.({ data: "text" });
  }
});

test("without the subprotocol there is no connection", async () => {
  Object.assign(globalThis, { WebSocket: FakeSocket });
  const wrong = dialWebSocket("ws://a/dunlin", new AbortController().signal);
  assert.equal(FakeSocket.last.protocols, "dunlin.v1");
  FakeSocket.last.protocol = "";
  FakeSocket.last.onopen?.();
  await assert.rejects(wrong, /another protocol/);
});

test(
  "a socket that is called off is closed when it has opened, or a second later",
  timeless(async () => {
    Object.assign(globalThis, { WebSocket: FakeSocket });
    const abort = new AbortController();
    const quick = dialWebSocket("ws://a/dunlin", abort.signal);
    const quickSocket = FakeSocket.last;
    const silent = dialWebSocket("ws://a/dunlin", abort.signal);
    abort.abort();
    await assert.rejects(quick, { name: "ConnectionLost" });
    await assert.rejects(silent, { name: "ConnectionLost" });
    // Browsers complain in their console about one that is closed before.
    assert.ok(!quickSocket.closedWith);
    quickSocket.onopen?.();
    assert.ok(quickSocket.closedWith);
    await pass(900, 100);
    assert.ok(!FakeSocket.last.closedWith);
    await pass(100, 100);
    assert.ok(FakeSocket.last.closedWith);
  }),
);

test(
  "while the socket's queue is long, messages wait where turns are fair",
  timeless(async () => {
    const { connection, socket } = await openSocket();
    const stream = await connection.openStream();
    socket.bufferedAmount = 64 * 1024;
    void stream.write(new Uint8Array(40_000));
    await pass(50);
    assert.equal(socket.sent.length, 0);
    socket.bufferedAmount = 0;
    await pass(10);
    const data = socket.sent.filter((message) => message[4] === MessageKind.DATA);
    assert.equal(
      data.reduce((sum, { length }) => sum + length - HEADER, 0),
      40_000,
    );
    void stream.write(Uint8Array.of(7));
    socket.bufferedAmount = 64 * 1024;
    void stream.write(Uint8Array.of(8));
    connection.close(Code.OK, "é".repeat(100));
    assert.equal(socket.sent.at(-1)?.at(-1), 8);
    assert.deepEqual(socket.closedWith, [4000, "é".repeat(61)]);
  }),
);

test(
  "a race gives each a head start, skips it for what has failed, and calls the others off",
  timeless(async () => {
    const log: string[] = [];
    const runner =
      (name: string, ms: number, fails = false) =>
      (signal: AbortSignal) => {
        log.push(`${name} starts at ${Date.now()}`);
        signal.addEventListener("abort", () => log.push(`${name} off`));
        return new Promise<string>((resolve, reject) => {
          setTimeout(() => (fails ? reject(new Error(name)) : resolve(name)), ms);
        });
      };
    const never = new AbortController().signal;
    const discarded: string[] = [];
    const winner = race(
      [runner("a", 900), runner("b", 200)],
      400,
      never,
      (late) => void discarded.push(late),
    );
    await pass(2_000);
    assert.equal(await winner, "b");
    assert.deepEqual(log, ["a starts at 0", "b starts at 400", "a off", "b off"]);
    assert.deepEqual(discarded, ["a"]);
    log.length = 0;
    const both = race([runner("c", 100, true), runner("d", 100, true)], 400, never, () => {});
    const failed = assert.rejects(both, /^Error: d$/);
    await pass(1_000);
    await failed;
    assert.deepEqual(log.slice(0, 2), ["c starts at 2000", "d starts at 2100"]);
    const abort = new AbortController();
    const late = assert.rejects(
      race([runner("e", 9_000)], 400, abort.signal, () => {}),
      /no answer in time/,
    );
    abort.abort();
    await late;
  }),
);
