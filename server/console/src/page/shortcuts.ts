import { byId, element } from "./dom.ts";

/** What a key does, for the list and for the page. */
export interface Shortcut {
  readonly key: string;
  readonly text: string;
  readonly act: () => void;
}

/** Keys that work elsewhere, listed for completeness. */
const ELSEWHERE: readonly (readonly [key: string, text: string])[] = [
  ["1 … 9", "Show the tab of this number"],
  ["Ctrl + Enter", "Publish"],
  ["↑ ↓", "Choose an event in the list"],
  ["Esc", "Follow again; leave a field"],
  ["Del", "Leave the topic whose tab has the focus"],
];

const SETTING = "dunlin-console-single-keys";

/** Single keys as shortcuts: listed with `?`, and switched off there by whoever is disturbed by them (WCAG 2.1.4). */
export class Shortcuts {
  readonly #dialog = byId("shortcuts", HTMLDialogElement);
  readonly #setting = byId("single-keys", HTMLInputElement);
  readonly #shortcuts: readonly Shortcut[];
  readonly #showTab: (place: number) => void;

  constructor(shortcuts: readonly Shortcut[], showTab: (place: number) => void) {
    this.#shortcuts = [...shortcuts, { key: "?", text: "This list", act: () => this.open() }];
    this.#showTab = showTab;
    const rows = [...this.#shortcuts.map(({ key, text }) => [key, text] as const), ...ELSEWHERE];
    byId("shortcut-list", HTMLElement).append(
      ...rows.map(([key, text]) =>
        element("div", {}, element("dt", {}, element("kbd", {}, key)), element("dd", {}, text)),
      ),
    );
    this.#setting.checked = setting() !== "off";
    this.#setting.addEventListener("change", () => keepSetting(this.#setting.checked ? "on" : "off"));
    byId("help", HTMLButtonElement).addEventListener("click", () => this.open());
    byId("shortcuts-close", HTMLButtonElement).addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("click", ({ target }) => {
      // A click on the dialog itself is one beside what is in it.
      if (target === this.#dialog) this.#dialog.close();
    });
    document.addEventListener("keydown", (event) => this.#key(event));
  }

  open(): void {
    this.#dialog.showModal();
  }

  #key(event: KeyboardEvent): void {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || this.#dialog.open) return;
    const { activeElement } = document;
    if (isField(activeElement)) {
      if (event.key === "Escape") activeElement.blur();
      return;
    }
    if (!this.#setting.checked) return;
    if (/^[1-9]$/.test(event.key)) this.#showTab(Number(event.key) - 1);
    else {
      const shortcut = this.#shortcuts.find(({ key }) => key === event.key);
      if (shortcut === undefined) return;
      shortcut.act();
    }
    event.preventDefault();
  }
}

function isField(element: Element | null): element is HTMLElement {
  return element instanceof HTMLElement && element.matches("input:not([type=checkbox]), textarea, select");
}

function setting(): string | null {
  try {
    return localStorage.getItem(SETTING);
  } catch {
    return null;
  }
}

function keepSetting(value: string): void {
  try {
    localStorage.setItem(SETTING, value);
  } catch {
    // The browser forbids it: the setting holds for this visit.
  }
}
