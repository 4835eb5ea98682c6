import { Client, Code, type ConnectionInfo } from "@dunlin/client";
import { Signal } from "../signal.ts";
import type { LinkState } from "./status.ts";
import type { StoredToken } from "./token.ts";
import { findWay } from "./way.ts";

/** Pause before the server is asked again how it is reached, in milliseconds. */
const ASK_AGAIN = 2_000;

/** Between two measurements of the round trip, in milliseconds. */
const PING_EVERY = 2_000;

/** Who has topics joined, whatever client there is. */
export interface Member {
  /** Here is the client to join with: the first one, or another one in its place. */
  attach(client: Client): void;
}

/** The page's one client, and what replaces it when there is another token. */
export class Link {
  /** Tells when the state or the connection has changed. */
  readonly changed = new Signal();
  readonly #page: URL;
  readonly #token: StoredToken;
  readonly #members = new Set<Member>();
  #client: Client | undefined;
  #lookingSince = Date.now();
  #problem: string | undefined;
  /** The number of the last call of `connect`: an earlier one has nothing to say any more. */
  #turn = 0;
  #pinged = 0;

  constructor(page: URL, token: StoredToken) {
    this.#page = page;
    this.#token = token;
  }

  get state(): LinkState {
    return this.#client?.state ?? { type: "looking", since: this.#lookingSince };
  }

  get connection(): ConnectionInfo | undefined {
    return this.state.type === "online" ? this.#client?.connection : undefined;
  }

  /** Why the last attempt failed. */
  get problem(): string | undefined {
    return this.#client === undefined ? this.#problem : this.#client.problem;
  }

  get hasToken(): boolean {
    return this.#token.value !== undefined;
  }

  /** Whether the server let nobody in without another token. */
  get needsToken(): boolean {
    const { state } = this;
    return state.type === "closed" && isAboutToken(state.closed.code);
  }

  /** Has a member join now, and again with each new client. */
  add(member: Member): void {
    this.#members.add(member);
    if (this.#client !== undefined && this.#client.state.type !== "closed") member.attach(this.#client);
  }

  remove(member: Member): void {
    this.#members.delete(member);
  }

  /** Connects, in place of a client that may be there. */
  async connect(): Promise<void> {
    this.#turn += 1;
    const turn = this.#turn;
    void this.#client?.close();
    this.#client = undefined;
    this.#lookingSince = Date.now();
    this.changed.tell();
    while (turn === this.#turn && !(await this.#dial(turn))) {
      this.changed.tell();
      await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN));
    }
  }

  /** Connects with another token, or with none. */
  useToken(token: string | undefined): void {
    this.#token.value = token;
    void this.connect();
  }

  /** Measures the round trip when it is time to; to be called once a second. */
  tick(now: number): void {
    if (this.state.type !== "online" || document.hidden || now - this.#pinged < PING_EVERY) return;
    this.#pinged = now;
    // What goes wrong is seen in the state.
    void this.#client?.ping().then(
      () => this.changed.tell(),
      () => {},
    );
  }

  /** Whether there is a client now, or this turn is over. */
  async #dial(turn: number): Promise<boolean> {
    try {
      const { url, options } = await findWay(this.#page);
      if (turn !== this.#turn) return true;
      const token = this.#token.value;
      const client = new Client(url, {
        ...options,
        agent: "dunlin-console/0.1.0",
        ...(token === undefined ? {} : { token }),
      });
      this.#client = client;
      client.on("state", () => this.changed.tell());
      client.on("connection", () => this.changed.tell());
      for (const member of this.#members) member.attach(client);
      this.changed.tell();
      return true;
    } catch (error) {
      this.#problem = error instanceof Error ? error.message : String(error);
      return turn !== this.#turn;
    }
  }
}

/** Whether another token would help. */
export function isAboutToken(code: number | undefined): boolean {
  return code === Code.TOKEN_REQUIRED || code === Code.TOKEN_EXPIRED;
}
