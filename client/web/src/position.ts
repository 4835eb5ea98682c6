/**
 * A place in a topic's log: everything up to and including this event has been seen.
 *
 * The epoch changes when the log starts over, and says nothing but *same* or *different*. Offsets rise, and may have
 * holes.
 */
export interface Position {
  readonly epoch: number;
  readonly offset: number;
}

/** Before everything that history holds: join `since` this for all of it. */
export const OLDEST: Position = { epoch: 0, offset: 0 };

export function samePosition(a: Position, b: Position): boolean {
  return a.epoch === b.epoch && a.offset === b.offset;
}

/** For logs, as `epoch:offset`. */
export function showPosition(position: Position): string {
  return `${position.epoch}:${position.offset}`;
}
