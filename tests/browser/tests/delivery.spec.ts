// How events are delivered to a page: in datagrams, and as it comes to want it.
import type { Page } from "@playwright/test";
import type { Server } from "../harness/server.ts";
import type { Way } from "../harness/way.ts";
import { expect, test } from "../harness/world.ts";

/** The payload of each small event, in bytes. */
const SMALL = 200;

/** A page that wants datagrams and keeps what it hears: how long each payload was, and where it stood in the log. */
function watching(page: Page, { url, options }: Way) {
  return page.evaluateHandle(
    ([url, options]) => {
      const client = new dunlin.Client(url, options);
      const channel = client.join("cursors", { delivery: new dunlin.Datagrams() });
      const heard: { readonly offset: number; readonly length: number }[] = [];
      const modes: (string | undefined)[] = [];
      channel.on("joined", ({ delivery }) => modes.push(delivery));
      channel.on("event", ({ position, payload }) =>
        heard.push({ offset: position.offset, length: payload.length }),
      );
      return { client, channel, heard, modes };
    },
    [url, options] as const,
  );
}

/** Another page that can push into the same topic. */
function moving(page: Page, { plainWay: { url, options } }: Server) {
  return page.evaluateHandle(
    ([url, options]) => new dunlin.Client(url, options).join("cursors", { delivery: "none" }),
    [url, options] as const,
  );
}

/** Pushes payloads of a length until so many were heard: some datagrams may be lost on the way. */
async function moveUntil(
  mover: Awaited<ReturnType<typeof moving>>,
  heard: () => Promise<{ readonly offset: number; readonly length: number }[]>,
  { length, count }: { readonly length: number; readonly count: number },
): Promise<void> {
  const done = async () => {
    await mover.evaluate((channel, length) => channel.pushBytes("moved", new Uint8Array(length)), length);
    return (await heard()).filter((event) => event.length === length).length;
  };
  await expect.poll(done, { intervals: [10] }).toBeGreaterThanOrEqual(count);
}

/** Bytes that have come to a page on streams. */
function received(watcher: Awaited<ReturnType<typeof watching>>): Promise<number> {
  return watcher.evaluate(({ client }) => client.connection?.receivedBytes ?? 0);
}

test("small events reach a page in datagrams, in order, and large ones on the stream", async ({
  page,
  other,
  server,
}) => {
  const watcher = await watching(page, server.way);
  const heard = () => watcher.evaluate(({ heard }) => heard);
  await watcher.evaluate(({ channel }) => channel.joined);
  expect(await watcher.evaluate(({ modes }) => modes)).toEqual(["datagram"]);
  const mover = await moving(other, server);
  const before = await received(watcher);
  await moveUntil(mover, heard, { length: SMALL, count: 30 });
  // Nothing but answers to pings has come on streams.
  expect((await received(watcher)) - before).toBeLessThan(10 * SMALL);
  expect(await server.metric("dunlin_datagrams_sent_total")).toBeGreaterThanOrEqual(30);
  await moveUntil(mover, heard, { length: 5_000, count: 1 });
  expect((await received(watcher)) - before).toBeGreaterThan(5_000);
  const offsets = (await heard()).filter(({ length }) => length === SMALL).map(({ offset }) => offset);
  expect(offsets).toEqual([...new Set(offsets)].sort((a, b) => a - b));
});

test("on another connection datagrams come as on the first", async ({ page, other, server }) => {
  const watcher = await watching(page, server.way);
  const heard = () => watcher.evaluate(({ heard }) => heard);
  await watcher.evaluate(({ channel }) => channel.joined);
  await server.kill();
  await server.restart();
  await expect
    .poll(() => watcher.evaluate(({ modes }) => modes), { timeout: 40_000 })
    .toEqual(["datagram", "datagram"]);
  await moveUntil(await moving(other, server), heard, { length: SMALL, count: 3 });
  expect(await server.metric("dunlin_datagrams_sent_total")).toBeGreaterThanOrEqual(3);
});

test("over WebSocket, which has none, a page gets the latest", async ({ page, other, server }) => {
  const watcher = await watching(page, server.plainWay);
  await watcher.evaluate(({ channel }) => channel.joined);
  expect(await watcher.evaluate(({ modes }) => modes)).toEqual(["latest"]);
  const heard = () => watcher.evaluate(({ heard }) => heard);
  await moveUntil(await moving(other, server), heard, { length: SMALL, count: 1 });
  expect(await server.metric("dunlin_datagrams_sent_total")).toBe(0);
});

test("a page begins with the last events, and what it adjusts counts at once", async ({ page, server }) => {
  const { url, options } = server.way;
  const map = await page.evaluateHandle(
    async ([url, options]) => {
      const mover = new dunlin.Client(url, options).join("map", { delivery: "none" });
      for (const n of [1, 2, 3]) await mover.push("moved", n, { key: `${n}` });
      const client = new dunlin.Client(url, options);
      const channel = client.join("map", { delivery: "latest", rewind: 2, interval: 3_600_000 });
      const heard: unknown[] = [];
      channel.on("event", ({ data }) => heard.push(data));
      await channel.joined;
      return { mover, channel, heard };
    },
    [url, options] as const,
  );
  const heard = () => map.evaluate(({ heard }) => heard);
  await expect.poll(heard).toEqual([2, 3]);
  // One delivery may be due at once; what comes after it waits for an hour.
  await map.evaluate(({ mover }) => mover.push("moved", 4));
  await map.evaluate(({ mover }) => mover.push("moved", 5));
  await map.evaluate(({ mover }) => mover.push("moved", 6));
  expect(await heard()).not.toContain(6);
  await map.evaluate(({ channel }) => channel.adjust({ interval: 0, priority: 200 }));
  await expect.poll(async () => (await heard()).at(-1)).toBe(6);
});
