import { showBytes, showInstant, UNKNOWN } from "../format.ts";
import type { Entry } from "../topic/entry.ts";
import { type Decode, inFull } from "../topic/payload.ts";
import { part, setText } from "./dom.ts";
import { Facts } from "./facts.ts";

/** The selected line in full. */
export class Inspector {
  readonly #pane: HTMLElement;
  readonly #title: HTMLElement;
  readonly #facts: Facts;
  readonly #payload: HTMLElement;
  readonly #copy: HTMLButtonElement;
  readonly #decode: Decode;

  constructor(panel: HTMLElement, decode: Decode, dismissed: () => void) {
    this.#pane = part(panel, "inspector", HTMLElement);
    this.#title = part(this.#pane, "title", HTMLElement);
    this.#facts = new Facts(part(this.#pane, "facts", HTMLElement));
    this.#payload = part(this.#pane, "payload", HTMLElement);
    this.#copy = part(this.#pane, "copy", HTMLButtonElement);
    this.#decode = decode;
    // The clipboard is there on secure pages only.
    this.#copy.hidden = navigator.clipboard === undefined;
    this.#copy.addEventListener("click", () => void this.#toClipboard());
    part(this.#pane, "dismiss", HTMLButtonElement).addEventListener("click", dismissed);
  }

  show(entry: Entry | undefined): void {
    this.#pane.hidden = entry === undefined;
    setText(this.#copy, "Copy");
    if (entry === undefined) return;
    if (entry.type === "notice") {
      setText(this.#title, "Notice");
      this.#facts.show([["Time", showInstant(entry.at)]]);
      setText(this.#payload, entry.text);
      return;
    }
    const { at, epoch, offset, event, key, payload } = entry;
    const { form, text } = inFull(payload, this.#decode);
    setText(this.#title, event);
    this.#facts.show([
      ["Offset", offset === undefined ? "direct, not in the log" : `#${offset}`],
      ["Epoch", epoch === undefined ? UNKNOWN : String(epoch)],
      ["Time", showInstant(at)],
      ["Key", key ?? "none"],
      ["Payload", form === "empty" ? "empty" : `${form}, ${showBytes(payload.length)}`],
    ]);
    setText(this.#payload, text);
  }

  async #toClipboard(): Promise<void> {
    try {
      await navigator.clipboard.writeText(this.#payload.textContent ?? "");
      setText(this.#copy, "Copied");
    } catch {
      setText(this.#copy, "Not allowed");
    }
  }
}
