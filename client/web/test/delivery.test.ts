import assert from "node:assert/strict";
import { test } from "node:test";
import type { Message } from "../src/message.ts";
import { Progress } from "../src/progress.ts";
import { Code, Kind } from "../src/wire.ts";
import { pass, settle, story } from "./world.ts";

test(
  "who does not say how events are to be delivered is told what the topic does",
  story(async (world) => {
    world.server.delivery = 1;
    const client = world.client();
    assert.equal((await client.join("a").joined).delivery, "latest");
    assert.equal((await client.join("b", { delivery: "reliable" }).joined).delivery, "reliable");
    assert.deepEqual(
      world.server.joins.map(({ delivery, priority, more }) => [delivery, priority, more]),
      [
        [null, 128, []],
        [0, 128, []],
      ],
    );
  }),
);

test("what is in force is what the server says, or else what was asked for", () => {
  const event = { kind: Kind.EVENT, offset: 6, at: 0, event: "e", payload: new Uint8Array(), key: undefined };
  const joined = (delivery: "none" | undefined) => {
    const progress = new Progress("a", "reliable", undefined);
    const at = { position: { epoch: 7, offset: 5 }, start: "live", applied: 0 } as const;
    const frame = { kind: Kind.JOINED, ...at, reply: undefined, head: undefined, delivery } as const;
    return { progress, told: progress.joined(frame, 0).delivery };
  };
  assert.throws(() => joined("none").progress.event(event as never), { name: "OutOfOrder" });
  assert.ok(joined(undefined).progress.event(event as never));
  assert.deepEqual([joined("none").told, joined(undefined).told], ["none", undefined]);
});

test(
  "interval, deadline and rewind are asked for",
  story(async (world) => {
    const client = world.client();
    const asked = { delivery: "latest", interval: 200, deadline: 2_000, rewind: 10 } as const;
    await client.join("a", asked).joined;
    await client.join("b", { interval: 0, deadline: 0, rewind: 0 }).joined;
    assert.deepEqual(
      world.server.joins.map(({ more }) => more),
      [[null, 200, 2_000, 10], []],
    );
  }),
);

test(
  "what was adjusted holds from now on, and over reconnects",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a", { priority: 7, interval: 200, deadline: 900 });
    await room.joined;
    assert.equal(world.server.joins[0]?.priority, 7);
    room.adjust({ priority: 200, deadline: undefined });
    await settle();
    assert.deepEqual(world.server.adjusts, [[200, 200, 900]]);
    // Only the last one counts of those that come together.
    room.adjust({ interval: 100 });
    room.adjust({ interval: 0, deadline: 3_600_000 });
    await settle();
    assert.deepEqual(world.server.adjusts.slice(1), [[200, 0, 3_600_000]]);
    world.server.connection.fail();
    room.adjust({ priority: 0 });
    await pass(200);
    const { priority, more } = world.server.joins.at(-1) ?? {};
    assert.deepEqual([priority, more], [0, [null, null, 3_600_000]]);
    assert.equal(world.server.adjusts.length, 2, "the join has said it");
  }),
);

test(
  "what is adjusted before the join is answered is said after it",
  story(async (world) => {
    world.server.slowness = 100;
    const client = world.client();
    const room = client.join("a");
    await pass(50);
    const { sentBytes } = world.server.connection.stats();
    room.adjust({ priority: 9 });
    await settle();
    assert.equal(world.server.connection.stats().sentBytes, sentBytes);
    await pass(100);
    await room.joined;
    await settle();
    assert.deepEqual([world.server.joins[0]?.priority, world.server.adjusts], [128, [[9, 0, 0]]]);
    await room.leave();
    room.adjust({ priority: 1 });
    await settle();
    assert.equal(world.server.adjusts.length, 1);
  }),
);

test(
  "an adjustment does not let more pushes out than the server takes",
  story(async (world) => {
    const client = world.client();
    const room = client.join("a");
    await room.joined;
    world.server.mutePushes = true;
    const pushes = [1, 2, 3, 4, 5, 6].map((n) => room.push("said", n).catch(() => {}));
    await settle();
    room.adjust({ priority: 1 });
    await settle();
    assert.deepEqual([world.server.arrived.length, world.server.adjusts.length], [4, 1]);
    void room.leave();
    await pass(5_000, 100);
    await Promise.all(pushes);
  }),
);

test(
  "numbers that no server would take are refused here, by name",
  story(async (world) => {
    const client = world.client();
    for (const [name, wrong] of [
      ["priority", 256],
      ["priority", -1],
      ["interval", 0.5],
      ["interval", 3_600_001],
      ["deadline", Number.NaN],
      ["rewind", 100_001],
      ["rewind", "1"],
    ] as const) {
      const asked = { [name]: wrong } as object;
      const message = new RegExp(`^${name} is 0 to`);
      assert.throws(() => client.join("a", asked), { name: "JoinError", message }, `${name} ${wrong}`);
    }
    const room = client.join("a");
    assert.throws(() => room.adjust({ deadline: -1 }), { name: "RangeError", message: /^deadline is 0 to/ });
  }),
);

test(
  "a mode that is not allowed ends the channel with the server's code",
  story(async (world) => {
    world.server.refuseJoin = { code: Code.FORBIDDEN };
    const room = world.client().join("a", { delivery: "latest" });
    const messages: Message[] = [];
    room.on("message", (message) => messages.push(message));
    await assert.rejects(room.joined, { codeName: "FORBIDDEN" });
    assert.deepEqual(messages, []);
  }),
);
