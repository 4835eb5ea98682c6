import assert from "node:assert/strict";
import { test } from "node:test";
import golden from "../../../proto/golden/frames.json";
import { encodeFrame, PREFIX, Splitter } from "../src/codec.ts";
import { codeName, codeRetry } from "../src/codes.ts";
import { Datagrams } from "../src/datagrams.ts";
import {
  adjust,
  decodeChannel,
  decodeControl,
  goodbye,
  hello,
  join,
  pause,
  ping,
  push,
  refresh,
} from "../src/frames.ts";
import { Code, Kind, Limit } from "../src/wire.ts";
import { hex } from "./server.ts";

type Fields = Record<string, unknown>;

interface Golden {
  readonly name: string;
  readonly kind: number;
  readonly stream: string;
  readonly from: string;
  readonly hex: string;
  readonly fields: Fields;
}

const all = golden as unknown as Golden[];

function bytes(field: unknown): Uint8Array {
  return Uint8Array.from(Buffer.from((field as { hex: string }).hex, "hex"));
}

function optional<T>(field: unknown, read: (field: unknown) => T): T | undefined {
  return field === null || field === undefined ? undefined : read(field);
}

function position(field: unknown) {
  const [epoch, offset] = field as [number, number];
  return { epoch, offset };
}

const NAMES = ["reliable", "latest", "none"] as const;

/** How this client writes each frame that clients send. */
const WRITERS: Record<number, (fields: Fields) => Uint8Array> = {
  [Kind.HELLO]: (f) =>
    hello(f.agent as string, bytes(f.client), optional(f.resume, bytes), optional(f.token, String)),
  [Kind.REFRESH]: (f) => refresh(f.token as string),
  [Kind.PAUSE]: () => pause(true),
  [Kind.RESUME]: () => pause(false),
  [Kind.PING]: (f) => ping(f.n as number),
  [Kind.GOODBYE]: (f) => goodbye(f.message as string),
  [Kind.JOIN]: (f) =>
    join(
      {
        topic: f.topic as string,
        delivery: ([...NAMES, new Datagrams()] as const)[f.delivery as number],
        params: optional(f.params, bytes),
        rewind: optional(f.rewind, Number),
      },
      {
        priority: f.priority as number,
        interval: optional(f.interval_ms, Number) ?? 0,
        deadline: optional(f.deadline_ms, Number) ?? 0,
      },
      optional(f.since, position),
      optional(f.flow, Number),
    ),
  [Kind.ADJUST]: (f) =>
    adjust({
      priority: optional(f.priority, Number),
      interval: optional(f.interval_ms, Number),
      deadline: optional(f.deadline_ms, Number),
    }),
  [Kind.PUSH]: (f) =>
    push({
      reference: f.reference as number,
      event: f.event as string,
      payload: bytes(f.payload),
      key: optional(f.key, String),
    }),
};

test("every golden frame of a client is written byte for byte", () => {
  // Presence has tests of its own.
  const ours = all.filter(({ from, name }) => from === "client" && name !== "join-presence");
  assert.ok(ours.length >= 14);
  for (const { name, kind, fields, hex: expected } of ours) {
    assert.equal(hex(WRITERS[kind]?.(fields) ?? new Uint8Array()), expected, name);
  }
});

/** A decoded frame in the words of the golden file. */
function inGoldenWords(frame: object): Fields {
  const words: Fields = {};
  const snake = (name: string) => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  // biome-ignore lint/suspicious/noExplicitAny: fields of any frame
  for (const [name, value] of Object.entries<any>(frame)) {
    if (name === "kind") continue;
    if (value instanceof Uint8Array) words[name] = { hex: hex(value) };
    else if (name === "position") words[name] = [value.epoch, value.offset];
    else if (name === "limits") words[name] = [value.payload, value.channels, value.pushes];
    else if (name === "delivery" && value) words[name] = [...NAMES, "datagram"].indexOf(value);
    else if (name === "start") words[name] = ["live", "recovered", "lost"].indexOf(value);
    else words[snake(name)] = value ?? null;
  }
  return words;
}

test("every golden frame of a server is read field by field", () => {
  const theirs = all.filter(({ from, name }) => from === "server" && !name.startsWith("presence"));
  assert.ok(theirs.length >= 18);
  for (const { name, stream, kind, fields, hex: text } of theirs) {
    const body = bytes({ hex: text }).subarray(PREFIX);
    const frame = stream === "control" ? decodeControl(body) : decodeChannel(body);
    assert.equal(frame.kind, kind, name);
    const missing = Object.fromEntries(Object.keys(inGoldenWords(frame)).map((key) => [key, null]));
    assert.deepEqual(inGoldenWords(frame), { ...missing, ...fields }, name);
  }
});

test("frames are found wherever the bytes of a stream are cut", () => {
  const stream = Uint8Array.from(all.flatMap(({ hex: text }) => [...bytes({ hex: text })]));
  const expected = all.map(({ hex: text }) => text.slice(2 * PREFIX));
  for (let size = 1; size <= stream.length; size += size < 80 ? 1 : 97) {
    const splitter = new Splitter(Limit.CONTROL_FRAME);
    const found: string[] = [];
    for (let at = 0; at < stream.length; at += size) {
      splitter.push(stream.subarray(at, at + size));
      for (let frame = splitter.next(); frame; frame = splitter.next()) found.push(hex(frame));
    }
    assert.deepEqual(found, expected, `in pieces of ${size}`);
  }
});

test("a frame that is too long is refused before it arrives", () => {
  const splitter = new Splitter(10);
  splitter.push(Uint8Array.of(0, 0, 0, 10));
  assert.equal(splitter.next(), undefined);
  splitter.push(new Uint8Array(10));
  assert.equal(splitter.next()?.length, 10);
  splitter.push(Uint8Array.of(0, 0, 0, 11));
  assert.throws(() => splitter.next(), /11 bytes exceeds the limit of 10/);
});

/** A control frame that must be refused with a code. */
function refused(code: number, ...elements: unknown[]): void {
  assert.throws(
    () => decodeControl(encodeFrame(elements).subarray(PREFIX)),
    { name: "FrameError", code },
    JSON.stringify(elements),
  );
}

test("what is no legal frame is refused with the code for it", () => {
  for (const body of [
    [],
    [0xc1],
    [0x80],
    [0x07],
    [0x92, 0x09],
    [0x92, 0x09, 0x01, 0x01],
    [0xdd, 255, 255, 255, 255],
  ]) {
    assert.throws(() => decodeControl(Uint8Array.from(body)), { code: Code.MALFORMED }, String(body));
  }
  refused(Code.MALFORMED, Kind.PONG);
  refused(Code.MALFORMED, Kind.PONG, null);
  refused(Code.MALFORMED, Kind.PONG, -1);
  refused(Code.MALFORMED, Kind.PONG, 1.5);
  refused(Code.MALFORMED, Kind.PONG, "1");
  refused(Code.ILLEGAL_VALUE, Kind.PONG, 2 ** 53);
  refused(Code.MALFORMED, Kind.REFUSED, 1, new Uint8Array(1));
  refused(Code.ILLEGAL_VALUE, Kind.REFUSED, 2 ** 32, "");
  refused(Code.ILLEGAL_VALUE, Kind.REFUSED, 1, "x".repeat(513));
  refused(Code.ILLEGAL_VALUE, Kind.REFUSED, 1, "é".repeat(257));
  refused(Code.UNEXPECTED_FRAME, Kind.HELLO);
  refused(Code.UNEXPECTED_FRAME, 99);
  refused(Code.UNEXPECTED_FRAME, Kind.EVENT, 1, 1, "e", new Uint8Array());
  const channel = (...elements: unknown[]) => decodeChannel(encodeFrame(elements).subarray(PREFIX));
  assert.throws(() => channel(Kind.EVENT, 1, 1, "", new Uint8Array()), { code: Code.ILLEGAL_VALUE });
  assert.throws(() => channel(Kind.EVENT, 1, 1, "e", "text"), { code: Code.MALFORMED });
  assert.throws(() => channel(Kind.JOINED, [1, 1], 3, 0), { code: Code.ILLEGAL_VALUE });
  assert.throws(() => channel(Kind.JOINED, [1, 1], 0, 0, null, 1, 4), { code: Code.ILLEGAL_VALUE });
  assert.throws(() => channel(Kind.JOINED, [1, 1, 1], 0, 0), { code: Code.MALFORMED });
  assert.throws(() => channel(Kind.JOINED, [1, -1], 0, 0), { code: Code.MALFORMED });
  assert.throws(() => channel(Kind.PONG, 1), { code: Code.UNEXPECTED_FRAME });
});

test("elements of a newer version are ignored, optional ones may be missing", () => {
  const frame = decodeControl(encodeFrame([Kind.PONG, 7, "new", { a: [1] }]).subarray(PREFIX));
  assert.deepEqual(frame, { kind: Kind.PONG, n: 7 });
  const joined = decodeChannel(encodeFrame([Kind.JOINED, [1, 2], 0, 0]).subarray(PREFIX));
  assert.ok(joined.kind === Kind.JOINED && joined.reply === undefined && joined.delivery === undefined);
});

test("codes have names and advice; a newer server's are tried again later", () => {
  assert.equal(codeName(Code.SESSION_MOVED), "SESSION_MOVED");
  assert.equal(codeRetry(Code.OK), "never");
  assert.equal(codeRetry(Code.GOING_AWAY), "now");
  assert.equal(codeRetry(Code.TOKEN_EXPIRED), "newToken");
  assert.equal(codeRetry(Code.SERVER_FULL), 5000);
  assert.equal(codeRetry(Code.FORBIDDEN, 70), 70);
  assert.equal(codeName(7777), "UNKNOWN");
  assert.equal(codeRetry(7777), 5000);
});
