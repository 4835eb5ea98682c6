import type { Listing, TopicRow } from "../figures/payload.ts";
import { BUSIEST, type Column, keepOrder, sortBy, sortTopics } from "../figures/sort.ts";
import { showBytes, showCount, showRate } from "../format.ts";
import { element, setText } from "./dom.ts";

const COLUMNS: readonly { readonly column: Column; readonly head: string; show(row: TopicRow): string }[] = [
  { column: "name", head: "Topic", show: (row) => row.name },
  { column: "rate", head: "Events/s", show: (row) => showRate(row.rate) },
  { column: "readers", head: "Readers", show: (row) => showCount(row.readers) },
  { column: "offset", head: "Offset", show: (row) => `#${row.offset}` },
  { column: "held", head: "In the log", show: (row) => showCount(row.held) },
  { column: "bytes", head: "Memory", show: (row) => showBytes(row.bytes) },
];

interface Row {
  readonly element: HTMLTableRowElement;
  readonly cells: readonly HTMLElement[];
}

/** The topics with a button for each. While somebody points at the table or moves within it, rows keep their places. */
export class TopicTable {
  readonly #table: HTMLTableElement;
  readonly #body: HTMLTableSectionElement;
  readonly #open: (topic: string) => void;
  readonly #heads = new Map<Column, HTMLTableCellElement>();
  readonly #rows = new Map<string, Row>();
  #sort = BUSIEST;
  #order: string[] = [];
  #last: Listing<TopicRow> | undefined;

  constructor(table: HTMLTableElement, open: (topic: string) => void) {
    this.#table = table;
    this.#body = table.tBodies[0] ?? table.createTBody();
    this.#open = open;
    for (const { column, head } of COLUMNS) {
      const button = element("button", { type: "button", class: "sort" }, head);
      const cell = element("th", { scope: "col", class: column === "name" ? "" : "number" }, button);
      button.addEventListener("click", () => this.#sortBy(column));
      this.#heads.set(column, cell);
      table.tHead?.rows[0]?.append(cell);
    }
    this.#showSort();
  }

  show(listing: Listing<TopicRow>): void {
    this.#last = listing;
    const isInUse = this.#body.matches(":hover") || this.#body.contains(document.activeElement);
    this.#fill(isInUse ? keepOrder(listing.rows, this.#order) : sortTopics(listing.rows, this.#sort));
  }

  #sortBy(column: Column): void {
    this.#sort = sortBy(column, this.#sort);
    this.#showSort();
    if (this.#last !== undefined) this.#fill(sortTopics(this.#last.rows, this.#sort));
  }

  #showSort(): void {
    for (const [column, head] of this.#heads) {
      const direction = this.#sort.descending ? "descending" : "ascending";
      head.setAttribute("aria-sort", column === this.#sort.column ? direction : "none");
    }
  }

  #fill(rows: readonly TopicRow[]): void {
    const names = rows.map(({ name }) => name);
    const present = new Set(names);
    for (const [name, row] of this.#rows) {
      if (present.has(name)) continue;
      row.element.remove();
      this.#rows.delete(name);
    }
    let before: Element | null = this.#body.firstElementChild;
    for (const topic of rows) {
      const row = this.#rows.get(topic.name) ?? this.#add(topic.name);
      // A row that is in its place is not moved: it would lose the focus.
      if (row.element === before) before = before.nextElementSibling;
      else this.#body.insertBefore(row.element, before);
      for (const [place, { show }] of COLUMNS.entries()) {
        const cell = row.cells[place];
        if (cell !== undefined) setText(cell, show(topic));
      }
    }
    this.#order = names;
    this.#table.hidden = rows.length === 0;
  }

  #add(name: string): Row {
    const button = element("button", { type: "button", class: "topic", title: `Join ${name}` });
    button.addEventListener("click", () => this.#open(name));
    const figures = COLUMNS.slice(1).map(() => element("td", { class: "number" }));
    const row = {
      element: element("tr", {}, element("th", { scope: "row" }, button), ...figures),
      cells: [button, ...figures],
    };
    this.#rows.set(name, row);
    return row;
  }
}
