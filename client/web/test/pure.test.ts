import assert from "node:assert/strict";
import { test } from "node:test";
import { BACKOFF, retryDelay } from "../src/backoff.ts";
import { endingOf, endingRetry, endsSession } from "../src/ending.ts";
import { isWebKit } from "../src/environment.ts";
import type { Push } from "../src/frames.ts";
import { Inbox } from "../src/inbox.ts";
import { Liveness } from "../src/liveness.ts";
import type { Delivery } from "../src/options.ts";
import { Outbox } from "../src/outbox.ts";
import { OLDEST } from "../src/position.ts";
import { Progress } from "../src/progress.ts";
import { endpointOf } from "../src/settings.ts";
import { failuresAfter, outageState } from "../src/state.ts";
import { cut, fits } from "../src/text.ts";
import { topicProblem } from "../src/topic.ts";
import { Way } from "../src/way.ts";
import { Code, Kind } from "../src/wire.ts";

test("the jitter is full, its window doubles up to the cap, and a hint is a lower bound", () => {
  const least = () => 0;
  const most = () => 1;
  assert.equal(retryDelay(BACKOFF, 5, "now", least), 0);
  for (const [failures, window] of [
    [0, 200],
    [1, 200],
    [2, 400],
    [5, 3200],
    [8, 20_000],
    [4000, 20_000],
  ] as const) {
    assert.equal(retryDelay(BACKOFF, failures, "now", most), window, `${failures}`);
  }
  assert.equal(retryDelay(BACKOFF, 1, 5000, least), 5000);
  assert.equal(retryDelay(BACKOFF, 1, 5000, most), 10_000);
  assert.equal(retryDelay(BACKOFF, 9, 50, most), 20_050);
  assert.equal(retryDelay(BACKOFF, 1, "never", most), undefined);
  assert.equal(retryDelay(BACKOFF, 1, "newToken", most), undefined);
});

test("topic names are those of the protocol", () => {
  for (const legal of ["a", "room:42/typing", "$server/topics", "a-_.~@+=,!$", "x".repeat(255)]) {
    assert.equal(topicProblem(legal), undefined, legal);
  }
  for (const illegal of ["", ":", "a:", "/a", "a::b", "a b", "é", "a*", "x".repeat(256)]) {
    assert.ok(topicProblem(illegal), illegal);
  }
});

test("texts are measured and cut in bytes", () => {
  assert.ok(fits("é".repeat(64), 128) && !fits("é".repeat(65), 128) && !fits("x".repeat(129), 128));
  assert.equal(cut("é".repeat(100), 123), "é".repeat(61));
  assert.equal(cut("short", 123), "short");
});

const at = (offset: number) => ({ epoch: 7, offset });

function joined(delivery: Delivery): Progress {
  const progress = new Progress("a", delivery, undefined);
  progress.joined(answer(5, "live"), 0);
  return progress;
}

function answer(offset: number, start: "live" | "recovered" | "lost") {
  const reply = new Uint8Array();
  const frame = { kind: Kind.JOINED, position: at(offset), start, applied: 0, reply } as const;
  return { ...frame, head: undefined, delivery: undefined };
}

function event(offset: number) {
  return { kind: Kind.EVENT, offset, at: 0, event: "e", payload: new Uint8Array(), key: undefined } as const;
}

test("events may leave offsets out but not go back", () => {
  for (const delivery of ["reliable", "latest"] as const) {
    const progress = joined(delivery);
    assert.deepEqual(progress.event(event(6))?.position, at(6));
    progress.event(event(8));
    for (const wrong of [5, 6, 8]) assert.throws(() => progress.event(event(wrong)), { name: "OutOfOrder" });
    assert.deepEqual(progress.since, at(8));
  }
  assert.throws(() => joined("none").event(event(6)), { name: "OutOfOrder" });
  assert.throws(() => new Progress("a", "reliable", undefined).event(event(1)), { name: "OutOfOrder" });
});

test("a gap moves the reader to its end, a restart to another epoch", () => {
  const progress = joined("reliable");
  assert.deepEqual(progress.gap(6, 8), { type: "gap", from: at(6), to: at(8) });
  progress.event(event(9));
  assert.throws(() => progress.gap(9, 12), { name: "OutOfOrder" });
  assert.throws(() => progress.gap(11, 10), { name: "OutOfOrder" });
  progress.restarted({ epoch: 8, offset: 0 });
  assert.deepEqual(progress.event(event(1))?.position, { epoch: 8, offset: 1 });
});

test("a rejoin says where from and must recover exactly there", () => {
  const progress = joined("reliable");
  assert.throws(() => progress.joined(answer(4, "recovered"), 1), { name: "OutOfOrder" });
  const back = progress.joined(answer(5, "recovered"), 1);
  assert.ok(back.again && back.awayMs === 1);
  assert.deepEqual(back.previous, at(5));
  assert.deepEqual(progress.joined(answer(9, "lost"), 1).previous, at(5));
  const all = new Progress("a", "reliable", OLDEST);
  all.joined(answer(3, "recovered"), 0);
  assert.deepEqual(all.since, at(3));
});

function outbox(...references: number[]): Outbox<number> {
  const box = new Outbox<number>();
  for (const reference of references) box.accept(push(reference), reference);
  return box;
}

function push(reference: number): Push {
  return { reference, event: "e", payload: new Uint8Array(), key: undefined };
}

function written(box: Outbox<number>, most = Number.POSITIVE_INFINITY): number[] {
  const all: number[] = [];
  for (let next = box.next(); next; next = all.length < most ? box.next() : undefined)
    all.push(next.reference);
  return all;
}

test("what has no answer is written again in order", () => {
  const box = outbox(1, 4, 6);
  assert.deepEqual(written(box), [1, 4, 6]);
  assert.equal(box.answered(4), 4);
  assert.deepEqual(written(box), []);
  box.rewind();
  assert.deepEqual(written(box), [1, 6]);
  assert.deepEqual(box.clear(), [1, 6]);
  assert.equal(box.size, 0);
});

test("an answer to nothing that was asked is not one", () => {
  const box = outbox(1, 2);
  assert.equal(box.answered(1), undefined);
  written(box);
  assert.equal(box.answered(3), undefined);
  assert.equal(box.answered(1), 1);
  assert.equal(box.answered(1), undefined);
  assert.equal(box.written, 1);
});

test("wherever connections are cut, each push is applied and answered once and in order", () => {
  // A small generator with a seed, so that a failure comes again.
  let seed = 42;
  const below = (n: number) => {
    seed = (seed * 1103515245 + 12345) % 2 ** 31;
    return Math.floor((seed / 2 ** 31) * n);
  };
  for (let round = 0; round < 300; round++) {
    const box = new Outbox<number>();
    const applied: number[] = [];
    const answers: number[] = [];
    let toAnswer: number[] = [];
    let pushed = 0;
    const take = (most: number) => {
      for (let n = 0; n < most; n++) {
        const next = box.next();
        if (!next) return;
        if ((applied.at(-1) ?? 0) < next.reference) applied.push(next.reference);
        toAnswer.push(next.reference);
      }
    };
    const reply = (most: number) => {
      for (const reference of toAnswer.splice(0, most)) {
        const ticket = box.answered(reference);
        if (ticket !== undefined) answers.push(ticket);
      }
    };
    const cutOff = () => {
      toAnswer = [];
      box.rewind();
    };
    for (let step = 0; step < 60; step++) {
      const n = below(5);
      [
        () => {
          for (let more = 0; more < n; more++) box.accept(push(++pushed), pushed);
        },
        () => take(n),
        () => reply(n),
        cutOff,
      ][below(4)]?.();
    }
    cutOff();
    take(Number.POSITIVE_INFINITY);
    reply(Number.POSITIVE_INFINITY);
    const all = Array.from({ length: pushed }, (_, n) => n + 1);
    assert.deepEqual([applied, answers], [all, all], `round ${round}`);
  }
});

test("reading stops when the buffer is full, and later while pushes wait", () => {
  const inbox = new Inbox(2);
  const message = { type: "restarted", position: at(1) } as const;
  for (let n = 0; n < 2; n++) {
    assert.ok(inbox.hasRoom(false));
    inbox.offer(message);
  }
  assert.ok(!inbox.hasRoom(false));
  for (let n = 2; n < 32; n++) {
    assert.ok(inbox.hasRoom(true));
    inbox.offer(message);
  }
  assert.ok(!inbox.hasRoom(true));
});

test("silence for an interval is broken by a ping; talk both ways needs none", () => {
  const liveness = new Liveness(2_000, 0, { sentBytes: 0, receivedBytes: 0 });
  assert.equal(liveness.due, 2_000);
  assert.equal(liveness.act(2_000, { sentBytes: 9, receivedBytes: 9 }), "rest");
  assert.equal(liveness.due, 4_000);
  // One that only listens is silent.
  assert.equal(liveness.act(4_000, { sentBytes: 9, receivedBytes: 99 }), "ping");
  assert.equal(liveness.act(5_000, { sentBytes: 14, receivedBytes: 104 }), "rest");
  assert.equal(liveness.due, 6_000);
});

test("a server that says nothing is asked again and given up after five seconds", () => {
  const quiet = { sentBytes: 0, receivedBytes: 0 };
  const liveness = new Liveness(25_000, 0, quiet);
  const acts: string[] = [];
  while (acts.at(-1) !== "giveUp") acts.push(liveness.act(liveness.due, quiet));
  assert.deepEqual(acts, ["ping", "ping", "ping", "ping", "ping", "giveUp"]);
  assert.equal(liveness.due, 30_000);
});

test("a page that is looked at again waits a second, or three round trips", () => {
  const quiet = { sentBytes: 0, receivedBytes: 0 };
  const liveness = new Liveness(25_000, 0, quiet);
  liveness.check(100, quiet);
  assert.equal(liveness.due, 1_100);
  assert.equal(liveness.act(1_100, quiet), "giveUp");
  liveness.rttMs = 700;
  liveness.check(100, quiet);
  assert.equal(liveness.act(1_100, quiet), "ping");
  assert.equal(liveness.act(2_100, quiet), "ping");
  assert.equal(liveness.act(3_100, quiet), "giveUp");
});

test("a timer that was frozen proves nothing: it asks once more, and waits a second", () => {
  const quiet = { sentBytes: 0, receivedBytes: 0 };
  const liveness = new Liveness(2_000, 0, quiet);
  assert.equal(liveness.act(2_000, quiet), "ping");
  assert.equal(liveness.act(60_000, quiet), "ping");
  assert.equal(liveness.act(61_000, quiet), "giveUp");
});

/** A connection on which something has arrived every 50 ms for two seconds, until 2,000. */
function flowing(every = 25_000): { liveness: Liveness; seen: { sentBytes: number; receivedBytes: number } } {
  const liveness = new Liveness(every, 0, { sentBytes: 0, receivedBytes: 0 });
  for (let at = 50; at <= 2_000; at += 50) liveness.arrived(at);
  return { liveness, seen: { sentBytes: 0, receivedBytes: 4_000 } };
}

/** What is done when nothing arrives any more, and when, with timers that are in time. */
function acts(liveness: Liveness, seen: { sentBytes: number; receivedBytes: number }): [number, string][] {
  const acts: [number, string][] = [];
  while (acts.at(-1)?.[1] !== "giveUp") {
    const { due } = liveness;
    acts.push([due, liveness.act(due, seen)]);
  }
  return acts;
}

test("a flow that stops is asked about at once, and the connection is given up after two questions", () => {
  const { liveness, seen } = flowing();
  assert.deepEqual(acts(liveness, seen), [
    [2_300, "ping"],
    [3_300, "ping"],
    [4_300, "ping"],
    [5_300, "giveUp"],
  ]);
});

test("a flow is waited for by its own pace, and by the round trip", () => {
  const far = flowing();
  far.liveness.rttMs = 400;
  assert.deepEqual(acts(far.liveness, far.seen), [
    [3_200, "ping"],
    [4_400, "ping"],
    [5_400, "ping"],
    [6_400, "giveUp"],
  ]);
  const slow = new Liveness(25_000, 0, { sentBytes: 0, receivedBytes: 0 });
  for (let at = 200; at <= 2_000; at += 200) slow.arrived(at);
  assert.equal(slow.due, 2_800);
  // What comes together is one arrival, or a burst would make the pace look fast.
  for (let at = 2_200; at <= 3_000; at += 200) for (let n = 0; n < 20; n++) slow.arrived(at + n);
  assert.equal(slow.due, 3_800);
});

test("what was sent since something arrived is the first question", () => {
  const early = flowing();
  early.liveness.sent(2_050);
  early.liveness.sent(2_200);
  assert.deepEqual(acts(early.liveness, early.seen), [
    [2_300, "rest"],
    [3_050, "ping"],
    [4_050, "ping"],
    [5_050, "giveUp"],
  ]);
  const answered = flowing();
  answered.liveness.sent(2_050);
  answered.liveness.answered();
  assert.deepEqual(acts(answered.liveness, answered.seen)[0], [2_300, "ping"]);
  // Nobody looked for a long time: what was sent then is no reason to give up at once.
  const late = flowing();
  late.liveness.sent(2_050);
  assert.equal(late.liveness.act(9_000, late.seen), "ping");
  assert.deepEqual(acts(late.liveness, late.seen), [
    [10_000, "ping"],
    [11_000, "giveUp"],
  ]);
});

test("a flow that has ended and a server that answers: one question, and patience again", () => {
  const { liveness, seen } = flowing();
  assert.equal(liveness.act(2_300, seen), "ping");
  const answered = { ...seen, receivedBytes: seen.receivedBytes + 9 };
  assert.equal(liveness.act(3_300, answered), "rest");
  assert.equal(liveness.due, 27_300);
  // A few messages now and then are no flow.
  for (const at of [3_400, 3_500, 4_000]) liveness.arrived(at);
  assert.equal(liveness.due, 27_300);
  assert.equal(liveness.act(27_300, answered), "ping");
  assert.equal(liveness.act(28_300, answered), "ping");
  assert.equal(acts(liveness, answered).at(-1)?.[0], 32_300);
});

test("a flow that goes on costs no question, however early or late the timer", () => {
  const { liveness, seen } = flowing(2_000);
  liveness.arrived(2_290);
  assert.equal(liveness.due, 2_000);
  assert.equal(liveness.act(2_300, { sentBytes: 9, receivedBytes: 4_100 }), "rest");
  assert.equal(liveness.due, 2_610);
  assert.equal(liveness.act(2_609, seen), "rest");
});

test("a page that is too busy to keep its timers does not give a connection up", () => {
  const { liveness, seen } = flowing();
  assert.equal(liveness.act(4_000, seen), "ping");
  for (let due = liveness.due; due < 60_000; due = liveness.due) {
    assert.equal(liveness.act(due + 300, seen), "ping", `${due}`);
  }
  const { due } = liveness;
  assert.equal(liveness.act(due, { ...seen, receivedBytes: seen.receivedBytes + 1 }), "rest");
});

test("a clock that is set back delays nothing for longer than an interval", () => {
  const { liveness, seen } = flowing(2_000);
  assert.equal(liveness.act(-1_000_000, seen), "rest");
  assert.equal(liveness.due, -998_000);
  liveness.arrived(-999_000);
  assert.equal(liveness.act(-998_000, seen), "ping");
});

test("the table says whether to come back", () => {
  const closed = (code: number) => endingOf({ code, reason: "" });
  assert.equal(endingRetry(closed(Code.FORBIDDEN)), "never");
  assert.equal(endingRetry(closed(Code.SESSION_MOVED)), "never");
  assert.equal(endingRetry(closed(Code.GOING_AWAY)), "now");
  assert.equal(endingRetry(closed(Code.SERVER_FULL)), 5000);
  assert.equal(endingRetry(closed(Code.OK)), "now");
  assert.equal(endingRetry(endingOf({ code: undefined, reason: "" })), "now");
  const refusal = { code: Code.FORBIDDEN, message: "", retryAfterMs: 70 };
  assert.equal(endingRetry({ type: "refused", refusal }), 70);
  assert.ok(endsSession({ type: "goodbye", refusal }) && endsSession(closed(Code.SESSION_ENDED)));
  assert.ok(!endsSession(closed(Code.GOING_AWAY)));
});

test("an outage is connecting or recovering until it takes too long", () => {
  const outage = { since: 1000, lost: false, failures: 0 };
  assert.deepEqual(outageState(outage, 1000), { type: "connecting" });
  assert.deepEqual(outageState({ ...outage, lost: true, failures: 3 }, 30_999), {
    type: "recovering",
    attempt: 3,
    since: 1000,
  });
  assert.deepEqual(outageState(outage, 31_000), { type: "offline", since: 1000 });
  assert.equal(failuresAfter(10, 7), 8);
  assert.equal(failuresAfter(60_000, 7), 0);
});

test("QUIC is tried again after a minute, then two, up to thirty; another network begins anew", () => {
  const stored = new Map<string, string>();
  const memory = {
    getItem: (key: string) => stored.get(key) ?? null,
    setItem: (key: string, value: string) => void stored.set(key, value),
    removeItem: (key: string) => void stored.delete(key),
  };
  let network = "wifi";
  const way = new Way("server", () => network, memory);
  assert.equal(way.retryAt, 0);
  const waits = [1, 2, 4, 8, 16, 30, 30];
  for (const minutes of waits) {
    way.quicFailed(1000);
    assert.equal(way.retryAt, 1000 + minutes * 60_000);
  }
  network = "cellular";
  assert.equal(way.retryAt, 0);
  network = "wifi";
  assert.ok(way.retryAt > 0);
  assert.deepEqual([...stored.keys()], ["dunlin:server:wifi"]);
  way.forget();
  assert.equal(way.retryAt, 0);
  assert.equal(stored.size, 0);
  // Another page remembers what this one stored, and is not confused by nonsense.
  stored.set("dunlin:other:wifi", '{"failures":2,"retryAt":99}');
  assert.equal(new Way("other", () => "wifi", memory).retryAt, 99);
  for (const nonsense of ["{", '"x"', "[]", '{"failures":"a"}']) {
    stored.set("dunlin:third:wifi", nonsense);
    assert.equal(new Way("third", () => "wifi", memory).retryAt, 0, nonsense);
  }
});

test("URLs lead to both transports", () => {
  assert.deepEqual(endpointOf("https://a.example:4433"), {
    webtransport: "https://a.example:4433/dunlin",
    websocket: "wss://a.example:4433/dunlin",
  });
  assert.equal(endpointOf("dunlin://b.example").webtransport, "https://b.example:4433/dunlin");
  assert.equal(endpointOf("dunlin://[::1]:99").websocket, "wss://[::1]:99/dunlin");
  assert.deepEqual(endpointOf("http://localhost:8080"), {
    webtransport: undefined,
    websocket: "ws://localhost:8080/dunlin",
  });
  assert.equal(endpointOf("https://a.example", "wss://b.example/ws").websocket, "wss://b.example/ws");
  for (const wrong of ["ftp://a", "a.example", "dunlin://"])
    assert.throws(() => endpointOf(wrong), TypeError, wrong);
});

test("WebKit is known under all its brands", () => {
  const mac = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)";
  const phone =
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)";
  for (const brand of [
    `${mac} Version/26.4 Safari/605.1.15`,
    `${phone} CriOS/150.0 Safari/604.1`,
    `${phone} FxiOS/150.0`,
  ]) {
    assert.ok(isWebKit(brand), brand);
  }
  const windows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)";
  for (const brand of [
    `${windows} Chrome/156.0 Safari/537.36 Edg/156.0`,
    "Mozilla/5.0 (X11; rv:153.0) Gecko/20100101 Firefox/153.0",
  ]) {
    assert.ok(!isWebKit(brand), brand);
  }
});
