import type { Channel } from "./channel.ts";
import type { ConnectionInfo } from "./info.ts";
import type { ClientOptions, JoinOptions } from "./options.ts";
import type { State } from "./state.ts";

/** What a client tells about itself. */
export interface ClientEvents {
  /** The state has changed. */
  state: State;
  /** A connection is in use; also when the session moved to another one without a change of state. */
  connection: ConnectionInfo;
}

export declare class Client {
  constructor(url: string | URL, options?: ClientOptions);
  get state(): State;
  get connection(): ConnectionInfo | undefined;
  get problem(): string | undefined;
  get paused(): boolean;
  on<K extends keyof ClientEvents>(event: K, listener: (value: ClientEvents[K]) => void): () => void;
  join(topic: string, options?: JoinOptions): Channel;
  ping(): Promise<number>;
  pause(): void;
  resume(): void;
  close(): Promise<void>;
}
