import { Decoder, Encoder } from "@msgpack/msgpack";

/** Bytes before a frame's body that tell its length. */
export const PREFIX = 4;

const encoder = new Encoder();
const decoder = new Decoder();

/** Frames are flat: no array in them is long, and none of their elements needs maps or extensions to be understood. */
const frameDecoder = new Decoder({ maxArrayLength: 1024 });

/** A value as MessagePack. Throws for what has no form there, such as functions. */
export function encodeValue(value: unknown): Uint8Array<ArrayBuffer> {
  return encoder.encode(value);
}

/** The one MessagePack value that these bytes are. Binaries in it are views of them. Throws if it is none. */
export function decodeValue(bytes: Uint8Array): unknown {
  return decoder.decode(bytes);
}

/** The elements of a frame, the kind first, with its length in front. */
export function encodeFrame(elements: readonly unknown[]): Uint8Array<ArrayBuffer> {
  const body = encoder.encodeSharedRef(elements);
  const frame = new Uint8Array(PREFIX + body.length);
  new DataView(frame.buffer).setUint32(0, body.length);
  frame.set(body, PREFIX);
  return frame;
}

/** What a frame's body is, as MessagePack. Throws if it is not. */
export function decodeBody(body: Uint8Array): unknown {
  return frameDecoder.decode(body);
}

/** A frame is longer than the limit of its stream. */
export class FrameTooLarge extends Error {
  constructor(length: number, limit: number) {
    super(`a frame of ${length} bytes exceeds the limit of ${limit}`);
  }
}

/** Cuts the bytes of a stream into the bodies of frames. Keeps no more than one frame and what came with its end. */
export class Splitter {
  readonly #limit: number;
  #chunks: Uint8Array[] = [];
  #held = 0;

  /** Refuses bodies of more than `limit` bytes, before they arrive. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#held += chunk.length;
  }

  /** The next body, once all of it is here. It is a view of what was pushed where that came in one piece. */
  next(): Uint8Array | undefined {
    if (this.#held < PREFIX) return undefined;
    const head = this.#join(PREFIX);
    const length = new DataView(head.buffer, head.byteOffset, PREFIX).getUint32(0);
    if (length > this.#limit) throw new FrameTooLarge(length, this.#limit);
    if (this.#held < PREFIX + length) return undefined;
    const whole = this.#join(PREFIX + length);
    const rest = whole.subarray(PREFIX + length);
    this.#chunks[0] = rest;
    if (rest.length === 0) this.#chunks.shift();
    this.#held -= PREFIX + length;
    return whole.subarray(PREFIX, PREFIX + length);
  }

  /** Makes the first chunk have so many bytes at least; as many must be held. */
  #join(length: number): Uint8Array {
    let first = this.#chunks[0] ?? new Uint8Array();
    if (first.length >= length) return first;
    let count = 0;
    let size = 0;
    while (size < length) size += this.#chunks[count++]?.length ?? 0;
    first = new Uint8Array(size);
    let at = 0;
    for (const chunk of this.#chunks.splice(0, count)) {
      first.set(chunk, at);
      at += chunk.length;
    }
    this.#chunks.unshift(first);
    return first;
  }
}
