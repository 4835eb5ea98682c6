import { retryDelay } from "./backoff.ts";
import { Bell } from "./bell.ts";
import { Control, Ended, unexpected } from "./control.ts";
import { Dialer } from "./dial.ts";
import { closedBy, type Ending, endingRetry, endsSession, lost, problemOf } from "./ending.ts";
import type { Environment } from "./environment.ts";
import { CLOSED_BY_US, type Closed } from "./errors.ts";
import { hello } from "./frames.ts";
import type { Live } from "./live.ts";
import { Move } from "./move.ts";
import { Online } from "./online.ts";
import { endpointOf, type Settings } from "./settings.ts";
import { failuresAfter, type Outage, outageState, type State } from "./state.ts";
import { messageOf } from "./text.ts";
import type { Connection } from "./transport.ts";
import { Code, VERSION } from "./wire.ts";

/** How often a client pings that has nothing to listen to or is not looked at: enough for NATs, in milliseconds. */
const RELAXED = 25_000;

/**
 * How long after an attempt without an answer the server may still come to its `Hello`, in milliseconds: it then moves the session
 * to a connection that is gone, and away from the one in use.
 */
const STRAY = 30_000;

/** What the supervisor tells. */
export interface Hooks {
  state(state: State): void;
  /** Channels are to use this connection, or to wait for another. */
  link(live: Live | undefined): void;
  /** The server has welcomed this client on the connection. */
  welcomed(live: Live): void;
}

/** Owns the connection: dials, greets, and begins again when it is lost. */
export class Supervisor {
  /** Why the last attempt failed, or the last connection ended, in words for people. */
  problem: string | undefined;
  readonly #settings: Settings;
  readonly #environment: Environment;
  readonly #hooks: Hooks;
  readonly #dialer: Dialer;
  readonly #client = crypto.getRandomValues(new Uint8Array(16));
  /** Rings when anything here has changed. */
  readonly #bell = new Bell();
  /** Resumes the session of the last welcome. */
  #ticket: Uint8Array | undefined;
  #token: string | undefined;
  #online: Online | undefined;
  #move: Move | undefined;
  #attempt: AbortController | undefined;
  /** Where the server sent this client: tried once, before the usual address. */
  #elsewhere: string | undefined;
  /** When the last attempt was given up that had asked for the session. */
  #strayAt = -Infinity;
  #closing = false;
  /** The page is frozen or about to be: nothing is dialled. */
  #suspended = false;
  /** Somebody wants the next attempt now. */
  #hurry = false;
  #paused = false;
  #attentive = false;

  constructor(settings: Settings, environment: Environment, hooks: Hooks) {
    this.#settings = settings;
    this.#environment = environment;
    this.#hooks = hooks;
    this.#dialer = new Dialer(settings, environment);
  }

  /** The connection in use, once the server has welcomed this client on it. */
  get live(): Live | undefined {
    return this.#online?.live;
  }

  /** Runs until it is told to close or the server's answer is final; never rejects. */
  async run(): Promise<Closed> {
    let outage: Outage = { since: Date.now(), lost: false, failures: 0 };
    for (;;) {
      await this.#bell.until(() => this.#closing || !this.#suspended);
      if (this.#closing) return CLOSED_BY_US;
      let ending: Ending;
      try {
        const online = await this.#connect(outage.failures);
        const start = Date.now();
        ending = await this.#stay(online);
        outage = {
          since: Date.now(),
          lost: true,
          failures: failuresAfter(Date.now() - start, outage.failures),
        };
      } catch (error) {
        if (!(error instanceof Ended)) throw error;
        ending = error.ending;
        outage = { ...outage, failures: outage.failures + 1 };
      }
      this.#hooks.link(undefined);
      if (this.#closing) return CLOSED_BY_US;
      this.problem = problemOf(ending);
      if (endsSession(ending)) this.#ticket = undefined;
      if (ending.type === "away") this.#elsewhere = ending.url;
      const delay = await this.#delay(ending, outage.failures);
      if (delay === undefined) return this.#closing ? CLOSED_BY_US : closedBy(ending);
      this.#hooks.state(outageState(outage, Date.now()));
      await this.#bell.until(() => this.#closing || this.#hurry, delay);
      this.#hurry = false;
      this.#hooks.state(outageState(outage, Date.now()));
    }
  }

  /** Measures a round trip; waits for a connection. Undefined if the client ends before. */
  async ping(): Promise<number | undefined> {
    for (;;) {
      await this.#bell.until(() => this.#closing || this.#online !== undefined);
      if (this.#online === undefined) return undefined;
      const rttMs = await this.#online.ping();
      if (rttMs !== undefined) return rttMs;
    }
  }

  /** Says goodbye and ends. */
  async close(): Promise<void> {
    const online = this.#online;
    this.#closing = true;
    this.#move?.cancel();
    this.#attempt?.abort();
    this.#bell.ring();
    await online?.finish("");
  }

  /** The page goes away for good: the server is to know at once, and nothing can be waited for. */
  vanish(): void {
    this.#online?.live.connection.close(Code.OK, "the page was closed");
    void this.close();
  }

  /** The page is put aside and may come back: the session waits for it. */
  suspend(): void {
    this.#suspended = true;
    this.#move?.cancel();
    this.#attempt?.abort();
    this.#online?.abandon("the page was put aside");
  }

  /** The page is back, is looked at again, or there is reason to hope for a network. */
  wake(): void {
    this.#suspended = false;
    this.#hurry = this.#online === undefined;
    this.#online?.check();
    this.#bell.ring();
  }

  /** The network may be another one: what was learnt of the old one does not hold. */
  networkChanged(): void {
    this.#dialer.way.forget();
    this.#move?.now();
    this.wake();
  }

  /** Asks the server to hold events back, over reconnects as well. */
  setPaused(paused: boolean): void {
    this.#paused = paused;
    this.#online?.setPaused(paused);
  }

  /** Whether somebody listens and looks: a change of address is to be noticed soon. */
  setAttentive(attentive: boolean): void {
    this.#attentive = attentive;
    this.#online?.setInterval(this.#interval);
  }

  /** A channel has received something. */
  received(live: Live): void {
    if (live !== this.live) return;
    this.#online?.received();
    if (live.connection.stats().receivedBytes >= this.#settings.rotateAfter) this.#move?.now();
  }

  get #interval(): number {
    return this.#attentive ? Math.min(this.#settings.keepAlive, RELAXED) : RELAXED;
  }

  /** Dials, and goes as far as the server's welcome. Rejects with {@link Ended}. */
  async #connect(failures: number): Promise<Online> {
    const attempt = new AbortController();
    this.#attempt = attempt;
    const timer = setTimeout(() => attempt.abort(), patience(failures));
    try {
      return await this.#greet(
        (signal) => this.#dialer.dial(this.#destination(), signal),
        attempt.signal,
        (live) => this.#hooks.link(live),
      );
    } finally {
      clearTimeout(timer);
      this.#attempt = undefined;
    }
  }

  /** Stays online, moving from connection to connection, until there is none. */
  async #stay(first: Online): Promise<Ending> {
    let online = first;
    for (;;) {
      this.#use(online);
      const move = this.#plan(online.live);
      this.#move = move;
      const ended = online.ended.then((ending) => ({ ending }));
      const next = await Promise.race([ended, move.done]);
      if ("online" in next) {
        online.abandon("the session has moved");
        online = next.online;
        this.#hooks.link(online.live);
        continue;
      }
      // The server closes the old connection as soon as the new one asks for the session.
      const moved = next.ending.type === "lost" || isMoved(next.ending) ? await move.rescue() : undefined;
      move.cancel();
      this.#move = undefined;
      if (moved === undefined) {
        online.abandon("going on with another connection");
        // What comes nevertheless has the session: it is over if this client is.
        const code = () => (this.#closing ? Code.OK : Code.GOING_AWAY);
        void move.done.then((late) => late.online.abandon("going on with another connection", code()));
        this.#online = undefined;
        const byUs = move.hasAsked || Date.now() < this.#strayAt + STRAY;
        return isMoved(next.ending) && byUs ? lost("the session has moved") : next.ending;
      }
      online = moved;
      this.#hooks.link(online.live);
    }
  }

  #use(online: Online): void {
    this.#online = online;
    // Whoever asked while it was being made has found nothing to end.
    if (this.#closing) void online.finish("");
    else if (this.#suspended) online.abandon("the page was put aside");
    if (this.#closing || this.#suspended) return;
    this.problem = undefined;
    online.setPaused(this.#paused);
    online.setInterval(this.#interval);
    const { session, resumed } = online.live.welcome ?? { session: "", resumed: false };
    this.#hooks.welcomed(online.live);
    this.#hooks.state({ type: "online", session, resumed });
    this.#bell.ring();
  }

  /** A move to a better connection, when there is one to hope for: to QUIC, or to one that has its bytes before it. */
  #plan(live: Live): Move {
    const toQuic = live.connection.kind === "websocket" && this.#dialer.hasQuic;
    const due = () => (toQuic ? this.#dialer.way.retryAt : Infinity);
    return new Move(due, async (signal, asking) => {
      try {
        return await this.#greet(
          (dialling) => this.#dialer.dialQuic(this.#settings.endpoint, dialling),
          signal,
          asking,
        );
      } catch (error) {
        if (toQuic && !signal.aborted) this.#dialer.way.quicFailed(Date.now());
        throw error;
      }
    });
  }

  /** Dials and says `Hello`; `greeted` is called before the answer. Rejects with {@link Ended}. */
  async #greet(
    dial: (signal: AbortSignal) => Promise<Connection>,
    signal: AbortSignal,
    greeted: (live: Live) => void,
  ): Promise<Online> {
    const start = performance.now();
    let connection: Connection;
    try {
      this.#token = await unless(signal, this.#settings.token());
      connection = await dial(signal);
    } catch (error) {
      throw new Ended(lost(messageOf(error)));
    }
    const abort = () => connection.close(this.#closing ? Code.OK : Code.GOING_AWAY, "no answer in time");
    signal.addEventListener("abort", abort);
    if (signal.aborted) abort();
    try {
      const greeting = hello(this.#settings.agent, this.#client, this.#ticket, this.#token);
      const control = await Control.open(connection, greeting);
      const live: Live = {
        connection,
        welcome: undefined,
        handshakeMs: 0,
        rttMs: undefined,
        received: () => this.received(live),
        asked: () => this.live === live && this.#online?.asked(),
      };
      greeted(live);
      const welcome = await control.welcome();
      if (welcome.version !== VERSION) throw unexpected(connection, "a version not offered");
      live.welcome = welcome;
      live.handshakeMs = performance.now() - start;
      this.#ticket = welcome.resume;
      return new Online(live, control, this.#interval, this.#environment.random, this.#settings.token);
    } catch (error) {
      connection.close(Code.GOING_AWAY, "going on with another connection");
      if (error instanceof Ended && error.ending.type === "lost") this.#strayAt = Date.now();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  #destination() {
    const elsewhere = this.#elsewhere;
    this.#elsewhere = undefined;
    try {
      if (elsewhere !== undefined) return endpointOf(elsewhere);
    } catch {
      // A URL that this version does not understand sends us to the usual address.
    }
    return this.#settings.endpoint;
  }

  /** How long to wait before the next attempt; undefined if there is to be none. */
  async #delay(ending: Ending, failures: number): Promise<number | undefined> {
    let advice = endingRetry(ending);
    if (advice === "newToken" && this.#settings.tokenMayChange) {
      const asked = this.#settings.token().catch(() => this.#token);
      const token = await Promise.race([
        asked,
        this.#bell.until(() => this.#closing).then(() => this.#token),
      ]);
      if (token !== this.#token) advice = "now";
    }
    return retryDelay(this.#settings.backoff, failures, advice, this.#environment.random);
  }
}

/**
 * How long an attempt may take from dialling to the server's welcome: short at first, for a new attempt reaches a server that has
 * just come up sooner than the packets that an old one repeats at growing intervals; then long enough for any network.
 */
function patience(failures: number): number {
  return Math.min(3_000 + 2_000 * failures, 10_000);
}

/** Whether the session was resumed on another connection. */
function isMoved(ending: Ending): boolean {
  return ending.type === "refused" && ending.refusal.code === Code.SESSION_MOVED;
}

/** What an application is asked for, which may take as long as it likes, unless the attempt is called off. */
function unless<T>(signal: AbortSignal, asked: Promise<T>): Promise<T> {
  const calledOff = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(new Error("no answer in time")));
  });
  return Promise.race([asked, calledOff]);
}
