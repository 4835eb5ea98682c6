/** How the text of a payload is meant. */
export type Format = "json" | "text";

/** What is to be published, or why it cannot be. */
export type Parsed =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problem: string };

/** The value that a text stands for. */
export function parseDraft(text: string, format: Format): Parsed {
  if (format === "text") return { ok: true, value: text };
  if (text.trim() === "") return { ok: false, problem: "JSON is missing; null is one way to say nothing" };
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch (error) {
    return { ok: false, problem: `Not JSON: ${error instanceof Error ? error.message : String(error)}` };
  }
}
