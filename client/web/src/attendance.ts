import { FrameTooLarge } from "./codec.ts";
import { PushError } from "./errors.ts";
import { adjust, type ChannelFrame, decodeChannel, FrameError, join, push, type Refusal } from "./frames.ts";
import type { Live } from "./live.ts";
import type { Member } from "./member.ts";
import { DirectMessage, type Message, Reply } from "./message.ts";
import { within } from "./patience.ts";
import { OutOfOrder } from "./progress.ts";
import { StreamFrames } from "./streamframes.ts";
import { messageOf } from "./text.ts";
import { ConnectionLost, type Stream, StreamEnded } from "./transport.ts";
import { Code, Kind } from "./wire.ts";

/** Longest frame taken from a server in bytes: what it announces as its limit is about pushes. */
const MAX_FRAME = 16 * 1024 * 1024;

/** How long the server may take to say why it does not read a stream any more, in milliseconds. */
const LAST_WORDS = 1_000;

/** What becomes of a push. */
type ReplyFrame = Extract<ChannelFrame, { readonly kind: Kind.REPLY }>;

/** What is for the application. */
type MessageFrame = Extract<
  ChannelFrame,
  { readonly kind: Kind.EVENT | Kind.GAP | Kind.RESTARTED | Kind.DIRECT }
>;

/** Why a stream is of no use any more. */
export type Loss =
  /** The connection is gone, or another one is to be used. */
  | { readonly type: "link" }
  /** This member has left. */
  | { readonly type: "left" }
  /** The server said no, with a code. */
  | { readonly type: "refused"; readonly refusal: Refusal }
  /** The stream ended without a word, or with one that makes no sense. */
  | { readonly type: "broken"; readonly problem: string };

/** One stream of one membership, from its `Join` to its end. */
export class Attendance {
  readonly member: Member;
  readonly live: Live;
  /** Nothing of it is handed out any more. */
  isOver = false;
  /** The server has let the member in, on this stream. */
  isJoined = false;

  constructor(member: Member, live: Live) {
    this.member = member;
    this.live = live;
  }

  /** Joins and attends until the stream is lost, or the member leaves for good. */
  async run(): Promise<Loss> {
    const superseded = this.member.bell
      .until(() => this.isOver || this.member.link !== this.live)
      .then((): Loss => ({ type: "link" }));
    const loss = await Promise.race([this.#attend(), superseded]);
    this.isOver = true;
    this.member.bell.ring();
    return loss;
  }

  async #attend(): Promise<Loss> {
    try {
      const stream = await this.#open();
      if (stream === undefined) return { type: "left" };
      const reading = this.#read(stream);
      const loss = await Promise.race([reading, this.#write(stream, reading)]);
      if (loss.type === "broken") stream.abandon(Code.UNEXPECTED_FRAME);
      else stream.finish();
      if (loss.type === "left") void drain(stream);
      return loss;
    } catch (error) {
      return lossOf(error);
    }
  }

  /** Servers grant a number of streams: a member may have to wait until another one leaves, and may leave itself. */
  async #open(): Promise<Stream | undefined> {
    const opening = this.live.connection.openStream();
    const leaving = this.member.bell.until(() => this.isOver || this.member.mayLeave).then(() => undefined);
    const stream = await Promise.race([opening, leaving]);
    if (stream === undefined) opening.then((late) => late.abandon(Code.OK)).catch(() => {});
    return stream;
  }

  async #read(stream: Stream): Promise<Loss> {
    const member = this.member;
    const frames = new StreamFrames(stream, MAX_FRAME);
    try {
      for (;;) {
        if (!member.hasRoom) await member.bell.until(() => this.isOver || member.hasRoom);
        const frame = await frames.next();
        if (this.isOver) return { type: "link" };
        this.live.received();
        if (frame === undefined) return { type: "broken", problem: "the server ended the stream" };
        if (member.membership.presence?.take(frame)) continue;
        const loss = this.#take(decodeChannel(frame));
        if (loss) return loss;
      }
    } catch (error) {
      return lossOf(error);
    }
  }

  async #write(stream: Stream, reading: Promise<Loss>): Promise<Loss> {
    const member = this.member;
    try {
      let { wishes } = member;
      const adjusts = () => this.isJoined && wishes !== member.wishes;
      const flow = member.datagrams?.open(this);
      await stream.write(join(member.membership, wishes, member.progress.since, flow));
      for (;;) {
        await member.bell.until(() => this.isOver || member.mayLeave || this.#mayPush || adjusts());
        if (this.isOver) return { type: "link" };
        if (member.mayLeave) return { type: "left" };
        if (adjusts()) {
          wishes = member.wishes;
          await stream.write(adjust(wishes));
          continue;
        }
        const next = member.outbox.next();
        if (next === undefined || !this.#isShortEnough(next.reference, next.payload)) continue;
        this.live.asked();
        await stream.write(push(next));
      }
    } catch (error) {
      const loss = lossOf(error);
      if (loss.type === "link") return loss;
      // A server that stops reading says why on the other half, in words.
      return (await within(LAST_WORDS, reading)) ?? loss;
    }
  }

  get #mayPush(): boolean {
    const { outbox } = this.member;
    const window = this.isJoined ? (this.live.welcome?.limits.pushes ?? 0) : 0;
    return outbox.written < Math.min(window, outbox.size);
  }

  #isShortEnough(reference: number, { length }: Uint8Array): boolean {
    const limit = this.live.welcome?.limits.payload ?? 0;
    if (length <= limit) return true;
    const problem = `a payload of ${length} bytes exceeds the limit of ${limit}`;
    this.member.outbox.answered(reference)?.reject(new PushError("tooLarge", problem));
    return false;
  }

  #take(frame: ChannelFrame): Loss | undefined {
    const member = this.member;
    if (frame.kind === Kind.REFUSED || frame.kind === Kind.CLOSED) {
      return { type: "refused", refusal: frame };
    }
    if (frame.kind === Kind.JOINED) {
      if (this.isJoined) throw new OutOfOrder("a second answer to one join");
      member.welcomed(member.progress.joined(frame, member.awayMs));
      this.isJoined = true;
      member.bell.ring();
      return undefined;
    }
    if (!this.isJoined) throw new OutOfOrder(`a frame of kind ${frame.kind} before the join's answer`);
    if (frame.kind === Kind.REPLY) this.#answer(frame);
    else member.deliver(this.#message(frame));
    return undefined;
  }

  #message(frame: MessageFrame): Message | undefined {
    const { progress } = this.member;
    switch (frame.kind) {
      case Kind.EVENT:
        return progress.event(frame);
      case Kind.GAP:
        return progress.gap(frame.from, frame.to);
      case Kind.RESTARTED:
        return progress.restarted(frame.position);
      case Kind.DIRECT:
        return new DirectMessage(frame.event, frame.payload);
    }
  }

  #answer({ reference, code, payload = new Uint8Array() }: ReplyFrame): void {
    const ticket = this.member.outbox.answered(reference);
    if (code === Code.OK) ticket?.resolve(new Reply(payload));
    else if (code === Code.ALREADY_APPLIED) ticket?.resolve(new Reply(new Uint8Array()));
    else ticket?.reject(new PushError("refused", new TextDecoder().decode(payload), code));
    this.member.bell.ring();
  }
}

/** Reads what still comes after a leave: unread bytes would use up the connection's window. */
async function drain(stream: Stream): Promise<void> {
  try {
    while ((await stream.read()) !== undefined);
  } catch {
    // It ends one way or the other.
  }
}

function lossOf(error: unknown): Loss {
  if (error instanceof ConnectionLost) return { type: "link" };
  if (error instanceof StreamEnded && error.code) {
    return { type: "refused", refusal: { code: error.code, message: "", retryAfterMs: undefined } };
  }
  const broken = error instanceof OutOfOrder || error instanceof FrameError || error instanceof FrameTooLarge;
  const problem = messageOf(error);
  return { type: "broken", problem: broken ? `the server breaks the protocol: ${problem}` : problem };
}
