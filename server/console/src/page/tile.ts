import type { Series } from "../figures/series.ts";
import { Chart } from "./chart.ts";
import { element, setText } from "./dom.ts";

/** A figure of the server: its name, how much it is now, a word beside it, and a chart. */
export class Tile {
  readonly element: HTMLElement;
  readonly #value = element("p", { class: "value" }, "–");
  readonly #aside = element("p", { class: "quiet small" }, "\u00a0");
  readonly #chart: Chart;

  constructor(name: string, series: Series, least: number, show: (value: number) => string) {
    this.#chart = new Chart(name, series, least, show);
    const head = element("h3", {}, name);
    this.element = element(
      "section",
      { class: "card tile" },
      head,
      this.#value,
      this.#chart.element,
      this.#aside,
    );
  }

  show(value: string, aside: string, now: number): void {
    setText(this.#value, value);
    setText(this.#aside, aside);
    this.#chart.draw(now);
  }
}
