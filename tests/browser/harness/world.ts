import { freemem, loadavg } from "node:os";
import { test as base, type Page } from "@playwright/test";
import type { Api } from "../page/page.ts";
import { Relay } from "./relay.ts";
import { Server, type Settings } from "./server.ts";
import { Site } from "./site.ts";

declare global {
  /** What the page of the tests offers. */
  const dunlin: Api;
}

/** What a test is given; whatever becomes of it, all of this ends with it. */
interface World {
  /** Configuration of the server. */
  readonly settings: Settings;
  readonly server: Server;
  /** Stands before the server's UDP port. */
  readonly relay: Relay;
  /** Another page, in a browser profile of its own, for the other party of a story. */
  readonly other: Page;
}

export const test = base.extend<World, { readonly site: Site }>({
  settings: [{}, { option: true }],
  site: [
    async ({}, use) => {
      await using site = await Site.start();
      await use(site);
    },
    { scope: "worker" },
  ],
  server: async ({ settings }, use) => {
    await using server = await Server.start(settings);
    await use(server);
  },
  relay: async ({ server }, use) => {
    using relay = await Relay.start(server.ports.secure);
    await use(relay);
  },
  page: async ({ page, site }, use) => {
    await open(page, site);
    await use(page);
  },
  other: async ({ browser, site }, use) => {
    const context = await browser.newContext();
    await use(await open(await context.newPage(), site));
    await context.close();
  },
});

export { expect } from "@playwright/test";

/** Loads the tests' page. */
export async function open(page: Page, site: Site): Promise<Page> {
  // Playwright says only that the target crashed: whether the machine was short of memory tells whose fault it was.
  page.on("crash", () => {
    console.log(
      `    the page crashed; ${Math.round(freemem() / 2 ** 20)} MiB of memory free, load ${loadavg()[0]}`,
    );
  });
  await page.goto(site.url);
  await page.waitForFunction(() => "dunlin" in globalThis);
  return page;
}

/** Tells a figure in the report of the run. */
export function figure(what: string, milliseconds: number): void {
  console.log(`    ${what}: ${Math.round(milliseconds)} ms`);
}
