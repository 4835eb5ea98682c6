import { element, setText } from "./dom.ts";

/** A list of names and values, whose elements stay while only values change. */
export class Facts {
  readonly #list: HTMLElement;
  #names: string[] = [];
  #values: HTMLElement[] = [];

  constructor(list: HTMLElement) {
    this.#list = list;
  }

  show(facts: readonly (readonly [name: string, value: string])[]): void {
    if (facts.length !== this.#names.length || facts.some(([name], place) => name !== this.#names[place])) {
      this.#names = facts.map(([name]) => name);
      this.#values = facts.map(() => element("dd"));
      const pair = (name: string, place: number) =>
        element("div", {}, element("dt", {}, name), this.#values[place] ?? "");
      this.#list.replaceChildren(...this.#names.map(pair));
    }
    for (const [place, value] of this.#values.entries()) setText(value, facts[place]?.[1] ?? "");
  }
}
