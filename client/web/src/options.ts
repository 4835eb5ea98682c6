import type { Backoff } from "./backoff.ts";
import type { DatagramMember } from "./member.ts";
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

/** Which events to deliver. The server may not allow every choice on a topic (`FORBIDDEN`). */
export type Delivery =
  /** Every event, in order. */
  | "reliable"
  /** In order, but an event may be left out when a newer one of the same key is there. */
  | "latest"
  /** None: for members that only push. */
  | "none";

/** How events are delivered: a {@link Delivery}, or in datagrams, where each event comes at once or not at all. */
export type DeliveryMode = Delivery | DatagramReader["mode"];

/** What a member wants of its stream, and may come to want otherwise ({@link Channel.adjust}). Times are in milliseconds. */
export interface Adjustment {
  /** 0 to 255: streams of higher priority are sent first; 128 unless set. */
  readonly priority?: number | undefined;
  /**
   * Least time between two deliveries of `"latest"`, which then bring what has changed; at most an hour; 0, as unless set, for
   * none.
   */
  readonly interval?: number | undefined;
  /**
   * An event that could not be delivered so long after it was published is skipped, and named in a {@link GapMessage}; at most an
   * hour; 0, as unless set, for never. With datagrams nothing is named, and it is a second unless set.
   */
  readonly deadline?: number | undefined;
}

/** What to ask for in a join. */
export interface JoinOptions extends Adjustment {
  /** Where to go on from; `OLDEST` for all that history holds, undefined for what comes from now on. */
  readonly since?: Position | undefined;
  /**
   * Which events to deliver: a name, or a `Datagrams` of `@dunlin/client/datagrams`. What the topic does by default unless set,
   * which is `"reliable"` if its server is not configured otherwise; {@link JoinedMessage.delivery} tells what holds.
   */
  readonly delivery?: Delivery | DatagramReader | undefined;
  /**
   * Begin with the last so many events there are, at most 100,000, unless this goes on from a position; none unless set. A topic
   * that retains its newest event begins with that in any case.
   */
  readonly rewind?: number | undefined;
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

/** What brings events in datagrams: a `Datagrams` of `@dunlin/client/datagrams`, which applications import apart. */
export interface DatagramReader {
  readonly mode: "datagram";
  /** @internal What it is for one membership. */
  attach(topic: string, since: Position | undefined): DatagramMember;
}

/** Options of a push. */
export interface PushOptions {
  /** What `"latest"` readers conflate by. */
  readonly key?: string;
}
