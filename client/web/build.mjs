// Builds the package, its tests, or measures it: `node build.mjs [test|size]`.
import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** The most bytes that the client may weigh, minified and compressed: alone, and with the codec that it depends on. */
const MOST = { alone: 15_000, whole: 21_000 };

const [what = "package"] = process.argv.slice(2);

/** How to make the client one file. */
const bundle = {
  entryPoints: ["src/index.ts"],
  bundle: true,
  minify: true,
  format: "esm",
  target: "es2022",
};

/** The compressed size of a bundle. */
async function weigh(options) {
  const { outputFiles } = await build({ ...bundle, ...options, write: false });
  return gzipSync(outputFiles[0].contents, { level: 9 }).length;
}

if (what === "package") {
  execFileSync("npx", ["--no-install", "tsc", "-p", "tsconfig.json"], { stdio: "inherit" });
  await build({ ...bundle, sourcemap: true, outfile: "dist/dunlin.js" });
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
  const sizes = { alone: await weigh({ packages: "external" }), whole: await weigh({}) };
  for (const [name, size] of Object.entries(sizes)) {
    process.stdout.write(`${name}: ${size} bytes compressed, at most ${MOST[name]}\n`);
    if (size > MOST[name]) process.exitCode = 1;
  }
}
