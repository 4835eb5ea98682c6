// Networks, servers and pages that do anything at any time, as told by dice: what was said arrives, each once and in order.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "../src/message.ts";
import { Code, Kind } from "../src/wire.ts";
import { pass, stateOf, story, type World } from "./world.ts";

/** How many stories are told. Each one that fails names its number, which tells it again. */
const STORIES = Number(process.env.STORIES ?? 60);

/** Numbers from 0 to 1 that are the same for the same seed (mulberry32). */
function dice(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What can happen. Each is one roll of the dice. */
function happenings(world: World, roll: () => number): (() => void)[] {
  const { server, page } = world;
  const one = <T>(...of: readonly [T, ...T[]]): T => of[Math.floor(roll() * of.length)] ?? of[0];
  const connection = () => server.openConnections[Math.floor(roll() * server.openConnections.length)];
  const tell = (event: string) => page.window.dispatchEvent(new Event(event));
  const quic = () => {
    server.network.webtransport = one("up", "up", "refused", "silent");
  };
  const changed = () => {
    server.network.webtransport = "up";
    tell("online");
  };
  return [
    quic,
    quic,
    changed,
    changed,
    () => tell("online"),
    () => tell("offline"),
    () => {
      server.network.websocket = one("up", "up", "up", "refused", "silent");
    },
    () => {
      server.latency = one(0, 0, 30, 400, 2_000);
    },
    () => {
      server.slowness = one(0, 0, 0, 30, 400, 4_000);
    },
    () => connection()?.fail(),
    () => connection()?.fail(Code.GOING_AWAY, "going away"),
    () => connection()?.lose(),
    () => server.sendControl(Kind.GO_AWAY, Code.GOING_AWAY, 200, null),
    () => page.transition("pagehide", true),
    () => page.transition("pageshow", true),
    () => page.transition("pageshow", true),
    () => page.show("hidden"),
    () => page.show("visible"),
  ];
}

/** One story: five seconds in which anything happens, then peace. */
async function tell(world: World, seed: number): Promise<void> {
  const { server, page } = world;
  const roll = dice(seed);
  const client = world.client({ hiddenGrace: 500 });
  const room = client.join("a");
  const messages: Message[] = [];
  room.on("message", (message) => messages.push(message));
  await room.joined;
  const happens = happenings(world, roll);
  let unanswered = 0;
  for (let n = 0; n < 250; n++) {
    world.random = roll();
    if (roll() < 0.7) server.publish("a", `said ${n}`);
    if (roll() < 0.1) {
      unanswered += 1;
      void room.push("pushed", `pushed ${n}`).then(() => (unanswered -= 1));
    }
    if (roll() < 0.12) happens[Math.floor(roll() * happens.length)]?.();
    await pass(roll() < 0.5 ? 5 : 35, 35);
  }
  server.network = { webtransport: "up", websocket: "up" };
  server.latency = 0;
  server.slowness = 0;
  page.transition("pageshow", true);
  page.show("visible");
  page.window.dispatchEvent(new Event("online"));
  await pass(40_000, 100);
  const state = { ...client.state, problem: client.problem, room: room.closed };
  assert.equal(stateOf(client), "online", JSON.stringify(state));
  assert.equal(unanswered, 0, "pushes without an answer");
  const heard = messages.flatMap((message) => (message.type === "event" ? [message.position.offset] : []));
  assert.deepEqual(
    heard,
    server.log("a").map(({ offset }) => offset),
  );
  const said = server.log("a").map(({ payload }) => Buffer.from(payload).toString());
  assert.equal(new Set(said).size, said.length, "a push was applied twice");
  assert.equal(server.openConnections.length, 1);
  void client.close();
  await pass(7_000, 100);
  assert.equal(stateOf(client), "closed");
  assert.equal(server.openConnections.length, 0);
}

const only = process.env.STORY;
for (const seed of only ? [Number(only)] : Array.from({ length: STORIES }, (_, seed) => seed))
  test(
    `story ${seed} of a restless network`,
    story((world) => tell(world, seed)),
  );

test(
  "a Hello that the server comes to when its client has gone on is its own: the session is not given up",
  story(async (world) => {
    const client = world.client();
    await client.join("a").joined;
    world.server.slowness = 6_000;
    world.server.connection.fail();
    // The first attempt is given up after five seconds; the second one is answered before it.
    await pass(5_200, 100);
    world.server.slowness = 0;
    await pass(400, 100);
    assert.equal(stateOf(client), "online");
    assert.equal(world.server.connections.length, 3);
    await pass(2_000, 100);
    assert.equal(stateOf(client), "online");
    assert.equal(world.server.connections.length, 4);
  }),
);
