// What becomes of a session when the network under it changes.
import type { JSHandle, Page } from "@playwright/test";
import { Relay } from "../harness/relay.ts";
import { ahead, type Way } from "../harness/way.ts";
import { expect, figure, test } from "../harness/world.ts";
import type { Ear } from "../page/ear.ts";

// Pages here hear some 150 events a second, and the history that a server keeps unless told otherwise is 1,000: it would be
// a matter of speed whether an outage of seconds is longer than it. What happens then is another story.
test.use({ settings: { "history.count": "100000" } });

/** A page that is online and listens to the topic `ticks`. */
async function listening(page: Page, { url, options }: Way): Promise<JSHandle<Ear>> {
  const ear = await page.evaluateHandle(([url, options]) => new dunlin.Ear(url, options, "ticks"), [
    url,
    options,
  ] as const);
  await ear.evaluate(({ channel }) => channel.joined);
  return ear;
}

/** Another page that pushes into `ticks`, by a way that does not fail. */
function ticking(page: Page, { url, options }: Way) {
  return page.evaluateHandle(([url, options]) => new dunlin.Ticker(url, options, "ticks"), [
    url,
    options,
  ] as const);
}

/** Waits until the page has heard so many more than now. */
async function hears(ear: JSHandle<Ear>, more: number): Promise<void> {
  const before = await ear.evaluate(({ heard }) => heard.length);
  await expect.poll(() => ear.evaluate(({ heard }) => heard.length)).toBeGreaterThanOrEqual(before + more);
}

/** Waits until all that was said was heard, and checks that it was each once, in order. */
async function heardAll(ear: JSHandle<Ear>, count: number): Promise<void> {
  const told = async () =>
    ear.evaluate(({ client, channel, heard, states, transports, joins, losses, silence }) => {
      const { state, problem, connection } = client;
      const link = { state: state.type, problem, connection, closed: channel.closed };
      return { last: heard.at(-1), ...link, states, transports, joins, losses, silence };
    });
  await expect.poll(told).toMatchObject({ last: count - 1, losses: [] });
  const heard = await ear.evaluate(({ heard }) => heard);
  const missing = Array.from({ length: count }, (_, n) => n).filter((n) => heard[n] !== n);
  expect({ first: missing[0], heard: heard.length }, JSON.stringify(await told())).toEqual({
    first: undefined,
    heard: count,
  });
}

test("NAT rebinding in mid-stream: the same connection goes on", async ({ page, other, server, relay }) => {
  const ear = await listening(page, ahead(server.wayBy(relay.port)));
  const ticker = await ticking(other, server.way);
  await hears(ear, 50);
  relay.rebind();
  await hears(ear, 200);
  const count = await ticker.evaluate((ticker) => ticker.stop());
  await heardAll(ear, count);
  expect(relay.down).toBeGreaterThan(0);
  const { transports, states, silence } = await ear.evaluate(({ transports, states, silence }) => ({
    transports,
    states,
    silence,
  }));
  expect({ transports, states }).toEqual({ transports: ["webtransport"], states: ["online"] });
  figure("NAT rebinding, longest silence", silence);
});

test("UDP that is blocked from the start: WebSocket, and the application notices nothing", async ({
  page,
  other,
  server,
  relay,
}) => {
  relay.loss = "all";
  const ear = await listening(page, server.wayBy(relay.port));
  const ticker = await ticking(other, server.way);
  await hears(ear, 50);
  await heardAll(ear, await ticker.evaluate((ticker) => ticker.stop()));
  const { transports, states, after } = await ear.evaluate((ear) => ({
    transports: ear.transports,
    states: ear.states,
    after: ear.onlineAfter,
  }));
  expect({ transports, states }).toEqual({ transports: ["websocket"], states: ["online"] });
  figure("UDP blocked, online after", after ?? Number.NaN);
});

test("UDP that is refused from the start: the same", async ({ page, server }) => {
  const gone = await Relay.start(server.ports.secure);
  const { port } = gone;
  gone[Symbol.dispose]();
  const ear = await listening(page, server.wayBy(port));
  expect(await ear.evaluate(({ transports }) => transports)).toEqual(["websocket"]);
  figure("UDP refused, online after", (await ear.evaluate(({ onlineAfter }) => onlineAfter)) ?? Number.NaN);
});

test("UDP that is blocked in mid-session, and comes back: nothing is lost, and the session stays", async ({
  page,
  other,
  server,
  relay,
}) => {
  const ear = await listening(page, ahead(server.wayBy(relay.port)));
  const ticker = await ticking(other, server.way);
  await hears(ear, 50);
  relay.loss = "all";
  await expect
    .poll(() => ear.evaluate(({ transports }) => transports))
    .toEqual(["webtransport", "websocket"]);
  await hears(ear, 50);
  figure("UDP blocked in mid-session, longest silence", await ear.evaluate(({ silence }) => silence));
  relay.loss = "none";
  // The browser says that there is a network again.
  await page.context().setOffline(true);
  await page.context().setOffline(false);
  await expect.poll(() => ear.evaluate(({ transports }) => transports.at(-1))).toBe("webtransport");
  await hears(ear, 50);
  await heardAll(ear, await ticker.evaluate((ticker) => ticker.stop()));
  const { sessions, joins, transports } = await ear.evaluate(({ sessions, joins, transports }) => ({
    sessions,
    joins,
    transports,
  }));
  expect(new Set(sessions).size).toBe(1);
  expect(joins).toEqual(["live", ...transports.slice(1).map(() => "recovered")]);
});

test("pushes whose answers are lost with the connection are applied once", async ({
  page,
  other,
  server,
  relay,
}) => {
  const ear = await listening(page, ahead(server.wayBy(relay.port)));
  await ear.evaluate(({ channel }) => channel.push("n", 0));
  relay.loss = "down";
  const pushed = await ear.evaluateHandle(({ channel }) => ({
    all: Promise.all([1, 2, 3].map((n) => channel.push("n", n))),
  }));
  // They have got there; the answers have not.
  await expect.poll(() => server.metric("dunlin_pushes_total")).toBe(4);
  await pushed.evaluate(({ all }) => all.then(() => {}));
  expect(await server.metric("dunlin_pushes_repeated_total")).toBe(3);
  await heardAll(ear, 4);
  const whole = await other.evaluateHandle(
    ({ url, options }) => new dunlin.Ear(url, options, "ticks", { since: dunlin.OLDEST }),
    server.way,
  );
  await heardAll(whole, 4);
});

test("a server that is killed and comes back: pushes arrive, and the page is told what it does not know", async ({
  page,
  server,
}) => {
  const ear = await listening(page, server.way);
  await ear.evaluate(({ channel }) => channel.push("n", 0));
  await server.kill();
  const pushed = await ear.evaluateHandle(({ channel }) => ({
    all: Promise.all([1, 2, 3].map((n) => channel.push("n", n))),
  }));
  await expect.poll(() => ear.evaluate(({ states }) => states)).toContain("recovering");
  await server.restart();
  await pushed.evaluate(({ all }) => all.then(() => {}));
  await heardAll(ear, 4);
  const { joins, sessions } = await ear.evaluate(({ joins, sessions }) => ({ joins, sessions }));
  // Its history was in memory.
  expect(joins).toEqual(["live", "lost"]);
  expect(new Set(sessions).size).toBe(2);
});

test("a browser that goes offline and online again resumes", async ({ page, other, server }) => {
  const ear = await listening(page, server.way);
  const ticker = await ticking(other, server.way);
  await hears(ear, 20);
  await page.context().setOffline(true);
  await page.context().setOffline(false);
  await hears(ear, 200);
  await heardAll(ear, await ticker.evaluate((ticker) => ticker.stop()));
  expect(new Set(await ear.evaluate(({ sessions }) => sessions)).size).toBe(1);
});
