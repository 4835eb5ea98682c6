/** The kinds of messages. */
export enum MessageKind {
  DATA = 0,
  FIN = 1,
  RESET = 2,
  STOP = 3,
  WINDOW = 4,
  STREAMS = 5,
}

/** Bytes before a message's body: the channel, and the kind. */
export const HEADER = 5;

/** The longest body. */
export const MAX_BODY = 65_536;

/** The server breaks the rules of the multiplexer. */
export class Violation extends Error {
  override readonly name = "Violation";
}

/** A message of its kind with room for a body. The channel is still to be filled in. */
export function blank(kind: number, length: number): Uint8Array<ArrayBuffer> {
  const message = new Uint8Array(HEADER + length);
  message[4] = kind;
  return message;
}
