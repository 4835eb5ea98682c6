import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** The page that the tests work in. */
export const HTML = '<!doctype html><title>Dunlin</title><script type="module" src="/page.js"></script>';

/** The script of the page, with the client in it. */
export async function script(): Promise<string> {
  const page = fileURLToPath(new URL("../page/page.ts", import.meta.url));
  const { outputFiles } = await build({ entryPoints: [page], bundle: true, format: "esm", write: false });
  return outputFiles[0]?.text ?? "";
}

/** Serves the page on a loopback address, which browsers take for a secure place. */
export class Site {
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Site> {
    const page = await script();
    const server = createServer(({ url }, response) => {
      const isScript = url === "/page.js";
      response.setHeader("Content-Type", isScript ? "text/javascript" : "text/html");
      response.end(isScript ? page : HTML);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new Site(server);
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }
}
