import type { Link } from "../connection/link.ts";
import type { Feed } from "../figures/feed.ts";
import { byId, control, setText } from "./dom.ts";

/** Says why there are no figures, and asks for a token if one would help. */
export class TokenCard {
  readonly #link: Link;
  readonly #feed: Feed;
  readonly #card = byId("locked", HTMLElement);
  readonly #text = byId("locked-text", HTMLElement);
  readonly #form = byId("token-form", HTMLFormElement);

  constructor(link: Link, feed: Feed) {
    this.#link = link;
    this.#feed = feed;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      const input = control(this.#form, "token", HTMLInputElement);
      const token = input.value.trim();
      input.value = "";
      if (token !== "") link.useToken(token);
    });
    const draw = () => this.#draw();
    link.changed.listen(draw);
    feed.changed.listen(draw);
  }

  #draw(): void {
    const { access } = this.#feed;
    const isAsked = access.type === "token" || this.#link.needsToken;
    this.#card.hidden = !isAsked && access.type !== "refused";
    this.#form.hidden = !isAsked;
    setText(this.#text, access.type === "refused" ? access.text : this.#question());
  }

  #question(): string {
    if (this.#link.hasToken) return "The server did not accept the token that was given.";
    const door = this.#link.needsToken ? "lets nobody in" : "shows its figures to nobody";
    return `The server ${door} without a token. Whoever runs it has set one, as console.token.`;
  }
}
