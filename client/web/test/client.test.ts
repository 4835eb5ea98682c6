import assert from "node:assert/strict";
import { test } from "node:test";
import type { EventMessage, Message } from "../src/message.ts";
import { Code, Kind } from "../src/wire.ts";
import { pass, settle, stateOf, story } from "./world.ts";

/** What events say. */
function said(events: readonly Message[]): unknown[] {
  return events.flatMap((message) => (message.type === "event" ? [message.data] : []));
}

test(
  "a client connects, joins, hears what is said and says something",
  story(async (world) => {
    const client = world.client();
    assert.equal(stateOf(client), "connecting");
    const room = client.join("room:42");
    const events: EventMessage[] = [];
    room.on("event", (event) => events.push(event));
    assert.equal((await room.joined).start, "live");
    assert.equal(stateOf(client), "online");
    assert.equal(client.connection?.transport, "webtransport");
    const reply = await room.push("said", { text: "hello" });
    assert.deepEqual(reply.data, { offset: 1 });
    await settle();
    assert.deepEqual(said(events), [{ text: "hello" }]);
    assert.deepEqual(room.position, { epoch: 7, offset: 1 });
    await Promise.all([client.close(), pass(50)]);
    assert.equal(stateOf(client), "closed");
    assert.equal(world.server.control.at(-1), Kind.GOODBYE);
    assert.equal(world.server.sessions.size, 0);
    assert.equal(world.server.connection.closedByClient?.code, Code.OK);
  }),
);

test(
  "a lost connection is made again, and nothing is missing or comes twice",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a");
    const messages: Message[] = [];
    room.on("message", (message) => messages.push(message));
    await room.joined;
    world.server.publish("a", 1);
    await settle();
    world.server.connection.fail();
    world.server.publish("a", 2);
    await settle();
    assert.equal(stateOf(client), "recovering");
    await pass(200);
    assert.equal(stateOf(client), "online");
    world.server.publish("a", 3);
    await settle();
    assert.deepEqual(said(messages), [1, 2, 3]);
    assert.deepEqual(world.server.joins.at(-1)?.since, [7, 1]);
    const again = messages.filter((message) => message.type === "joined")[1];
    assert.ok(again?.type === "joined" && again.again && again.start === "recovered" && again.awayMs > 0);
  }),
);

test(
  "a push without an answer is sent again under its reference and applied once",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a");
    await room.joined;
    world.server.mutePushes = true;
    const replies = [1, 2, 3, 4, 5, 6].map((n) => room.push("said", n));
    await settle();
    // The server allows four without a reply.
    assert.deepEqual(world.server.arrived, [1, 2, 3, 4]);
    world.server.mutePushes = false;
    world.server.connection.fail();
    await pass(200);
    await Promise.all(replies);
    assert.deepEqual(world.server.arrived, [1, 2, 3, 4, 1, 2, 3, 4, 5, 6]);
    assert.deepEqual(
      world.server.log("a").map(({ offset }) => offset),
      [1, 2, 3, 4, 5, 6],
    );
  }),
);

test(
  "history that does not reach back is reported as lost, and a log that starts over as restarted",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a", { since: { epoch: 3, offset: 9 } });
    const messages: Message[] = [];
    room.on("message", (message) => messages.push(message));
    assert.equal((await room.joined).start, "lost");
    const { encodeFrame } = await import("../src/codec.ts");
    world.server.member("a").send(encodeFrame([Kind.GAP, 1, 4]));
    world.server.member("a").send(encodeFrame([Kind.RESTARTED, [8, 0]]));
    await settle();
    assert.deepEqual(
      messages.map(({ type }) => type),
      ["joined", "gap", "restarted"],
    );
    assert.deepEqual(room.position, { epoch: 8, offset: 0 });
  }),
);

test(
  "a session that moved elsewhere is not taken back",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a");
    await room.joined;
    world.server.connection.fail(Code.SESSION_MOVED, "moved");
    await pass(60_000, 1000);
    assert.deepEqual(client.state, {
      type: "closed",
      closed: { code: Code.SESSION_MOVED, message: "moved" },
    });
    assert.equal(world.server.connections.length, 1);
    assert.equal(room.closed?.code, Code.SESSION_MOVED);
    await assert.rejects(room.push("said", 1), { code: Code.SESSION_MOVED, failure: "closed" });
    await assert.rejects(client.ping(), { name: "ClosedError", codeName: "SESSION_MOVED" });
  }),
);

test(
  "a refusal's own time is a lower bound, and one without a retry is final",
  story(async (world) => {
    world.server.refuseHello = { code: Code.SERVER_FULL, retryAfterMs: 7_000 };
    const client = world.client();
    await pass(6_990, 100);
    assert.equal(world.server.connections.length, 1);
    assert.match(client.problem ?? "", /^SERVER_FULL \(202\): no/);
    await pass(4_000, 100);
    assert.equal(world.server.connections.length, 2);
    world.server.refuseHello = { code: Code.UNSUPPORTED_VERSION };
    await pass(15_000, 100);
    assert.equal(stateOf(client), "closed");
  }),
);

test(
  "a token that is refused ends the client, unless another one can be had",
  story(async (world) => {
    world.server.refuseHello = { code: Code.TOKEN_EXPIRED };
    let token = 0;
    const client = world.client({ token: () => `token-${Math.min(++token, 3)}` });
    await pass(2_000, 50);
    assert.equal(stateOf(client), "closed");
    assert.deepEqual([...new Set(world.server.tokens)], ["token-1", "token-3"]);
  }),
);

test(
  "a token is replaced before it expires, on the same connection",
  story(async (world) => {
    world.server.expiresInMs = 20_000;
    let token = 0;
    const client = world.client({ token: () => `token-${++token}` });
    client.join("a");
    await pass(15_000, 50);
    assert.deepEqual(world.server.tokens, ["token-1"]);
    await pass(5_000, 50);
    assert.deepEqual(world.server.tokens, ["token-1", "token-2"]);
    await pass(18_000, 50);
    assert.deepEqual(world.server.tokens, ["token-1", "token-2", "token-3"]);
    assert.deepEqual([stateOf(client), world.server.connections.length], ["online", 1]);
  }),
);

test(
  "a join that is refused for good rejects, and one that may come later is tried again",
  story(async (world) => {
    world.server.refuseJoin = { code: Code.FORBIDDEN };
    const client = world.client();
    const room = client.join("a");
    await assert.rejects(room.joined, { name: "JoinError", code: Code.FORBIDDEN, retry: "never" });
    world.server.refuseJoin = { code: Code.TOPIC_LIMIT, retryAfterMs: 300 };
    const other = client.join("a");
    await pass(290);
    assert.equal(world.server.joins.length, 2);
    world.server.refuseJoin = undefined;
    await pass(600);
    assert.equal((await other.joined).again, false);
    assert.throws(() => client.join("a"), { name: "JoinError" });
    assert.throws(() => client.join("a b"), { name: "JoinError" });
  }),
);

test(
  "a topic that is being left can be joined at once",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a");
    await room.joined;
    const left = room.leave();
    const again = client.join("a");
    await left;
    await again.joined;
    assert.equal((await again.push("said", 1)).payload.length > 0, true);
    assert.equal(room.closed?.code, undefined);
    assert.equal(again.closed, undefined);
  }),
);

test(
  "an application that does not read stops the server from sending, and goes on where it stopped",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a", { buffer: 4 });
    await room.joined;
    for (let n = 1; n <= 10; n++) world.server.publish("a", n);
    await settle();
    const unread = world.server.member("a").down.chunks.length;
    assert.ok(unread >= 6 && unread <= 7, `${unread} unread`);
    // Answers come down the same stream, so they are not waited for in vain.
    await room.push("said", 11);
    assert.equal(world.server.member("a").down.chunks.length, 0);
    const heard: Message[] = [];
    for await (const message of room) {
      heard.push(message);
      if (heard.length === 12) break;
    }
    assert.deepEqual(said(heard), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    room.on("event", () => {});
    assert.throws(() => room[Symbol.asyncIterator]());
  }),
);

test(
  "a loop ends with the channel, after what had arrived",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a");
    await room.joined;
    world.server.publish("a", 1);
    await settle();
    void client.close();
    await pass(50);
    const heard: Message[] = [];
    for await (const message of room) heard.push(message);
    assert.deepEqual(
      heard.map(({ type }) => type),
      ["joined", "event"],
    );
  }),
);

test(
  "pushes that cannot be sent are refused here, with a reason",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a");
    await assert.rejects(room.push("", 1), { failure: "name" });
    await assert.rejects(room.push("é".repeat(65), 1), { failure: "name" });
    await assert.rejects(room.push("e", 1, { key: "k".repeat(129) }), { failure: "name" });
    await assert.rejects(
      room.push("e", () => {}),
      { failure: "encode" },
    );
    await room.joined;
    await assert.rejects(room.pushBytes("e", new Uint8Array(1025)), { failure: "tooLarge" });
    world.server.mutePushes = true;
    const waiting = Array.from({ length: 1280 }, () => room.push("e", 1).catch(() => {}));
    await assert.rejects(room.push("e", 1), { failure: "full" });
    void room.leave();
    await pass(5_000, 100);
    await Promise.all(waiting);
    await assert.rejects(room.push("e", 1), { failure: "closed" });
  }),
);

test(
  "what breaks the order of a topic is not handed out: the channel joins again",
  story(async (world) => {
    const { encodeFrame } = await import("../src/codec.ts");
    const client = world.client();
    const room = client.join("a");
    const events: EventMessage[] = [];
    room.on("event", (event) => events.push(event));
    await room.joined;
    world.server.publish("a", 1);
    await settle();
    world.server.member("a").send(encodeFrame([Kind.EVENT, 1, 0, "said", new Uint8Array([1]), null]));
    await settle();
    world.server.publish("a", 2);
    await pass(200);
    assert.deepEqual(said(events), [1, 2]);
    assert.equal(world.server.joins.length, 2);
  }),
);
