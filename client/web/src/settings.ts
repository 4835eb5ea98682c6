import { BACKOFF, type Backoff } from "./backoff.ts";
import { type Environment, isWebKit } from "./environment.ts";
import type { CertificateHash, ClientOptions } from "./options.ts";
import { type Endpoint, PATH, type TransportKind } from "./transport.ts";

/** WebKit's sessions stand still after 16 MiB: see {@link isWebKit}. */
const WEBKIT_ROTATE_AFTER = 8 * 1024 * 1024;

/** The options of a client, checked and with their defaults. */
export interface Settings {
  readonly endpoint: Endpoint;
  readonly transports: readonly TransportKind[];
  readonly token: () => Promise<string | undefined>;
  /** Whether another token may be had by asking again. */
  readonly tokenMayChange: boolean;
  readonly hashes: () => Promise<Uint8Array<ArrayBuffer>[]>;
  readonly headStart: number;
  readonly agent: string;
  readonly backoff: Backoff;
  readonly keepAlive: number;
  readonly hiddenGrace: number;
  readonly rotateAfter: number;
}

/** Throws a `TypeError` for a URL or an option that makes no sense. */
export function settingsOf(url: string | URL, options: ClientOptions, { userAgent }: Environment): Settings {
  const { token, certificateHashes: hashes } = options;
  const webkit = isWebKit(userAgent);
  const endpoint = endpointOf(url, options.websocketUrl);
  const wanted = options.transports ?? (webkit ? ["websocket"] : ["webtransport", "websocket"]);
  const transports = wanted.filter((kind) => kind === "websocket" || endpoint.webtransport !== undefined);
  if (transports.length === 0) throw new TypeError(`none of these transports leads to ${url}: ${wanted}`);
  return {
    endpoint,
    transports,
    token: async () => (typeof token === "function" ? await token() : token),
    tokenMayChange: typeof token === "function",
    hashes: async () => ((typeof hashes === "function" ? await hashes() : hashes) ?? []).map(hashBytes),
    headStart: options.headStart ?? 500,
    agent: options.agent ?? "dunlin-web/0.1.0",
    backoff: options.backoff ?? BACKOFF,
    keepAlive: options.keepAlive ?? 2_000,
    hiddenGrace: options.hiddenGrace ?? 5_000,
    rotateAfter: options.rotateAfter ?? (webkit ? WEBKIT_ROTATE_AFTER : Infinity),
  };
}

/**
 * Where a server is, by its URL: `https://HOST[:PORT]` or `dunlin://HOST[:PORT]` (port 4433), or `http://HOST:PORT` for
 * WebSocket without TLS alone.
 */
export function endpointOf(url: string | URL, websocket?: string): Endpoint {
  // Other schemes than the web's own are not parsed into host and port everywhere.
  const parsed = new URL(
    String(url).replace(
      /^dunlin:\/\/([^/]+?)(?::(\d+))?\/?$/,
      (_, host, port) => `https://${host}:${port ?? 4433}`,
    ),
  );
  const path = parsed.pathname === "/" ? PATH : parsed.pathname;
  const at = (scheme: string) => `${scheme}//${parsed.host}${path}`;
  if (parsed.protocol === "http:") return { webtransport: undefined, websocket: websocket ?? at("ws:") };
  if (parsed.protocol !== "https:") throw new TypeError(`not an https: or http: URL: ${url}`);
  return { webtransport: at("https:"), websocket: websocket ?? at("wss:") };
}

function hashBytes(hash: CertificateHash): Uint8Array<ArrayBuffer> {
  const digits = typeof hash === "string" ? hash.replace(/:/g, "") : "";
  const bytes =
    typeof hash === "string"
      ? (digits.match(/[0-9a-f]{2}/gi) ?? []).map((pair) => Number.parseInt(pair, 16))
      : hash;
  if (bytes.length !== 32 || (typeof hash === "string" && digits.length !== 64)) {
    throw new TypeError("a certificate hash is 32 bytes, or 64 hex digits");
  }
  return Uint8Array.from(bytes);
}
