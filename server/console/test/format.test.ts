import assert from "node:assert/strict";
import { test } from "node:test";
import {
  showBytes,
  showClock,
  showCount,
  showInstant,
  showNumberOf,
  showRate,
  showRoundTrip,
  showShare,
  showSpan,
} from "../src/format.ts";

test("numbers have separators, and decimals while they mean something", () => {
  assert.equal(showCount(1234567), "1,234,567");
  assert.deepEqual([0, 0.01, 0.44, 9.94, 9.96, 1234.4].map(showRate), [
    "0",
    "<0.1",
    "0.4",
    "9.9",
    "10",
    "1,234",
  ]);
  assert.deepEqual([0, 0.0001, 0.005, 0.42, 1].map(showShare), ["0 %", "<0.1 %", "0.5 %", "42 %", "100 %"]);
  assert.equal(showNumberOf(1, "event"), "1 event");
  assert.equal(showNumberOf(2000, "event"), "2,000 events");
});

test("bytes change their unit before they have four digits", () => {
  const sizes = [0, 1023, 1024, 1536, 10 * 1024, 1024 * 1023.6, 256 * 1024 ** 2, 1024 ** 5];
  const shown = ["0 B", "1023 B", "1.0 KiB", "1.5 KiB", "10 KiB", "1.0 MiB", "256 MiB", "1024 TiB"];
  assert.deepEqual(sizes.map(showBytes), shown);
});

test("spans have their two greatest units", () => {
  const spans = [0, 340, 2_100, 9_960, 59_400, 60_000, 192_000, 4 * 3_600_000 + 300_000, 217 * 3_600_000];
  const shown = ["0 ms", "340 ms", "2.1 s", "10 s", "59 s", "1 min", "3 min 12 s", "4 h 5 min", "9 d 1 h"];
  assert.deepEqual(spans.map(showSpan), shown);
});

test("a round trip is as fine as its clock", () => {
  assert.deepEqual([undefined, 0, 1, 1.44, 32.6].map(showRoundTrip), [
    "–",
    "<1 ms",
    "1 ms",
    "1.4 ms",
    "33 ms",
  ]);
});

test("times are those of this place", () => {
  const at = new Date(2026, 0, 2, 9, 5, 2, 40).getTime();
  assert.equal(showClock(at), "09:05:02");
  assert.equal(showInstant(at), "09:05:02.040");
});
