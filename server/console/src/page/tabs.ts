import { element, setText } from "./dom.ts";

/** A tab and its panel. */
export interface Tab {
  readonly id: string;
  readonly button: HTMLButtonElement;
  readonly panel: HTMLElement;
  /** Called when the tab has come to the front. */
  readonly shown: () => void;
  /** What the delete key does, if anything. */
  readonly remove: (() => void) | undefined;
}

/** What a tab says about what happened behind it. */
export type Mark = "none" | "news" | "warning";

/** Tabs by the pattern of the ARIA Authoring Practices: arrows move, and what is moved to is shown. */
export class Tabs {
  readonly #list: HTMLElement;
  readonly #tabs: Tab[] = [];
  #current: Tab | undefined;

  constructor(list: HTMLElement) {
    this.#list = list;
    list.addEventListener("keydown", (event) => this.#key(event));
  }

  get current(): string | undefined {
    return this.#current?.id;
  }

  add(id: string, name: string, panel: HTMLElement, shown: () => void, remove?: () => void): void {
    const attributes = {
      type: "button",
      role: "tab",
      id: `tab-${id}`,
      "aria-controls": panel.id,
      class: "tab",
    };
    const button = element(
      "button",
      attributes,
      element("span", { class: "name" }, name),
      element("span", { class: "mark" }),
    );
    panel.setAttribute("aria-labelledby", button.id);
    panel.hidden = true;
    const tab = { id, button, panel, shown, remove };
    button.addEventListener("click", () => this.#show(tab));
    this.#tabs.push(tab);
    this.#list.append(button);
    if (this.#current === undefined) this.#show(tab);
    else this.#select(tab, false);
  }

  /** Takes a tab away, and shows the one before it if it was in front. */
  remove(id: string): void {
    const place = this.#tabs.findIndex((tab) => tab.id === id);
    const [tab] = place === -1 ? [] : this.#tabs.splice(place, 1);
    if (tab === undefined) return;
    tab.button.remove();
    if (tab !== this.#current) return;
    const next = this.#tabs[place - 1] ?? this.#tabs[0];
    if (next === undefined) return;
    this.#show(next);
    this.focus();
  }

  show(id: string): void {
    const tab = this.#tabs.find((tab) => tab.id === id);
    if (tab !== undefined) this.#show(tab);
  }

  /** Moves the focus to the tab in front. */
  focus(): void {
    this.#current?.button.focus();
  }

  /** Shows the tab with this number, counted from 0. */
  showAt(place: number): void {
    const tab = this.#tabs[place];
    if (tab !== undefined) this.#show(tab);
  }

  /** Shows the tab so many places farther, round and round. */
  move(by: number): void {
    const place = (this.#current === undefined ? 0 : this.#tabs.indexOf(this.#current)) + by;
    this.showAt((place + this.#tabs.length) % this.#tabs.length);
  }

  /** Says what happens behind a tab, while it is not in front. */
  mark(id: string, mark: Mark): void {
    const tab = this.#tabs.find((tab) => tab.id === id);
    if (tab === undefined || tab === this.#current || tab.button.dataset.mark === "warning") return;
    setMark(tab, mark);
  }

  #show(tab: Tab): void {
    const before = this.#current;
    this.#current = tab;
    if (before !== undefined && before !== tab) {
      this.#select(before, false);
      before.panel.hidden = true;
    }
    this.#select(tab, true);
    setMark(tab, "none");
    tab.panel.hidden = false;
    tab.button.scrollIntoView({ block: "nearest", inline: "nearest" });
    tab.shown();
  }

  #select({ button }: Tab, isSelected: boolean): void {
    button.setAttribute("aria-selected", String(isSelected));
    button.tabIndex = isSelected ? 0 : -1;
  }

  #key(event: KeyboardEvent): void {
    const last = this.#tabs.length - 1;
    const moves: Record<string, () => void> = {
      ArrowLeft: () => this.move(-1),
      ArrowRight: () => this.move(1),
      Home: () => this.showAt(0),
      End: () => this.showAt(last),
      Delete: () => this.#current?.remove?.(),
    };
    const move = moves[event.key];
    if (move === undefined) return;
    event.preventDefault();
    move();
    this.focus();
  }
}

const MARK_NAMES: Readonly<Record<Mark, string>> = {
  none: "",
  news: "new events",
  warning: "events are missing",
};

function setMark({ button }: Tab, mark: Mark): void {
  if (button.dataset.mark === mark) return;
  button.dataset.mark = mark;
  const sign = button.querySelector(".mark");
  if (sign !== null) setText(sign, MARK_NAMES[mark]);
}
