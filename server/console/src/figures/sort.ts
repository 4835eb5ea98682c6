import type { TopicRow } from "./payload.ts";

export type Column = "name" | "readers" | "rate" | "offset" | "held" | "bytes";

export interface Sort {
  readonly column: Column;
  readonly descending: boolean;
}

/** The busiest first. */
export const BUSIEST: Sort = { column: "rate", descending: true };

/** The sort after a click on a column's head: numbers begin with the greatest, names with A. */
export function sortBy(column: Column, before: Sort): Sort {
  if (before.column === column) return { column, descending: !before.descending };
  return { column, descending: column !== "name" };
}

/** In the order asked for; equals by name. */
export function sortTopics(rows: readonly TopicRow[], { column, descending }: Sort): TopicRow[] {
  const direction = descending ? -1 : 1;
  return rows.toSorted((a, b) => direction * compare(a, b, column) || compareNames(a, b));
}

/** The rows in the order that these names had, and those that are new after them: nothing moves under a pointer. */
export function keepOrder(rows: readonly TopicRow[], names: readonly string[]): TopicRow[] {
  const places = new Map(names.map((name, place) => [name, place]));
  const place = ({ name }: TopicRow) => places.get(name) ?? names.length;
  return rows.toSorted((a, b) => place(a) - place(b));
}

function compare(a: TopicRow, b: TopicRow, column: Column): number {
  return column === "name" ? compareNames(a, b) : a[column] - b[column];
}

function compareNames(a: TopicRow, b: TopicRow): number {
  return a.name < b.name ? -1 : Number(a.name > b.name);
}
