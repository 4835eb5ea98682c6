import assert from "node:assert/strict";
import { test } from "node:test";
import { Ring } from "../src/ring.ts";

test("it keeps the newest, and places never change", () => {
  const ring = new Ring<string>(3);
  const gone = ["a", "b", "c", "d", "e"].map((item) => ring.push(item));
  assert.deepEqual(gone, [undefined, undefined, undefined, "a", "b"]);
  assert.deepEqual([...ring], ["c", "d", "e"]);
  assert.deepEqual([ring.start, ring.end, ring.size, ring.last], [2, 5, 3, "e"]);
  assert.deepEqual([ring.at(1), ring.at(2), ring.at(4), ring.at(5)], [undefined, "c", "e", undefined]);
});

test("an empty one has nothing to give", () => {
  const ring = new Ring<number>(2);
  assert.equal(ring.shift(), undefined);
  assert.equal(ring.last, undefined);
  ring.push(1);
  assert.equal(ring.shift(), 1);
  assert.deepEqual([ring.start, ring.end], [1, 1]);
});

test("places go on after it was cleared", () => {
  const ring = new Ring<number>(2);
  ring.push(1);
  ring.push(2);
  ring.push(3);
  ring.clear();
  ring.push(4);
  assert.deepEqual([[...ring], ring.at(2), ring.at(3)], [[4], undefined, 4]);
});
