import type { Delivery } from "@dunlin/client";

/** A topic that the page has joined or should join. */
export interface Wanted {
  readonly topic: string;
  readonly delivery: Delivery;
}

const DELIVERIES: readonly string[] = ["reliable", "latest", "none"] satisfies Delivery[];

/**
 * The topics as the fragment of the page's address, so that a reload and a bookmark come back to them:
 * `#room:42&prices;latest`. Neither `&` nor `;` can be part of a topic's name.
 */
export function toFragment(wanted: readonly Wanted[]): string {
  return wanted
    .map(({ topic, delivery }) => (delivery === "reliable" ? topic : `${topic};${delivery}`))
    .join("&");
}

/** The other way. Whoever wrote the address, nonsense in it is left out; so are repetitions. */
export function fromFragment(fragment: string): Wanted[] {
  const wanted = new Map<string, Wanted>();
  for (const part of decode(fragment.replace(/^#/, "")).split("&")) {
    const [topic = "", delivery = "reliable", ...more] = part.split(";");
    if (topic === "" || more.length > 0 || !isDelivery(delivery) || wanted.has(topic)) continue;
    wanted.set(topic, { topic, delivery });
  }
  return [...wanted.values()];
}

export function isDelivery(text: string): text is Delivery {
  return DELIVERIES.includes(text);
}

function decode(fragment: string): string {
  try {
    return decodeURIComponent(fragment);
  } catch {
    return "";
  }
}
