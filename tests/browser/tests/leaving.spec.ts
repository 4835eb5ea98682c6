// How soon the server notices that a page has gone. The bound of one second is a promise to users of presence.
import type { Page } from "@playwright/test";
import type { Server } from "../harness/server.ts";
import { expect, figure, test } from "../harness/world.ts";

/** Makes the page leave, and says how long the server took to notice, in milliseconds. */
async function noticed(server: Server, leave: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  let gone = Number.NaN;
  const watch = expect
    .poll(() => server.metric("dunlin_sessions"), { intervals: [10], timeout: 15_000 })
    .toBe(0)
    .then(() => {
      gone = performance.now() - start;
    });
  await Promise.all([leave(), watch]);
  return gone;
}

async function online(page: Page, server: Server, transport: "webtransport" | "websocket"): Promise<void> {
  const ear = await page.evaluateHandle(
    ([{ url, options }, transport]) => new dunlin.Ear(url, { ...options, transports: [transport] }, "room"),
    [server.way, transport] as const,
  );
  await ear.evaluate(({ channel }) => channel.joined);
  expect(await server.metric("dunlin_sessions")).toBe(1);
}

for (const transport of ["webtransport", "websocket"] as const) {
  for (const [what, leave] of [
    ["a closed tab", (page: Page) => page.close()],
    ["a reload", (page: Page) => page.reload()],
    ["another page in its place", (page: Page) => page.goto("about:blank")],
  ] as const) {
    test(`${what} is noticed within a second over ${transport}`, async ({ page, server }) => {
      await online(page, server, transport);
      const after = await noticed(server, () => leave(page));
      figure(`${what}, over ${transport}, noticed after`, after);
      expect(after).toBeLessThan(1_000);
    });
  }
}
