import type { Closed } from "./errors.ts";
import type {
  DirectMessage,
  EventMessage,
  GapMessage,
  JoinedMessage,
  Message,
  Reply,
  RestartedMessage,
} from "./message.ts";
import type { PushOptions } from "./options.ts";
import type { Position } from "./position.ts";

/** What a channel tells its listeners. */
export interface ChannelEvents {
  event: EventMessage;
  gap: GapMessage;
  joined: JoinedMessage;
  restarted: RestartedMessage;
  direct: DirectMessage;
  /** Each of the above. */
  message: Message;
  /** The channel has ended. */
  closed: Closed;
}

export declare class Channel implements AsyncIterable<Message> {
  readonly topic: string;
  readonly joined: Promise<JoinedMessage>;
  get position(): Position | undefined;
  get closed(): Closed | undefined;
  [Symbol.asyncIterator](): AsyncIterator<Message, void>;
  on<K extends keyof ChannelEvents>(event: K, listener: (value: ChannelEvents[K]) => void): () => void;
  push(event: string, value: unknown, options?: PushOptions): Promise<Reply>;
  pushBytes(event: string, payload: Uint8Array, options?: PushOptions): Promise<Reply>;
  leave(): Promise<void>;
}
