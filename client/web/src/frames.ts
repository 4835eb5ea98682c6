import { decodeBody, encodeFrame } from "./codec.ts";
import type { Start } from "./message.ts";
import type { Adjustment, DatagramReader, Delivery, DeliveryMode, PresenceReader } from "./options.ts";
import type { Position } from "./position.ts";
import { fits } from "./text.ts";
import { Code, Kind, Limit, VERSION } from "./wire.ts";
import type { Wishes } from "./wishes.ts";

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
  return encodeFrame([Kind.HELLO, [VERSION], agent, client, resume, token]);
}

export function refresh(token?: string) {
  return encodeFrame([Kind.REFRESH, token]);
}

export function ping(n: number) {
  return encodeFrame([Kind.PING, n]);
}

export function pause(paused: boolean) {
  return encodeFrame([paused ? Kind.PAUSE : Kind.RESUME]);
}

export function goodbye(message: string) {
  return encodeFrame([Kind.GOODBYE, Code.OK, message]);
}

/** What a member asks for in each join. */
export interface Asked {
  readonly topic: string;
  readonly delivery?: Delivery | DatagramReader | undefined;
  readonly params: Uint8Array | undefined;
  readonly presence?: PresenceReader | undefined;
  readonly rewind?: number | undefined;
}

export function join(
  { topic, delivery, params, presence, rewind }: Asked,
  { priority, interval, deadline }: Wishes,
  since?: Position,
  flow?: number,
) {
  const elements = [
    Kind.JOIN,
    topic,
    since && [since.epoch, since.offset],
    delivery && MODES.indexOf(typeof delivery === "string" ? delivery : delivery.mode),
    priority,
    params,
    presence?.asks,
    interval || undefined,
    deadline || undefined,
    rewind || undefined,
    flow,
  ];
  // What older servers do not know is there only if it was asked for.
  while (elements.length > 6 && elements.at(-1) === undefined) elements.pop();
  return encodeFrame(elements);
}

export function adjust({ priority, interval, deadline }: Adjustment) {
  return encodeFrame([Kind.ADJUST, priority, interval, deadline]);
}

export function push({ reference, event, payload, key }: Push) {
  return encodeFrame([Kind.PUSH, reference, event, payload, key]);
}

const MODES: readonly DeliveryMode[] = ["reliable", "latest", "none", "datagram"];
const STARTS: readonly Start[] = ["live", "recovered", "lost"];

/** A "no", to `Hello` or to `Join`, or later as the end of a session or a membership. The message is for people. */
const REFUSAL = { code: uint32, message: text, retryAfterMs: optional(uint) };

/** The frames that a server sends on the control stream: their fields in order. */
const CONTROL = {
  [Kind.WELCOME]: {
    version: uint,
    session: text,
    resume: binary,
    resumed: boolean,
    lingerMs: uint,
    idleMs: uint,
    limits: (value: unknown) => {
      const [payload, channels, pushes] = uints(value, 3);
      return { payload, channels, pushes } as { payload: number; channels: number; pushes: number };
    },
    agent: text,
    expiresInMs: optional(uint),
  },
  [Kind.REFUSED]: REFUSAL,
  [Kind.REFRESHED]: { expiresInMs: optional(uint) },
  [Kind.PONG]: { n: uint },
  [Kind.GO_AWAY]: { code: uint32, withinMs: uint, url: optional(text) },
  [Kind.GOODBYE]: REFUSAL,
};

/** The frames that a server sends on a channel's stream: their fields in order. */
const CHANNEL = {
  [Kind.REFUSED]: REFUSAL,
  [Kind.JOINED]: {
    position,
    start: choice(STARTS),
    applied: uint,
    reply: optional(binary),
    head: optional(uint),
    delivery: optional(choice(MODES)),
  },
  [Kind.REPLY]: { reference: uint, code: uint32, payload: optional(binary) },
  [Kind.EVENT]: { offset: uint, at: uint, event: name, payload: binary, key: optional(text) },
  [Kind.GAP]: { from: uint, to: uint },
  [Kind.RESTARTED]: { position },
  [Kind.DIRECT]: { event: name, payload: binary },
  [Kind.CLOSED]: REFUSAL,
};

type Schema = Readonly<Record<string, (value: unknown) => unknown>>;

type Fields<S extends Schema> = { readonly [F in keyof S]: ReturnType<S[F]> };

/** Each frame of a stream with its kind. */
type Frame<S extends Readonly<Record<number, Schema>>> = {
  [K in keyof S & number]: { readonly kind: K } & Fields<S[K]>;
}[keyof S & number];

export type Refusal = Fields<typeof REFUSAL>;
export type ControlFrame = Frame<typeof CONTROL>;
export type ChannelFrame = Frame<typeof CHANNEL>;
export type Welcome = Fields<(typeof CONTROL)[Kind.WELCOME]>;
export type JoinedFrame = Fields<(typeof CHANNEL)[Kind.JOINED]>;
export type EventFrame = Fields<(typeof CHANNEL)[Kind.EVENT]>;

/** Reads a frame of the control stream. Throws {@link FrameError}. */
export function decodeControl(body: Uint8Array): ControlFrame {
  return decode(CONTROL, body) as unknown as ControlFrame;
}

/** Reads a frame of a channel's stream. Throws {@link FrameError}. */
export function decodeChannel(body: Uint8Array): ChannelFrame {
  return decode(CHANNEL, body) as unknown as ChannelFrame;
}

/** The fields of a frame by name, from left to right. More elements than a kind has here do no harm. */
function decode(schemas: Readonly<Record<number, Schema>>, body: Uint8Array): Record<string, unknown> {
  let elements: unknown;
  try {
    elements = decodeBody(body);
  } catch (error) {
    throw malformed(String(error));
  }
  if (!Array.isArray(elements)) throw malformed("not an array");
  const kind = uint(elements[0]);
  const schema = schemas[kind];
  if (schema === undefined) throw new FrameError(Code.UNEXPECTED_FRAME, `a frame of kind ${kind}`);
  const frame: Record<string, unknown> = { kind };
  let at = 0;
  for (const [field, read] of Object.entries(schema)) frame[field] = read(elements[++at]);
  return frame;
}

function uint(value: unknown, most: number = Limit.INTEGER): number {
  if (typeof value !== "number" || !Number.isInteger(value) || value < 0) throw malformed("not an integer");
  if (value > most) throw illegal("an integer that is too great");
  return value;
}

function uint32(value: unknown): number {
  return uint(value, 2 ** 32 - 1);
}

function text(value: unknown): string {
  if (typeof value !== "string") throw malformed("not a text");
  if (!fits(value, Limit.TEXT)) throw illegal("a text that is too long");
  return value;
}

/** The name of an event. */
function name(value: unknown): string {
  const name = text(value);
  if (name === "" || !fits(name, Limit.EVENT)) throw illegal("an event's name of a wrong length");
  return name;
}

function binary(value: unknown): Uint8Array {
  if (!(value instanceof Uint8Array)) throw malformed("not a binary");
  return value;
}

function boolean(value: unknown): boolean {
  if (typeof value !== "boolean") throw malformed("not a boolean");
  return value;
}

function optional<T>(read: (value: unknown) => T): (value: unknown) => T | undefined {
  return (value) => (value === null || value === undefined ? undefined : read(value));
}

/** An array of exactly so many integers. */
function uints(value: unknown, count: number): number[] {
  if (!Array.isArray(value) || value.length !== count) throw malformed("not an array");
  return value.map((one) => uint(one));
}

function position(value: unknown): Position {
  const [epoch, offset] = uints(value, 2);
  return { epoch, offset } as Position;
}

/** One of these, by its number. */
function choice<T>(names: readonly T[]): (value: unknown) => T {
  return (value) => {
    const name = names[uint(value)];
    if (name === undefined) throw illegal("not a known choice");
    return name;
  };
}

function malformed(problem: string): FrameError {
  return new FrameError(Code.MALFORMED, problem);
}

function illegal(problem: string): FrameError {
  return new FrameError(Code.ILLEGAL_VALUE, problem);
}
