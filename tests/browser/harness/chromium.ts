import { existsSync } from "node:fs";

/** Where Chromium is: what CHROMIUM says, or where Debian has it. Nothing is downloaded. */
export function chromium(): string {
  const path = process.env.CHROMIUM ?? "/usr/bin/chromium";
  if (!existsSync(path)) throw new Error(`there is no Chromium at ${path}: install it, or set CHROMIUM`);
  return path;
}
