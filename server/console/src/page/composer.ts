import type { Reply } from "@dunlin/client";
import { showSpan } from "../format.ts";
import { type Format, parseDraft } from "../topic/draft.ts";
import type { Room } from "../topic/room.ts";
import { control, part, setText } from "./dom.ts";

/** The form that publishes to a topic. */
export class Composer {
  readonly #room: Room;
  readonly #form: HTMLFormElement;
  readonly #event: HTMLInputElement;
  readonly #key: HTMLInputElement;
  readonly #format: HTMLSelectElement;
  readonly #payload: HTMLTextAreaElement;
  readonly #outcome: HTMLElement;
  /** Events without an answer. */
  #waiting = 0;

  constructor(panel: HTMLElement, room: Room) {
    this.#room = room;
    this.#form = part(panel, "composer", HTMLFormElement);
    this.#event = control(this.#form, "event", HTMLInputElement);
    this.#key = control(this.#form, "key", HTMLInputElement);
    this.#format = control(this.#form, "format", HTMLSelectElement);
    this.#payload = control(this.#form, "payload", HTMLTextAreaElement);
    this.#outcome = part(this.#form, "outcome", HTMLElement);
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      void this.#publish();
    });
    this.#form.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      this.#form.requestSubmit();
    });
    const check = () => this.#check();
    this.#payload.addEventListener("input", check);
    this.#format.addEventListener("change", check);
  }

  focus(): void {
    this.#payload.focus();
  }

  async #publish(): Promise<void> {
    const draft = parseDraft(this.#payload.value, this.#wantedFormat);
    if (!draft.ok) {
      this.#say(draft.problem, "bad");
      return this.#payload.focus();
    }
    this.#waiting += 1;
    this.#say(this.#waiting === 1 ? "Publishing …" : `Publishing ${this.#waiting} …`, "plain");
    const start = performance.now();
    try {
      const reply = await this.#room.publish(this.#event.value, draft.value, this.#key.value || undefined);
      this.#say(`Published${placeOf(reply)}, answered after ${showSpan(performance.now() - start)}.`, "good");
    } catch (error) {
      this.#say(`Not published: ${error instanceof Error ? error.message : String(error)}`, "bad");
    } finally {
      this.#waiting -= 1;
    }
  }

  get #wantedFormat(): Format {
    return this.#format.value === "text" ? "text" : "json";
  }

  /** Says what is wrong while it is typed, and takes that back. */
  #check(): void {
    const draft = parseDraft(this.#payload.value, this.#wantedFormat);
    this.#payload.setAttribute("aria-invalid", String(!draft.ok));
    if (draft.ok && this.#outcome.dataset.tone === "bad") this.#say("", "plain");
  }

  #say(text: string, tone: "plain" | "good" | "bad"): void {
    this.#outcome.dataset.tone = tone;
    setText(this.#outcome, text);
  }
}

/** Where the event stands in the log, as the built-in channel answers. */
function placeOf(reply: Reply): string {
  try {
    const data = reply.data as { offset?: unknown } | undefined;
    return typeof data?.offset === "number" ? ` as #${data.offset}` : "";
  } catch {
    // The topic has a channel that answers in its own way.
    return "";
  }
}
