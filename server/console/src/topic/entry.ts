import type { DirectMessage, EventMessage } from "@dunlin/client";

/** One line of a topic's list. */
export type Entry = Happening | Notice;

/** An event of the topic, or a direct one, which is from no log and has no position. */
export interface Happening {
  readonly type: "happening";
  /** Milliseconds since 1970: when the server took it, or when a direct one arrived. */
  readonly at: number;
  readonly epoch: number | undefined;
  readonly offset: number | undefined;
  readonly event: string;
  readonly key: string | undefined;
  readonly payload: Uint8Array;
}

/** Something that is to be known about the events: where they begin, what is missing. */
export interface Notice {
  readonly type: "notice";
  /** Milliseconds since 1970, by the clock of this page. */
  readonly at: number;
  readonly tone: Tone;
  readonly text: string;
}

/** Nothing special; all is well again; something is missing; it is over. */
export type Tone = "plain" | "good" | "warning" | "bad";

export function happeningOf(message: EventMessage | DirectMessage, now: number): Happening {
  const { event } = message;
  // The payload may be a view of much more, which would be kept with it.
  const payload = message.payload.slice();
  if (message.type === "direct") {
    return {
      type: "happening",
      at: now,
      epoch: undefined,
      offset: undefined,
      event,
      key: undefined,
      payload,
    };
  }
  const { epoch, offset } = message.position;
  return { type: "happening", at: message.at, epoch, offset, event, key: message.key, payload };
}
