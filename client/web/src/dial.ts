import { absent, type Environment } from "./environment.ts";
import { type Attempt, race } from "./race.ts";
import type { Settings } from "./settings.ts";
import type { Connection, Endpoint, TransportKind } from "./transport.ts";
import { Way } from "./way.ts";
import { Code } from "./wire.ts";

/** Makes connections, by the way that works on this network. */
export class Dialer {
  readonly way: Way;
  readonly #settings: Settings;
  readonly #environment: Environment;

  constructor(settings: Settings, environment: Environment) {
    this.#settings = settings;
    this.#environment = environment;
    this.way = new Way(settings.endpoint.websocket, () => environment.network(), environment.memory);
  }

  /** Whether there is anything better than WebSocket to try. */
  get hasQuic(): boolean {
    return (
      this.#settings.transports.includes("webtransport") && this.#environment.dial.webtransport !== undefined
    );
  }

  /** Connects by the transport that answers first, the best one ahead. */
  async dial(to: Endpoint, signal: AbortSignal): Promise<Connection> {
    const order = this.#order();
    const connection = await race(
      order.map((kind) => this.#attempt(kind, to)),
      this.#settings.headStart,
      signal,
      discard,
    );
    if (connection.kind === "webtransport") this.way.forget();
    else if (order[0] === "webtransport") this.way.quicFailed(Date.now());
    return connection;
  }

  /** Connects by QUIC or not at all. */
  async dialQuic(to: Endpoint, signal: AbortSignal): Promise<Connection> {
    const connection = await race([this.#attempt("webtransport", to)], 0, signal, discard);
    this.way.forget();
    return connection;
  }

  /** What can be tried here, best first; WebSocket while QUIC is known not to get through. */
  #order(): TransportKind[] {
    const here = this.#settings.transports.filter((kind) => this.#environment.dial[kind] !== undefined);
    const blocked = Date.now() < this.way.retryAt;
    return blocked && here.includes("websocket")
      ? ["websocket", ...here.filter((kind) => kind !== "websocket")]
      : here.length > 0
        ? here
        : [...this.#settings.transports];
  }

  #attempt(kind: TransportKind, to: Endpoint): Attempt<Connection> {
    return async (signal) => {
      const dial = this.#environment.dial[kind];
      const url = to[kind];
      if (dial === undefined || url === undefined) throw absent(kind);
      return dial(url, kind === "webtransport" ? await this.#settings.hashes() : [], signal);
    };
  }
}

function discard(connection: Connection): void {
  connection.close(Code.GOING_AWAY, "another transport was faster");
}
