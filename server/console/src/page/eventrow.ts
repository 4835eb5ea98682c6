import { showBytes, showInstant } from "../format.ts";
import type { Entry, Happening, Notice } from "../topic/entry.ts";
import { type Decode, preview } from "../topic/payload.ts";
import { element } from "./dom.ts";

/** One line of a topic's list. */
export function eventRow(entry: Entry, id: string, decode: Decode): HTMLElement {
  const row = entry.type === "notice" ? noticeRow(entry) : happeningRow(entry, decode);
  row.id = id;
  row.setAttribute("role", "option");
  row.setAttribute("aria-selected", "false");
  return row;
}

function noticeRow({ at, tone, text }: Notice): HTMLElement {
  return element(
    "div",
    { class: "row notice", "data-tone": tone },
    cell("time", showInstant(at)),
    cell("text", text),
  );
}

function happeningRow({ at, offset, event, key, payload }: Happening, decode: Decode): HTMLElement {
  return element(
    "div",
    { class: "row" },
    cell("offset", offset === undefined ? "direct" : `#${offset}`),
    cell("time", showInstant(at)),
    cell("event", event),
    cell("key", key ?? ""),
    cell("size", showBytes(payload.length)),
    cell("payload", preview(payload, decode)),
  );
}

function cell(name: string, text: string): HTMLElement {
  return element("span", { class: name }, text);
}
