import type { SessionRow } from "./payload.ts";

/** A client's change of address while its connection lived on. */
export interface Move {
  readonly session: string;
  readonly from: string;
  readonly to: string;
  /** What was different: `port`, `address` or `family`. */
  readonly kind: string;
  /** Milliseconds since the server noticed. */
  readonly agoMs: number;
}

/** How many are shown: those of the last minute, and of these the newest. */
const MOST = 5;
const RECENT_MS = 60_000;
const FRESH_MS = 5000;

/** The latest moves of all sessions, newest first. */
export function latestMoves(rows: readonly SessionRow[]): readonly Move[] {
  return rows
    .flatMap(({ session, paths }) => paths.last.map((change) => ({ session, ...change })))
    .filter(({ agoMs }) => agoMs < RECENT_MS)
    .sort((a, b) => a.agoMs - b.agoMs)
    .slice(0, MOST);
}

/** Whether something has just happened, so that it should catch the eye. */
export function isFresh(agoMs: number | undefined): boolean {
  return agoMs !== undefined && agoMs < FRESH_MS;
}
