import assert from "node:assert/strict";
import { test } from "node:test";
import { parseSessions, parseStats, parseTopics, Unreadable } from "../src/figures/payload.ts";
import { Rate } from "../src/figures/rate.ts";
import { Series } from "../src/figures/series.ts";

const STATS = {
  at: 1_795_000_000_000,
  uptime_ms: 5000,
  agent: "dunlin-server/0.1.0",
  sessions: { connected: 2, parked: 1, by_transport: { quic: 1, webtransport: 1, websocket: 0, memory: 0 } },
  memberships: 4,
  topics: { count: 2, readers: 5, history_bytes: 100, history_limit: 1000 },
  per_second: { events: 1.5, event_bytes: 30, connections: 0, sessions_opened: 0 },
  continuity: { migrated: 5, resumed: 1, recovered: 2, lost: 3, gaps: 4 },
  refusals: { MALFORMED: 2 },
  process: { rss_bytes: 1024, cpu_seconds: 0.5 },
};

test("the server's figures are read, and names that are new are ignored", () => {
  const stats = parseStats({ ...STATS, later: { version: true } });
  assert.equal(stats.connected, 2);
  assert.deepEqual(stats.byTransport, { quic: 1, webtransport: 1, websocket: 0, memory: 0 });
  assert.deepEqual([...stats.refusals], [["MALFORMED", 2]]);
  assert.deepEqual(stats.process, { rssBytes: 1024, cpuSeconds: 0.5 });
});

test("a server whose system tells nothing about its process is fine", () => {
  const { process: _, ...stats } = STATS;
  assert.equal(parseStats(stats).process, undefined);
});

test("what is not as it should be is refused by its name", () => {
  const refuses = (data: unknown, message: RegExp) => {
    assert.throws(
      () => parseStats(data),
      (error) => error instanceof Unreadable && message.test(error.message),
    );
  };
  refuses(null, /stats is not a map/);
  refuses({ ...STATS, agent: 1 }, /agent is not a text/);
  refuses({ ...STATS, memberships: "4" }, /memberships is not a number/);
  refuses({ ...STATS, refusals: { MALFORMED: Number.NaN } }, /MALFORMED is not a number/);
  assert.throws(() => parseTopics({ total: 1, topics: {} }), /topics is not a list/);
});

test("lists have their total, and a round trip that is not known", () => {
  const topic = { name: "a", readers: 1, rate: 2, offset: 3, epoch: 4, held: 5, bytes: 6 };
  assert.deepEqual(parseTopics({ total: 9, topics: [topic] }), { total: 9, rows: [topic] });
  const change = { kind: "port", from: "[::1]:2", address: "[::1]:1", ms: 20 };
  const paths = { changes: 9, last: [change] };
  const session = {
    session: "s",
    transport: "quic",
    address: "[::1]:1",
    agent: "a",
    rtt_ms: null,
    channels: 1,
  };
  const rows = parseSessions({
    total: 1,
    sessions: [{ ...session, connected_ms: 2, resumed: 0, parked: false, paths }],
  }).rows;
  assert.equal(rows[0]?.rttMs, undefined);
  assert.equal(rows[0]?.parked, false);
  const last = [{ kind: "port", from: "[::1]:2", to: "[::1]:1", agoMs: 20 }];
  assert.deepEqual(rows[0]?.paths, { changes: 9, last });
});

test("a rate needs two looks at a total that grew", () => {
  const rate = new Rate();
  assert.equal(rate.next(1000, 10), undefined);
  assert.equal(rate.next(3000, 30), 10);
  assert.equal(rate.next(4000, 5), undefined, "the server started again");
  assert.equal(rate.next(4500, 10), 10);
});

test("a series begins anew with its clock, and spans one to five minutes", () => {
  const series = new Series();
  assert.equal(series.spanAt(0), 60_000);
  for (let second = 0; second <= 400; second += 1) series.add(second * 1000, second % 7);
  assert.equal(series.peak, 6);
  assert.equal([...series.points].length, 301);
  assert.equal(series.spanAt(400_000), 300_000);
  series.add(10, 3);
  assert.deepEqual([...series.points], [{ at: 10, value: 3 }]);
});
