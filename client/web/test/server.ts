import { decode } from "@msgpack/msgpack";
import { Bell } from "../src/bell.ts";
import { encodeFrame, encodeValue } from "../src/codec.ts";
import type { Dial } from "../src/environment.ts";
import { ConnectionLost, type TransportKind } from "../src/transport.ts";
import { Code, Kind } from "../src/wire.ts";
import { PipeConnection, type ServerStream } from "./pipe.ts";

type Elements = [number, ...unknown[]];

interface Event {
  offset: number;
  event: string;
  payload: Uint8Array;
  key: string | null;
}

/** A member of a topic, in a session. */
interface Member {
  stream: ServerStream | undefined;
  applied: number;
  replies: Map<number, Uint8Array>;
  sent: number;
  /** Where its events go in datagrams. */
  flow: number | undefined;
}

/** What a `Join` asks for. */
interface Join {
  topic: string;
  since: [number, number] | null;
  delivery: number | null;
  priority: number;
  /** From `presence` on, as they came. */
  more: unknown[];
}

interface Session {
  ticket: Uint8Array;
  connection: PipeConnection | undefined;
  members: Map<string, Member>;
  paused: boolean;
}

/** A server in memory that speaks real frames: sessions that wait, topics with a log, pushes applied once. */
export class Server {
  epoch = 7;
  readonly topics = new Map<string, Event[]>();
  readonly sessions = new Map<string, Session>();
  readonly connections: PipeConnection[] = [];
  /** Rings when a session has a connection. */
  readonly #welcomed = new Bell();
  /** What was dialled, in order. */
  readonly dialled: TransportKind[] = [];
  /** Frames received on control streams, kinds only, without pings. */
  readonly control: number[] = [];
  pings = 0;
  joins: Join[] = [];
  /** Fields of `Adjust`, as they came. */
  readonly adjusts: unknown[][] = [];
  /** How events are delivered to members that do not say. */
  delivery = 0;
  /** References of pushes that arrived, again or not. */
  readonly arrived: number[] = [];
  /** Whether each transport leads here: "silent" takes no notice. */
  network: Record<TransportKind, "up" | "refused" | "silent"> = { webtransport: "up", websocket: "up" };
  /** Takes what comes and answers nothing. */
  mute = false;
  /** Applies pushes but keeps the replies. */
  mutePushes = false;
  refuseHello: { code: number; retryAfterMs?: number } | undefined;
  refuseJoin: { code: number; retryAfterMs?: number } | undefined;
  tokens: unknown[] = [];
  /** Dialling takes so long, in milliseconds. */
  latency = 0;
  /** So long a `Hello` lies about before it is looked at, in milliseconds; also one whose client is gone by then. */
  slowness = 0;

  /** How long each token is good. */
  expiresInMs: number | null = null;

  dial(kind: TransportKind): Dial {
    return async (_url, _hashes, signal) => {
      this.dialled.push(kind);
      const aborted = new Promise<never>((_, reject) => {
        signal.addEventListener("abort", () => reject(new ConnectionLost("called off")));
      });
      aborted.catch(() => {});
      if (this.network[kind] === "refused") throw new ConnectionLost("refused");
      if (this.network[kind] === "silent") return aborted;
      if (this.latency > 0) await Promise.race([new Promise((r) => setTimeout(r, this.latency)), aborted]);
      const accept = (connection: PipeConnection, stream: ServerStream, first: boolean) => {
        void (first ? this.#control(connection, stream) : this.#channel(connection, stream));
      };
      const connection = new PipeConnection(kind, accept, (gone, code) => this.#closed(gone, code));
      this.connections.push(connection);
      return connection;
    };
  }

  get connection(): PipeConnection {
    const last = this.connections.at(-1);
    if (!last) throw new Error("no connection yet");
    return last;
  }

  get openConnections(): PipeConnection[] {
    return this.connections.filter((connection) => !connection.isOver);
  }

  log(topic: string): Event[] {
    const log = this.topics.get(topic) ?? [];
    this.topics.set(topic, log);
    return log;
  }

  publish(topic: string, value: unknown, event = "said", key: string | null = null): number {
    const log = this.log(topic);
    const offset = (log.at(-1)?.offset ?? 0) + 1;
    log.push({ offset, event, payload: encodeValue(value), key });
    for (const session of this.sessions.values()) this.#deliver(session, topic);
    return offset;
  }

  /** The stream of the only member of a topic, to say what one likes. */
  member(topic: string): ServerStream {
    for (const { members } of this.sessions.values()) {
      const stream = members.get(topic)?.stream;
      if (stream) return stream;
    }
    throw new Error(`nobody in ${topic}`);
  }

  controls = new Map<PipeConnection, ServerStream>();

  sendControl(...elements: Elements): void {
    this.controls.get(this.connection)?.send(encodeFrame(elements));
  }

  async #control(connection: PipeConnection, stream: ServerStream): Promise<void> {
    this.controls.set(connection, stream);
    let session: Session | undefined;
    for (let body = await stream.next(); body; body = await stream.next()) {
      const [kind, ...fields] = decode(body) as Elements;
      if (kind === Kind.PING) this.pings += 1;
      else this.control.push(kind);
      if (this.mute) continue;
      if (kind === Kind.HELLO) {
        this.tokens.push(fields[4]);
        if (this.refuseHello) {
          const { code, retryAfterMs } = this.refuseHello;
          stream.send(encodeFrame([Kind.REFUSED, code, "no", retryAfterMs]));
          connection.fail(code, "no");
          return;
        }
        if (this.slowness > 0) await new Promise((resolve) => setTimeout(resolve, this.slowness));
        if (connection.isClosed) return;
        session = this.#welcome(connection, stream, fields[3] as Uint8Array | null);
        // The client may have been too quick.
        this.#closed(connection, connection.closedByClient?.code);
      } else if (kind === Kind.REFRESH) {
        this.tokens.push(fields[0]);
        stream.send(encodeFrame([Kind.REFRESHED, this.expiresInMs]));
      } else if (kind === Kind.PING) stream.send(encodeFrame([Kind.PONG, fields[0]]));
      else if (kind === Kind.PAUSE && session) session.paused = true;
      else if (kind === Kind.RESUME && session) {
        session.paused = false;
        for (const topic of session.members.keys()) this.#deliver(session, topic);
      } else if (kind === Kind.GOODBYE && session) {
        this.sessions.delete(hex(session.ticket));
        stream.send(encodeFrame([Kind.GOODBYE, Code.OK, "bye"]));
      }
    }
  }

  #welcome(connection: PipeConnection, stream: ServerStream, resume: Uint8Array | null): Session {
    const known = resume ? this.sessions.get(hex(resume)) : undefined;
    const ticket = Uint8Array.from([1, 2, this.sessions.size + 1, this.connections.length]);
    const session: Session = known ?? { ticket, connection, members: new Map(), paused: false };
    const old = session.connection;
    session.connection = connection;
    session.paused = false;
    if (old !== connection) old?.fail(Code.SESSION_MOVED, "moved");
    this.sessions.set(hex(session.ticket), session);
    this.#welcomed.ring();
    const limits = [1024, 100, 4];
    stream.send(
      encodeFrame([
        Kind.WELCOME,
        1,
        "s1",
        session.ticket,
        known !== undefined,
        120_000,
        60_000,
        limits,
        "fake/1",
        this.expiresInMs,
      ]),
    );
    return session;
  }

  async #channel(connection: PipeConnection, stream: ServerStream): Promise<void> {
    const body = await stream.next();
    if (!body || this.mute) return;
    const [, topic, since, delivery, priority, , ...more] = decode(body) as [
      number,
      string,
      [number, number] | null,
      number | null,
      number,
      unknown,
      ...unknown[],
    ];
    // The Hello of the same flight comes first.
    const opened = () => [...this.sessions.values()].find((one) => one.connection === connection);
    await this.#welcomed.until(() => opened() !== undefined);
    const session = opened();
    if (!session) return;
    this.joins.push({ topic, since, delivery, priority, more });
    if (this.refuseJoin) {
      stream.send(encodeFrame([Kind.REFUSED, this.refuseJoin.code, "no", this.refuseJoin.retryAfterMs]));
      stream.finish();
      return;
    }
    const log = this.log(topic);
    const end = log.at(-1)?.offset ?? 0;
    const covers = since !== null && (since[0] === this.epoch || (since[0] === 0 && since[1] === 0));
    const start = since === null ? 0 : covers ? 1 : 2;
    const from = covers ? (since?.[1] ?? 0) : end;
    const flow = more[4] as number | undefined;
    const asked = delivery ?? this.delivery;
    const mode = asked === 3 && flow === undefined ? 1 : asked;
    const member = session.members.get(topic) ?? {
      stream,
      applied: 0,
      replies: new Map(),
      sent: 0,
      flow: undefined,
    };
    member.stream = stream;
    member.sent = mode === 2 ? Number.POSITIVE_INFINITY : from;
    member.flow = mode === 3 ? flow : undefined;
    session.members.set(topic, member);
    const reply = new Uint8Array();
    stream.send(encodeFrame([Kind.JOINED, [this.epoch, from], start, member.applied, reply, end, mode]));
    this.#deliver(session, topic);
    for (let frame = await stream.next(); frame; frame = await stream.next()) {
      if (frame[1] === Kind.ADJUST) {
        this.adjusts.push((decode(frame) as unknown[]).slice(1));
        continue;
      }
      const [, reference, event, payload, key] = decode(frame) as [
        number,
        number,
        string,
        Uint8Array,
        string | null,
      ];
      this.#push(member, stream, topic, { reference, event, payload, key });
    }
    if (member.stream === stream && !connection.isOver) {
      session.members.delete(topic);
      stream.finish();
    }
  }

  #push(
    member: Member,
    stream: ServerStream,
    topic: string,
    push: { reference: number; event: string; payload: Uint8Array; key: string | null },
  ): void {
    const { reference, event, payload, key } = push;
    this.arrived.push(reference);
    if (reference > member.applied) {
      member.applied = reference;
      const offset = this.publish(topic, decode(payload), event, key);
      member.replies.set(reference, encodeFrame([Kind.REPLY, reference, Code.OK, encodeValue({ offset })]));
    }
    const already = encodeFrame([Kind.REPLY, reference, Code.ALREADY_APPLIED]);
    if (!this.mutePushes) stream.send(member.replies.get(reference) ?? already);
  }

  #deliver(session: Session, topic: string): void {
    const member = session.members.get(topic);
    if (!member?.stream || session.paused || session.connection?.isOver) return;
    for (const { offset, event, payload, key } of this.log(topic)) {
      if (offset <= member.sent) continue;
      member.sent = offset;
      const frame = encodeFrame([Kind.EVENT, offset, 1000, event, payload, key]);
      if (member.flow === undefined) member.stream.send(frame);
      else session.connection?.datagrams?.send(datagram(member.flow, frame));
    }
  }

  #closed(connection: PipeConnection, code: number | undefined): void {
    if (code !== Code.OK) return;
    for (const [ticket, session] of this.sessions) {
      if (session.connection === connection) this.sessions.delete(ticket);
    }
  }
}

/** The datagram of a frame, which has its length in front. */
export function datagram(flow: number, frame: Uint8Array): Uint8Array<ArrayBuffer> {
  // The flow is as long as the length was, and stands in its place.
  const bytes = Uint8Array.from(frame);
  new DataView(bytes.buffer).setUint32(0, flow);
  return bytes;
}

export function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}
