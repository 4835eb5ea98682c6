import type { Series } from "../figures/series.ts";
import { niceTop, sparkline } from "../figures/sparkline.ts";
import { svg } from "./dom.ts";

/** The units of the drawing; the element stretches them. */
const WIDTH = 120;
const HEIGHT = 28;

/** A small chart of the last minutes. */
export class Chart {
  readonly element: SVGSVGElement;
  readonly #line = svg("path", { class: "line" });
  readonly #area = svg("path", { class: "area" });
  readonly #series: Series;
  readonly #name: string;
  readonly #show: (value: number) => string;
  readonly #least: number;

  /** The scale goes to `least` at least, so that next to nothing looks like next to nothing. */
  constructor(name: string, series: Series, least: number, show: (value: number) => string) {
    this.#name = name;
    this.#series = series;
    this.#least = least;
    this.#show = show;
    const box = {
      class: "spark",
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      preserveAspectRatio: "none",
      role: "img",
    };
    this.element = svg("svg", box, this.#area, this.#line);
  }

  /** Draws what there is, up to this time; or nothing more than the scale if there is nothing. */
  draw(now: number): void {
    const { peak, points, last } = this.#series;
    const span = this.#series.spanAt(now);
    const frame = { width: WIDTH, height: HEIGHT, from: now - span, span, top: niceTop(peak, this.#least) };
    const { line, area } = sparkline(points, frame);
    this.#line.setAttribute("d", line);
    this.#area.setAttribute("d", area);
    const value =
      last === undefined ? "nothing yet" : `now ${this.#show(last.value)}, at most ${this.#show(peak)}`;
    this.element.setAttribute("aria-label", `${this.#name} in the last minutes: ${value}`);
  }
}
