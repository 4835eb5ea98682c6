import { FrameTooLarge } from "./codec.ts";
import { type Ending, endingOf, lost } from "./ending.ts";
import { type ControlFrame, decodeControl, FrameError, type Welcome } from "./frames.ts";
import { within } from "./patience.ts";
import { StreamFrames } from "./streamframes.ts";
import { messageOf } from "./text.ts";
import { type Connection, ConnectionLost, type Stream } from "./transport.ts";
import { Code, Kind, Limit } from "./wire.ts";

/** How long to wait for a connection to say how it ended once its streams have, in milliseconds. */
const LAST_WORDS = 1_000;

/** Ends an attempt or a connection. */
export class Ended extends Error {
  constructor(readonly ending: Ending) {
    super(ending.type);
  }
}

/** The control stream of one connection. */
export class Control {
  readonly #connection: Connection;
  readonly #stream: Stream;
  readonly #frames: StreamFrames;

  private constructor(connection: Connection, stream: Stream) {
    this.#connection = connection;
    this.#stream = stream;
    this.#frames = new StreamFrames(stream, Limit.CONTROL_FRAME);
  }

  /** Opens the stream and sends `Hello`. Rejects with {@link Ended}. */
  static async open(connection: Connection, hello: Uint8Array): Promise<Control> {
    try {
      const control = new Control(connection, await connection.openStream());
      control.send(hello);
      return control;
    } catch (error) {
      throw await ended(connection, error);
    }
  }

  /** Sends a frame. If it cannot be sent, reading says why. */
  send(frame: Uint8Array): void {
    this.#stream.write(frame).catch(() => {});
  }

  /** Sends a last frame. */
  finish(frame: Uint8Array): void {
    this.send(frame);
    this.#stream.finish();
  }

  /** The server's next frame. Rejects with {@link Ended}. */
  async next(): Promise<ControlFrame> {
    try {
      const frame = await this.#frames.next();
      if (frame === undefined) throw new ConnectionLost("the server ended the control stream");
      return decodeControl(frame);
    } catch (error) {
      throw await ended(this.#connection, error);
    }
  }

  /** The server's answer to `Hello`. Rejects with {@link Ended}. */
  async welcome(): Promise<Welcome> {
    const frame = await this.next();
    if (frame.kind === Kind.WELCOME) return frame;
    if (frame.kind === Kind.REFUSED) throw new Ended({ type: "refused", refusal: frame });
    throw unexpected(this.#connection, "no answer to Hello");
  }
}

/** The server breaks the protocol: closes the connection, and says what that ends. */
export function unexpected(
  connection: Connection,
  what: string,
  code: number = Code.UNEXPECTED_FRAME,
): Ended {
  connection.close(code, what);
  return new Ended(lost(`the server breaks the protocol: ${what}`));
}

async function ended(connection: Connection, error: unknown): Promise<Ended> {
  if (error instanceof FrameError) return unexpected(connection, error.message, error.code);
  if (error instanceof FrameTooLarge) return unexpected(connection, error.message, Code.FRAME_TOO_LARGE);
  // The stream ends with the connection, which knows more.
  const info = await within(LAST_WORDS, connection.closed);
  return new Ended(info ? endingOf(info) : lost(messageOf(error)));
}
