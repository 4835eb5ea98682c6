import { codeName, codeRetry } from "./codes.ts";
import type { Closed } from "./errors.ts";
import type { Refusal } from "./frames.ts";
import type { CloseInfo } from "./transport.ts";
import { Code, type Retry } from "./wire.ts";

/** The end of a connection or of an attempt at one. */
export type Ending =
  /** No answer, no network, an error on the way. */
  | { readonly type: "lost"; readonly problem: string }
  /** The server closed the connection or answered no, with a code. */
  | { readonly type: "refused"; readonly refusal: Refusal }
  /** The server ended the session. */
  | { readonly type: "goodbye"; readonly refusal: Refusal }
  /** The server asked this client to go elsewhere, or to come back. */
  | { readonly type: "away"; readonly url: string | undefined };

export function lost(problem: string): Ending {
  return { type: "lost", problem };
}

/** Code 0 is also what a process leaves behind that just ends: no word of the server's to go by. */
export function endingOf({ code, reason }: CloseInfo): Ending {
  if (code === undefined || code === Code.OK) return lost(reason || "the connection was lost");
  return { type: "refused", refusal: { code, message: reason, retryAfterMs: undefined } };
}

/** Whether to connect again. */
export function endingRetry(ending: Ending): Retry {
  if (ending.type === "lost" || ending.type === "away") return "now";
  return codeRetry(ending.refusal.code, ending.refusal.retryAfterMs);
}

/** Whether the session is over, so that there is nothing to resume. */
export function endsSession(ending: Ending): boolean {
  return (
    ending.type === "goodbye" || (ending.type === "refused" && ending.refusal.code === Code.SESSION_ENDED)
  );
}

/** In words for people. */
export function problemOf(ending: Ending): string {
  switch (ending.type) {
    case "lost":
      return ending.problem;
    case "away":
      return "the server sent this client away";
    default:
      return `${codeName(ending.refusal.code)} (${ending.refusal.code}): ${ending.refusal.message}`;
  }
}

/** The end of the client, if it is not to connect again. */
export function closedBy(ending: Ending): Closed {
  if (ending.type === "lost" || ending.type === "away")
    return { code: undefined, message: problemOf(ending) };
  return { code: ending.refusal.code, message: ending.refusal.message };
}
