import assert from "node:assert/strict";
import { test } from "node:test";
import { Code, DirectMessage, EventMessage, type JoinedMessage, OLDEST } from "@dunlin/client";
import { type Entry, happeningOf } from "../src/topic/entry.ts";
import { Journal } from "../src/topic/journal.ts";
import { closedNotice, gapNotice, joinedNotice, missingOf, restartedNotice } from "../src/topic/notice.ts";
import { fromFragment, toFragment } from "../src/topic/wanted.ts";

const at = (offset: number, epoch = 7) => ({ epoch, offset });
const JOINED: JoinedMessage = {
  type: "joined",
  again: true,
  start: "recovered",
  position: at(5),
  previous: at(5),
  delivery: "reliable",
  awayMs: 2100,
  reply: new Uint8Array(0),
};
const joined = (changes: Partial<JoinedMessage>) => joinedNotice({ ...JOINED, ...changes }, 0);
const event = (bytes: number): Entry =>
  happeningOf(new EventMessage("t", at(1), 0, "e", new Uint8Array(bytes), undefined), 0);

test("an event keeps its own bytes alone", () => {
  const frame = Uint8Array.of(1, 2, 3, 4);
  const kept = happeningOf(new EventMessage("t", at(9), 12, "e", frame.subarray(1, 3), "k"), 99);
  assert.deepEqual([...kept.payload], [2, 3]);
  assert.equal(kept.payload.buffer.byteLength, 2);
  assert.deepEqual([kept.at, kept.offset, kept.epoch, kept.key], [12, 9, 7, "k"]);
  const direct = happeningOf(new DirectMessage("d", frame), 99);
  assert.deepEqual([direct.at, direct.offset], [99, undefined]);
});

test("a journal is bounded in lines and in bytes, but always has the newest line", () => {
  const journal = new Journal(3, 100);
  for (let count = 0; count < 5; count += 1) journal.add(event(10));
  assert.deepEqual([journal.start, journal.end], [2, 5]);
  journal.add(event(95));
  assert.deepEqual([journal.start, journal.end], [5, 6]);
  journal.add(event(500));
  assert.deepEqual([journal.start, journal.end], [6, 7]);
  journal.clear();
  journal.add(event(60));
  journal.add(event(40));
  assert.deepEqual([journal.start, journal.end], [7, 9]);
});

test("what was recovered and what was lost is said plainly", () => {
  assert.match(joined({}).text, /^Back after 2\.1 s\. Recovered: everything after #5 follows/);
  assert.equal(joined({}).tone, "good");
  const lost = joined({ start: "lost", position: at(90) });
  assert.match(lost.text, /does not reach back to #5: events up to #90 are lost/);
  assert.equal(lost.tone, "warning");
  assert.match(
    joined({ start: "lost", position: at(0, 8) }).text,
    /started over .* what came after 7:5 is lost/,
  );
});

test("a first join says where it begins", () => {
  const first = { again: false, awayMs: 0 } as const;
  assert.equal(
    joined({ ...first, start: "live", previous: undefined }).text,
    "Joined at 7:5: events from now on.",
  );
  assert.match(joined({ ...first, previous: OLDEST }).text, /^Joined before the oldest event in history/);
});

test("gaps count what may be missing", () => {
  const gap = { type: "gap", from: at(3), to: at(12) } as const;
  assert.equal(missingOf(gap), 10);
  assert.match(gapNotice(gap, 0).text, /^Gap: #3 to #12 are missing \(at most 10 events\)/);
  assert.match(gapNotice({ ...gap, to: at(3) }, 0).text, /^Gap: #3 is missing \(at most 1 event\)/);
  assert.equal(missingOf({ ...gap, to: at(12, 8) }), 0);
  assert.match(restartedNotice({ type: "restarted", position: at(0, 8) }, 0).text, /started over at 8:0/);
});

test("an end has its code", () => {
  assert.equal(closedNotice(Code.REPLACED, "", 0).text, "The membership has ended: REPLACED (402)");
  assert.match(closedNotice(Code.FORBIDDEN, "not you", 0).text, /FORBIDDEN \(302\), not you$/);
});

test("the topics stand in the address and come back from it", () => {
  const wanted = [
    { topic: "room:42", delivery: "reliable" },
    { topic: "a/b=c", delivery: "latest" },
  ] as const;
  assert.equal(toFragment(wanted), "room:42&a/b=c;latest");
  assert.deepEqual(fromFragment(`#${toFragment(wanted)}`), wanted);
  assert.deepEqual(fromFragment("#room%3A42"), [wanted[0]]);
});

test("nonsense in the address is left out", () => {
  assert.deepEqual(fromFragment(""), []);
  assert.deepEqual(fromFragment("#%E0%A4%A"), []);
  assert.deepEqual(fromFragment("#a;often&b;latest;x&&;none&c&c;none"), [
    { topic: "c", delivery: "reliable" },
  ]);
});
