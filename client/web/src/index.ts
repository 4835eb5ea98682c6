/** The client of Dunlin for browsers and Node: see `Client`. */
export type { Backoff } from "./backoff.ts";
export { Channel, type ChannelEvents } from "./channel.ts";
export { Client, type ClientEvents } from "./client.ts";
export { decodeValue, encodeValue } from "./codec.ts";
export { codeName, codeRetry } from "./codes.ts";
export { type Discovered, discover } from "./discover.ts";
export { type Closed, ClosedError, DunlinError, JoinError, PushError, type PushFailure } from "./errors.ts";
export type { ConnectionInfo, Limits } from "./info.ts";
export {
  DirectMessage,
  EventMessage,
  type GapMessage,
  type JoinedMessage,
  type Message,
  Reply,
  type RestartedMessage,
  type Start,
} from "./message.ts";
export type {
  Adjustment,
  CertificateHash,
  ClientOptions,
  DatagramReader,
  Delivery,
  DeliveryMode,
  JoinOptions,
  PresenceReader,
  PushOptions,
} from "./options.ts";
export { OLDEST, type Position, samePosition, showPosition } from "./position.ts";
export { OFFLINE_AFTER, type State } from "./state.ts";
export { topicProblem } from "./topic.ts";
export type { TransportKind } from "./transport.ts";
export { Code, type Retry } from "./wire.ts";
