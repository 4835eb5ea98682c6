import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** Where cargo puts what it builds, and where these tests put what they write. */
export const TARGET = fileURLToPath(new URL("../../../target", import.meta.url));

/** A binary of the debug build. */
export function binary(name: string): string {
  const path = `${TARGET}/debug/${name}`;
  if (!existsSync(path)) throw new Error(`${path} is missing: run the tests with \`tests/run browser\``);
  return path;
}
