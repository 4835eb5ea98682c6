import { Splitter } from "./codec.ts";
import type { Stream } from "./transport.ts";

/** Whole frames out of a stream. */
export class StreamFrames {
  readonly #stream: Stream;
  readonly #splitter: Splitter;

  /** Refuses frames of more than `limit` bytes. */
  constructor(stream: Stream, limit: number) {
    this.#stream = stream;
    this.#splitter = new Splitter(limit);
  }

  /** The next frame's body, or undefined at the stream's end. Rejects as reading does, and with `FrameTooLarge`. */
  async next(): Promise<Uint8Array | undefined> {
    for (;;) {
      const frame = this.#splitter.next();
      if (frame !== undefined) return frame;
      const chunk = await this.#stream.read();
      if (chunk === undefined) return undefined;
      this.#splitter.push(chunk);
    }
  }
}
