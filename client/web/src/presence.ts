/** Who is in a topic: imported apart, as `@dunlin/client/presence`, by applications that want to know. */
import { decodeValue } from "./codec.ts";
import { Emitter } from "./emitter.ts";
import { FrameError } from "./frames.ts";
import type { PresenceReader } from "./options.ts";
import { Code, Kind } from "./wire.ts";

/** One device of one user. */
export class PresenceEntry {
  constructor(
    /** Whose it is. */
    readonly key: string,
    /** Names this entry among all that there ever are. */
    readonly id: number,
    /** What the application says of it: opaque bytes, by convention MessagePack. */
    readonly payload: Uint8Array,
    /** Whether its client is paused, or has lost its connection. */
    readonly away: boolean,
  ) {}

  /** The payload read as MessagePack, anew each time; undefined if it is empty, throws if it is not MessagePack. */
  get data(): unknown {
    return this.payload.length === 0 ? undefined : decodeValue(this.payload);
  }
}

/** What has changed. */
export interface PresenceChange {
  readonly joins: readonly PresenceEntry[];
  readonly updates: readonly PresenceEntry[];
  readonly leaves: readonly PresenceEntry[];
}

/** What a presence tells its listeners. */
export interface PresenceEvents {
  change: PresenceChange;
}

const WISHES = ["none", "full", "counts"] as const;

/**
 * Who is in a topic, kept up to date while a channel is joined with it:
 *
 * ```ts
 * const presence = new Presence();
 * client.join("room:42", { presence });
 * presence.on("change", () => show(presence.entries));
 * ```
 *
 * Without a connection it stays as it was; after it, what has changed meanwhile is one change. One presence belongs to one channel.
 */
export class Presence implements PresenceReader {
  /** @internal */
  readonly asks: number;
  readonly #events = new Emitter<PresenceEvents>();
  #entries = new Map<number, PresenceEntry>();
  /** The list in the making. */
  #next: Map<number, PresenceEntry> | undefined;
  #nextVersion = 0;
  #version = 0;
  #counts = { keys: 0, entries: 0 };

  /** Asks for everybody, or for how many there are. */
  constructor(wish: "full" | "counts" = "full") {
    this.asks = WISHES.indexOf(wish);
  }

  /** Who is there, oldest first; nobody where the server tells only how many. */
  get entries(): readonly PresenceEntry[] {
    return [...this.#entries.values()];
  }

  /** How many there are: keys (users), and entries (devices). */
  get counts(): { readonly keys: number; readonly entries: number } {
    return this.#counts;
  }

  /** Adds a listener, also to changes of the counts alone; the function that is returned removes it. */
  on<K extends keyof PresenceEvents>(event: K, listener: (value: PresenceEvents[K]) => void): () => void {
    return this.#events.on(event, listener);
  }

  /** @internal Takes the body of a frame, if it is one of these. */
  take(body: Uint8Array): boolean {
    const [state, diff] = [body[1] === Kind.PRESENCE_STATE, body[1] === Kind.PRESENCE_DIFF];
    if (!state && !diff) return false;
    try {
      const [, version, keys, entries, ...rest] = decodeValue(body) as [number, number, number, number];
      const counts = { keys, entries };
      if (state) this.#takeState(version, counts, ...(rest as unknown as [number, Raw[] | null]));
      else this.#takeDiff(version, counts, ...(rest as unknown as [Raw[], Raw[], Raw[]]));
    } catch (error) {
      throw new FrameError(Code.MALFORMED, `not a frame of presence: ${error}`);
    }
    return true;
  }

  #takeState(version: number, counts: Counts, left: number, list: Raw[] | null): void {
    if (list === null) {
      this.#next = undefined;
      this.#become(version, counts, new Map());
      return;
    }
    if (this.#next === undefined || this.#nextVersion !== version) this.#next = new Map();
    this.#nextVersion = version;
    for (const raw of list) this.#next.set(raw[1], entry(raw));
    if (left > 0) return;
    const next = this.#next;
    this.#next = undefined;
    this.#become(version, counts, next);
  }

  /** Tells of the difference between the list that there was and the one that there is. */
  #become(version: number, counts: Counts, next: Map<number, PresenceEntry>): void {
    const before = this.#entries;
    const all = [...next.values()];
    const joins = all.filter(({ id }) => !before.has(id));
    const updates = all.filter((entry) => {
      const old = before.get(entry.id);
      return old !== undefined && !isSame(old, entry);
    });
    const leaves = [...before.values()].filter(({ id }) => !next.has(id));
    this.#entries = next;
    this.#tell(version, counts, { joins, updates, leaves });
  }

  #takeDiff(version: number, counts: Counts, joins: Raw[], updates: Raw[], leaves: Raw[]): void {
    if (version <= this.#version) return;
    const gone = leaves.flatMap(([, id]) => this.#entries.get(id) ?? []);
    for (const { id } of gone) this.#entries.delete(id);
    const [came, changed] = [joins.map(entry), updates.map(entry)];
    for (const one of [...came, ...changed]) this.#entries.set(one.id, one);
    this.#tell(version, counts, { joins: came, updates: changed, leaves: gone });
  }

  #tell(version: number, counts: Counts, change: PresenceChange): void {
    const isNews = Object.values(change).some((list) => list.length > 0);
    const { keys, entries } = this.#counts;
    this.#version = version;
    this.#counts = counts;
    if (isNews || keys !== counts.keys || entries !== counts.entries) this.#events.emit("change", change);
  }
}

interface Counts {
  readonly keys: number;
  readonly entries: number;
}

type Raw = [key: string, id: number, data: Uint8Array, away: boolean];

function entry([key, id, data, away]: Raw): PresenceEntry {
  // A copy: the bytes are part of a frame that need not be kept.
  return new PresenceEntry(key, id, data.slice(), away);
}

function isSame(a: PresenceEntry, b: PresenceEntry): boolean {
  return (
    a.away === b.away &&
    a.payload.length === b.payload.length &&
    a.payload.every((n, i) => n === b.payload[i])
  );
}
