import type { ClientOptions } from "./options.ts";
import { PATH } from "./transport.ts";

/** How to reach a server, as it says itself. */
export interface Discovered {
  /** For the constructor of a client. */
  readonly url: string;
  readonly options: Pick<ClientOptions, "certificateHashes" | "websocketUrl">;
}

/** What `GET /v1/connect` answers, as far as it is of use here. */
interface Answer {
  readonly port: number | null;
  readonly certificate_hashes?: readonly string[];
  readonly plain_websocket?: number;
}

/**
 * Asks a server on its HTTP port how it is reached: for a page that the server itself serves, and for development
 * certificates. Throws if the server does not answer so.
 */
export async function discover(http: string | URL): Promise<Discovered> {
  const base = new URL(http);
  const { port, certificate_hashes: hashes, plain_websocket: plain } = await ask(base);
  if (port === null) return { url: base.origin, options: {} };
  const url = `https://${base.hostname}:${port}`;
  if (hashes === undefined || hashes.length === 0) return { url, options: {} };
  // Chromium's WebTransport tries the first address of a name only, which for `localhost` is that of IPv6, where a development
  // server does not listen. Its certificate is known by its hash, whatever the name.
  const host = base.hostname === "localhost" ? "127.0.0.1" : base.hostname;
  const certificateHashes = async () => (await ask(base)).certificate_hashes ?? [];
  // Browsers cannot be told to trust a development certificate for WebSocket, so it goes without TLS, where a page may.
  const websocketUrl = plain === undefined ? {} : { websocketUrl: `ws://${base.hostname}:${plain}${PATH}` };
  return { url: `https://${host}:${port}`, options: { certificateHashes, ...websocketUrl } };
}

async function ask(base: URL): Promise<Answer> {
  const response = await fetch(new URL("/v1/connect", base), { cache: "no-store" });
  if (!response.ok) throw new Error(`${base.origin} answered ${response.status}`);
  return (await response.json()) as Answer;
}
