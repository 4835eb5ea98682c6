import type { Retry } from "./wire.ts";

/**
 * Full jitter: a random time between nothing and a window that doubles with each failure in a row.
 *
 * Clients that lost the same server then come back spread over the window and not in step (see the AWS Architecture
 * Blog, "Exponential Backoff And Jitter"). A server's advice to wait is a lower bound.
 */
export interface Backoff {
  /** The window after the first failure in milliseconds; 200 unless set. */
  readonly base: number;
  /** The window never grows beyond this, in milliseconds; 20,000 unless set. */
  readonly cap: number;
}

export const BACKOFF: Backoff = { base: 200, cap: 20_000 };

/**
 * The time in milliseconds until the next attempt after `failures` failures in a row, or undefined if none should
 * follow. A retry with a new token counts as none: whoever has a new token knows better.
 */
export function retryDelay(
  { base, cap }: Backoff,
  failures: number,
  advice: Retry,
  random: () => number,
): number | undefined {
  const window = Math.min(base * 2 ** Math.max(failures - 1, 0), cap);
  if (advice === "never" || advice === "newToken") return undefined;
  if (advice === "now") return random() * window;
  // Everybody who was told the same time would come back together, so the jitter is as wide as it.
  return advice + random() * Math.max(window, advice);
}
