import { isFresh } from "../figures/moves.ts";
import type { Listing, SessionRow } from "../figures/payload.ts";
import { showCount, showRoundTrip, showSpan } from "../format.ts";
import { element, setText } from "./dom.ts";

const COLUMNS: readonly { readonly isNumber: boolean; show(row: SessionRow): string }[] = [
  { isNumber: false, show: (row) => row.session },
  { isNumber: false, show: (row) => (row.parked ? `${row.transport}, away` : row.transport) },
  { isNumber: false, show: (row) => row.agent },
  { isNumber: false, show: (row) => row.address },
  { isNumber: true, show: (row) => showRoundTrip(row.rttMs) },
  { isNumber: true, show: (row) => showCount(row.channels) },
  { isNumber: true, show: (row) => showSpan(row.connectedMs) },
  { isNumber: true, show: (row) => showCount(row.resumed) },
  { isNumber: true, show: (row) => showCount(row.paths.changes) },
];

/** The newest sessions. Rows are used again for others: nothing in them can be pressed. */
export class SessionTable {
  readonly #body: HTMLTableSectionElement;

  constructor(table: HTMLTableElement) {
    this.#body = table.tBodies[0] ?? table.createTBody();
  }

  /** `own` is the session of this page. */
  show({ rows }: Listing<SessionRow>, own: string | undefined): void {
    while (this.#body.rows.length > rows.length) this.#body.deleteRow(-1);
    while (this.#body.rows.length < rows.length) this.#body.append(newRow());
    for (const [place, session] of rows.entries()) {
      const row = this.#body.rows[place];
      if (row === undefined) continue;
      row.classList.toggle("own", session.session === own);
      row.classList.toggle("parked", session.parked);
      row.classList.toggle("fresh", isFresh(session.paths.last[0]?.agoMs));
      for (const [column, { show }] of COLUMNS.entries()) {
        const cell = row.cells[column];
        if (cell !== undefined) setText(cell, show(session));
      }
    }
  }
}

function newRow(): HTMLTableRowElement {
  return element(
    "tr",
    {},
    ...COLUMNS.map(({ isNumber }) => element("td", isNumber ? { class: "number" } : {})),
  );
}
