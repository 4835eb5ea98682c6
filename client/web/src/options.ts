import type { Backoff } from "./backoff.ts";
import type { Position } from "./position.ts";
import type { TransportKind } from "./transport.ts";

/** SHA-256 of the DER encoding of a certificate, as 64 hex digits or 32 bytes. */
export type CertificateHash = string | Uint8Array;

/** Settings of a client. Times are in milliseconds. */
export interface ClientOptions {
  /** For a server that asks for one; a function is asked again for each connection, before it expires, and when it was refused. */
  readonly token?: string | (() => string | Promise<string>);
  /**
   * The development certificates to accept (WebTransport only); a function is asked again for each attempt, as
   * the certificate changes when the server renews it. A certificate that browsers trust needs none.
   */
  readonly certificateHashes?:
    | readonly CertificateHash[]
    | (() => readonly CertificateHash[] | Promise<readonly CertificateHash[]>);
  /** What to try, best first; WebTransport and then WebSocket unless set, on WebKit WebSocket alone. */
  readonly transports?: readonly TransportKind[];
  /** Where WebSocket is, if not at the same host and port. */
  readonly websocketUrl?: string;
  /** How long the first transport may not answer before the next is tried beside it; 500 unless set. */
  readonly headStart?: number;
  /** Name and version of the application, for the server's logs. */
  readonly agent?: string;
  /** How attempts to connect and to join are spaced. */
  readonly backoff?: Backoff;
  /**
   * While the page is visible and a topic is joined, a `Ping` goes out when nothing else did for so long: the server
   * learns a new address of this client from what arrives. 2000 unless set; at most every 25 seconds otherwise.
   */
  readonly keepAlive?: number;
  /** How long the page may be hidden before the server is asked to hold events back; 5000 unless set, `Infinity` for never. */
  readonly hiddenGrace?: number;
  /**
   * A WebTransport connection that has received so many bytes is replaced by a new one, without a pause. `Infinity` for
   * never, which is the default but on WebKit.
   */
  readonly rotateAfter?: number;
}

/** Which events to deliver. */
export type Delivery =
  /** Every event, in order. */
  | "reliable"
  /** In order, but an event may be left out when a newer one of the same key is there. */
  | "latest"
  /** None: for members that only push. */
  | "none";

/** What to ask for in a join. */
export interface JoinOptions {
  /** Where to go on from; `OLDEST` for all that history holds, undefined for what comes from now on. */
  readonly since?: Position | undefined;
  /** Which events to deliver; `"reliable"` unless set. */
  readonly delivery?: Delivery;
  /** 0 to 255: streams of higher priority are sent first; 128 unless set. */
  readonly priority?: number;
  /** For the channel's code on the server: a value that is sent as MessagePack. */
  readonly params?: unknown;
  /** Who is in the topic: a `Presence` of `@dunlin/client/presence`, to be kept up to date. */
  readonly presence?: PresenceReader | undefined;
  /**
   * How many messages wait for a slow application before this channel's stream is no longer read, which stops the
   * server from sending on it and touches no other channel; 256 unless set.
   */
  readonly buffer?: number;
}

/** What reads frames of presence: a `Presence` of `@dunlin/client/presence`, which applications import apart. */
export interface PresenceReader {
  /** @internal What to ask for. */
  readonly asks: number;
  /** @internal Takes the body of a frame, if it is one of presence. */
  take(body: Uint8Array): boolean;
}

/** Options of a push. */
export interface PushOptions {
  /** What `"latest"` readers conflate by. */
  readonly key?: string;
}
