import { type Channel, type Client, type Closed, Code, type EventMessage } from "@dunlin/client";
import { isAboutToken, type Member } from "../connection/link.ts";
import { Signal } from "../signal.ts";
import {
  type Listing,
  parseSessions,
  parseStats,
  parseTopics,
  type SessionRow,
  type Stats,
  type TopicRow,
} from "./payload.ts";
import { Rate } from "./rate.ts";
import { Series } from "./series.ts";

/** Whether the server lets this page see its figures. */
export type Access =
  | { readonly type: "granted" }
  /** Not without a token, or not with the one that was given. */
  | { readonly type: "token" }
  | { readonly type: "refused"; readonly text: string };

/** The figures that are drawn over time. */
export interface Histories {
  readonly events: Series;
  readonly sessions: Series;
  readonly readers: Series;
  readonly history: Series;
  /** Of one processor. */
  readonly cpu: Series;
  readonly memory: Series;
}

/** What the server tells about itself in `$server/…`, once a second. */
export class Feed implements Member {
  /** Tells when anything here has changed. */
  readonly changed = new Signal();
  readonly histories: Histories = {
    events: new Series(),
    sessions: new Series(),
    readers: new Series(),
    history: new Series(),
    cpu: new Series(),
    memory: new Series(),
  };
  stats: Stats | undefined;
  topics: Listing<TopicRow> | undefined;
  sessions: Listing<SessionRow> | undefined;
  access: Access = { type: "granted" };
  readonly #cpu = new Rate();

  attach(client: Client): void {
    this.access = { type: "granted" };
    const stats = this.#join(client, "$server/stats", (data) => this.#takeStats(parseStats(data)));
    this.#join(client, "$server/topics", (data) => {
      this.topics = parseTopics(data);
    });
    this.#join(client, "$server/sessions", (data) => {
      this.sessions = parseSessions(data);
    });
    // The three are open to the same readers: one answer is enough.
    stats.on("closed", (closed) => {
      this.access = accessAfter(closed) ?? this.access;
      this.changed.tell();
    });
    this.changed.tell();
  }

  #join(client: Client, topic: string, take: (data: unknown) => void): Channel {
    // Only the newest figures matter to a page that fell behind.
    const channel = client.join(topic, { delivery: "latest" });
    // The same is told by "closed".
    channel.joined.catch(() => {});
    channel.on("event", (event) => this.#read(event, take));
    return channel;
  }

  #read(event: EventMessage, take: (data: unknown) => void): void {
    try {
      take(event.data);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.access = { type: "refused", text: `The server's figures cannot be read by this page: ${why}.` };
    }
    this.changed.tell();
  }

  #takeStats(stats: Stats): void {
    const { at, process } = stats;
    this.stats = stats;
    this.histories.events.add(at, stats.events);
    this.histories.sessions.add(at, stats.connected);
    this.histories.readers.add(at, stats.readers);
    this.histories.history.add(at, stats.historyBytes);
    if (process === undefined) return;
    this.histories.memory.add(at, process.rssBytes);
    const cpu = this.#cpu.next(at, process.cpuSeconds);
    if (cpu !== undefined) this.histories.cpu.add(at, cpu);
  }
}

/** Undefined if the end says nothing about who may read. */
function accessAfter({ code, message }: Closed): Access | undefined {
  if (isAboutToken(code)) return { type: "token" };
  if (code === Code.FORBIDDEN) {
    return { type: "refused", text: "The server shows its figures to browsers on its own machine only." };
  }
  if (code === Code.NO_CHANNEL) return { type: "refused", text: "The console is off on this server." };
  if (code === undefined) return undefined;
  return { type: "refused", text: `The server refused its figures: ${message || code}.` };
}
