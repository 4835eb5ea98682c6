import { type Connection, ConnectionLost, type TransportKind } from "./transport.ts";
import type { Memory } from "./way.ts";
import { dialWebSocket } from "./websocket.ts";
import { dialWebTransport } from "./webtransport.ts";

/** What surrounds a client, so that tests can be it. */
export interface Environment {
  /** What can be dialled here. */
  readonly dial: { readonly [K in TransportKind]?: Dial };
  /** 0 or more, below 1. */
  readonly random: () => number;
  readonly userAgent: string;
  /** The kind of network, as well as the browser tells it. */
  network(): string;
  readonly memory: Memory | undefined;
  /** Events of the page, where there is one. */
  readonly page: Page | undefined;
}

/** Connects to a URL; certificate hashes are for WebTransport. */
export type Dial = (
  url: string,
  hashes: readonly Uint8Array<ArrayBuffer>[],
  signal: AbortSignal,
) => Promise<Connection>;

/** The page's `window` and `document`, as far as they are needed, and `navigator.connection`. */
export interface Page {
  readonly window: Pick<EventTarget, "addEventListener" | "removeEventListener">;
  readonly document: Pick<Document, "addEventListener" | "removeEventListener" | "visibilityState">;
  readonly connection: Pick<EventTarget, "addEventListener" | "removeEventListener"> | undefined;
}

/** The network information that some browsers have. */
interface NetworkInformation extends EventTarget {
  readonly type?: string;
}

/** The browser, or Node, as it is. */
export function surroundings(): Environment {
  const { WebTransport, WebSocket, document, window, navigator } = globalThis as Partial<typeof globalThis>;
  const connection = (navigator as { connection?: NetworkInformation } | undefined)?.connection;
  return {
    dial: {
      ...(WebTransport && { webtransport: dialWebTransport }),
      ...(WebSocket && { websocket: (url, _, signal) => dialWebSocket(url, signal) }),
    },
    random: Math.random,
    userAgent: navigator?.userAgent ?? "",
    network: () => connection?.type ?? "",
    memory: storage(),
    page: window && document && { window, document, connection },
  };
}

/**
 * Whether this is WebKit, under whatever brand. Its WebTransport never gives flow-control credit back, so that a session stands
 * still after some 16 MiB (WebKit bug 319818; github.com/moq-dev/moq/pull/3655 found the same of all browsers on iOS).
 */
export function isWebKit(userAgent: string): boolean {
  return /AppleWebKit\//.test(userAgent) && !/Chrome\//.test(userAgent);
}

/** Says that a transport does not exist here. */
export function absent(kind: TransportKind): ConnectionLost {
  return new ConnectionLost(`there is no ${kind === "websocket" ? "WebSocket" : "WebTransport"} here`);
}

/** Reading the property alone throws where storage is forbidden. */
function storage(): Memory | undefined {
  try {
    return (globalThis as Partial<typeof globalThis>).sessionStorage;
  } catch {
    return undefined;
  }
}
