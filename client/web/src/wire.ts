// Written by `DUNLIN_GOLDEN=write cargo test -p dunlin-proto --test golden` from the Rust code: do not edit.

/** The version of the protocol that this client speaks. */
export const VERSION = 1;

/** The number that stands first in each frame. */
export enum Kind {
  HELLO = 1,
  WELCOME = 2,
  REFUSED = 3,
  REFRESH = 4,
  REFRESHED = 5,
  PAUSE = 6,
  RESUME = 7,
  PING = 8,
  PONG = 9,
  GO_AWAY = 10,
  GOODBYE = 11,
  JOIN = 16,
  JOINED = 17,
  PUSH = 18,
  REPLY = 19,
  EVENT = 20,
  GAP = 21,
  RESTARTED = 22,
  DIRECT = 23,
  CLOSED = 24,
  PRESENCE_STATE = 25,
  PRESENCE_DIFF = 26,
  ADJUST = 27,
}

/** Bounds on what may cross the wire, in bytes where nothing else is said. */
export enum Limit {
  /** The body of a frame on the control stream. */
  CONTROL_FRAME = 16384,
  /** Room in a channel frame for all that is not payload. */
  FRAME_OVERHEAD = 1024,
  /** A topic's name. */
  TOPIC = 255,
  /** An event's name. */
  EVENT = 128,
  /** A key to conflate by. */
  KEY = 128,
  /** Text for people. */
  TEXT = 512,
  /** A token or a resume ticket. */
  TOKEN = 8192,
  /** The greatest integer; not bytes. */
  INTEGER = 9007199254740991,
  /** The longest interval between deliveries, in milliseconds. */
  INTERVAL = 3600000,
  /** The longest deadline of an event, in milliseconds. */
  DEADLINE = 3600000,
  /** The most events before its join that a member may begin with. */
  REWIND = 100000,
}

/** Why something was refused, answered, reset or closed; the same everywhere. */
export enum Code {
  /** Done: nothing went wrong, the sender has finished. */
  OK = 0,
  /** The bytes are not a frame: not MessagePack, not an array, or a field of the wrong type. */
  MALFORMED = 100,
  /** A frame is longer than the limit for its stream. */
  FRAME_TOO_LARGE = 101,
  /** A frame of a kind that does not belong on this stream, or not now. */
  UNEXPECTED_FRAME = 102,
  /** None of the offered versions is spoken here. */
  UNSUPPORTED_VERSION = 103,
  /** The first frame of the first stream was not Hello. */
  HELLO_EXPECTED = 104,
  /** A second Hello on one connection. */
  HELLO_REPEATED = 105,
  /** A frame or a handshake was begun and not completed in time. */
  DEADLINE = 106,
  /** The topic name breaks the rules for names. */
  ILLEGAL_TOPIC = 107,
  /** A field is outside its range: too long, too large, or not a known choice. */
  ILLEGAL_VALUE = 108,
  /** Too many connections from one address. */
  ADDRESS_LIMIT = 200,
  /** The session has as many channels as it may have. */
  CHANNEL_LIMIT = 201,
  /** The server has as many sessions as it may have. */
  SERVER_FULL = 202,
  /** The server holds as many topics as it may hold. */
  TOPIC_LIMIT = 203,
  /** The payload is longer than the limit announced in Welcome. */
  PAYLOAD_TOO_LARGE = 204,
  /** Too many connections, joins or pushes in a short time. */
  RATE_LIMITED = 205,
  /** The topic's log is full, and keeps what it has. */
  LOG_FULL = 206,
  /** The server asks for a token and got none that it can accept. */
  TOKEN_REQUIRED = 300,
  /** The token has expired or was revoked. */
  TOKEN_EXPIRED = 301,
  /** This session may not do that here. */
  FORBIDDEN = 302,
  /** No channel serves this topic. */
  NO_CHANNEL = 400,
  /** The channel's code failed; only this channel was ended. */
  CHANNEL_FAILED = 401,
  /** A newer stream of the same session has joined this topic. */
  REPLACED = 402,
  /** The session was resumed on another connection. */
  SESSION_MOVED = 403,
  /** The session is over; a new one may be opened. */
  SESSION_ENDED = 404,
  /** The push was applied earlier, and its reply is no longer held. */
  ALREADY_APPLIED = 405,
  /** The application refused; the message says why. */
  REJECTED = 406,
  /** The channel could not keep up; only this channel was ended. */
  CHANNEL_OVERRUN = 407,
  /** The server failed in a way that is not the client's fault. */
  INTERNAL = 500,
  /** The server is shutting down; connect again, elsewhere if an address was named. */
  GOING_AWAY = 501,
  /** Something the server depends on does not answer. */
  UNAVAILABLE = 502,
}

/** Whether a code is worth another attempt: a number is a time to wait in milliseconds. */
export type Retry = "never" | "now" | "newToken" | number;

/** What to do about each code but those that are final, unless a frame names another time. */
export const RETRY: Readonly<Record<number, Retry>> = {
  106: 1000,
  200: 10000,
  202: 5000,
  203: 5000,
  205: 1000,
  206: 1000,
  300: "newToken",
  301: "newToken",
  401: 1000,
  404: "now",
  407: 1000,
  500: 1000,
  501: "now",
  502: 1000,
};
