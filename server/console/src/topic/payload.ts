import { showBytes } from "../format.ts";
import { hexBytes, hexDump } from "./hex.ts";
import { manyLines, oneLine } from "./pretty.ts";

/** What the bytes of a payload turned out to be. */
export type Form = "MessagePack" | "text" | "binary" | "empty";

export interface Shown {
  readonly form: Form;
  readonly text: string;
}

/** A payload longer than this is read only when somebody looks at it, in bytes. */
const READ_AT_ONCE = 16_384;

/** Characters of a preview: more than the widest screen shows. */
const PREVIEW = 300;

/** Characters of a payload in full, and bytes of one in hex. */
const FULL = 100_000;
const FULL_HEX = 8_192;

/** Decodes MessagePack; throws if the bytes are none. */
export type Decode = (bytes: Uint8Array) => unknown;

/** A payload on one line. */
export function preview(bytes: Uint8Array, decode: Decode): string {
  if (bytes.length > READ_AT_ONCE) return `${showBytes(bytes.length)}, select to read`;
  return show(bytes, decode, {
    value: (value) => oneLine(value, PREVIEW),
    text: (text) => text.slice(0, PREVIEW).replace(/\s+/g, " "),
    binary: () => hexBytes(bytes, 48),
  }).text;
}

/** A payload in full, or what can be read of it at all. */
export function inFull(bytes: Uint8Array, decode: Decode): Shown {
  return show(bytes, decode, {
    value: (value) => manyLines(value, FULL),
    text: (text) => (text.length > FULL ? `${text.slice(0, FULL)} …` : text),
    binary: () => {
      const rest = bytes.length - FULL_HEX;
      return hexDump(bytes, FULL_HEX) + (rest > 0 ? `\n… and ${showBytes(rest)} more` : "");
    },
  });
}

interface Writers {
  readonly value: (value: unknown) => string;
  readonly text: (text: string) => string;
  readonly binary: () => string;
}

function show(bytes: Uint8Array, decode: Decode, writers: Writers): Shown {
  if (bytes.length === 0) return { form: "empty", text: "" };
  let value: unknown;
  try {
    value = decode(bytes);
  } catch {
    const text = readableText(bytes);
    if (text === undefined) return { form: "binary", text: writers.binary() };
    return { form: "text", text: writers.text(text) };
  }
  return { form: "MessagePack", text: writers.value(value) };
}

/** UTF-8 without control characters other than white space. */
function readableText(bytes: Uint8Array): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
    return /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/.test(text) ? undefined : text;
  } catch {
    return undefined;
  }
}
