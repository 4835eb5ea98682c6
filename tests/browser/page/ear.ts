import { type Channel, Client, type ClientOptions, type JoinOptions, type Start } from "@dunlin/client";

/** A client that has joined one topic and keeps all that it is told, in order. */
export class Ear {
  readonly client: Client;
  readonly channel: Channel;
  /** The values of the events. */
  readonly heard: unknown[] = [];
  /** The longest time between two events, in milliseconds. */
  silence = 0;
  /** The types of the states. */
  readonly states: string[] = [];
  /** How each join was answered. */
  readonly joins: Start[] = [];
  /** Gaps and restarts, by their type. */
  readonly losses: string[] = [];
  /** What carried the session, connection by connection. */
  readonly transports: string[] = [];
  /** Names of the sessions, connection by connection. */
  readonly sessions: string[] = [];
  readonly #start = performance.now();
  #onlineAfter: number | undefined;

  constructor(url: string, options: ClientOptions, topic: string, join: JoinOptions = {}) {
    this.client = new Client(url, options);
    this.client.on("state", ({ type }) => {
      this.states.push(type);
      if (type === "online") this.#onlineAfter ??= performance.now() - this.#start;
    });
    this.client.on("connection", ({ transport, session }) => {
      this.transports.push(transport);
      this.sessions.push(session);
    });
    this.channel = this.client.join(topic, join);
    void this.#listen();
  }

  /** From the constructor to the first time online, in milliseconds. */
  get onlineAfter(): number | undefined {
    return this.#onlineAfter;
  }

  async #listen(): Promise<void> {
    let last: number | undefined;
    for await (const message of this.channel) {
      if (message.type === "joined") this.joins.push(message.start);
      else if (message.type !== "event") this.losses.push(message.type);
      else {
        const now = performance.now();
        this.silence = Math.max(this.silence, now - (last ?? now));
        last = now;
        this.heard.push(message.data);
      }
    }
  }
}
