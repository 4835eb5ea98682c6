import { type Delivery, showPosition } from "@dunlin/client";
import { showBytes, showCount, showNumberOf, showRate, UNKNOWN } from "../format.ts";
import type { Decode } from "../topic/payload.ts";
import type { Room } from "../topic/room.ts";
import { Chart } from "./chart.ts";
import { Composer } from "./composer.ts";
import { byId, part, setText } from "./dom.ts";
import { EventList } from "./eventlist.ts";
import { Facts } from "./facts.ts";
import { nextFrame } from "./frame.ts";
import { Inspector } from "./inspector.ts";

const EMPTY: Readonly<Record<Delivery, string>> = {
  reliable: "No events yet.",
  latest: "No events yet. Events may be left out when newer ones of the same key are there.",
  none: "This page asked for no events here; it can publish.",
};

/** One joined topic. */
export class RoomPanel {
  readonly element: HTMLElement;
  readonly list: EventList;
  readonly composer: Composer;
  readonly #room: Room;
  readonly #counters: Facts;
  readonly #chart: Chart;
  readonly #stop: () => void;

  constructor(room: Room, id: string, decode: Decode, leave: () => void) {
    this.#room = room;
    const copy = byId("room-template", HTMLTemplateElement).content.cloneNode(true) as DocumentFragment;
    const panel = copy.firstElementChild;
    if (!(panel instanceof HTMLElement)) throw new Error("index.html has no panel in #room-template");
    this.element = panel;
    panel.id = id;
    setText(part(panel, "name", HTMLElement), room.topic);
    this.#counters = new Facts(part(panel, "counters", HTMLElement));
    this.#chart = new Chart("Events a second", room.rates, 10, showRate);
    part(panel, "chart", HTMLElement).append(this.#chart.element);
    const inspector = new Inspector(panel, decode, () => {
      this.list.deselect();
      this.list.focus();
    });
    this.list = new EventList(panel, id, room.journal, decode, (entry) => inspector.show(entry));
    this.list.emptyText = EMPTY[room.delivery];
    this.composer = new Composer(panel, room);
    part(panel, "leave", HTMLButtonElement).addEventListener("click", leave);
    const draw = () => this.#draw();
    this.#stop = room.changed.listen(() => nextFrame(draw));
  }

  /** The panel has come to the front. */
  shown(): void {
    this.#draw();
    this.tick(Date.now());
    this.list.shown();
  }

  /** Nothing is drawn any more. */
  dispose(): void {
    this.#stop();
    this.element.remove();
  }

  /** Moves the chart on; to be called once a second. */
  tick(now: number): void {
    if (!this.element.hidden) this.#chart.draw(now);
  }

  #draw(): void {
    if (this.element.hidden) return;
    const { counts, position, delivery, ended } = this.#room;
    const missing = counts.missing === 0 ? "" : `, at most ${showNumberOf(counts.missing, "event")}`;
    this.#counters.show([
      ["Position", position === undefined ? UNKNOWN : showPosition(position)],
      ["Delivery", ended === undefined ? delivery : "ended"],
      ["Events", showCount(counts.events)],
      ["Payload", showBytes(counts.bytes)],
      ["Gaps", `${showCount(counts.gaps)}${missing}`],
      ["Recovered", showCount(counts.recovered)],
      ["Lost", showCount(counts.lost)],
    ]);
    this.element.classList.toggle("ended", ended !== undefined);
    this.list.draw();
  }
}
