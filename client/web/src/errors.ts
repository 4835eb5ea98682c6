import { codeName, codeRetry } from "./codes.ts";
import type { Retry } from "./wire.ts";

/** Why a client or a channel has ended. */
export interface Closed {
  /** The server's code, or undefined if this side ended it. */
  readonly code: number | undefined;
  /** For people. */
  readonly message: string;
}

/** The end by the application's own will. */
export const CLOSED_BY_US: Closed = { code: undefined, message: "closed by this client" };

/** What all errors of this client have in common. */
export class DunlinError extends Error {
  /** The server's code, or undefined if this side failed. */
  readonly code: number | undefined;
  /** The code's name, as `"REJECTED"`; undefined without a code. */
  readonly codeName: string | undefined;
  /** Whether the same is worth another attempt; a number is a time to wait in milliseconds. */
  readonly retry: Retry;

  constructor(message: string, code?: number) {
    super(code === undefined ? message : `${codeName(code)} (${code}): ${message}`);
    this.code = code;
    this.codeName = code === undefined ? undefined : codeName(code);
    this.retry = code === undefined ? "never" : codeRetry(code);
  }
}

/** A topic could not be joined: its name is illegal, the server says no for good, or the client has ended. */
export class JoinError extends DunlinError {
  override readonly name = "JoinError";
}

/** Why a push was not applied, or is not known to be. */
export type PushFailure =
  /** The server answered no: see the code. */
  | "refused"
  /** The payload is longer than the server allows. */
  | "tooLarge"
  /** The event's name is empty or too long, or the key is. */
  | "name"
  /** The value cannot be written as MessagePack. */
  | "encode"
  /** Too many pushes wait for an answer already: the application does not wait for them. */
  | "full"
  /** The channel ended before an answer came: whether the push was applied is unknown. */
  | "closed";

/** A push was not applied, or is not known to be. */
export class PushError extends DunlinError {
  override readonly name = "PushError";
  readonly failure: PushFailure;

  constructor(failure: PushFailure, message: string, code?: number) {
    super(message, code);
    this.failure = failure;
  }
}

/** The client has ended: it was closed, or the server's answer is final. */
export class ClosedError extends DunlinError {
  override readonly name = "ClosedError";

  constructor(closed: Closed) {
    super(closed.message, closed.code);
  }
}
