import type { Adjustment } from "./options.ts";
import { Limit } from "./wire.ts";

/** What a member wants of its stream now: the newest wishes, which each join asks for. */
export type Wishes = { readonly [K in keyof Adjustment]-?: number };

/** The greatest value of each number that a member may ask for. */
const MOST = { priority: 255, interval: Limit.INTERVAL, deadline: Limit.DEADLINE, rewind: Limit.REWIND };

/** What is wrong with one of the numbers that were given, or undefined if they are legal. */
export function wishProblem(asked: { readonly [K in keyof typeof MOST]?: number | undefined }) {
  for (const [name, most] of Object.entries(MOST) as [keyof typeof MOST, number][]) {
    const value = asked[name] ?? 0;
    if (!Number.isInteger(value) || value < 0 || value > most) return `${name} is 0 to ${most}`;
  }
  return undefined;
}
