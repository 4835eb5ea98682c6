import { createSocket, type Socket } from "node:dgram";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

/** Which datagrams get lost. */
export type Loss =
  /** None. */
  | "none"
  /** Those from the server. */
  | "down"
  /** All, as where UDP is blocked. */
  | "all";

/** One client's way through the relay. */
interface Flow {
  socket: Socket;
}

/** A piece of network before a server's UDP port that behaves as a NAT, or fails. */
export class Relay {
  loss: Loss = "none";
  /** Datagrams from the server since the last {@link Relay.rebind}. */
  down = 0;
  readonly #front: Socket;
  readonly #server: number;
  readonly #flows = new Map<string, Flow>();

  private constructor(front: Socket, server: number) {
    this.#front = front;
    this.#server = server;
    front.on("message", (datagram, { port, address }) => {
      if (this.loss === "all") return;
      const client = `${address}:${port}`;
      const flow = this.#flows.get(client) ?? { socket: this.#back(port) };
      this.#flows.set(client, flow);
      flow.socket.send(datagram, this.#server, "127.0.0.1");
    });
  }

  /** A relay before a UDP port of this machine. */
  static async start(server: number): Promise<Relay> {
    return new Relay(await bound(), server);
  }

  get port(): number {
    return (this.#front.address() as AddressInfo).port;
  }

  /** From now on clients come from other ports, and nothing comes back by the old ones: a NAT that forgot. */
  rebind(): void {
    this.down = 0;
    for (const [client, flow] of this.#flows) {
      flow.socket.close();
      flow.socket = this.#back(Number(client.slice(client.lastIndexOf(":") + 1)));
    }
  }

  [Symbol.dispose](): void {
    this.#front.close();
    for (const { socket } of this.#flows.values()) socket.close();
  }

  /** A socket that the server sees as a client. */
  #back(client: number): Socket {
    const socket = createSocket("udp4");
    socket.bind(0, "127.0.0.1");
    socket.on("message", (datagram) => {
      if (this.loss !== "none") return;
      this.down += 1;
      this.#front.send(datagram, client, "127.0.0.1");
    });
    return socket;
  }
}

async function bound(): Promise<Socket> {
  // Room for what a window of a megabyte sends at once: this relay is to lose nothing by itself.
  const socket = createSocket({ type: "udp4", recvBufferSize: 4 << 20 });
  socket.bind(0, "127.0.0.1");
  await once(socket, "listening");
  return socket;
}
