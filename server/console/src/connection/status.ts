import type { TransportKind } from "@dunlin/client";
import { codeName, type State } from "@dunlin/client";
import { showSpan } from "../format.ts";

/** What the link is doing: the client's state, or that there is no client yet. */
export type LinkState = State | { readonly type: "looking"; readonly since: number };

/** How it looks: working, on the way, in trouble. */
export type Light = "on" | "waiting" | "off";

export interface Status {
  readonly light: Light;
  /** A word or two. */
  readonly word: string;
  /** More about it, for whoever wonders; empty while all is well. */
  readonly text: string;
}

export function statusOf(state: LinkState, problem: string | undefined, now: number): Status {
  const why = problem === undefined ? "" : ` ${sentence(problem)}`;
  switch (state.type) {
    case "looking":
      return {
        light: "waiting",
        word: "Connecting",
        text: why === "" ? "" : `The server does not answer.${why}`,
      };
    case "connecting":
      return { light: "waiting", word: "Connecting", text: why.trim() };
    case "online":
      return { light: "on", word: "Online", text: "" };
    case "recovering": {
      const attempts = state.attempt === 0 ? "" : ` (attempt ${state.attempt + 1})`;
      const text = `Connecting again for ${showSpan(now - state.since)}${attempts}.${why}`;
      return { light: "waiting", word: "Reconnecting", text };
    }
    case "offline": {
      const text = `The server has not answered for ${showSpan(now - state.since)}. This page goes on trying.${why}`;
      return { light: "off", word: "Offline", text };
    }
    case "closed": {
      const { code, message } = state.closed;
      const text =
        code === undefined ? sentence(message) : `${codeName(code)} (${code}): ${sentence(message)}`;
      return { light: "off", word: "Closed", text };
    }
  }
}

export const TRANSPORT_NAMES: Readonly<Record<TransportKind, string>> = {
  webtransport: "WebTransport",
  websocket: "WebSocket",
};

function sentence(text: string): string {
  const begun = text.charAt(0).toUpperCase() + text.slice(1);
  return begun === "" || /[.!?]$/.test(begun) ? begun : `${begun}.`;
}
