// Builds the page into dist/: `node build.mjs [--outdir DIR]`; or its tests: `node build.mjs --tests`.
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

/** The most that the whole page may weigh, compressed, in bytes. */
const MOST = 60_000;

/** Where tests are built: not below dist/, which is embedded into the server as it is. */
const TESTS = "node_modules/.cache/tests";

const { values } = parseArgs({
  options: { outdir: { type: "string", default: "dist" }, tests: { type: "boolean" } },
});
await (values.tests ? buildTests() : buildPage(values.outdir));

async function buildPage(outdir) {
  rmSync(outdir, { recursive: true, force: true });
  // The names hold a hash of the content, so that browsers may keep the files for good.
  const { metafile } = await build({
    entryPoints: ["src/main.ts", "src/style.css", "src/wader.svg"],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    charset: "utf8",
    loader: { ".svg": "copy" },
    outdir: join(outdir, "assets"),
    entryNames: "[name]-[hash]",
    assetNames: "[name]-[hash]",
    metafile: true,
  });
  const files = Object.entries(metafile.outputs).map(([path, { entryPoint, inputs }]) => ({
    source: entryPoint ?? Object.keys(inputs)[0],
    path: relative(outdir, path),
  }));
  writeFileSync(join(outdir, "index.html"), pageOf(files));
  weigh(outdir, ["index.html", ...files.map(({ path }) => path)]);
}

/** index.html with the names that its files have now. */
function pageOf(files) {
  let page = readFileSync("src/index.html", "utf8");
  for (const { source, path } of files) {
    const name = basename(source).replace(/\.ts$/, ".js");
    if (!page.includes(`"${name}"`)) throw new Error(`index.html does not ask for ${name}`);
    page = page.replaceAll(`"${name}"`, `"/${path}"`);
  }
  return page.replace(/^ +/gm, "");
}

function weigh(outdir, paths) {
  const sizes = paths.map((path) => gzipSync(readFileSync(join(outdir, path)), { level: 9 }).length);
  const sum = sizes.reduce((sum, size) => sum + size, 0);
  process.stdout.write(`${outdir}: ${paths.length} files, ${sum} bytes compressed (at most ${MOST})\n`);
  if (sum > MOST) process.exit(1);
}

async function buildTests() {
  rmSync(TESTS, { recursive: true, force: true });
  await build({
    entryPoints: readdirSync("test")
      .filter((name) => name.endsWith(".test.ts"))
      .map((name) => `test/${name}`),
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "inline",
    outdir: TESTS,
  });
}
