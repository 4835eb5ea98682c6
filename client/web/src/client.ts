import { Channel } from "./channel.ts";
import { encodeValue } from "./codec.ts";
import { Emitter } from "./emitter.ts";
import { type Environment, surroundings } from "./environment.ts";
import { type Closed, ClosedError, JoinError } from "./errors.ts";
import type { ConnectionInfo } from "./info.ts";
import { watchPage } from "./lifecycle.ts";
import { infoOf, type Live } from "./live.ts";
import { Member, type Membership } from "./member.ts";
import type { ClientOptions, JoinOptions } from "./options.ts";
import { type Settings, settingsOf } from "./settings.ts";
import type { State } from "./state.ts";
import { Supervisor } from "./supervisor.ts";
import { topicProblem } from "./topic.ts";
import { wishProblem } from "./wishes.ts";

/** What a client tells about itself. */
export interface ClientEvents {
  /** The state has changed. */
  state: State;
  /** A connection is in use; also when the session moved to another one without a change of state. */
  connection: ConnectionInfo;
}

/**
 * A session with a server that outlives its connections.
 *
 * It connects by itself, again and again with growing pauses, by WebTransport where that gets through and by WebSocket otherwise,
 * and ends with {@link Client.close} or with the page.
 */
export class Client {
  readonly #settings: Settings;
  readonly #environment: Environment;
  readonly #supervisor: Supervisor;
  readonly #listeners = new Emitter<ClientEvents>();
  /** All that are joined, to be joined or being left. */
  readonly #members = new Set<Member>();
  /** The latest member of each topic, with its end to come. */
  readonly #topics = new Map<string, { readonly member: Member; readonly over: Promise<void> }>();
  readonly #unwatch: (() => void) | undefined;
  /** Resolves when the end was told. */
  readonly #ended: Promise<void>;
  #link: Live | undefined;
  #state: State = { type: "connecting" };
  /** The last push reference given out. One row of numbers for all topics: in each of them references rise. */
  #reference = 0;
  #pausedByApplication = false;
  #hidden = false;

  /**
   * Begins to connect to `https://HOST[:PORT]`, or to `http://HOST:PORT` for WebSocket without TLS.
   *
   * Throws a `TypeError` for a URL or options that make no sense.
   */
  constructor(
    url: string | URL,
    options: ClientOptions = {},
    /** @internal */ environment: Environment = surroundings(),
  ) {
    this.#environment = environment;
    this.#settings = settingsOf(url, options, environment);
    const supervisor = new Supervisor(this.#settings, environment, {
      state: (state) => this.#setState(state),
      link: (live) => this.#setLink(live),
      welcomed: (live) => this.#welcomed(live),
    });
    this.#supervisor = supervisor;
    const { page } = environment;
    const setHidden = (hidden: boolean) => this.#setHidden(hidden);
    this.#unwatch = page && watchPage(page, this.#settings.hiddenGrace, supervisor, setHidden);
    this.#ended = supervisor.run().then((closed) => this.#end(closed));
  }

  /** Whether the client is connected. */
  get state(): State {
    return this.#state;
  }

  /** The connection in use, if there is one, as of now. */
  get connection(): ConnectionInfo | undefined {
    const { live } = this.#supervisor;
    return live && infoOf(live);
  }

  /** Why the last attempt to connect failed, or the last connection ended, in words for people. */
  get problem(): string | undefined {
    return this.#supervisor.problem;
  }

  /** Whether the server is asked to hold events back: by {@link Client.pause}, or because the page is hidden. */
  get paused(): boolean {
    return this.#pausedByApplication || this.#hidden;
  }

  /** Adds a listener; the function that is returned removes it. */
  on<K extends keyof ClientEvents>(event: K, listener: (value: ClientEvents[K]) => void): () => void {
    return this.#listeners.on(event, listener);
  }

  /**
   * Joins a topic. The channel is there at once; {@link Channel.joined} waits for the server.
   *
   * Throws {@link JoinError} for an illegal name or number, and for a topic that this client has joined already; one that it is
   * leaving is joined after that.
   */
  join(topic: string, options: JoinOptions = {}): Channel {
    const membership = membershipOf(topic, options);
    const before = this.#topics.get(topic);
    if (before !== undefined && !before.member.isLeaving) {
      throw new JoinError(`this client has joined ${topic} already`);
    }
    const member = new Member(membership, this.#settings, this.#environment.random);
    const run = async () => {
      await before?.over;
      member.link = this.#link;
      if (this.#state.type === "closed") member.end(this.#state.closed);
      return member.run();
    };
    this.#members.add(member);
    this.#attend();
    const channel = new Channel(member, run, () => ++this.#reference);
    const over = new Promise<void>((resolve) => {
      channel.on("closed", () => {
        this.#members.delete(member);
        if (this.#topics.get(topic)?.member === member) this.#topics.delete(topic);
        this.#attend();
        resolve();
      });
    });
    this.#topics.set(topic, { member, over });
    return channel;
  }

  /**
   * Asks the server for a sign of life and gives the time it took in milliseconds; while there is no connection, waits for one.
   * Rejects with {@link ClosedError} if the client has ended.
   */
  async ping(): Promise<number> {
    const rttMs = this.#state.type === "closed" ? undefined : await this.#supervisor.ping();
    if (rttMs !== undefined) return rttMs;
    throw new ClosedError(
      this.#state.type === "closed" ? this.#state.closed : { code: undefined, message: "closing" },
    );
  }

  /** Asks the server to hold all events back until {@link Client.resume}, over reconnects as well. */
  pause(): void {
    this.#pausedByApplication = true;
    this.#supervisor.setPaused(this.paused);
  }

  /** Ends a pause: each channel goes on from where it stopped. */
  resume(): void {
    this.#pausedByApplication = false;
    this.#supervisor.setPaused(this.paused);
  }

  /**
   * Ends every channel, after their pushes are answered or five seconds are over, and then the session. Resolves when the client is
   * in the state `"closed"`.
   */
  async close(): Promise<void> {
    for (const member of this.#members) member.leave();
    await Promise.all([...this.#topics.values()].map(({ over }) => over));
    void this.#supervisor.close();
    await this.#ended;
  }

  #setLink(live: Live | undefined): void {
    this.#link = live;
    for (const member of this.#members) member.link = live;
  }

  #welcomed(live: Live): void {
    // Pushes wait for the limits in the welcome.
    for (const member of this.#members) member.bell.ring();
    const info = infoOf(live);
    if (info) this.#listeners.emit("connection", info);
  }

  #setState(state: State): void {
    if (isSame(state, this.#state)) return;
    this.#state = state;
    this.#listeners.emit("state", state);
  }

  #setHidden(hidden: boolean): void {
    this.#hidden = hidden;
    this.#supervisor.setPaused(this.paused);
    this.#attend();
  }

  #attend(): void {
    this.#supervisor.setAttentive(this.#members.size > 0 && !this.#hidden);
  }

  #end(closed: Closed): void {
    this.#unwatch?.();
    this.#setState({ type: "closed", closed });
    for (const member of this.#members) member.end(closed);
  }
}

/** Whether a state is no news: a session that moved is the same one, a retry without a further failure the same outage. */
function isSame(a: State, b: State): boolean {
  if (a.type === "online") return b.type === "online" && a.session === b.session;
  if (a.type === "recovering")
    return b.type === "recovering" && a.attempt === b.attempt && a.since === b.since;
  return a.type === b.type;
}

function membershipOf(topic: string, options: JoinOptions): Membership {
  const problem = topicProblem(topic) ?? wishProblem(options);
  if (problem !== undefined) throw new JoinError(problem);
  const { params } = options;
  return { ...options, topic, params: params === undefined ? undefined : encodeValue(params) };
}
