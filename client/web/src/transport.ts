/** What can carry a connection. */
export type TransportKind = "webtransport" | "websocket";

/** How a connection ended: with a code of the table, or without one when it was lost. */
export interface CloseInfo {
  readonly code: number | undefined;
  readonly reason: string;
}

/** A connection to a server: streams beside each other, each with flow control of its own. */
export interface Connection {
  readonly kind: TransportKind;
  /** Resolves at the end of the connection, whoever ended it; never rejects. */
  readonly closed: Promise<CloseInfo>;
  /** Events that came without a stream, where the transport has datagrams. */
  readonly datagrams?: DatagramSource | undefined;
  /** Opens a stream, when the server grants one more. Rejects with {@link ConnectionLost}. */
  openStream(): Promise<Stream>;
  /** Ends the connection. Code 0 ends the session with it. */
  close(code: number, reason: string): void;
  stats(): Stats;
}

/** Where the datagrams of a connection come in. */
export type DatagramSource = Pick<
  WebTransportDatagramDuplexStream,
  "readable" | "incomingHighWaterMark" | "incomingMaxAge"
>;

/** Bytes on streams so far. */
export interface Stats {
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** Both halves of a stream. */
export interface Stream {
  /**
   * The next bytes, or undefined when the server has finished. While nobody reads, flow control stops the server.
   * Rejects with {@link StreamEnded} or {@link ConnectionLost}.
   */
  read(): Promise<Uint8Array | undefined>;
  /** Resolves when there is room for more. Rejects with {@link StreamEnded} or {@link ConnectionLost}. */
  write(bytes: Uint8Array): Promise<void>;
  /** Nothing more will be written. */
  finish(): void;
  /** Gives both halves up. */
  abandon(code: number): void;
}

/** The server reset a stream, or does not read it any more. */
export class StreamEnded extends Error {
  override readonly name = "StreamEnded";

  /** With the server's code, which not every browser tells. */
  constructor(readonly code: number | undefined) {
    super(`the stream was ended with code ${code ?? "unknown"}`);
  }
}

/** There is no connection any more. */
export class ConnectionLost extends Error {
  override readonly name = "ConnectionLost";

  constructor(reason: string) {
    super(reason || "the connection was lost");
  }
}

/** Where the server is, for each transport. */
export interface Endpoint {
  /** `https://HOST:PORT/dunlin`, or undefined where WebTransport is out of question. */
  readonly webtransport: string | undefined;
  /** `wss://HOST:PORT/dunlin`. */
  readonly websocket: string;
}

/** The path of sessions, on every transport. */
export const PATH = "/dunlin";

/** The subprotocol, on every transport. */
export const SUBPROTOCOL = "dunlin.v1";
