// A page that is not looked at. Headless Chromium shows every tab: what a tab is told when it is hidden is played here,
// with the events and the property that it would see.
import type { JSHandle, Page } from "@playwright/test";
import type { Server } from "../harness/server.ts";
import { expect, test } from "../harness/world.ts";
import type { Ear } from "../page/ear.ts";

async function listening(page: Page, { way }: Server): Promise<JSHandle<Ear>> {
  const ear = await page.evaluateHandle(
    ({ url, options }) => new dunlin.Ear(url, { ...options, hiddenGrace: 0 }, "room"),
    way,
  );
  await ear.evaluate(({ channel }) => channel.joined);
  return ear;
}

async function show(page: Page, state: DocumentVisibilityState): Promise<void> {
  await page.evaluate((value) => {
    Object.defineProperty(document, "visibilityState", { value, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  }, state);
}

test("a hidden page is left in peace, and is told all it missed when it is looked at again", async ({
  page,
  other,
  server,
}) => {
  const ear = await listening(page, server);
  const speaker = await listening(other, server);
  const say = (text: string) =>
    speaker.evaluate(({ channel }, text) => channel.push("say", text).then(() => {}), text);
  await say("before");
  await expect.poll(() => ear.evaluate(({ heard }) => heard)).toEqual(["before"]);

  await show(page, "hidden");
  await expect.poll(() => ear.evaluate(({ client }) => client.paused)).toBe(true);
  // The answer marks the point from which on nothing comes.
  await ear.evaluate(({ client }) => client.ping());
  await say("meanwhile");
  await ear.evaluate(({ client }) => client.ping());
  expect(await ear.evaluate(({ heard }) => heard)).toEqual(["before"]);

  await show(page, "visible");
  await say("after");
  await expect.poll(() => ear.evaluate(({ heard }) => heard)).toEqual(["before", "meanwhile", "after"]);
  expect(await ear.evaluate(({ transports, joins }) => ({ transports, joins }))).toEqual({
    transports: ["webtransport"],
    joins: ["live"],
  });
});

test("a page that is put aside lets go of its connection, and comes back to its session", async ({
  page,
  other,
  server,
}) => {
  const ear = await listening(page, server);
  const speaker = await listening(other, server);
  const persisted = (type: string) =>
    page.evaluate((type) => dispatchEvent(new PageTransitionEvent(type, { persisted: true })), type);
  await persisted("pagehide");
  await expect.poll(() => server.metric("dunlin_connections")).toBe(1);
  await speaker.evaluate(({ channel }) => channel.push("say", "meanwhile").then(() => {}));
  await persisted("pageshow");
  await expect.poll(() => ear.evaluate(({ heard }) => heard)).toEqual(["meanwhile"]);
  const { sessions, joins } = await ear.evaluate(({ sessions, joins }) => ({ sessions, joins }));
  expect(new Set(sessions).size).toBe(1);
  expect(joins).toEqual(["live", "recovered"]);
});
