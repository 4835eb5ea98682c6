import type { Welcome } from "./frames.ts";
import type { ConnectionInfo } from "./info.ts";
import type { Connection } from "./transport.ts";

/** A connection on which the control stream is open: channels may open theirs. */
export interface Live {
  readonly connection: Connection;
  /** What the server said to `Hello`. Until then joins may be sent; pushes may not, for their limits are unknown. */
  welcome: Welcome | undefined;
  /** From the start of dialling until the welcome, in milliseconds. */
  handshakeMs: number;
  /** The last round trip, in milliseconds. */
  rttMs: number | undefined;
  /** Called when a channel has received something. */
  received(): void;
  /** Called when a channel has sent something that is answered. */
  asked(): void;
}

export function infoOf({ connection, welcome, handshakeMs, rttMs }: Live): ConnectionInfo | undefined {
  if (welcome === undefined) return undefined;
  const { session, resumed, agent, limits, lingerMs } = welcome;
  const transport = connection.kind;
  return { transport, session, resumed, agent, limits, lingerMs, handshakeMs, rttMs, ...connection.stats() };
}
