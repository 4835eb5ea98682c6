import assert from "node:assert/strict";
import { test } from "node:test";
import { BUSIEST, keepOrder, sortBy, sortTopics } from "../src/figures/sort.ts";

const topic = (name: string, rate: number) => ({
  name,
  rate,
  readers: 1,
  offset: 0,
  epoch: 0,
  held: 0,
  bytes: 0,
});
const names = (rows: readonly { readonly name: string }[]) => rows.map(({ name }) => name).join("");
const ROWS = [topic("b", 1), topic("c", 3), topic("a", 1)];

test("the busiest come first, equals by name", () => {
  assert.equal(names(sortTopics(ROWS, BUSIEST)), "cab");
  assert.equal(names(sortTopics(ROWS, { column: "rate", descending: false })), "abc");
  assert.equal(names(sortTopics(ROWS, { column: "name", descending: true })), "cba");
});

test("another click turns a column round, another column begins as it is of most use", () => {
  assert.deepEqual(sortBy("rate", BUSIEST), { column: "rate", descending: false });
  assert.deepEqual(sortBy("name", BUSIEST), { column: "name", descending: false });
  assert.deepEqual(sortBy("bytes", BUSIEST), { column: "bytes", descending: true });
});

test("rows that are kept in place stay, new ones come last, those that are gone leave no hole", () => {
  assert.equal(names(keepOrder([...ROWS, topic("d", 9)], ["a", "x", "c", "b"])), "acbd");
});
