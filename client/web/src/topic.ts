import { Limit } from "./wire.ts";

const LEGAL = /^[A-Za-z0-9\-_.~@+=,!$]+(?:[/:][A-Za-z0-9\-_.~@+=,!$]+)*$/;

/** What is wrong with a topic's name, or undefined if it is legal. */
export function topicProblem(name: string): string | undefined {
  if (name.length > Limit.TOPIC) return `a topic name has at most ${Limit.TOPIC} bytes`;
  if (!LEGAL.test(name)) return `not a topic name: ${JSON.stringify(name)}`;
  return undefined;
}
