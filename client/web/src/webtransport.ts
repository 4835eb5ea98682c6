import { within } from "./patience.ts";
import {
  type CloseInfo,
  type Connection,
  ConnectionLost,
  type DatagramSource,
  type Stats,
  type Stream,
  StreamEnded,
  SUBPROTOCOL,
} from "./transport.ts";

/** The first pause before another try to open a stream, in milliseconds; it doubles up to the last one. */
const CREDIT_PAUSE = { first: 5, last: 500 };

/** Connects to an `https://` URL. Rejects with {@link ConnectionLost}: browsers do not tell scripts why. */
export async function dialWebTransport(
  url: string,
  hashes: readonly Uint8Array<ArrayBuffer>[],
  signal: AbortSignal,
): Promise<Connection> {
  const serverCertificateHashes = hashes.map((value) => ({ algorithm: "sha-256", value }));
  const options = hashes.length > 0 ? { serverCertificateHashes } : {};
  const session = new WebTransport(hashes.length > 0 ? reachable(url) : url, {
    ...options,
    protocols: [SUBPROTOCOL],
  });
  const connection = new WebTransportConnection(session);
  const abort = () => session.close();
  signal.addEventListener("abort", abort);
  try {
    await session.ready;
  } catch {
    throw new ConnectionLost(
      "no WebTransport connection: does UDP get through, and is the certificate the right one?",
    );
  } finally {
    signal.removeEventListener("abort", abort);
  }
  return connection;
}

/**
 * The URL with `localhost` as 127.0.0.1: by QUIC Chromium dials only the first address of a name, which is ::1 for this one,
 * and development servers listen on the other. A certificate that is known by its hash may go by any name.
 */
function reachable(url: string): string {
  return url.replace(/^https:\/\/localhost(?=[:/])/, "https://127.0.0.1");
}

/** What a connection needs of a WebTransport session. */
type Session = Pick<WebTransport, "closed" | "close" | "createBidirectionalStream" | "datagrams">;

/** Streams of a WebTransport session. */
export class WebTransportConnection implements Connection {
  readonly kind = "webtransport";
  readonly closed: Promise<CloseInfo>;
  readonly #session: Session;
  readonly #stats = { sentBytes: 0, receivedBytes: 0 };
  #over = false;

  constructor(session: Session) {
    this.#session = session;
    this.closed = session.closed.then(
      ({ closeCode, reason }) => ({ code: closeCode, reason: reason ?? "" }),
      () => ({ code: undefined, reason: "the connection was lost" }),
    );
    void this.closed.then(() => {
      this.#over = true;
    });
  }

  get datagrams(): DatagramSource {
    return this.#session.datagrams;
  }

  async openStream(): Promise<Stream> {
    // Without credit of the server's, browsers reject instead of waiting, and do not say that this is why.
    for (let pause = CREDIT_PAUSE.first; ; pause = Math.min(2 * pause, CREDIT_PAUSE.last)) {
      if (this.#over) throw new ConnectionLost("the connection was lost");
      try {
        return new WebTransportStream(await this.#session.createBidirectionalStream(), this.#stats);
      } catch {
        await within(pause, this.closed);
      }
    }
  }

  close(code: number, reason: string): void {
    try {
      this.#session.close({ closeCode: code, reason });
    } catch {
      // It has ended already.
    }
  }

  stats(): Stats {
    return { ...this.#stats };
  }
}

class WebTransportStream implements Stream {
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array>;
  readonly #stats: { sentBytes: number; receivedBytes: number };

  constructor({ readable, writable }: WebTransportBidirectionalStream, stats: Stats) {
    this.#reader = readable.getReader();
    this.#writer = writable.getWriter();
    this.#stats = stats;
    // Both reject with what reading and writing report.
    this.#reader.closed.catch(ignore);
    this.#writer.closed.catch(ignore);
  }

  async read(): Promise<Uint8Array | undefined> {
    try {
      const { value } = await this.#reader.read();
      this.#stats.receivedBytes += value?.length ?? 0;
      return value;
    } catch (error) {
      throw streamError(error);
    }
  }

  async write(bytes: Uint8Array): Promise<void> {
    this.#stats.sentBytes += bytes.length;
    try {
      await this.#writer.write(bytes);
    } catch (error) {
      throw streamError(error);
    }
  }

  finish(): void {
    this.#writer.close().catch(ignore);
  }

  abandon(code: number): void {
    const error = new WebTransportError("", { streamErrorCode: code });
    this.#writer.abort(error).catch(ignore);
    this.#reader.cancel(error).catch(ignore);
  }
}

function streamError(error: unknown): Error {
  // Chromium does not always say that a stream was stopped, and then has neither source nor code.
  const { source, streamErrorCode, message } = error as Partial<WebTransportError>;
  if (source === "session") return new ConnectionLost(message ?? "");
  return new StreamEnded(streamErrorCode ?? undefined);
}

function ignore(): void {
  // Somebody else reports it.
}
