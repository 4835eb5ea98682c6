import { isDelivery, type Wanted } from "../topic/wanted.ts";
import { byId, control, setText } from "./dom.ts";

/** The form that asks for a topic. */
export class JoinForm {
  readonly #form = byId("join", HTMLFormElement);
  readonly #topic = control(this.#form, "topic", HTMLInputElement);
  readonly #problem = byId("join-problem", HTMLElement);

  /** `join` returns what is wrong with the topic, if anything. */
  constructor(join: (wanted: Wanted, fromOldest: boolean) => string | undefined) {
    const delivery = control(this.#form, "delivery", HTMLSelectElement);
    const oldest = control(this.#form, "oldest", HTMLInputElement);
    this.#topic.addEventListener("input", () => setText(this.#problem, ""));
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!isDelivery(delivery.value)) return;
      const problem = join({ topic: this.#topic.value.trim(), delivery: delivery.value }, oldest.checked);
      setText(this.#problem, problem ?? "");
      if (problem === undefined) this.#topic.value = "";
      else this.#topic.focus();
    });
  }

  focus(): void {
    this.#topic.focus();
    this.#topic.select();
  }
}
