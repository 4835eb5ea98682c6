import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { binary } from "./target.ts";
import { ahead, type Way } from "./way.ts";

/** Where a server listens. */
export interface Ports {
  /** UDP, and TCP with TLS. */
  readonly secure: number;
  readonly plain: number;
}

/** What a server says when it has started. */
interface Started extends Ports {
  readonly certificateHash: string;
}

/** Configuration keys and their values. */
export type Settings = Readonly<Record<string, string>>;

/** Whatever becomes of the tests, no server outlives them. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** A real `dunlin-server` with a data directory of its own, on ports that it keeps over restarts. */
export class Server {
  readonly #directory: string;
  readonly #settings: Settings;
  #started: Started;
  #child: ChildProcess;

  private constructor(directory: string, settings: Settings, life: Life) {
    this.#directory = directory;
    this.#settings = settings;
    this.#child = life.child;
    this.#started = life.started;
  }

  static async start(settings: Settings = {}): Promise<Server> {
    const directory = await mkdtemp(join(tmpdir(), "dunlin-browser-"));
    return new Server(directory, settings, await live(directory, settings, { secure: 0, plain: 0 }));
  }

  get ports(): Ports {
    return this.#started;
  }

  /** Plain HTTP, by the name that people type. */
  get site(): string {
    return `http://localhost:${this.#started.plain}`;
  }

  /** The straight way: WebTransport by certificate hash, and WebSocket without TLS, as `discover()` finds it. */
  get way(): Way {
    return ahead(this.wayBy(this.#started.secure));
  }

  /** The same with UDP through another port. */
  wayBy(udp: number): Way {
    return {
      url: `https://127.0.0.1:${udp}`,
      options: {
        certificateHashes: [this.#started.certificateHash],
        websocketUrl: `ws://127.0.0.1:${this.#started.plain}/dunlin`,
      },
    };
  }

  /** WebSocket alone. */
  get plainWay(): Way {
    return { url: `http://127.0.0.1:${this.#started.plain}`, options: {} };
  }

  /** The value of a metric, summed over those of its labels that contain `label`. */
  async metric(name: string, label = ""): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#started.plain}/metrics`)).text();
    return text
      .split("\n")
      .filter((line) => new RegExp(`^${name}[ {]`).test(line) && line.includes(label))
      .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(" "))), 0);
  }

  /** Ends it without a word, as a crash does. */
  async kill(): Promise<void> {
    if (!running.has(this.#child)) return;
    this.#child.kill("SIGKILL");
    await once(this.#child, "exit");
  }

  /** Starts it again where it was. */
  async restart(): Promise<void> {
    const { child, started } = await live(this.#directory, this.#settings, this.#started);
    this.#child = child;
    this.#started = started;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** One life of the process. */
interface Life {
  readonly child: ChildProcess;
  readonly started: Started;
}

async function live(directory: string, settings: Settings, ports: Ports): Promise<Life> {
  const all = { "log.format": "json", drain: "0s", ...settings };
  const sets = Object.entries(all).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const at = ["--listen", `127.0.0.1:${ports.secure}`, "--http", `127.0.0.1:${ports.plain}`];
  const child = spawn(binary("dunlin-server"), [...at, "--data-dir", directory, ...sets], {
    stdio: ["ignore", "ignore", "pipe"],
    // Nothing of this user's is read or written.
    env: { HOME: directory },
  });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const said: string[] = [];
  let plain = 0;
  // Goes on being read to the end, or the server would wait for room to log.
  const lines = createInterface({ input: child.stderr });
  return new Promise((resolve, reject) => {
    lines.on("line", (line) => {
      said.push(line);
      const fields = fieldsOf(line);
      plain ||= Number(/^http:\/\/.*:(\d+)\/healthz/.exec(fields.message ?? "")?.[1] ?? 0);
      const secure = /^serving dunlin:\/\/.*:(\d+)$/.exec(fields.message ?? "")?.[1];
      if (secure === undefined) return;
      resolve({ child, started: { secure: Number(secure), plain, certificateHash: fields.sha256 ?? "" } });
    });
    child.once("exit", (code) => reject(new Error(`the server ended with ${code}:\n${said.join("\n")}`)));
    child.once("error", reject);
  });
}

function fieldsOf(line: string): { readonly message?: string; readonly sha256?: string } {
  try {
    return (JSON.parse(line) as { fields: { message?: string; sha256?: string } }).fields;
  } catch {
    // A configuration that is wrong is told as plain text.
    return {};
  }
}
