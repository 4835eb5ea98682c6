import { element, setText } from "./dom.ts";

/** One line: what, how much, and how long its bar is, from 0 to 1. */
export interface Bar {
  readonly name: string;
  readonly value: string;
  readonly share: number;
}

/** A list of figures with bars beside them. */
export class Bars {
  readonly #list: HTMLElement;
  readonly #rows = new Map<
    string,
    { readonly row: HTMLElement; readonly value: HTMLElement; readonly bar: HTMLElement }
  >();

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  show(bars: readonly Bar[]): void {
    const names = new Set(bars.map(({ name }) => name));
    for (const [name, { row }] of this.#rows) {
      if (names.has(name)) continue;
      row.remove();
      this.#rows.delete(name);
    }
    for (const bar of bars) this.#showOne(bar);
  }

  #showOne({ name, value, share }: Bar): void {
    let shown = this.#rows.get(name);
    if (shown === undefined) {
      const number = element("dd");
      const bar = element("span", { class: "bar", "aria-hidden": "true" });
      const row = element("div", {}, element("dt", {}, name), number, bar);
      shown = { row, value: number, bar };
      this.#rows.set(name, shown);
      this.#list.append(row);
    }
    setText(shown.value, value);
    shown.bar.style.setProperty("--share", String(Math.min(Math.max(share, 0), 1)));
  }
}
