import assert from "node:assert/strict";
import { test } from "node:test";
import { isFresh, latestMoves } from "../src/figures/moves.ts";

const change = (agoMs: number) => ({ kind: "port", from: "a", to: "b", agoMs });

const row = (session: string, ...ago: readonly number[]) => ({
  session,
  transport: "quic",
  address: "b",
  agent: "",
  rttMs: undefined,
  channels: 0,
  connectedMs: 0,
  resumed: 0,
  parked: false,
  paths: { changes: ago.length, last: ago.map(change) },
});

test("the latest moves of all sessions come first, and old ones are not told", () => {
  const rows = [row("one", 2000, 61_000), row("two"), row("three", 1000, 5000)];
  const seen = latestMoves(rows).map(({ session, agoMs }) => [session, agoMs]);
  assert.deepEqual(seen, [
    ["three", 1000],
    ["one", 2000],
    ["three", 5000],
  ]);
});

test("there are never many", () => {
  const rows = [row("one", 1, 2, 3, 4, 5, 6, 7, 8), row("two", 0)];
  assert.deepEqual(
    latestMoves(rows).map(({ agoMs }) => agoMs),
    [0, 1, 2, 3, 4],
  );
});

test("what has just happened is fresh, and what never did is not", () => {
  assert.deepEqual([0, 4999, 5000, undefined].map(isFresh), [true, true, false, false]);
});
