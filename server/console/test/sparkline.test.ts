import assert from "node:assert/strict";
import { test } from "node:test";
import { niceTop, sparkline } from "../src/figures/sparkline.ts";

const FRAME = { width: 100, height: 12, from: 0, span: 10_000, top: 10 };
const at = (second: number, value: number) => ({ at: second * 1000, value });

test("values go from the bottom to the top, times from left to right", () => {
  const { line, area } = sparkline([at(0, 0), at(2, 10), at(4, 5)], FRAME);
  assert.equal(line, "M0 11L20 1L40 6");
  assert.equal(area, "M0 11L20 1L40 6L40 12L0 12Z");
});

test("times without figures are not bridged", () => {
  assert.equal(sparkline([at(0, 0), at(1, 0), at(6, 0), at(7, 0)], FRAME).line, "M0 11L10 11M60 11L70 11");
});

test("a lonely point is a dash without an area", () => {
  assert.deepEqual(sparkline([at(5, 10)], FRAME), { line: "M50 1h0.5", area: "" });
  assert.deepEqual(sparkline([], FRAME), { line: "", area: "" });
});

test("what is older than the chart is left out, what is above it is cut", () => {
  assert.equal(sparkline([at(-1, 5), at(0, 99)], FRAME).line, "M0 1h0.5");
});

test("the top is a round number", () => {
  assert.deepEqual(
    [0, 3, 10, 11, 21, 51, 999].map((peak) => niceTop(peak, 10)),
    [10, 10, 10, 20, 50, 100, 1000],
  );
  assert.equal(niceTop(0.3, 0.1), 0.5);
});
