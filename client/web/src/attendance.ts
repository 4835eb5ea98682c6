import { FrameTooLarge } from "./codec.ts";
import { PushError } from "./errors.ts";
import { type ChannelFrame, decodeChannel, FrameError, join, push, type Refusal } from "./frames.ts";
import type { Live } from "./live.ts";
import type { Member } from "./member.ts";
import { DirectMessage, Reply } from "./message.ts";
import { OutOfOrder } from "./progress.ts";
import { StreamFrames } from "./streamframes.ts";
import { ConnectionLost, type Stream, StreamEnded } from "./transport.ts";
import { Code, Kind } from "./wire.ts";

/** Longest frame taken from a server in bytes: what it announces as its limit is about pushes. */
const MAX_FRAME = 16 * 1024 * 1024;

/** How long the server may take to say why it does not read a stream any more, in milliseconds. */
const LAST_WORDS = 1_000;

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
  readonly #member: Member;
  readonly #live: Live;
  #over = false;
  #joined = false;

  constructor(member: Member, live: Live) {
    this.#member = member;
    this.#live = live;
  }

  /** Joins and attends until the stream is lost, or the member leaves for good. */
  async run(): Promise<Loss> {
    const superseded = this.#member.bell
      .until(() => this.#over || this.#member.link !== this.#live)
      .then((): Loss => ({ type: "link" }));
    const loss = await Promise.race([this.#attend(), superseded]);
    this.#over = true;
    this.#member.bell.ring();
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
    const opening = this.#live.connection.openStream();
    const leaving = this.#member.bell.until(() => this.#over || this.#member.mayLeave).then(() => undefined);
    const stream = await Promise.race([opening, leaving]);
    if (stream === undefined) opening.then((late) => late.abandon(Code.OK)).catch(() => {});
    return stream;
  }

  async #read(stream: Stream): Promise<Loss> {
    const { bell, inbox, presence } = this.#member;
    const frames = new StreamFrames(stream, MAX_FRAME);
    try {
      for (;;) {
        if (!inbox.hasRoom(this.#member.awaitsReplies)) {
          await bell.until(() => this.#over || inbox.hasRoom(this.#member.awaitsReplies));
        }
        const frame = await frames.next();
        if (this.#over) return { type: "link" };
        this.#live.received();
        if (frame === undefined) return { type: "broken", problem: "the server ended the stream" };
        if (presence?.take(frame)) continue;
        const loss = this.#take(decodeChannel(frame));
        if (loss) return loss;
      }
    } catch (error) {
      return lossOf(error);
    }
  }

  async #write(stream: Stream, reading: Promise<Loss>): Promise<Loss> {
    const member = this.#member;
    try {
      await stream.write(join(member, member.progress.position));
      for (;;) {
        await member.bell.until(() => this.#over || member.mayLeave || this.#mayPush);
        if (this.#over) return { type: "link" };
        if (member.mayLeave) return { type: "left" };
        const next = member.outbox.next();
        if (next === undefined || !this.#isShortEnough(next.reference, next.payload)) continue;
        this.#live.asked();
        await stream.write(push(next));
      }
    } catch (error) {
      const loss = lossOf(error);
      if (loss.type === "link") return loss;
      // A server that stops reading says why on the other half, in words.
      const silence = new Promise<Loss>((resolve) => setTimeout(() => resolve(loss), LAST_WORDS));
      return Promise.race([reading, silence]);
    }
  }

  get #mayPush(): boolean {
    const { outbox } = this.#member;
    const window = this.#joined ? (this.#live.welcome?.limits.pushes ?? 0) : 0;
    return outbox.written < Math.min(window, outbox.size);
  }

  #isShortEnough(reference: number, { length }: Uint8Array): boolean {
    const limit = this.#live.welcome?.limits.payload ?? 0;
    if (length <= limit) return true;
    const problem = `a payload of ${length} bytes exceeds the limit of ${limit}`;
    this.#member.outbox.answered(reference)?.reject(new PushError("tooLarge", problem));
    return false;
  }

  #take(frame: ChannelFrame): Loss | undefined {
    const member = this.#member;
    if (frame.kind === Kind.REFUSED || frame.kind === Kind.CLOSED) {
      return { type: "refused", refusal: frame };
    }
    if (frame.kind === Kind.JOINED) {
      if (this.#joined) throw new OutOfOrder("a second answer to one join");
      member.welcomed(member.progress.joined(frame, member.awayMs));
      this.#joined = true;
      member.bell.ring();
      return undefined;
    }
    if (!this.#joined) throw new OutOfOrder(`a frame of kind ${frame.kind} before the join's answer`);
    switch (frame.kind) {
      case Kind.REPLY:
        this.#answer(frame.reference, frame.code, frame.payload ?? new Uint8Array());
        return undefined;
      case Kind.EVENT:
        member.deliver(member.progress.event(frame));
        return undefined;
      case Kind.GAP:
        member.deliver(member.progress.gap(frame.from, frame.to));
        return undefined;
      case Kind.RESTARTED:
        member.deliver(member.progress.restarted(frame.position));
        return undefined;
      case Kind.DIRECT:
        member.deliver(new DirectMessage(frame.event, frame.payload));
        return undefined;
    }
  }

  #answer(reference: number, code: number, payload: Uint8Array): void {
    const ticket = this.#member.outbox.answered(reference);
    if (code === Code.OK) ticket?.resolve(new Reply(payload));
    else if (code === Code.ALREADY_APPLIED) ticket?.resolve(new Reply(new Uint8Array()));
    else ticket?.reject(new PushError("refused", new TextDecoder().decode(payload), code));
    this.#member.bell.ring();
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
  const problem = error instanceof Error ? error.message : String(error);
  return { type: "broken", problem: broken ? `the server breaks the protocol: ${problem}` : problem };
}
