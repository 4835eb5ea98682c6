import type { TransportKind } from "./transport.ts";

/** What the server allows a session. */
export interface Limits {
  /** Longest payload of a push, in bytes. */
  readonly payload: number;
  /** Most channels joined at the same time. */
  readonly channels: number;
  /** Most pushes without a reply in one channel. */
  readonly pushes: number;
}

/** The connection in use, as of now. Times are in milliseconds. */
export interface ConnectionInfo {
  /** What carries it. */
  readonly transport: TransportKind;
  /** Public name of the session, for logs. */
  readonly session: string;
  /** Whether an earlier session of this client was resumed. */
  readonly resumed: boolean;
  /** Name and version of the server, for logs. */
  readonly agent: string;
  readonly limits: Limits;
  /** How long the session waits for this client after the connection is lost. */
  readonly lingerMs: number;
  /** From the start of dialling until the server's welcome. */
  readonly handshakeMs: number;
  /** The last round trip to the server's session; undefined before the first one. */
  readonly rttMs: number | undefined;
  /** Bytes on streams, without what the transport adds. */
  readonly sentBytes: number;
  readonly receivedBytes: number;
}
