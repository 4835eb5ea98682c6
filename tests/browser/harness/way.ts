import type { ClientOptions } from "@dunlin/client";

/**
 * A head start for stories that are about WebTransport, in milliseconds: on a busy machine a handshake may take longer than the half
 * second that it has otherwise, and WebSocket would win.
 */
export const AMPLE = 3_000;

/** How a page reaches a server: the arguments of `new Client`, in a form that can be handed into a page. */
export interface Way {
  readonly url: string;
  readonly options: Omit<ClientOptions, "token" | "certificateHashes"> & {
    readonly certificateHashes?: readonly string[];
  };
}

/** The same way, with WebTransport first on busy machines too. */
export function ahead({ url, options }: Way): Way {
  return { url, options: { ...options, headStart: AMPLE } };
}
