import { decodeBody, encodeFrame } from "./codec.ts";
import type { Limits } from "./info.ts";
import type { Start } from "./message.ts";
import type { Delivery } from "./options.ts";
import type { Position } from "./position.ts";
import { fits } from "./text.ts";
import { Code, KIND, LIMIT, VERSION } from "./wire.ts";

/** A "no", to `Hello` or to `Join`, or later as the end of a session or a membership. */
export interface Refusal {
  readonly code: number;
  /** For people; never needed to decide anything. */
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

export interface Welcome {
  readonly kind: typeof KIND.WELCOME;
  readonly version: number;
  readonly session: string;
  readonly resume: Uint8Array;
  readonly resumed: boolean;
  readonly lingerMs: number;
  readonly idleMs: number;
  readonly limits: Limits;
  readonly agent: string;
}

/** What a server sends on the control stream. */
export type ControlFrame =
  | Welcome
  | { readonly kind: typeof KIND.REFUSED | typeof KIND.GOODBYE; readonly refusal: Refusal }
  | { readonly kind: typeof KIND.REFRESHED; readonly expiresInMs: number | undefined }
  | { readonly kind: typeof KIND.PONG; readonly n: number }
  | {
      readonly kind: typeof KIND.GO_AWAY;
      readonly code: number;
      readonly withinMs: number;
      readonly url: string | undefined;
    };

export interface EventFrame {
  readonly kind: typeof KIND.EVENT;
  readonly offset: number;
  readonly at: number;
  readonly event: string;
  readonly payload: Uint8Array;
  readonly key: string | undefined;
}

export interface JoinedFrame {
  readonly kind: typeof KIND.JOINED;
  readonly position: Position;
  readonly start: Start;
  readonly applied: number;
  readonly reply: Uint8Array;
}

/** What a server sends on a channel's stream. */
export type ChannelFrame =
  | JoinedFrame
  | EventFrame
  | { readonly kind: typeof KIND.REFUSED | typeof KIND.CLOSED; readonly refusal: Refusal }
  | {
      readonly kind: typeof KIND.REPLY;
      readonly reference: number;
      readonly code: number;
      readonly payload: Uint8Array;
    }
  | { readonly kind: typeof KIND.GAP; readonly from: number; readonly to: number }
  | { readonly kind: typeof KIND.RESTARTED; readonly position: Position }
  | { readonly kind: typeof KIND.DIRECT; readonly event: string; readonly payload: Uint8Array };

/** What arrived is no legal frame. */
export class FrameError extends Error {
  override readonly name = "FrameError";

  constructor(
    /** What to close with. */
    readonly code: number,
    message: string,
  ) {
    super(message);
  }
}

/** A push as it is sent, and sent again. */
export interface Push {
  readonly reference: number;
  readonly event: string;
  readonly payload: Uint8Array;
  readonly key: string | undefined;
}

export function hello(agent: string, client: Uint8Array, resume?: Uint8Array, token?: string) {
  return encodeFrame([KIND.HELLO, [VERSION], agent, client, resume, token]);
}

export function ping(n: number) {
  return encodeFrame([KIND.PING, n]);
}

export function pause() {
  return encodeFrame([KIND.PAUSE]);
}

export function resume() {
  return encodeFrame([KIND.RESUME]);
}

export function goodbye(message: string) {
  return encodeFrame([KIND.GOODBYE, Code.OK, message]);
}

export function join(
  topic: string,
  since: Position | undefined,
  delivery: Delivery,
  priority: number,
  params: Uint8Array | undefined,
) {
  const position = since && [since.epoch, since.offset];
  return encodeFrame([KIND.JOIN, topic, position, DELIVERIES.indexOf(delivery), priority, params]);
}

export function push({ reference, event, payload, key }: Push) {
  return encodeFrame([KIND.PUSH, reference, event, payload, key]);
}

const DELIVERIES: readonly Delivery[] = ["reliable", "latest", "none"];
const STARTS: readonly Start[] = ["live", "recovered", "lost"];

/** Reads a frame of the control stream. Throws {@link FrameError}. */
export function decodeControl(body: Uint8Array): ControlFrame {
  const fields = new Fields(body);
  const { kind } = fields;
  switch (kind) {
    case KIND.WELCOME:
      return {
        kind,
        version: fields.uint(),
        session: fields.text(LIMIT.TEXT),
        resume: fields.binary(LIMIT.TOKEN),
        resumed: fields.boolean(),
        lingerMs: fields.uint(),
        idleMs: fields.uint(),
        limits: fields.limits(),
        agent: fields.text(LIMIT.TEXT),
      };
    case KIND.REFUSED:
    case KIND.GOODBYE:
      return { kind, refusal: fields.refusal() };
    case KIND.REFRESHED:
      return { kind, expiresInMs: fields.optional(() => fields.uint()) };
    case KIND.PONG:
      return { kind, n: fields.uint() };
    case KIND.GO_AWAY:
      return {
        kind,
        code: fields.uint(UINT32),
        withinMs: fields.uint(),
        url: fields.optional(() => fields.text(LIMIT.TEXT)),
      };
    default:
      throw new FrameError(Code.UNEXPECTED_FRAME, `a frame of kind ${kind} on the control stream`);
  }
}

/** Reads a frame of a channel's stream. Throws {@link FrameError}. */
export function decodeChannel(body: Uint8Array): ChannelFrame {
  const fields = new Fields(body);
  const { kind } = fields;
  switch (kind) {
    case KIND.EVENT:
      return {
        kind,
        offset: fields.uint(),
        at: fields.uint(),
        event: fields.event(),
        payload: fields.binary(),
        key: fields.optional(() => fields.text(LIMIT.KEY)),
      };
    case KIND.REPLY:
      return {
        kind,
        reference: fields.uint(),
        code: fields.uint(UINT32),
        payload: fields.optional(() => fields.binary()) ?? EMPTY,
      };
    case KIND.JOINED:
      return {
        kind,
        position: fields.position(),
        start: fields.start(),
        applied: fields.uint(),
        reply: fields.optional(() => fields.binary()) ?? EMPTY,
      };
    case KIND.REFUSED:
    case KIND.CLOSED:
      return { kind, refusal: fields.refusal() };
    case KIND.GAP:
      return { kind, from: fields.uint(), to: fields.uint() };
    case KIND.RESTARTED:
      return { kind, position: fields.position() };
    case KIND.DIRECT:
      return { kind, event: fields.event(), payload: fields.binary() };
    default:
      throw new FrameError(Code.UNEXPECTED_FRAME, `a frame of kind ${kind} on a channel's stream`);
  }
}

const UINT32 = 2 ** 32 - 1;
const EMPTY = new Uint8Array();

/** The elements of a frame's array, read from left to right. More of them than are asked for do no harm. */
class Fields {
  readonly kind: number;
  #values: readonly unknown[];
  #at = 0;

  constructor(body: Uint8Array) {
    let values: unknown;
    try {
      values = decodeBody(body);
    } catch (error) {
      throw malformed(error instanceof Error ? error.message : String(error));
    }
    if (!Array.isArray(values)) throw malformed("not an array");
    this.#values = values;
    this.kind = this.uint();
  }

  uint(most: number = LIMIT.INTEGER): number {
    return toUint(this.#next(), most);
  }

  text(most: number): string {
    const value = this.#next();
    if (typeof value !== "string") throw malformed("no text");
    if (!fits(value, most)) throw illegal(`a text of more than ${most} bytes`);
    return value;
  }

  binary(most = Number.POSITIVE_INFINITY): Uint8Array {
    const value = this.#next();
    if (!(value instanceof Uint8Array)) throw malformed("no binary");
    if (value.length > most) throw illegal(`a binary of more than ${most} bytes`);
    return value;
  }

  boolean(): boolean {
    const value = this.#next();
    if (typeof value !== "boolean") throw malformed("no boolean");
    return value;
  }

  optional<T>(read: () => T): T | undefined {
    const value = this.#values[this.#at];
    if (value !== null && value !== undefined) return read();
    this.#at += 1;
    return undefined;
  }

  event(): string {
    const event = this.text(LIMIT.EVENT);
    if (event === "") throw illegal("an event without a name");
    return event;
  }

  position(): Position {
    const [epoch, offset] = this.#uints(2) as [number, number];
    return { epoch, offset };
  }

  limits(): Limits {
    const [payload, channels, pushes] = this.#uints(3) as [number, number, number];
    return { payload, channels, pushes };
  }

  start(): Start {
    const start = STARTS[this.uint()];
    if (start === undefined) throw illegal("not a start");
    return start;
  }

  refusal(): Refusal {
    const code = this.uint(UINT32);
    const message = this.text(LIMIT.TEXT);
    return { code, message, retryAfterMs: this.optional(() => this.uint()) };
  }

  /** An array of exactly so many integers. */
  #uints(count: number): number[] {
    const values = this.#next();
    if (!Array.isArray(values) || values.length !== count) throw malformed(`no array of ${count} integers`);
    return values.map((value) => toUint(value, LIMIT.INTEGER));
  }

  #next(): unknown {
    if (this.#at >= this.#values.length) throw malformed("an element is missing");
    return this.#values[this.#at++];
  }
}

function toUint(value: unknown, most: number): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) throw malformed("no integer");
  if (value > most) throw illegal(`${value} exceeds ${most}`);
  return value;
}

function malformed(problem: string): FrameError {
  return new FrameError(Code.MALFORMED, problem);
}

function illegal(problem: string): FrameError {
  return new FrameError(Code.ILLEGAL_VALUE, problem);
}
