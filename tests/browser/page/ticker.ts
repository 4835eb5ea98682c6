import { Client, type ClientOptions } from "@dunlin/client";

/** From one number to the next, in milliseconds. */
const PACE = 5;

/** A client that pushes 0, 1, 2 and so on into a topic, each when the one before was applied. */
export class Ticker {
  readonly #client: Client;
  readonly #over: Promise<number>;
  #stopped = false;

  constructor(url: string, options: ClientOptions, topic: string) {
    this.#client = new Client(url, options);
    this.#over = this.#run(topic);
  }

  /** Stops and says how many numbers there were. */
  async stop(): Promise<number> {
    this.#stopped = true;
    return this.#over;
  }

  async #run(topic: string): Promise<number> {
    const channel = this.#client.join(topic, { delivery: "none" });
    let count = 0;
    for (; !this.#stopped; count++) {
      await channel.push("tick", count);
      await new Promise((next) => setTimeout(next, PACE));
    }
    await this.#client.close();
    return count;
  }
}
