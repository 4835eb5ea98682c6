import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { binary } from "./target.ts";

/** Whatever becomes of the tests, no board outlives them. */
const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

/** The real example `cursors`, with a data directory of its own, on ports of the system's choice. */
export class Board {
  readonly #child: ChildProcess;
  readonly #directory: string;
  /** Where the board is, for browsers. */
  readonly url: string;

  private constructor(child: ChildProcess, directory: string, url: string) {
    this.#child = child;
    this.#directory = directory;
    this.url = url;
  }

  static async start(): Promise<Board> {
    const directory = await mkdtemp(join(tmpdir(), "dunlin-board-"));
    const child = spawn(binary("examples/cursors"), ["127.0.0.1:0"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: {
        DUNLIN_LISTEN: "127.0.0.1:0",
        DUNLIN_HTTP: "127.0.0.1:0",
        DUNLIN_DATA_DIR: directory,
        // Nothing of this user's is read or written.
        HOME: directory,
      },
    });
    running.add(child);
    child.once("exit", () => running.delete(child));
    return new Board(child, directory, await said(child));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (running.has(this.#child)) {
      this.#child.kill("SIGKILL");
      await once(this.#child, "exit");
    }
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Where the board is, as it says when it has started. */
function said(child: ChildProcess & { stdout: NodeJS.ReadableStream; stderr: NodeJS.ReadableStream }) {
  const wrong: string[] = [];
  createInterface({ input: child.stderr }).on("line", (line) => wrong.push(line));
  return new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const url = /^the board is at (\S+\/);/.exec(line)?.[1];
      if (url !== undefined) resolve(url);
    });
    child.once("close", (code) => reject(new Error(`the board ended with ${code}:\n${wrong.join("\n")}`)));
    child.once("error", reject);
  });
}
