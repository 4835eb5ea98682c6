import type { Closed } from "./errors.ts";

/** How long the server may be unreachable before the client calls itself offline, in milliseconds. */
export const OFFLINE_AFTER = 30_000;

/** Failures in a row are forgotten after something that worked for so long, in milliseconds. */
const SUCCESS = 5_000;

/** Whether the client is connected. Times are in milliseconds since 1970. */
export type State =
  /** The first connection is being made. */
  | { readonly type: "connecting" }
  /** The session works. `session` is its public name, for logs; `resumed` says that it is an earlier one. */
  | { readonly type: "online"; readonly session: string; readonly resumed: boolean }
  /** The connection was lost and another one is being made; `attempt` counts those that failed. Pushes wait. */
  | { readonly type: "recovering"; readonly attempt: number; readonly since: number }
  /** The same for 30 seconds and more: tell the user. The client goes on trying. */
  | { readonly type: "offline"; readonly since: number }
  /** The end: the client was closed, or the server's answer is final. */
  | { readonly type: "closed"; readonly closed: Closed };

/** The time without a connection, from which the state follows. */
export interface Outage {
  readonly since: number;
  /** Whether the client was online before. */
  readonly lost: boolean;
  /** Attempts that failed. */
  readonly failures: number;
}

export function outageState(outage: Outage, now: number): State {
  const { since, lost, failures } = outage;
  if (now - since >= OFFLINE_AFTER) return { type: "offline", since };
  return lost ? { type: "recovering", attempt: failures, since } : { type: "connecting" };
}

/**
 * The failures in a row after something worked for a time. If that was too short to count as success, they carry over:
 * a server that accepts and then fails is not to be asked without pause.
 */
export function failuresAfter(lastedMs: number, before: number): number {
  return lastedMs < SUCCESS ? before + 1 : 0;
}
