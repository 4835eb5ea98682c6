import assert from "node:assert/strict";
import { test } from "node:test";
import { decodeValue, encodeValue } from "@dunlin/client";
import { parseDraft } from "../src/topic/draft.ts";
import { hexDump } from "../src/topic/hex.ts";
import { inFull, preview } from "../src/topic/payload.ts";
import { manyLines, oneLine } from "../src/topic/pretty.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const line = (bytes: Uint8Array) => preview(bytes, decodeValue);
const full = (bytes: Uint8Array) => inFull(bytes, decodeValue);

test("MessagePack is written like JSON", () => {
  const value = { text: 'say "hi"', list: [1, -2.5, true, null], empty: {}, none: [] };
  const bytes = encodeValue(value);
  assert.equal(
    line(bytes),
    '{"text": "say \\"hi\\"", "list": [1, -2.5, true, null], "empty": {}, "none": []}',
  );
  assert.deepEqual(full(encodeValue([1, { a: 2 }])), {
    form: "MessagePack",
    text: '[\n  1,\n  {\n    "a": 2\n  }\n]',
  });
});

test("what JSON has no form for is in angle brackets", () => {
  assert.equal(oneLine(Uint8Array.of(0, 255), 99), "<2 B: 00 ff>");
  assert.equal(oneLine(new Uint8Array(0), 99), "<0 B>");
  assert.equal(oneLine(new Date(0), 99), "<1970-01-01T00:00:00.000Z>");
  assert.equal(line(Uint8Array.of(0xd4, 5, 7)), "<extension 5: <1 B: 07>>");
  assert.equal(oneLine({ type: 1, data: Uint8Array.of(1) }, 99), '{"type": 1, "data": <1 B: 01>}');
});

test("what is long is cut, and no more of it is read", () => {
  assert.equal(oneLine("x".repeat(1000), 5), '"xxxx …');
  assert.equal(
    manyLines(
      Array.from({ length: 100_000 }, () => 1),
      10,
    ).length,
    12,
  );
  let deep: unknown = 1;
  for (let depth = 0; depth < 10_000; depth += 1) deep = [deep];
  assert.match(oneLine(deep, 1000), /^\[+…\]+$/);
  assert.equal(line(encodeValue("y".repeat(20_000))), "20 KiB, select to read");
});

test("bytes that are no MessagePack are text if they can be, and hex otherwise", () => {
  assert.equal(line(utf8("plain\ntext")), "plain text");
  assert.deepEqual(full(utf8("grüße\n")), { form: "text", text: "grüße\n" });
  assert.equal(line(Uint8Array.of(0xc1, 0, 1)), "c1 00 01");
  assert.equal(full(Uint8Array.of(0xc1, 0x41)).form, "binary");
  assert.deepEqual(full(new Uint8Array(0)), { form: "empty", text: "" });
  assert.match(full(new Uint8Array(10_000).fill(0xc1)).text, /\n… and 1\.8 KiB more$/);
});

test("a hex dump has offsets and readable characters", () => {
  const dump = hexDump(
    Uint8Array.from({ length: 17 }, (_, place) => 0x41 + place),
    99,
  ).split("\n");
  assert.equal(dump[0], "000000  41 42 43 44 45 46 47 48 49 4a 4b 4c 4d 4e 4f 50  ABCDEFGHIJKLMNOP");
  assert.equal(dump[1], `000010  51${" ".repeat(45)}  Q`);
});

test("a draft is JSON or text, and says what is wrong with it", () => {
  assert.deepEqual(parseDraft('{"a": [1]}', "json"), { ok: true, value: { a: [1] } });
  assert.deepEqual(parseDraft("{", "text"), { ok: true, value: "{" });
  for (const text of ["", "  ", "{", "hello"]) assert.equal(parseDraft(text, "json").ok, false, text);
});
