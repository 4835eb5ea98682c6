import type { Link } from "../connection/link.ts";
import { statusOf, TRANSPORT_NAMES } from "../connection/status.ts";
import { showBytes, showRoundTrip, showSpan, UNKNOWN } from "../format.ts";
import { byId, setText } from "./dom.ts";
import { Facts } from "./facts.ts";
import { nextFrame } from "./frame.ts";

/** The page's own connection: its state at the top, more about it in a drop-down, and trouble when there is any. */
export class LinkView {
  readonly #link: Link;
  readonly #light = byId("link-light", HTMLElement);
  readonly #word = byId("link-word", HTMLElement);
  readonly #transport = byId("link-transport", HTMLElement);
  readonly #rtt = byId("link-rtt", HTMLElement);
  readonly #details = byId("link", HTMLDetailsElement);
  readonly #facts = new Facts(byId("link-facts", HTMLElement));
  readonly #forget = byId("forget-token", HTMLButtonElement);
  readonly #trouble = byId("trouble", HTMLElement);
  readonly #troubleText = byId("trouble-text", HTMLElement);
  readonly #reconnect = byId("reconnect", HTMLButtonElement);

  constructor(link: Link) {
    this.#link = link;
    this.#forget.addEventListener("click", () => link.useToken(undefined));
    this.#reconnect.addEventListener("click", () => void link.connect());
    document.addEventListener("click", ({ target }) => {
      if (target instanceof Node && !this.#details.contains(target)) this.#details.open = false;
    });
    this.#details.addEventListener("keydown", ({ key }) => {
      if (key !== "Escape") return;
      this.#details.open = false;
      this.#details.querySelector("summary")?.focus();
    });
    const draw = () => this.draw();
    link.changed.listen(() => nextFrame(draw));
    this.#details.addEventListener("toggle", draw);
  }

  draw(): void {
    const { state, connection, problem } = this.#link;
    const status = statusOf(state, problem, Date.now());
    this.#light.dataset.light = status.light;
    setText(this.#word, status.word);
    setText(this.#transport, connection === undefined ? UNKNOWN : TRANSPORT_NAMES[connection.transport]);
    setText(this.#rtt, showRoundTrip(connection?.rttMs));
    setText(this.#troubleText, status.text);
    this.#trouble.hidden = status.text === "";
    this.#trouble.dataset.light = status.light;
    this.#reconnect.hidden = state.type !== "closed" || this.#link.needsToken;
    this.#forget.hidden = !this.#link.hasToken;
    if (!this.#details.open) return;
    this.#facts.show([
      ["State", status.word],
      ["Transport", connection === undefined ? UNKNOWN : TRANSPORT_NAMES[connection.transport]],
      ["Round trip", showRoundTrip(connection?.rttMs)],
      ["Session", connection === undefined ? UNKNOWN : connection.session],
      [
        "Resumed",
        connection === undefined ? UNKNOWN : connection.resumed ? "yes, an earlier one" : "no, a new one",
      ],
      ["Handshake", connection === undefined ? UNKNOWN : showSpan(connection.handshakeMs)],
      ["Received", connection === undefined ? UNKNOWN : showBytes(connection.receivedBytes)],
      ["Sent", connection === undefined ? UNKNOWN : showBytes(connection.sentBytes)],
      ["Session kept for", connection === undefined ? UNKNOWN : showSpan(connection.lingerMs)],
      ["Server", connection?.agent ?? UNKNOWN],
    ]);
  }
}
