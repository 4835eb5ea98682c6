import { Code, RETRY, type Retry } from "./wire.ts";

/** A code that is not in the table may come from a newer server. */
const UNKNOWN: Retry = 5000;

/** The stable name of a code; `"UNKNOWN"` for a number that is not in the table. */
export function codeName(code: number): string {
  return Code[code] ?? "UNKNOWN";
}

/** The table's advice, unless a frame carries a time of its own. */
export function codeRetry(code: number, retryAfterMs?: number): Retry {
  return retryAfterMs ?? RETRY[code] ?? (code in Code ? "never" : UNKNOWN);
}
