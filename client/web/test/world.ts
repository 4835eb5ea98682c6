import { mock } from "node:test";
import { Client } from "../src/client.ts";
import type { Environment, Page } from "../src/environment.ts";
import type { ClientOptions } from "../src/options.ts";
import type { State } from "../src/state.ts";
import { Server } from "./server.ts";

/** Lets everything happen that needs no time. */
export async function settle(): Promise<void> {
  for (let round = 0; round < 5; round++) await new Promise((resolve) => setImmediate(resolve));
}

/** Lets time pass, in steps, so that what waits for a timer may wait for another one. */
export async function pass(ms: number, step = 10): Promise<void> {
  await settle();
  for (let passed = 0; passed < ms; passed += step) {
    mock.timers.tick(Math.min(step, ms - passed));
    await settle();
  }
}

/** A window, a document and the network, to play on. */
export class FakePage implements Page {
  readonly window = new EventTarget();
  readonly document = Object.assign(new EventTarget(), {
    visibilityState: "visible" as DocumentVisibilityState,
  });
  readonly connection = new EventTarget();

  show(visibilityState: DocumentVisibilityState): void {
    this.document.visibilityState = visibilityState;
    this.document.dispatchEvent(new Event("visibilitychange"));
  }

  transition(type: "pagehide" | "pageshow", persisted: boolean): void {
    this.window.dispatchEvent(Object.assign(new Event(type), { persisted }));
  }
}

let worlds = 0;

/** A client, a server in memory and a clock that stands still. Call `end` after the test. */
export class World {
  readonly server = new Server();
  readonly page = new FakePage();
  readonly states: State[] = [];
  network = "wifi";
  userAgent = "Mozilla/5.0 Chrome/156";
  readonly stored = new Map<string, string>();
  /** What was remembered by other worlds is about other servers. */
  readonly url = `https://server-${++worlds}.test:4433`;
  #random = 0.5;

  constructor() {
    mock.timers.enable({ apis: ["setTimeout", "Date"], now: 1_000_000_000 });
  }

  set random(value: number) {
    this.#random = value;
  }

  client(options: ClientOptions = {}): Client {
    const environment: Environment = {
      dial: { webtransport: this.server.dial("webtransport"), websocket: this.server.dial("websocket") },
      random: () => this.#random,
      userAgent: this.userAgent,
      network: () => this.network,
      memory: {
        getItem: (key) => this.stored.get(key) ?? null,
        setItem: (key, value) => void this.stored.set(key, value),
        removeItem: (key) => void this.stored.delete(key),
      },
      page: this.page,
    };
    const client = new Client(this.url, options, environment);
    client.on("state", (state) => this.states.push(state));
    return client;
  }

  end(): void {
    mock.timers.reset();
  }
}

/** Runs a story in a world of its own. */
export function story(tell: (world: World) => Promise<void>): () => Promise<void> {
  return async () => {
    const world = new World();
    try {
      await tell(world);
    } finally {
      world.end();
    }
  };
}

/** Listens to something, and gives what came so far. */
export function collect<Events, K extends keyof Events>(
  source: { on(event: K, listener: (value: Events[K]) => void): () => void },
  event: K,
): Events[K][] {
  const values: Events[K][] = [];
  source.on(event, (value) => values.push(value));
  return values;
}

/** What kind of state a client is in, for comparing. */
export function stateOf(client: Client): State["type"] {
  return client.state.type;
}
