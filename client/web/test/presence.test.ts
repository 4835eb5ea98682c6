import assert from "node:assert/strict";
import { test } from "node:test";
import golden from "../../../proto/golden/frames.json";
import { encodeFrame, PREFIX } from "../src/codec.ts";
import { join } from "../src/frames.ts";
import { Presence, type PresenceChange } from "../src/presence.ts";
import { Kind } from "../src/wire.ts";
import { hex } from "./server.ts";

type Raw = [string, number, Uint8Array, boolean];

const ada: Raw = ["ada", 1, Uint8Array.of(7), false];
const bob: Raw = ["bob", 2, new Uint8Array(), true];

function state(version: number, left: number, list: Raw[] | null, entries = list?.length ?? 0) {
  return encodeFrame([Kind.PRESENCE_STATE, version, entries, entries, left, list]).subarray(PREFIX);
}

function diff(version: number, joins: Raw[], updates: Raw[], leaves: [string, number][]) {
  return encodeFrame([Kind.PRESENCE_DIFF, version, 0, 0, joins, updates, leaves]).subarray(PREFIX);
}

/** A presence, and its changes in short. */
function watched() {
  const presence = new Presence();
  const changes: string[] = [];
  const keys = (list: PresenceChange["joins"]) => list.map(({ key }) => key).join();
  presence.on("change", (change) => {
    changes.push(`+${keys(change.joins)} ~${keys(change.updates)} -${keys(change.leaves)}`);
  });
  return { presence, changes };
}

test("the golden frames of presence are read", () => {
  const named = (name: string) => {
    const frame = golden.find((one) => one.name === name);
    assert.ok(frame, name);
    return Uint8Array.from(Buffer.from(frame.hex, "hex"));
  };
  const { presence, changes } = watched();
  assert.ok(presence.take(named("presence-state").subarray(PREFIX)));
  assert.deepEqual(changes, [], "one entry is still to come");
  assert.ok(presence.take(state(7, 0, [["eve", 3, Uint8Array.of(1), false]], 3)));
  assert.ok(presence.take(named("presence-diff").subarray(PREFIX)));
  assert.deepEqual(changes, ["+ada,bob,eve ~ -", "+eve ~ada -bob"]);
  assert.deepEqual(presence.counts, { keys: 2, entries: 3 });
  assert.equal(presence.entries[0]?.data, "phone");
  assert.ok(presence.take(named("presence-counts").subarray(PREFIX)));
  assert.deepEqual(presence.entries, []);
  assert.ok(!presence.take(named("event").subarray(PREFIX)), "others have their own readers");
  const membership = { topic: "room:42", delivery: "reliable", params: undefined, presence } as const;
  const asked = join(membership, { priority: 128, interval: 0, deadline: 0 });
  assert.equal(hex(asked), hex(named("join-presence")));
});

test("a list after an interruption is told as what has changed", () => {
  const { presence, changes } = watched();
  presence.take(state(4, 0, [ada, bob]));
  presence.take(state(9, 1, [["ada", 1, Uint8Array.of(7), true]], 2));
  presence.take(state(9, 0, [["eve", 3, new Uint8Array(), false]], 2));
  assert.deepEqual(changes, ["+ada,bob ~ -", "+eve ~ada -bob"]);
});

test("a diff that is old news and a list that was given up do no harm", () => {
  const { presence, changes } = watched();
  presence.take(state(3, 1, [ada], 2));
  presence.take(state(4, 0, [bob]));
  presence.take(diff(4, [ada], [], []));
  presence.take(diff(5, [], [], [["gone", 9]]));
  assert.deepEqual(changes, ["+bob ~ -", "+ ~ -"]);
});

test("what is no frame of presence ends the stream", () => {
  const wrong = encodeFrame([Kind.PRESENCE_STATE, 1, 1, 1, 0, [7]]).subarray(PREFIX);
  assert.throws(() => new Presence().take(wrong), { name: "FrameError" });
});
