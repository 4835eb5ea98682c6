import {
  codeName,
  type GapMessage,
  type JoinedMessage,
  OLDEST,
  type RestartedMessage,
  samePosition,
  showPosition,
} from "@dunlin/client";
import { showNumberOf, showSpan } from "../format.ts";
import type { Notice, Tone } from "./entry.ts";

/** The most that a gap can hold: offsets may have holes. */
export function missingOf({ from, to }: GapMessage): number {
  return from.epoch === to.epoch ? Math.max(to.offset - from.offset + 1, 0) : 0;
}

export function gapNotice(gap: GapMessage, now: number): Notice {
  const { from, to } = gap;
  const range = from.offset === to.offset ? `#${from.offset} is` : `#${from.offset} to #${to.offset} are`;
  const most = showNumberOf(missingOf(gap), "event");
  return notice(
    now,
    "warning",
    `Gap: ${range} missing (at most ${most}). This page read slower than history is long.`,
  );
}

export function restartedNotice({ position }: RestartedMessage, now: number): Notice {
  return notice(
    now,
    "warning",
    `The topic's log started over at ${showPosition(position)}. What it held before is gone.`,
  );
}

export function joinedNotice(joined: JoinedMessage, now: number): Notice {
  const { again, start, position, previous, awayMs } = joined;
  const back = again ? `Back after ${showSpan(awayMs)}. ` : "";
  const place = showPosition(position);
  if (start === "recovered") {
    if (previous === undefined || samePosition(previous, OLDEST)) {
      return notice(now, "plain", `${back}Joined before the oldest event in history: all of it follows.`);
    }
    return notice(
      now,
      "good",
      `${back}Recovered: everything after #${previous.offset} follows, nothing is missing.`,
    );
  }
  if (start === "live" || previous === undefined) {
    return notice(now, "plain", `${back}Joined at ${place}: events from now on.`);
  }
  if (previous.epoch !== position.epoch) {
    const text = `${back}The topic started over while this page was away: what came after ${showPosition(previous)} is lost. Events from ${place} on follow.`;
    return notice(now, "warning", text);
  }
  const text = `${back}History does not reach back to #${previous.offset}: events up to #${position.offset} are lost. Later ones follow.`;
  return notice(now, "warning", text);
}

/** For an end that has a code: without one this page itself left. */
export function closedNotice(code: number, message: string, now: number): Notice {
  return notice(
    now,
    "bad",
    `The membership has ended: ${codeName(code)} (${code})${message === "" ? "" : `, ${message}`}`,
  );
}

function notice(at: number, tone: Tone, text: string): Notice {
  return { type: "notice", at, tone, text };
}
