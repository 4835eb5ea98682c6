import type { Link } from "../connection/link.ts";
import type { Feed } from "../figures/feed.ts";
import { RUNGS, type Rung, type Stats, TRANSPORTS, type Transport } from "../figures/payload.ts";
import { showClock, showCount } from "../format.ts";
import { Bars } from "./bars.ts";
import { byId, setText } from "./dom.ts";
import { nextFrame } from "./frame.ts";
import { MoveList } from "./movelist.ts";
import { SessionTable } from "./sessiontable.ts";
import { Tiles } from "./tiles.ts";
import { TopicTable } from "./topictable.ts";

const TRANSPORT_NAMES: Readonly<Record<Transport, string>> = {
  quic: "QUIC",
  webtransport: "WebTransport",
  websocket: "WebSocket",
  memory: "in memory",
};

const RUNG_NAMES: Readonly<Record<Rung, string>> = {
  migrated: "connections moved",
  resumed: "sessions resumed",
  recovered: "joins with nothing missed",
  lost: "joins too late for history",
  gaps: "gaps for slow readers",
};

/** The live view of the server. */
export class ServerPanel {
  readonly #feed: Feed;
  readonly #link: Link;
  readonly #panel = byId("panel-server", HTMLElement);
  readonly #figures = byId("figures", HTMLElement);
  readonly #asOf = byId("as-of", HTMLElement);
  readonly #transports = new Bars(byId("transports", HTMLElement));
  readonly #continuity = new Bars(byId("continuity", HTMLElement));
  readonly #refusals = new Bars(byId("refusals", HTMLElement));
  readonly #noRefusals = byId("no-refusals", HTMLElement);
  readonly #topicsTotal = byId("topics-total", HTMLElement);
  readonly #noTopics = byId("no-topics", HTMLElement);
  readonly #sessionsTotal = byId("sessions-total", HTMLElement);
  readonly #sessions = new SessionTable(byId("sessions", HTMLTableElement));
  readonly #moves = new MoveList(byId("moves", HTMLElement));
  readonly #tiles: Tiles;
  readonly #topics: TopicTable;

  constructor(feed: Feed, link: Link, open: (topic: string) => void) {
    this.#feed = feed;
    this.#link = link;
    this.#tiles = new Tiles(byId("tiles", HTMLElement), feed);
    this.#topics = new TopicTable(byId("topics", HTMLTableElement), open);
    const draw = () => this.draw();
    feed.changed.listen(() => nextFrame(draw));
    link.changed.listen(() => nextFrame(draw));
  }

  /** Nothing is drawn that nobody sees. */
  draw(): void {
    if (this.#panel.hidden) return;
    const { stats, topics, sessions, access } = this.#feed;
    const isLocked = access.type !== "granted" || this.#link.needsToken;
    this.#figures.hidden = isLocked && stats === undefined;
    const isStale = isLocked || this.#link.state.type !== "online";
    this.#figures.classList.toggle("stale", isStale);
    if (stats !== undefined) this.#showStats(stats, isStale);
    if (topics !== undefined) {
      this.#topics.show(topics);
      setText(this.#topicsTotal, foremost(topics.total, topics.rows.length));
      this.#noTopics.hidden = topics.rows.length > 0;
    }
    if (sessions !== undefined) {
      this.#sessions.show(sessions, this.#link.connection?.session);
      this.#moves.show(sessions.rows);
      setText(this.#sessionsTotal, foremost(sessions.total, sessions.rows.length));
    }
  }

  #showStats(stats: Stats, isStale: boolean): void {
    const since = isStale ? "nothing newer is known" : "charts show up to five minutes";
    setText(this.#asOf, `${stats.agent}, as of ${showClock(stats.at)}; ${since}`);
    this.#tiles.draw();
    const { byTransport, connected, continuity, refusals } = stats;
    this.#transports.show(
      TRANSPORTS.filter((transport) => transport !== "memory" || byTransport.memory > 0).map((transport) => ({
        name: TRANSPORT_NAMES[transport],
        value: showCount(byTransport[transport]),
        share: connected === 0 ? 0 : byTransport[transport] / connected,
      })),
    );
    const most = Math.max(1, ...RUNGS.map((rung) => continuity[rung]));
    this.#continuity.show(
      RUNGS.map((rung) => ({
        name: RUNG_NAMES[rung],
        value: showCount(continuity[rung]),
        share: continuity[rung] / most,
      })),
    );
    const counts = [...refusals].filter(([, count]) => count > 0).sort(([, a], [, b]) => b - a);
    this.#refusals.show(
      counts.map(([name, count]) => ({
        name,
        value: showCount(count),
        share: count / (counts[0]?.[1] ?? 1),
      })),
    );
    this.#noRefusals.hidden = counts.length > 0;
  }
}

/** How many there are, and how many of them are listed. */
function foremost(total: number, listed: number): string {
  return listed < total ? `${showCount(listed)} of ${showCount(total)}` : showCount(total);
}
