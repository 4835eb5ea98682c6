import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, Kind } from "../src/wire.ts";
import { pass, settle, stateOf, story } from "./world.ts";

test(
  "WebTransport gets a head start, then WebSocket is tried beside it, and what worked is remembered",
  story(async (world) => {
    world.server.network.webtransport = "silent";
    const client = world.client();
    await pass(490);
    assert.deepEqual(world.server.dialled, ["webtransport"]);
    await pass(20);
    assert.equal(client.connection?.transport, "websocket");
    assert.deepEqual(world.server.dialled, ["webtransport", "websocket"]);
    world.server.connection.fail();
    await pass(250);
    // This time it does not wait.
    assert.equal(client.connection?.transport, "websocket");
    assert.equal(world.server.dialled[2], "websocket");
    assert.equal(world.stored.size, 1);
  }),
);

test(
  "a WebTransport that fails at once costs no head start",
  story(async (world) => {
    world.server.network.webtransport = "refused";
    const client = world.client();
    await settle();
    assert.equal(client.connection?.transport, "websocket");
  }),
);

test(
  "a slow WebTransport wins over a slower WebSocket, which is closed",
  story(async (world) => {
    world.server.latency = 600;
    const client = world.client();
    await pass(700);
    assert.deepEqual(world.server.dialled, ["webtransport", "websocket"]);
    assert.equal(client.connection?.transport, "webtransport");
    await pass(1000);
    assert.equal(world.server.openConnections.length, 1);
    assert.equal(world.stored.size, 0);
  }),
);

test(
  "while on WebSocket QUIC is tried again, and the session moves to it without a pause",
  story(async (world) => {
    world.server.network.webtransport = "refused";
    const client = world.client();
    const room = client.join("a");
    const heard: unknown[] = [];
    room.on("event", ({ data }) => heard.push(data));
    await room.joined;
    await pass(59_000, 500);
    assert.deepEqual(world.server.dialled, ["webtransport", "websocket"]);
    await pass(2_000, 500);
    assert.equal(client.connection?.transport, "websocket");
    world.server.network.webtransport = "up";
    // The second attempt is due two minutes later.
    await pass(110_000, 500);
    assert.equal(client.connection?.transport, "websocket");
    world.server.publish("a", "before");
    const held = room.push("said", "mine");
    await held;
    await pass(12_000, 500);
    assert.equal(client.connection?.transport, "webtransport");
    assert.equal(client.connection?.resumed, true);
    world.server.publish("a", "after");
    await settle();
    assert.deepEqual(heard, ["before", "mine", "after"]);
    assert.deepEqual(
      world.states.map(({ type }) => type),
      ["online"],
    );
    assert.equal(world.server.openConnections.length, 1);
    assert.equal(world.server.sessions.size, 1);
  }),
);

test(
  "a change of networks gives QUIC another chance at once",
  story(async (world) => {
    world.server.network.webtransport = "refused";
    const client = world.client();
    await client.join("a").joined;
    world.server.network.webtransport = "up";
    world.page.window.dispatchEvent(new Event("online"));
    await settle();
    assert.equal(client.connection?.transport, "webtransport");
  }),
);

test(
  "a move whose answer is lost ends in a reconnect, not in the end of the session",
  story(async (world) => {
    world.server.network.webtransport = "refused";
    const client = world.client();
    const room = client.join("a");
    await room.joined;
    world.server.network.webtransport = "up";
    const old = world.server.connection;
    world.server.mute = true;
    world.page.window.dispatchEvent(new Event("online"));
    await settle();
    assert.notEqual(world.server.connection, old);
    // The server has moved the session; its word is on the way when that connection is lost as well.
    old.fail(Code.SESSION_MOVED, "moved");
    await settle();
    world.server.connection.fail();
    world.server.mute = false;
    await pass(1_000);
    assert.equal(stateOf(client), "online");
    await room.push("said", 1);
  }),
);

test(
  "a connection that has received too much is replaced before anything stops",
  story(async (world) => {
    const client = world.client({ rotateAfter: 10_000 });
    const room = client.join("a");
    const heard: unknown[] = [];
    room.on("event", ({ data }) => heard.push(data));
    await room.joined;
    const first = world.server.connection;
    for (let n = 0; n < 60; n++) {
      world.server.publish("a", `${n}`.padEnd(500));
      await pass(100, 100);
    }
    assert.equal(heard.length, 60);
    assert.ok(first.isOver);
    assert.ok(world.server.connections.length >= 2 && world.server.connections.length <= 4);
    assert.equal(world.server.openConnections.length, 1);
    assert.deepEqual(new Set(world.states.map(({ type }) => type)), new Set(["online"]));
    assert.deepEqual([...new Set(heard.map((data) => Number(data)))].length, 60);
  }),
);

test(
  "WebKit uses WebSocket alone, unless it is told otherwise and rotates",
  story(async (world) => {
    world.userAgent = "Mozilla/5.0 AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.4 Safari/605.1.15";
    const client = world.client();
    await settle();
    assert.deepEqual(world.server.dialled, ["websocket"]);
    assert.equal(client.connection?.transport, "websocket");
    const other = world.client({ transports: ["webtransport", "websocket"] });
    await settle();
    assert.equal(other.connection?.transport, "webtransport");
  }),
);

test(
  "a server that goes away is left at a random moment, for the place that it names",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a");
    await room.joined;
    world.server.sendControl(Kind.GO_AWAY, Code.GOING_AWAY, 10_000, "dunlin://elsewhere.test:4433");
    await pass(4_900, 100);
    assert.equal(world.server.connections.length, 1);
    await pass(400, 100);
    assert.equal(world.server.connections.length, 2);
    assert.equal(stateOf(client), "online");
    assert.equal(world.server.connections[0]?.closedByClient?.code, Code.GOING_AWAY);
  }),
);
