import { isFresh, latestMoves } from "../figures/moves.ts";
import type { SessionRow } from "../figures/payload.ts";
import { showSpan } from "../format.ts";
import { element, part, setText } from "./dom.ts";

const KINDS: Readonly<Record<string, string>> = {
  port: "another port",
  address: "another address",
  family: "between IPv4 and IPv6",
};

/** The latest moves of clients: from where to where, below the table of sessions. */
export class MoveList {
  readonly #box: HTMLElement;
  readonly #list: HTMLElement;

  constructor(box: HTMLElement) {
    this.#box = box;
    this.#list = part(box, "list", HTMLElement);
  }

  /** Lines are used again for others: nothing in them can be pressed. */
  show(rows: readonly SessionRow[]): void {
    const moves = latestMoves(rows);
    this.#box.hidden = moves.length === 0;
    while (this.#list.children.length > moves.length) this.#list.lastElementChild?.remove();
    while (this.#list.children.length < moves.length) this.#list.append(newLine());
    for (const [place, { session, from, to, kind, agoMs }] of moves.entries()) {
      const line = this.#list.children[place];
      if (line === undefined) continue;
      line.classList.toggle("fresh", isFresh(agoMs));
      setText(part(line, "session", HTMLElement), session);
      setText(part(line, "from", HTMLElement), from);
      setText(part(line, "to", HTMLElement), to);
      setText(part(line, "about", HTMLElement), `${KINDS[kind] ?? kind}, ${showSpan(agoMs)} ago`);
    }
  }
}

function newLine(): HTMLLIElement {
  return element(
    "li",
    {},
    element("span", { "data-part": "session" }),
    element(
      "span",
      { class: "way" },
      element("del", { "data-part": "from" }),
      " → ",
      element("ins", { "data-part": "to" }),
    ),
    element("span", { class: "quiet", "data-part": "about" }),
  );
}
