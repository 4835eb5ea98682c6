import { showBytes } from "../format.ts";
import { hexBytes } from "./hex.ts";

/** Bytes of a binary that are shown within a value. */
const BINARY = 32;

/** Deeper than this nothing is written: nobody would read it. */
const DEPTH = 32;

/** A decoded value on one line, cut to about so many characters. */
export function oneLine(value: unknown, most: number): string {
  return new Writer(most, undefined).write(value);
}

/** A decoded value on many lines, cut to about so many characters. */
export function manyLines(value: unknown, most: number): string {
  return new Writer(most, "  ").write(value);
}

/** Writes a value like JSON, and what JSON cannot say in angle brackets. Stops early when it is long enough. */
class Writer {
  #text = "";
  readonly #most: number;
  readonly #indent: string | undefined;

  constructor(most: number, indent: string | undefined) {
    this.#most = most;
    this.#indent = indent;
  }

  write(value: unknown): string {
    this.#value(value, 0);
    return this.#isFull ? `${this.#text.slice(0, this.#most)} …` : this.#text;
  }

  get #isFull(): boolean {
    return this.#text.length > this.#most;
  }

  #value(value: unknown, depth: number): void {
    if (depth > DEPTH) this.#text += "…";
    else if (value instanceof Uint8Array) this.#text += binary(value);
    else if (value instanceof Date)
      this.#text += Number.isNaN(value.getTime()) ? "<no time>" : `<${value.toISOString()}>`;
    else if (Array.isArray(value))
      this.#items("[", "]", value, depth, (item) => this.#value(item, depth + 1));
    else if (isExtension(value)) this.#text += `<extension ${value.type}: ${binary(value.data)}>`;
    else if (typeof value === "object" && value !== null) {
      this.#items("{", "}", Object.entries(value), depth, ([name, item]) => {
        this.#text += `${this.#string(name)}: `;
        this.#value(item, depth + 1);
      });
    } else if (typeof value === "string") this.#text += this.#string(value);
    else if (value === undefined) this.#text += "null";
    // Numbers that JSON has no form for are written as JavaScript does.
    else this.#text += String(value);
  }

  /** No more of a long text than fits. */
  #string(value: string): string {
    return JSON.stringify(value.length > this.#most ? value.slice(0, this.#most + 1) : value);
  }

  #items<T>(open: string, close: string, items: readonly T[], depth: number, write: (item: T) => void): void {
    this.#text += open;
    for (const [place, item] of items.entries()) {
      if (this.#isFull) return;
      if (place > 0) this.#text += this.#indent === undefined ? ", " : ",";
      this.#newLine(depth + 1);
      write(item);
    }
    if (items.length > 0) this.#newLine(depth);
    this.#text += close;
  }

  #newLine(depth: number): void {
    if (this.#indent !== undefined) this.#text += `\n${this.#indent.repeat(depth)}`;
  }
}

function binary(bytes: Uint8Array): string {
  return `<${showBytes(bytes.length)}${bytes.length === 0 ? "" : `: ${hexBytes(bytes, BINARY)}`}>`;
}

/** A MessagePack extension, as the decoder hands it out. */
function isExtension(value: unknown): value is { readonly type: number; readonly data: Uint8Array } {
  if (typeof value !== "object" || value === null) return false;
  const { type, data } = value as { type?: unknown; data?: unknown };
  return (
    Object.getPrototypeOf(value) !== Object.prototype &&
    typeof type === "number" &&
    data instanceof Uint8Array
  );
}
