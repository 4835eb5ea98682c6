import { type Discovered, discover } from "@dunlin/client";

/**
 * How the server of this page is reached. WebSocket goes to where the page came from: that way is open, also through
 * a proxy or a tunnel. Throws if the server does not say.
 */
export async function findWay(page: URL): Promise<Discovered> {
  const { url, options } = await discover(page.origin);
  return { url, options: { ...options, websocketUrl: sameOrigin(page) } };
}

function sameOrigin(page: URL): string {
  return `${page.protocol === "https:" ? "wss:" : "ws:"}//${page.host}/dunlin`;
}
