import { OLDEST, topicProblem } from "@dunlin/client";
import type { Link } from "../connection/link.ts";
import type { Decode } from "../topic/payload.ts";
import { Room } from "../topic/room.ts";
import { fromFragment, toFragment, type Wanted } from "../topic/wanted.ts";
import { byId } from "./dom.ts";
import { RoomPanel } from "./roompanel.ts";
import type { Tabs } from "./tabs.ts";

/** Most topics that are joined at once; the server's own three and the limit of the session set the bound. */
const MOST = 32;

interface Open {
  readonly room: Room;
  readonly panel: RoomPanel;
}

/** The joined topics: each has a tab, and all stand in the page's address. */
export class Rooms {
  readonly #link: Link;
  readonly #tabs: Tabs;
  readonly #decode: Decode;
  readonly #main = byId("main", HTMLElement);
  /** By the id of the tab. */
  readonly #open = new Map<string, Open>();
  #opened = 0;

  constructor(link: Link, tabs: Tabs, decode: Decode) {
    this.#link = link;
    this.#tabs = tabs;
    this.#decode = decode;
  }

  /** The one in front. */
  get current(): RoomPanel | undefined {
    return this.#open.get(this.#tabs.current ?? "")?.panel;
  }

  /** Joins the topics of the address. */
  restore(fragment: string): void {
    for (const wanted of fromFragment(fragment)) {
      if (this.#problemWith(wanted.topic) === undefined) this.#add(wanted, false);
    }
  }

  /** Shows a topic, and joins it if it is not joined yet. Returns what is wrong with it, if anything. */
  open(wanted: Wanted, fromOldest: boolean): string | undefined {
    for (const [id, { room }] of this.#open) {
      if (room.topic !== wanted.topic) continue;
      if (room.ended !== undefined) {
        // It is over, and asked for anew.
        this.#leave(id);
        break;
      }
      const isTheSame = room.delivery === wanted.delivery && !fromOldest;
      if (!isTheSame) return `${wanted.topic} is joined already: leave it first to join it in another way.`;
      this.#tabs.show(id);
      this.#tabs.focus();
      return undefined;
    }
    const problem = this.#problemWith(wanted.topic);
    if (problem !== undefined) return problem;
    this.#tabs.show(this.#add(wanted, fromOldest));
    this.#tabs.focus();
    return undefined;
  }

  tick(now: number): void {
    for (const { room, panel } of this.#open.values()) {
      room.tick(now);
      panel.tick(now);
    }
  }

  #problemWith(topic: string): string | undefined {
    if (this.#open.size >= MOST) return `This page joins at most ${MOST} topics: leave one first.`;
    return topicProblem(topic);
  }

  #add({ topic, delivery }: Wanted, fromOldest: boolean): string {
    this.#opened += 1;
    const id = `topic-${this.#opened}`;
    const room = new Room(topic, delivery, fromOldest ? OLDEST : undefined);
    const leave = () => this.#leave(id);
    const panel = new RoomPanel(room, `panel-${id}`, this.#decode, leave);
    this.#open.set(id, { room, panel });
    this.#main.append(panel.element);
    this.#tabs.add(id, topic, panel.element, () => panel.shown(), leave);
    let [events, misses] = [0, 0];
    room.changed.listen(() => {
      const { counts, ended } = room;
      const missed = counts.gaps + counts.lost;
      if (missed > misses || ended !== undefined) this.#tabs.mark(id, "warning");
      else if (counts.events > events) this.#tabs.mark(id, "news");
      [events, misses] = [counts.events, missed];
    });
    this.#link.add(room);
    this.#keepAddress();
    return id;
  }

  #leave(id: string): void {
    const open = this.#open.get(id);
    if (open === undefined) return;
    this.#open.delete(id);
    this.#link.remove(open.room);
    void open.room.leave();
    open.panel.dispose();
    this.#tabs.remove(id);
    this.#keepAddress();
  }

  #keepAddress(): void {
    const fragment = toFragment([...this.#open.values()].map(({ room }) => room));
    history.replaceState(null, "", fragment === "" ? location.pathname : `#${fragment}`);
  }
}
