import type { Feed } from "../figures/feed.ts";
import { showBytes, showCount, showNumberOf, showRate, showShare, showSpan, UNKNOWN } from "../format.ts";
import { Tile } from "./tile.ts";

const MIB = 1024 * 1024;

/** The server at a glance. */
export class Tiles {
  readonly #feed: Feed;
  readonly #events: Tile;
  readonly #sessions: Tile;
  readonly #readers: Tile;
  readonly #history: Tile;
  readonly #cpu: Tile;
  readonly #memory: Tile;

  constructor(within: HTMLElement, feed: Feed) {
    const { histories } = feed;
    this.#feed = feed;
    this.#events = new Tile("Events a second", histories.events, 10, showRate);
    this.#sessions = new Tile("Sessions", histories.sessions, 10, showCount);
    this.#readers = new Tile("Readers", histories.readers, 10, showCount);
    this.#history = new Tile("Log memory", histories.history, MIB, showBytes);
    this.#cpu = new Tile("Processor", histories.cpu, 0.1, showShare);
    this.#memory = new Tile("Memory", histories.memory, 16 * MIB, showBytes);
    const tiles = [this.#events, this.#sessions, this.#readers, this.#history, this.#cpu, this.#memory];
    within.append(...tiles.map((tile) => tile.element));
  }

  draw(): void {
    const { stats, histories } = this.#feed;
    if (stats === undefined) return;
    const { at, process } = stats;
    this.#events.show(showRate(stats.events), `${showBytes(stats.eventBytes)}/s of payload`, at);
    this.#sessions.show(
      showCount(stats.connected),
      `${showCount(stats.parked)} parked, ${showRate(stats.sessionsOpened)} new/s`,
      at,
    );
    this.#readers.show(
      showCount(stats.readers),
      `${showNumberOf(stats.topics, "topic")}, ${showNumberOf(stats.memberships, "member")}`,
      at,
    );
    const share = stats.historyLimit === 0 ? 0 : stats.historyBytes / stats.historyLimit;
    this.#history.show(
      showBytes(stats.historyBytes),
      `${showShare(share)} of ${showBytes(stats.historyLimit)}`,
      at,
    );
    const cpu = histories.cpu.last;
    const used =
      process === undefined ? "not told by its system" : `${showSpan(process.cpuSeconds * 1000)} in all`;
    this.#cpu.show(cpu === undefined ? UNKNOWN : showShare(cpu.value), used, at);
    this.#memory.show(
      process === undefined ? UNKNOWN : showBytes(process.rssBytes),
      `up for ${showSpan(stats.uptimeMs)}`,
      at,
    );
  }
}
