// A client that is closed: when `close()` resolves it has ended, whatever it was doing.
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Client } from "../src/client.ts";
import { Code, Kind } from "../src/wire.ts";
import { pass, settle, stateOf, story, type World } from "./world.ts";

/** Closes the client and lets time pass; the state in the moment that `close()` resolved. */
async function stateAfterClose(client: Client, ms = 3_000): Promise<string | undefined> {
  let state: string | undefined;
  void client.close().then(() => {
    state = stateOf(client);
  });
  await pass(ms, 100);
  return state;
}

/** A client on a WebSocket whose session is being moved to WebTransport: dialled, and not yet asked for. */
async function moving(world: World): Promise<Client> {
  world.server.network.webtransport = "refused";
  const client = world.client();
  await client.join("a").joined;
  world.server.network.webtransport = "up";
  world.server.latency = 200;
  world.page.window.dispatchEvent(new Event("online"));
  await pass(100);
  return client;
}

function assertNothingLeft({ server }: World): void {
  assert.equal(server.openConnections.length, 0);
  assert.equal(server.sessions.size, 0);
}

test(
  "online: the state is told before close() resolves",
  story(async (world) => {
    const client = world.client();
    await client.join("a").joined;
    assert.equal(await stateAfterClose(client, 50), "closed");
    assertNothingLeft(world);
  }),
);

test(
  "a server that does not answer a goodbye is waited for a second",
  story(async (world) => {
    const client = world.client();
    await client.join("a").joined;
    world.server.mute = true;
    assert.equal(await stateAfterClose(client, 900), undefined);
    await pass(200);
    assert.equal(stateOf(client), "closed");
    assert.equal(world.server.connection.closedByClient?.code, Code.OK);
  }),
);

test(
  "while nobody answers, between two attempts, and while the application looks for its token",
  story(async (world) => {
    world.server.network = { webtransport: "silent", websocket: "silent" };
    const dialling = world.client();
    await pass(100);
    assert.equal(await stateAfterClose(dialling), "closed");
    world.server.network = { webtransport: "refused", websocket: "refused" };
    const waiting = world.client();
    await pass(5_000, 100);
    assert.equal(await stateAfterClose(waiting), "closed");
    const asking = world.client({ token: () => new Promise<string>(() => {}) });
    await settle();
    assert.equal(await stateAfterClose(asking), "closed");
  }),
);

test(
  "while another token is looked for after a refusal",
  story(async (world) => {
    world.server.refuseHello = { code: Code.TOKEN_EXPIRED };
    let asked = 0;
    const token = () => (++asked > 1 ? new Promise<string>(() => {}) : "first");
    const client = world.client({ token });
    await settle();
    assert.equal(asked, 2);
    assert.equal(await stateAfterClose(client), "closed");
    assert.equal(client.state.type === "closed" && client.state.closed.code, undefined);
  }),
);

test(
  "while the server does not answer Hello",
  story(async (world) => {
    world.server.mute = true;
    const client = world.client();
    await settle();
    assert.equal(await stateAfterClose(client), "closed");
    assertNothingLeft(world);
  }),
);

test(
  "while the session is being moved",
  story(async (world) => {
    const client = await moving(world);
    assert.equal(await stateAfterClose(client), "closed");
    assertNothingLeft(world);
  }),
);

test(
  "while the page is put aside",
  story(async (world) => {
    const client = world.client();
    await client.join("a").joined;
    world.page.transition("pagehide", true);
    await settle();
    assert.equal(await stateAfterClose(client), "closed");
  }),
);

test(
  "twice, and when the client has ended by itself",
  story(async (world) => {
    const client = world.client();
    await client.join("a").joined;
    const states = await Promise.all([
      stateAfterClose(client, 50),
      client.close().then(() => stateOf(client)),
    ]);
    assert.deepEqual(states, ["closed", "closed"]);
    assert.equal(await stateAfterClose(client, 50), "closed");
    world.server.refuseHello = { code: Code.UNSUPPORTED_VERSION };
    const refused = world.client();
    await settle();
    assert.equal(stateOf(refused), "closed");
    assert.equal(await stateAfterClose(refused, 50), "closed");
  }),
);

test("in any moment of a greeting and of a move: nothing is left open", async () => {
  for (let moment = 0; moment < 120; moment++) {
    const tell = async (world: World) => {
      const client = world.client();
      for (let turn = 0; turn < moment; turn++) await Promise.resolve();
      assert.equal(await stateAfterClose(client), "closed", `moment ${moment}`);
      assertNothingLeft(world);
    };
    await story(tell)();
    const tellMoving = async (world: World) => {
      const client = await moving(world);
      world.server.latency = 0;
      // Due now: everything that follows takes no time.
      const { mock } = await import("node:test");
      mock.timers.tick(100);
      for (let turn = 0; turn < moment; turn++) await Promise.resolve();
      assert.equal(await stateAfterClose(client), "closed", `moment ${moment}`);
      assertNothingLeft(world);
    };
    await story(tellMoving)();
  }
});

test("in any moment of a greeting: a page that is put aside holds no connection, and comes back", async () => {
  for (let moment = 0; moment < 120; moment++) {
    const tell = async (world: World) => {
      const client = world.client();
      client.join("a");
      for (let turn = 0; turn < moment; turn++) await Promise.resolve();
      world.page.transition("pagehide", true);
      await pass(2_000, 100);
      assert.equal(world.server.openConnections.length, 0, `moment ${moment}`);
      world.page.transition("pageshow", true);
      await pass(2_000, 100);
      assert.equal(stateOf(client), "online", `moment ${moment}`);
      assert.ok(!world.server.control.includes(Kind.GOODBYE));
    };
    await story(tell)();
  }
});
