import type { Message } from "./message.ts";

/** How many times the buffer may wait while a push waits for its answer. */
const OVERFLOW = 16;

/**
 * Messages on their way to the application, bounded: when it is full the stream is read no further, and flow control
 * stops the server.
 *
 * But answers to pushes come down the same stream: an application that waits for one may take no messages meanwhile, and
 * would wait forever. So while pushes wait for answers, more may pile up.
 */
export class Inbox {
  readonly #buffer: number;
  #messages: Message[] = [];

  constructor(buffer = 256) {
    this.#buffer = Math.max(buffer, 1);
  }

  offer(message: Message): void {
    this.#messages.push(message);
  }

  take(): Message | undefined {
    return this.#messages.shift();
  }

  get isEmpty(): boolean {
    return this.#messages.length === 0;
  }

  /** Whether another frame may be read. */
  hasRoom(pushesWait: boolean): boolean {
    return this.#messages.length < (pushesWait ? OVERFLOW * this.#buffer : this.#buffer);
  }
}
