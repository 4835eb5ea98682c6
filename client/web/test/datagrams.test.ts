import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attendance } from "../src/attendance.ts";
import { Bell } from "../src/bell.ts";
import { encodeFrame } from "../src/codec.ts";
import { DatagramProgress } from "../src/datagramprogress.ts";
import { Datagrams } from "../src/datagrams.ts";
import { flowsOf } from "../src/flows.ts";
import type { EventMessage, Message } from "../src/message.ts";
import { WebTransportConnection } from "../src/webtransport.ts";
import { Kind } from "../src/wire.ts";
import { PipeConnection } from "./pipe.ts";
import { datagram } from "./server.ts";
import { pass, settle, story } from "./world.ts";

const at = (offset: number, epoch = 7) => ({ epoch, offset });

function event(offset: number) {
  return { kind: Kind.EVENT, offset, at: 0, event: "e", payload: new Uint8Array(), key: undefined } as const;
}

function answer(offset: number, delivery?: "datagram" | "latest", epoch = 7) {
  const frame = { kind: Kind.JOINED, start: "live", applied: 0, reply: undefined, head: undefined } as const;
  return { ...frame, position: at(offset, epoch), delivery };
}

function joined(delivery?: "datagram" | "latest"): DatagramProgress {
  const progress = new DatagramProgress("a", undefined);
  progress.joined(answer(5, delivery), 0);
  return progress;
}

const offset = (message: EventMessage | undefined) => message?.position.offset;

test("late datagrams are dropped, and the stream has an order of its own", () => {
  const progress = joined();
  assert.equal(offset(progress.datagram(event(9))), 9);
  assert.equal(offset(progress.datagram(event(8))), undefined);
  assert.equal(offset(progress.event(event(7))), 7);
  assert.throws(() => progress.event(event(7)), { name: "OutOfOrder" });
  assert.equal(progress.since, undefined, "what was missed is not wanted any more");
  // Joined again: what it begins with may be known.
  assert.equal(progress.joined(answer(6, "datagram"), 1).previous, undefined);
  assert.deepEqual(
    [7, 9, 10].map((n) => offset(progress.event(event(n)))),
    [undefined, undefined, 10],
  );
  assert.deepEqual(
    [9, 11].map((n) => offset(progress.datagram(event(n)))),
    [undefined, 11],
  );
});

test("another life of the log begins anew", () => {
  const progress = joined("datagram");
  progress.datagram(event(9));
  progress.restarted(at(0, 8));
  assert.deepEqual(progress.datagram(event(1))?.position, at(1, 8));
  progress.joined(answer(0, "datagram", 9), 1);
  assert.deepEqual(progress.event(event(1))?.position, at(1, 9));
});

test("without the server's consent it is a progress like any other", () => {
  const progress = joined("latest");
  assert.equal(progress.datagram(event(6)), undefined);
  assert.equal(offset(progress.event(event(7))), 7);
  assert.throws(() => progress.event(event(6)), { name: "OutOfOrder" });
  assert.deepEqual(progress.since, at(7));
});

test("a position that was asked for holds for the first join", () => {
  const progress = new DatagramProgress("a", at(3));
  assert.deepEqual(progress.since, at(3));
  progress.joined({ ...answer(3, "datagram"), start: "recovered" }, 0);
  assert.equal(offset(progress.event(event(4))), 4);
});

function frame(offset: number, event = "e") {
  return encodeFrame([Kind.EVENT, offset, 0, event, new Uint8Array(), null]);
}

test("each flow has its events, and the newest of them; what is none is ignored", async () => {
  const connection = new PipeConnection(
    "webtransport",
    () => {},
    () => {},
  );
  const { datagrams } = connection;
  assert.ok(datagrams);
  let arrived = 0;
  const one = flowsOf(connection)?.open(() => {});
  const two = flowsOf(connection)?.open(() => arrived++);
  assert.ok(one && two && one.number !== two.number);
  assert.equal(datagrams.readers, 1);
  assert.deepEqual([datagrams.incomingHighWaterMark, datagrams.incomingMaxAge], [64, 1_000]);
  for (const nonsense of [[], [0, 0, 0], [0, 0, 0, two.number], [0, 0, 0, two.number, 0xc0]])
    datagrams.send(Uint8Array.from(nonsense));
  datagrams.send(datagram(two.number, encodeFrame([Kind.GAP, 1, 2])));
  datagrams.send(datagram(two.number, frame(1, "")));
  datagrams.send(datagram(99, frame(1)));
  datagrams.send(datagram(two.number, frame(2)));
  for (let n = 3; n <= 100; n++) datagrams.send(datagram(one.number, frame(n)));
  await settle();
  assert.deepEqual([arrived, two.take()?.offset, two.isEmpty], [1, 2, true]);
  assert.equal(one.take()?.offset, 37, "the last 64 wait");
  one.close();
  datagrams.send(datagram(one.number, frame(101)));
  datagrams.send(datagram(two.number, frame(102)));
  connection.close(0, "");
  await settle();
  assert.equal(arrived, 1, "the end of the connection is the end of them");
});

test("a browser that lacks a setting is left as it is, and a WebSocket has no flows", () => {
  const datagrams = { readable: new ReadableStream() } as WebTransportDatagramDuplexStream;
  const never = new Promise<never>(() => {});
  const session = { closed: never, close() {}, createBidirectionalStream: () => never, datagrams };
  assert.ok(flowsOf(new WebTransportConnection(session)));
  assert.deepEqual(Object.keys(datagrams), ["readable"]);
  const websocket = new PipeConnection(
    "websocket",
    () => {},
    () => {},
  );
  assert.equal(flowsOf(websocket), undefined);
});

test("a flow ends with the stream that it was named on", async () => {
  const connection = new PipeConnection(
    "webtransport",
    () => {},
    () => {},
  );
  let received = 0;
  const bell = new Bell();
  const seat = { live: { connection, received: () => received++ }, member: { bell }, isOver: false };
  const flow = new Datagrams().attach("a", undefined).open(seat as unknown as Attendance);
  assert.equal(flow, 1);
  connection.datagrams?.send(datagram(1, frame(1)));
  await settle();
  assert.equal(received, 1);
  seat.isOver = true;
  bell.ring();
  await settle();
  connection.datagrams?.send(datagram(1, frame(2)));
  await settle();
  assert.equal(received, 1);
});

/** What events say. */
function said(messages: readonly Message[]): unknown[] {
  return messages.flatMap((message) => (message.type === "event" ? [message.data] : []));
}

test(
  "events come in datagrams, and after a loss those that are new",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a", { delivery: new Datagrams() });
    const other = client.join("b", { delivery: new Datagrams() });
    const messages: Message[] = [];
    room.on("message", (message) => messages.push(message));
    assert.equal((await room.joined).delivery, "datagram");
    await other.joined;
    assert.deepEqual(
      world.server.joins.map(({ delivery, more }) => [delivery, more]),
      [
        [3, [null, null, null, null, 1]],
        [3, [null, null, null, null, 2]],
      ],
    );
    assert.equal(world.server.connection.datagrams?.readers, 1);
    world.server.publish("a", 1);
    world.server.publish("b", "not here");
    await settle();
    assert.deepEqual(said(messages), [1]);
    assert.deepEqual(room.position, at(1));
    world.server.connection.fail();
    world.server.publish("a", 2);
    await pass(200);
    world.server.publish("a", 3);
    await settle();
    assert.deepEqual(said(messages), [1, 3]);
    assert.deepEqual(world.server.joins.find(({ topic }, n) => n > 1 && topic === "a")?.since, null);
  }),
);

test(
  "a rejoin on the same connection has another flow, and hears nothing of the last one",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a", { delivery: new Datagrams() });
    const messages: Message[] = [];
    room.on("message", (message) => messages.push(message));
    await room.joined;
    world.server.member("a").send(encodeFrame([Kind.GAP, 5, 4]));
    await settle();
    world.server.connection.datagrams?.send(datagram(1, frame(8)));
    await pass(200);
    assert.deepEqual(
      world.server.joins.map(({ more }) => more[4]),
      [1, 2],
    );
    world.server.publish("a", 1);
    await settle();
    assert.deepEqual(said(messages), [1]);
    await room.leave();
    world.server.connection.datagrams?.send(datagram(2, frame(9)));
    await settle();
    assert.deepEqual(said(messages), [1]);
  }),
);

test(
  "a slow application gets what is fresh, and is not waited for",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a", { delivery: new Datagrams(), buffer: 4 });
    await room.joined;
    for (let n = 1; n <= 100; n++) world.server.publish("a", n);
    await settle();
    const heard: unknown[] = [];
    for await (const message of room) {
      if (message.type === "event") heard.push(message.data);
      if (heard.at(-1) === 100) break;
    }
    // Three wait beside the word that it has joined, and then the newest.
    const newest = Array.from({ length: 64 }, (_, n) => n + 37);
    assert.deepEqual(heard, [1, 2, 3, ...newest]);
  }),
);

test(
  "what comes before the join is answered waits for it",
  story(async (world) => {
    world.server.slowness = 100;
    const client = world.client();
    const room = client.join("a", { delivery: new Datagrams() });
    const messages: Message[] = [];
    room.on("message", (message) => messages.push(message));
    await pass(50);
    world.server.connection.datagrams?.send(datagram(1, encodeFrame([Kind.EVENT, 4, 0, "e", [0xc0], null])));
    world.server.connection.datagrams?.send(datagram(1, frame(5)));
    await settle();
    assert.deepEqual(messages, []);
    await pass(100);
    assert.deepEqual(
      messages.map(({ type }) => type),
      ["joined", "event"],
    );
  }),
);

test(
  "over WebSocket the server delivers the latest instead, and says so",
  story(async (world) => {
    const client = world.client({ transports: ["websocket"] });
    const room = client.join("a", { delivery: new Datagrams() });
    const messages: Message[] = [];
    room.on("message", (message) => messages.push(message));
    assert.equal((await room.joined).delivery, "latest");
    assert.deepEqual([world.server.joins[0]?.delivery, world.server.joins[0]?.more], [3, []]);
    world.server.publish("a", 1);
    world.server.connection.fail();
    world.server.publish("a", 2);
    await pass(200);
    assert.deepEqual(said(messages), [1, 2], "the stream recovers");
  }),
);
