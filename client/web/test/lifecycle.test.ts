import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, Kind } from "../src/wire.ts";
import { pass, settle, stateOf, story } from "./world.ts";

test(
  "a page that is closed tells the server at once",
  story(async (world) => {
    const client = world.client();
    await client.join("a").joined;
    world.page.transition("pagehide", false);
    assert.equal(world.server.connection.closedByClient?.code, Code.OK);
    assert.equal(world.server.sessions.size, 0);
    await pass(60_000, 1000);
    assert.equal(stateOf(client), "closed");
    assert.equal(world.server.connections.length, 1);
  }),
);

test(
  "a page that is put aside keeps its session and comes back to it",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a");
    const heard: unknown[] = [];
    room.on("event", ({ data }) => heard.push(data));
    await room.joined;
    world.page.transition("pagehide", true);
    assert.equal(world.server.connection.closedByClient?.code, Code.GOING_AWAY);
    world.server.publish("a", "meanwhile");
    await pass(30_000, 1000);
    assert.equal(world.server.connections.length, 1);
    world.page.transition("pageshow", true);
    await settle();
    assert.equal(client.connection?.resumed, true);
    assert.deepEqual(heard, ["meanwhile"]);
  }),
);

test(
  "a hidden page asks for silence after a grace, and one that is looked at again goes on at once",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a");
    const heard: unknown[] = [];
    room.on("event", ({ data }) => heard.push(data));
    await room.joined;
    world.page.show("hidden");
    await pass(1_000);
    world.page.show("visible");
    world.page.show("hidden");
    await pass(4_900, 100);
    assert.ok(!world.server.control.includes(Kind.PAUSE));
    await pass(200, 100);
    assert.equal(world.server.control.at(-1), Kind.PAUSE);
    assert.ok(client.paused);
    world.server.publish("a", 1);
    await settle();
    assert.deepEqual(heard, []);
    const pings = world.server.pings;
    world.page.show("visible");
    await settle();
    assert.deepEqual(heard, [1]);
    assert.equal(world.server.pings, pings + 1);
    assert.ok(!client.paused);
  }),
);

test(
  "the application's own pause outlives a look at the page, and a reconnect",
  story(async (world) => {
    const client = world.client();
    await client.join("a").joined;
    client.pause();
    world.page.show("hidden");
    await pass(6_000, 100);
    world.page.show("visible");
    await settle();
    assert.ok(!world.server.control.includes(Kind.RESUME));
    world.server.connection.fail();
    await pass(300);
    assert.deepEqual(world.server.control.slice(-2), [Kind.HELLO, Kind.PAUSE]);
    client.resume();
    await settle();
    assert.equal(world.server.control.at(-1), Kind.RESUME);
  }),
);

test(
  "a server that does not answer a page that came back is left within a second",
  story(async (world) => {
    const client = world.client();
    await client.join("a").joined;
    world.page.show("hidden");
    await pass(1_000);
    world.server.mute = true;
    world.page.show("visible");
    await pass(900);
    assert.equal(world.server.connections.length, 1);
    world.server.mute = false;
    await pass(400);
    assert.equal(world.server.connections.length, 2);
    assert.equal(stateOf(client), "online");
  }),
);

test(
  "who only listens says something every two seconds, but not when nothing is joined or nobody looks",
  story(async (world) => {
    const client = world.client();
    await pass(20_000, 100);
    assert.equal(world.server.pings, 0);
    const room = client.join("a");
    await room.joined;
    for (let n = 0; n < 10; n++) {
      world.server.publish("a", n);
      await pass(1_000, 100);
    }
    assert.ok(world.server.pings >= 4 && world.server.pings <= 5, `${world.server.pings}`);
    world.page.show("hidden");
    await pass(10_000, 100);
    const pings = world.server.pings;
    await pass(20_000, 100);
    assert.ok(world.server.pings <= pings + 1);
  }),
);

test(
  "who talks and is answered needs no pings",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a");
    room.on("event", () => {});
    await room.joined;
    for (let n = 0; n < 20; n++) {
      await room.push("said", n);
      await pass(500, 100);
    }
    assert.equal(world.server.pings, 0);
  }),
);

test(
  "a server that has gone silent is noticed and left",
  story(async (world) => {
    const client = world.client();
    await client.join("a").joined;
    world.server.mute = true;
    await pass(6_500, 100);
    assert.equal(world.server.connections.length, 1);
    world.server.mute = false;
    await pass(1_500, 100);
    assert.equal(world.server.connections.length, 2);
    assert.equal(stateOf(client), "online");
    assert.equal(client.connection?.resumed, true);
  }),
);

test(
  "a way that dies under live traffic is noticed in a few seconds, though the server's side stands",
  story(async (world) => {
    const client = world.client({ keepAlive: 25_000 });
    const room = client.join("a");
    const heard: unknown[] = [];
    room.on("event", ({ data }) => heard.push(data));
    await room.joined;
    let n = 0;
    const talk = async (ms: number) => {
      for (const until = n + ms / 50; n < until; n++) {
        world.server.publish("a", n);
        await pass(50);
      }
    };
    await talk(1_000);
    assert.equal(world.server.pings, 0);
    world.server.connection.lose();
    await talk(3_200);
    assert.equal(world.server.connections.length, 1);
    await talk(1_000);
    assert.equal(world.server.connections.length, 2);
    assert.deepEqual(
      heard,
      Array.from({ length: n }, (_, n) => n),
    );
  }),
);

test(
  "a flow of messages that stops is one question and no more",
  story(async (world) => {
    const client = world.client({ keepAlive: 25_000 });
    await client.join("a").joined;
    for (let n = 0; n < 20; n++) {
      world.server.publish("a", n);
      await pass(50);
    }
    await pass(20_000, 100);
    assert.equal(world.server.pings, 1);
    assert.equal(world.server.connections.length, 1);
  }),
);

test(
  "a network that is back is used at once, and a long outage is called offline",
  story(async (world) => {
    world.server.network = { webtransport: "refused", websocket: "refused" };
    const client = world.client();
    await pass(45_000, 100);
    assert.equal(stateOf(client), "offline");
    world.random = 1;
    await pass(20_000, 100);
    const dialled = world.server.dialled.length;
    world.server.network = { webtransport: "up", websocket: "up" };
    world.page.window.dispatchEvent(new Event("online"));
    await settle();
    assert.ok(world.server.dialled.length > dialled);
    assert.equal(stateOf(client), "online");
  }),
);

test(
  "a ping measures a round trip, and waits for a connection",
  story(async (world) => {
    world.server.network = { webtransport: "refused", websocket: "refused" };
    const client = world.client();
    const rtt = client.ping();
    await pass(100);
    world.server.network.websocket = "up";
    await pass(1_000);
    assert.equal(await rtt, client.connection?.rttMs);
  }),
);
