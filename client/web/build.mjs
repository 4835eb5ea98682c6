// Builds the package, its tests, or measures it: `node build.mjs [test|size]`.
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** The most that the whole client may weigh, with all it needs, minified and compressed. */
const MOST = 15_000;

const [what = "package"] = process.argv.slice(2);

async function bundle() {
  await build({
    entryPoints: ["src/index.ts"],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    sourcemap: true,
    outfile: "dist/dunlin.js",
  });
}

if (what === "package") {
  execFileSync("npx", ["--no-install", "tsc", "-p", "tsconfig.json"], { stdio: "inherit" });
  await bundle();
} else if (what === "test") {
  const tests = readdirSync("test").filter((name) => name.endsWith(".test.ts"));
  await build({
    entryPoints: tests.map((name) => `test/${name}`),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
    outdir: "dist/test",
  });
} else {
  await bundle();
  const bytes = readFileSync("dist/dunlin.js");
  const size = gzipSync(bytes, { level: 9 }).length;
  process.stdout.write(`dist/dunlin.js: ${bytes.length} bytes, ${size} compressed (at most ${MOST})\n`);
  if (size >= MOST) process.exit(1);
}
