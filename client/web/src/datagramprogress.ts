import type { EventFrame, JoinedFrame } from "./frames.ts";
import type { EventMessage, JoinedMessage, RestartedMessage } from "./message.ts";
import type { Position } from "./position.ts";
import { Progress } from "./progress.ts";

/** How far a channel has read on its stream and in datagrams, which overtake each other. */
export class DatagramProgress extends Progress {
  /** Whether the server has agreed to send datagrams. */
  #agreed = false;
  /** Where the member was when it joined: what it had before is not told again. */
  #floor = 0;
  /** The last event that came on the stream. */
  #streamed = 0;
  /** The last event that came in a datagram. */
  #received = 0;

  constructor(topic: string, since: Position | undefined) {
    super(topic, "datagram", since);
  }

  /** Datagrams that were missed are not wanted any more. */
  override get since(): Position | undefined {
    return this.#agreed ? undefined : super.since;
  }

  override joined(frame: JoinedFrame, awayMs: number): JoinedMessage {
    const { epoch, offset } = frame.position;
    const last = this.position;
    const reached = last?.epoch === epoch ? last.offset : 0;
    const joined = super.joined(frame, awayMs);
    this.#agreed = this.delivery === "datagram";
    this.#begin(reached);
    if (this.#agreed) this.position = { epoch, offset: Math.max(offset, reached) };
    return joined;
  }

  override restarted(position: Position): RestartedMessage {
    this.#begin(0);
    return super.restarted(position);
  }

  /** An event in a datagram; undefined if it is late, or the server does not send datagrams. */
  datagram(frame: EventFrame): EventMessage | undefined {
    if (!this.#agreed || this.position === undefined || frame.offset <= this.#received) return undefined;
    this.#received = frame.offset;
    return this.message(this.position.epoch, frame);
  }

  protected override message(epoch: number, frame: EventFrame): EventMessage {
    const reached = this.#agreed ? (this.position?.offset ?? 0) : 0;
    const message = super.message(epoch, frame);
    this.position = { epoch, offset: Math.max(reached, frame.offset) };
    return message;
  }

  override event(frame: EventFrame): EventMessage | undefined {
    if (!this.#agreed) return super.event(frame);
    const { epoch } = this.follow("event", frame.offset);
    this.#streamed = frame.offset;
    return frame.offset > this.#floor ? this.message(epoch, frame) : undefined;
  }

  protected override follow(what: string, offset: number): Position {
    return this.#agreed ? super.follow(what, offset, this.#streamed) : super.follow(what, offset);
  }

  #begin(reached: number): void {
    this.#floor = reached;
    this.#received = reached;
    this.#streamed = 0;
  }
}
