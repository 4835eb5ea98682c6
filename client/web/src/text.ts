const utf8 = new TextEncoder();

/** What an error says, or whatever was thrown instead of one. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** Whether a text has at most so many bytes as UTF-8. */
export function fits(text: string, bytes: number): boolean {
  // A unit of UTF-16 becomes one to three bytes.
  return text.length <= bytes && (text.length * 3 <= bytes || utf8.encode(text).length <= bytes);
}

/** The longest beginning of a text that has at most so many bytes as UTF-8. */
export function cut(text: string, bytes: number): string {
  let end = Math.min(text.length, bytes);
  while (!fits(text.slice(0, end), bytes)) end -= 1;
  return text.slice(0, end);
}
