/**
 * What the server tells in `$server/stats`, `$server/topics` and `$server/sessions`: MessagePack maps. Names that this
 * page does not know are ignored.
 */

export const TRANSPORTS = ["quic", "webtransport", "websocket", "memory"] as const;
export type Transport = (typeof TRANSPORTS)[number];

export interface Stats {
  /** Milliseconds since 1970, by the server's clock. */
  readonly at: number;
  readonly uptimeMs: number;
  readonly agent: string;
  readonly connected: number;
  /** Sessions that wait for their client. */
  readonly parked: number;
  readonly byTransport: Readonly<Record<Transport, number>>;
  readonly memberships: number;
  readonly topics: number;
  readonly readers: number;
  readonly historyBytes: number;
  readonly historyLimit: number;
  /** By the second. */
  readonly events: number;
  readonly eventBytes: number;
  readonly connections: number;
  readonly sessionsOpened: number;
  /** How interruptions ended, since the server's start. */
  readonly continuity: Readonly<Record<Rung, number>>;
  /** What was refused since the server's start, by the name of its code. */
  readonly refusals: ReadonlyMap<string, number>;
  /** Absent where the server's system does not tell. */
  readonly process: { readonly rssBytes: number; readonly cpuSeconds: number } | undefined;
}

export const RUNGS = ["migrated", "resumed", "recovered", "lost", "gaps"] as const;
export type Rung = (typeof RUNGS)[number];

export interface TopicRow {
  readonly name: string;
  readonly readers: number;
  /** Events a second. */
  readonly rate: number;
  readonly offset: number;
  readonly epoch: number;
  /** Events in the log. */
  readonly held: number;
  readonly bytes: number;
}

export interface SessionRow {
  readonly session: string;
  readonly transport: string;
  readonly address: string;
  readonly agent: string;
  readonly rttMs: number | undefined;
  readonly channels: number;
  readonly connectedMs: number;
  readonly resumed: number;
  readonly parked: boolean;
  readonly paths: Paths;
}

/** How a session's client has changed its address while its connection lived on. */
export interface Paths {
  readonly changes: number;
  /** The last of them, newest first. */
  readonly last: readonly PathChange[];
}

export interface PathChange {
  readonly kind: string;
  readonly from: string;
  readonly to: string;
  readonly agoMs: number;
}

export interface Listing<Row> {
  /** How many there are; the rows are the foremost of them. */
  readonly total: number;
  readonly rows: readonly Row[];
}

/** The figures are not what this page understands. */
export class Unreadable extends Error {
  override readonly name = "Unreadable";
}

/** Throws {@link Unreadable}. */
export function parseStats(data: unknown): Stats {
  const stats = map(data, "stats");
  const sessions = map(stats.sessions, "sessions");
  const byTransport = map(sessions.by_transport, "by_transport");
  const topics = map(stats.topics, "topics");
  const perSecond = map(stats.per_second, "per_second");
  const continuity = map(stats.continuity, "continuity");
  return {
    at: number(stats, "at"),
    uptimeMs: number(stats, "uptime_ms"),
    agent: text(stats, "agent"),
    connected: number(sessions, "connected"),
    parked: number(sessions, "parked"),
    byTransport: numbers(byTransport, TRANSPORTS),
    memberships: number(stats, "memberships"),
    topics: number(topics, "count"),
    readers: number(topics, "readers"),
    historyBytes: number(topics, "history_bytes"),
    historyLimit: number(topics, "history_limit"),
    events: number(perSecond, "events"),
    eventBytes: number(perSecond, "event_bytes"),
    connections: number(perSecond, "connections"),
    sessionsOpened: number(perSecond, "sessions_opened"),
    continuity: numbers(continuity, RUNGS),
    refusals: counts(map(stats.refusals, "refusals")),
    process: stats.process === undefined ? undefined : processOf(map(stats.process, "process")),
  };
}

/** Throws {@link Unreadable}. */
export function parseTopics(data: unknown): Listing<TopicRow> {
  return listing(data, "topics", (row) => ({
    name: text(row, "name"),
    readers: number(row, "readers"),
    rate: number(row, "rate"),
    offset: number(row, "offset"),
    epoch: number(row, "epoch"),
    held: number(row, "held"),
    bytes: number(row, "bytes"),
  }));
}

/** Throws {@link Unreadable}. */
export function parseSessions(data: unknown): Listing<SessionRow> {
  return listing(data, "sessions", (row) => ({
    session: text(row, "session"),
    transport: text(row, "transport"),
    address: text(row, "address"),
    agent: text(row, "agent"),
    rttMs: row.rtt_ms === null || row.rtt_ms === undefined ? undefined : number(row, "rtt_ms"),
    channels: number(row, "channels"),
    connectedMs: number(row, "connected_ms"),
    resumed: number(row, "resumed"),
    parked: row.parked === true,
    paths: pathsOf(map(row.paths, "paths")),
  }));
}

type Fields = Readonly<Record<string, unknown>>;

function processOf(fields: Fields): NonNullable<Stats["process"]> {
  return { rssBytes: number(fields, "rss_bytes"), cpuSeconds: number(fields, "cpu_seconds") };
}

function pathsOf(fields: Fields): Paths {
  const last = list(fields, "last", (change) => ({
    kind: text(change, "kind"),
    from: text(change, "from"),
    to: text(change, "address"),
    agoMs: number(change, "ms"),
  }));
  return { changes: number(fields, "changes"), last };
}

function listing<Row>(data: unknown, name: string, parse: (row: Fields) => Row): Listing<Row> {
  const fields = map(data, name);
  return { total: number(fields, "total"), rows: list(fields, name, parse) };
}

function list<Item>(fields: Fields, name: string, parse: (item: Fields) => Item): readonly Item[] {
  const items = fields[name];
  if (!Array.isArray(items)) throw new Unreadable(`${name} is not a list`);
  return items.map((item) => parse(map(item, name)));
}

function map(value: unknown, name: string): Fields {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Unreadable(`${name} is not a map`);
  }
  return value as Fields;
}

function number(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== "number" || !Number.isFinite(value)) throw new Unreadable(`${name} is not a number`);
  return value;
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== "string") throw new Unreadable(`${name} is not a text`);
  return value;
}

function numbers<Name extends string>(fields: Fields, names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, number(fields, name)])) as Record<Name, number>;
}

function counts(fields: Fields): Map<string, number> {
  return new Map(Object.keys(fields).map((name) => [name, number(fields, name)]));
}
