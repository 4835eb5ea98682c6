import assert from "node:assert/strict";
import { test } from "node:test";
import { Mux } from "../src/mux.ts";
import { HEADER, MessageKind } from "../src/muxmessage.ts";
import type { Stream } from "../src/transport.ts";
import { settle } from "./world.ts";

/** A message of the server's. */
function message(id: number, kind: number, body: number | Uint8Array = new Uint8Array()): Uint8Array {
  const bytes = typeof body === "number" ? new Uint8Array(4) : body;
  if (typeof body === "number") new DataView(bytes.buffer).setUint32(0, body);
  const all = new Uint8Array(HEADER + bytes.length);
  new DataView(all.buffer).setUint32(0, id);
  all[4] = kind;
  all.set(bytes, HEADER);
  return all;
}

interface Sent {
  readonly id: number;
  readonly kind: number;
  readonly size: number;
  /** The number in the body, where there is one. */
  readonly n: number | undefined;
}

/** Everything there is to send. */
function sent(mux: Mux): Sent[] {
  const all: Sent[] = [];
  for (let next = mux.next(); next; next = mux.next()) {
    const view = new DataView(next.buffer);
    const size = next.length - HEADER;
    const number = view.getUint8(4) >= MessageKind.RESET ? view.getUint32(HEADER) : undefined;
    all.push({ id: view.getUint32(0), kind: view.getUint8(4), size, n: number });
  }
  return all;
}

async function opened(): Promise<{ mux: Mux; stream: Stream }> {
  const mux = new Mux(() => {});
  const stream = await mux.open();
  void stream.write(Uint8Array.of(1));
  assert.deepEqual(
    sent(mux).map(({ id, kind, n }) => [id, kind, n]),
    [
      [0, MessageKind.DATA, undefined],
      [0, MessageKind.WINDOW, 192 * 1024],
    ],
  );
  return { mux, stream };
}

test("channels are numbered in the order of their first messages", async () => {
  const mux = new Mux(() => {});
  const [first, second] = [await mux.open(), await mux.open()];
  void second.write(Uint8Array.of(2));
  void first.write(Uint8Array.of(1));
  const data = sent(mux).filter(({ kind }) => kind === MessageKind.DATA);
  assert.deepEqual(
    data.map(({ id }) => id),
    [0, 1],
  );
  mux.receive(message(0, MessageKind.DATA, Uint8Array.of(22)));
  assert.deepEqual(await second.read(), Uint8Array.of(22));
});

test("sixteen channels may be opened, and more when STREAMS says so; the number never falls", async () => {
  const mux = new Mux(() => {});
  let count = 0;
  for (let n = 0; n < 20; n++) void mux.open().then(() => count++);
  await settle();
  assert.equal(count, 16);
  mux.receive(message(0, MessageKind.STREAMS, 18));
  mux.receive(message(0, MessageKind.STREAMS, 17));
  await settle();
  assert.equal(count, 18);
});

test("a sender stops at the window, goes on when it is granted, and other channels go on meanwhile", async () => {
  const { mux, stream } = await opened();
  const other = await mux.open();
  let done = false;
  void stream.write(new Uint8Array(100_000)).then(() => {
    done = true;
  });
  const sum = (all: Sent[]) =>
    all.filter(({ kind }) => kind === MessageKind.DATA).reduce((total, { size }) => total + size, 0);
  // One byte went before.
  assert.equal(sum(sent(mux)), 65_535);
  void other.write(Uint8Array.of(1, 2));
  assert.equal(sum(sent(mux)), 2);
  mux.receive(message(0, MessageKind.WINDOW, 1000));
  assert.equal(sum(sent(mux)), 1000);
  assert.equal(done, false);
  mux.receive(message(0, MessageKind.WINDOW, 1_000_000));
  assert.equal(sum(sent(mux)), 100_000 - 65_535 - 1000);
  await settle();
  assert.equal(done, true);
});

test("channels with something to send take turns", async () => {
  const { mux, stream } = await opened();
  const other = await mux.open();
  void stream.write(new Uint8Array(40_000));
  void other.write(new Uint8Array(20_000));
  const data = sent(mux).filter(({ kind }) => kind === MessageKind.DATA);
  assert.deepEqual(
    data.map(({ id, size }) => [id, size]),
    [
      [0, 16384],
      [1, 16384],
      [0, 16384],
      [1, 20_000 - 16384],
      [0, 40_000 - 2 * 16384],
    ],
  );
});

test("what is read is granted again, what is not read is not", async () => {
  const { mux, stream } = await opened();
  const chunk = new Uint8Array(65_536);
  for (let n = 0; n < 4; n++) mux.receive(message(0, MessageKind.DATA, chunk));
  assert.deepEqual(sent(mux), []);
  assert.throws(
    () => mux.receive(message(0, MessageKind.DATA, Uint8Array.of(1))),
    /more bytes than the window/,
  );
  await stream.read();
  assert.deepEqual(sent(mux), []);
  await stream.read();
  assert.deepEqual(sent(mux), [{ id: 0, kind: MessageKind.WINDOW, size: 4, n: 131_072 }]);
});

test("FIN goes with the last bytes and ends its half only", async () => {
  const { mux, stream } = await opened();
  void stream.write(Uint8Array.of(1, 2, 3));
  stream.finish();
  assert.deepEqual(sent(mux), [{ id: 0, kind: MessageKind.FIN, size: 3, n: undefined }]);
  await assert.rejects(stream.write(Uint8Array.of(1)));
  mux.receive(message(0, MessageKind.FIN, Uint8Array.of(9)));
  assert.deepEqual(await stream.read(), Uint8Array.of(9));
  assert.equal(await stream.read(), undefined);
  // Both halves have ended: what comes late is ignored.
  mux.receive(message(0, MessageKind.DATA, Uint8Array.of(1)));
  mux.receive(message(0, MessageKind.STOP, 5));
  assert.deepEqual(sent(mux), []);
});

test("RESET and STOP carry their codes, both ways", async () => {
  const { mux, stream } = await opened();
  mux.receive(message(0, MessageKind.STOP, 302));
  assert.deepEqual(sent(mux), [{ id: 0, kind: MessageKind.RESET, size: 4, n: 302 }]);
  await assert.rejects(stream.write(Uint8Array.of(1)), { name: "StreamEnded", code: 302 });
  mux.receive(message(0, MessageKind.RESET, 401));
  await assert.rejects(stream.read(), { name: "StreamEnded", code: 401 });

  const other = await mux.open();
  void other.write(Uint8Array.of(1));
  sent(mux);
  other.abandon(102);
  assert.deepEqual(
    sent(mux).map(({ id, kind, n }) => [id, kind, n]),
    [
      [1, MessageKind.RESET, 102],
      [1, MessageKind.STOP, 102],
    ],
  );
  // Discarded, and not granted again.
  mux.receive(message(1, MessageKind.DATA, new Uint8Array(60_000)));
  assert.deepEqual(sent(mux), []);
});

test("each violation is one", async () => {
  const wrong: [string, Uint8Array[]][] = [
    ["shorter than its header", [Uint8Array.of(0, 0, 0, 0)]],
    ["too long", [message(0, MessageKind.DATA, new Uint8Array(65_537))]],
    ["unknown kind", [message(0, 6)]],
    ["^3 bytes in a message", [message(0, MessageKind.RESET, new Uint8Array(3))]],
    ["^5 bytes in a message", [message(0, MessageKind.STOP, new Uint8Array(5))]],
    ["^0 bytes in a message", [message(0, MessageKind.WINDOW)]],
    ["^0 bytes in a message", [message(0, MessageKind.STREAMS)]],
    ["STREAMS on a channel", [message(1, MessageKind.STREAMS, 20)]],
    ["was not opened", [message(1, MessageKind.DATA, Uint8Array.of(1))]],
    ["after a channel.s end", [message(0, MessageKind.FIN), message(0, MessageKind.DATA, Uint8Array.of(1))]],
    ["after a channel.s end", [message(0, MessageKind.RESET, 1), message(0, MessageKind.FIN)]],
    ["more than 2^32 - 1", [message(0, MessageKind.WINDOW, 2 ** 32 - 65_536 + 1)]],
  ];
  for (const [problem, messages] of wrong) {
    const { mux } = await opened();
    const last = messages.pop() ?? new Uint8Array();
    for (const one of messages) mux.receive(one);
    assert.throws(() => mux.receive(last), {
      name: "Violation",
      message: new RegExp(problem.replace("2^", "2\\^")),
    });
  }
});

test("a connection that is lost fails everything that waits", async () => {
  const { mux, stream } = await opened();
  const waiting = [stream.read(), stream.write(new Uint8Array(100_000))];
  for (let n = 0; n < 15; n++) await mux.open();
  waiting.push(mux.open() as Promise<never>);
  sent(mux);
  mux.fail("gone");
  for (const one of waiting) await assert.rejects(one, { name: "ConnectionLost" });
  await assert.rejects(mux.open(), { name: "ConnectionLost" });
});
