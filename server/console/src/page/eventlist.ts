import { showCount } from "../format.ts";
import type { Entry } from "../topic/entry.ts";
import type { Journal } from "../topic/journal.ts";
import type { Decode } from "../topic/payload.ts";
import { part, setText } from "./dom.ts";
import { eventRow } from "./eventrow.ts";

/** Most lines that are in the page at once. */
const LINES = 300;

/** So near to the end, in pixels, is at the end. */
const NEAR = 24;

/** Why the list stands still: somebody scrolled away, or chose to. */
type Follow = "following" | "scrolled" | "paused";

/**
 * The newest lines of a topic's journal. It follows what comes, or stands still: then nothing in it moves or goes away,
 * however much comes meanwhile.
 */
export class EventList {
  readonly #journal: Journal;
  readonly #decode: Decode;
  readonly #select: (entry: Entry | undefined) => void;
  readonly #rows: HTMLElement;
  readonly #followButton: HTMLButtonElement;
  readonly #newer: HTMLButtonElement;
  readonly #held: HTMLElement;
  readonly #empty: HTMLElement;
  readonly #prefix: string;
  #follow: Follow = "following";
  /** The place of the line after the last one in the page. */
  #end = 0;
  /** How far the list was scrolled by this page. */
  #top = 0;
  #selected: HTMLElement | undefined;
  readonly #entries = new WeakMap<Element, Entry>();

  constructor(
    panel: HTMLElement,
    prefix: string,
    journal: Journal,
    decode: Decode,
    select: (entry: Entry | undefined) => void,
  ) {
    this.#journal = journal;
    this.#decode = decode;
    this.#select = select;
    this.#prefix = prefix;
    this.#rows = part(panel, "rows", HTMLElement);
    this.#followButton = part(panel, "follow", HTMLButtonElement);
    this.#newer = part(panel, "newer", HTMLButtonElement);
    this.#held = part(panel, "held", HTMLElement);
    this.#empty = part(panel, "empty", HTMLElement);
    this.#rows.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    this.#rows.addEventListener("click", (event) => this.#clicked(event));
    this.#rows.addEventListener("keydown", (event) => this.#key(event));
    this.#followButton.addEventListener("click", () => this.toggleFollow());
    this.#newer.addEventListener("click", () => this.#setFollow("following"));
    part(panel, "clear", HTMLButtonElement).addEventListener("click", () => this.clear());
  }

  /** What stands where there are no lines. */
  set emptyText(text: string) {
    setText(this.#empty, text);
  }

  focus(): void {
    this.#rows.focus();
  }

  toggleFollow(): void {
    this.#setFollow(this.#follow === "following" ? "paused" : "following");
  }

  clear(): void {
    this.#journal.clear();
    this.#rows.replaceChildren();
    this.#end = this.#journal.end;
    this.deselect();
    this.#setFollow("following");
  }

  deselect(): void {
    this.#mark(undefined);
    this.#select(undefined);
  }

  /** Puts what came since into the page, if it follows. */
  draw(): void {
    const { start, end } = this.#journal;
    if (this.#follow === "following" && this.#end < end)
      this.#append(Math.max(this.#end, start, end - LINES), end);
    const waiting = end - this.#end;
    this.#newer.hidden = waiting === 0;
    if (waiting > 0) setText(this.#newer, `${showCount(waiting)} newer ↓`);
    this.#empty.hidden = end > start || this.#rows.childElementCount > 0;
    setText(this.#held, heldText(end - start));
  }

  /** Scrolls to where the list was to be: a list that is not shown cannot be scrolled. */
  shown(): void {
    this.draw();
    if (this.#follow === "following") this.#toEnd();
  }

  #append(from: number, to: number): void {
    const added = document.createDocumentFragment();
    for (let place = from; place < to; place += 1) {
      const entry = this.#journal.at(place);
      if (entry === undefined) continue;
      const row = eventRow(entry, `${this.#prefix}-${place}`, this.#decode);
      this.#entries.set(row, entry);
      added.append(row);
    }
    this.#end = to;
    const spare = this.#rows.childElementCount + added.childElementCount - LINES;
    for (let count = 0; count < spare; count += 1) this.#rows.firstElementChild?.remove();
    this.#rows.append(added);
    this.#toEnd();
  }

  #toEnd(): void {
    this.#rows.scrollTop = this.#rows.scrollHeight;
    this.#top = this.#rows.scrollTop;
  }

  #setFollow(follow: Follow): void {
    this.#follow = follow;
    const isFollowing = follow === "following";
    this.#followButton.setAttribute("aria-pressed", String(isFollowing));
    setText(this.#followButton, isFollowing ? "Following" : "Paused");
    this.draw();
    if (isFollowing) {
      this.#mark(undefined);
      this.#toEnd();
    }
  }

  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#rows;
    const isAtEnd = scrollHeight - scrollTop - clientHeight <= NEAR;
    if (isAtEnd && this.#follow === "scrolled") this.#setFollow("following");
    // Lines also grow when they come into sight: only who goes up goes away.
    if (!isAtEnd && scrollTop < this.#top && this.#follow === "following") this.#setFollow("scrolled");
  }

  #clicked({ target }: MouseEvent): void {
    const row = target instanceof Element ? target.closest("[role=option]") : null;
    if (row instanceof HTMLElement) this.#choose(row);
  }

  #choose(row: HTMLElement): void {
    const entry = this.#entries.get(row);
    if (entry === undefined) return;
    if (this.#follow !== "paused") this.#setFollow("paused");
    this.#mark(row);
    row.scrollIntoView({ block: "nearest" });
    this.#select(entry);
  }

  #mark(row: HTMLElement | undefined): void {
    this.#selected?.setAttribute("aria-selected", "false");
    row?.setAttribute("aria-selected", "true");
    this.#selected = row;
    if (row === undefined) this.#rows.removeAttribute("aria-activedescendant");
    else this.#rows.setAttribute("aria-activedescendant", row.id);
  }

  #key(event: KeyboardEvent): void {
    const page = Math.max(1, Math.floor(this.#rows.clientHeight / 30) - 1);
    const steps: Record<string, number> = {
      ArrowUp: -1,
      ArrowDown: 1,
      PageUp: -page,
      PageDown: page,
      Home: -LINES,
      End: LINES,
    };
    const step = steps[event.key];
    if (event.key === "Escape" && this.#selected !== undefined) {
      this.deselect();
      this.#setFollow("following");
    } else if (step === undefined || event.ctrlKey || event.metaKey || event.altKey) return;
    else this.#step(step);
    event.preventDefault();
  }

  /** Selects the line so many farther; the last one if none was selected. */
  #step(by: number): void {
    const rows = this.#rows.children;
    const now = this.#selected?.isConnected ? Array.prototype.indexOf.call(rows, this.#selected) : undefined;
    const next = now === undefined ? rows.length - 1 : Math.min(Math.max(now + by, 0), rows.length - 1);
    const row = rows[next];
    if (row instanceof HTMLElement) this.#choose(row);
  }
}

function heldText(held: number): string {
  if (held <= LINES) return `${showCount(held)} kept`;
  return `newest ${showCount(LINES)} of ${showCount(held)} kept`;
}
