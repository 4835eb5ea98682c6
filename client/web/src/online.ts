import { type Control, Ended, unexpected } from "./control.ts";
import { type Ending, lost } from "./ending.ts";
import { goodbye, pause, ping, refresh } from "./frames.ts";
import type { Live } from "./live.ts";
import { Liveness } from "./liveness.ts";
import { within } from "./patience.ts";
import { Code, Kind } from "./wire.ts";

/** How long the server may take to close after a `Goodbye`, in milliseconds. */
const FAREWELL = 1_000;

/** The time from a server's welcome to the end of the connection: listens to the control stream, and for silence. */
export class Online {
  readonly live: Live;
  /** Resolves at the end; never rejects. */
  readonly ended: Promise<Ending>;
  readonly #control: Control;
  readonly #random: () => number;
  readonly #token: () => Promise<string | undefined>;
  readonly #liveness: Liveness;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When the timer fires, in milliseconds since 1970. */
  #timerAt!: number;
  #leaving: ReturnType<typeof setTimeout> | undefined;
  #end!: (ending: Ending) => void;
  #over = false;
  /** Pings without an answer by number: when they were sent, and who waits. */
  #pings = new Map<
    number,
    { readonly at: number; readonly pong: ((rttMs: number | undefined) => void) | undefined }
  >();
  /** The number of the last `Ping`. */
  #asked = 0;
  #paused = false;
  /** When the token is to be replaced, in milliseconds since 1970; NaN for never. */
  #renewAt!: number;

  /** `token` finds the next one. */
  constructor(
    live: Live,
    control: Control,
    every: number,
    random: () => number,
    token: () => Promise<string | undefined>,
  ) {
    this.live = live;
    this.#control = control;
    this.#random = random;
    this.#token = token;
    this.#liveness = new Liveness(every, Date.now(), live.connection.stats());
    this.ended = new Promise((resolve) => {
      this.#end = (ending) => {
        this.#over = true;
        clearTimeout(this.#timer);
        clearTimeout(this.#leaving);
        for (const { pong } of this.#pings.values()) pong?.(undefined);
        resolve(ending);
      };
    });
    this.#renewIn(live.welcome?.expiresInMs);
    void this.#listen();
    this.#schedule();
  }

  /** Asks for a sign of life; the round trip in milliseconds, or undefined when the connection was lost instead. */
  async ping(): Promise<number | undefined> {
    if (this.#over) return undefined;
    return new Promise((pong) => this.#ping(pong));
  }

  /** Asks for a sign of life that must come soon. */
  check(): void {
    if (this.#over) return;
    this.#liveness.check(Date.now(), this.live.connection.stats());
    this.#ping();
    this.#schedule();
  }

  /** A channel has received something. */
  received(): void {
    this.#liveness.arrived(Date.now());
    if (this.#liveness.due < this.#timerAt) this.#schedule();
  }

  /** A channel has sent something that is answered. */
  asked(): void {
    this.#liveness.sent(Date.now());
  }

  /** How long there may be silence before a `Ping` goes out. */
  setInterval(every: number): void {
    this.#liveness.setInterval(every, Date.now());
    this.#schedule();
  }

  /** Asks the server to hold events back, or to go on. */
  setPaused(paused: boolean): void {
    if (paused === this.#paused) return;
    this.#paused = paused;
    this.#control.send(pause(paused));
  }

  /** Ends the session: waits until the server knows, but not for long. */
  async finish(message: string): Promise<void> {
    this.#control.finish(goodbye(message));
    await within(FAREWELL, this.ended);
    this.live.connection.close(Code.OK, message);
    this.#end(lost("the session was closed"));
  }

  /** Lets go of the connection without ending the session, unless the code is 0: that says that this client has finished. */
  abandon(reason: string, code: number = Code.GOING_AWAY): void {
    this.live.connection.close(code, reason);
    this.#end(lost(reason));
  }

  async #listen(): Promise<void> {
    try {
      while (!this.#over) await this.#hear();
    } catch (error) {
      this.#end(error instanceof Ended ? error.ending : lost(String(error)));
    }
  }

  async #hear(): Promise<void> {
    const frame = await this.#control.next();
    this.#liveness.answered();
    switch (frame.kind) {
      case Kind.PONG:
        return this.#pong(frame.n);
      case Kind.GO_AWAY:
        // A random moment: all others were told the same.
        this.#leaving ??= setTimeout(
          () => this.#end({ type: "away", url: frame.url }),
          this.#random() * frame.withinMs,
        );
        return;
      case Kind.GOODBYE:
        return this.#end({ type: "goodbye", refusal: frame });
      case Kind.REFRESHED:
        return this.#renewIn(frame.expiresInMs);
      default:
        throw unexpected(this.live.connection, "a second answer to Hello");
    }
  }

  /** A token is replaced when four fifths of its time are over. */
  #renewIn(expiresInMs?: number): void {
    this.#renewAt = Date.now() + (expiresInMs as number) * 0.8;
  }

  #ping(pong?: (rttMs: number | undefined) => void): void {
    this.#asked += 1;
    this.#pings.set(this.#asked, { at: performance.now(), pong });
    this.#liveness.sent(Date.now());
    this.#control.send(ping(this.#asked));
  }

  #pong(n: number): void {
    const asked = this.#pings.get(n);
    if (asked === undefined) return;
    this.#pings.delete(n);
    this.live.rttMs = performance.now() - asked.at;
    this.#liveness.rttMs = this.live.rttMs;
    asked.pong?.(this.live.rttMs);
  }

  #schedule(): void {
    clearTimeout(this.#timer);
    if (this.#over) return;
    this.#timerAt = this.#liveness.due;
    this.#timer = setTimeout(() => this.#act(), this.#timerAt - Date.now());
  }

  #act(): void {
    const act = this.#liveness.act(Date.now(), this.live.connection.stats());
    if (act === "giveUp") this.abandon("the server has gone silent");
    else if (act === "ping") this.#ping();
    if (Date.now() > this.#renewAt) {
      this.#renewIn();
      // Without another one the server ends the connection, and it is asked for again.
      this.#token().then(
        (token) => this.#control.send(refresh(token)),
        () => {},
      );
    }
    this.#schedule();
  }
}
