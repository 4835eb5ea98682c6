// What the server does not take, and what a page sees of it.
import type { Page } from "@playwright/test";
import type { Server } from "../harness/server.ts";
import { HTML, script } from "../harness/site.ts";
import { expect, test } from "../harness/world.ts";

const STRANGE = "https://strange.example";

/** Shows the tests' page at another origin, as if it had come from there. */
async function showAt(origin: string, page: Page): Promise<void> {
  const body = await script();
  // Or Chromium would refuse in the server's place: pages of the public network may not reach this machine.
  await page.context().grantPermissions(["local-network-access"], { origin });
  await page.route(`${origin}/**`, (route) =>
    route.request().url().endsWith("/page.js")
      ? route.fulfill({ contentType: "text/javascript", body })
      : route.fulfill({ contentType: "text/html", body: HTML }),
  );
  await page.goto(`${origin}/`);
  await page.waitForFunction(() => "dunlin" in globalThis);
}

/** Whether the browser's own WebTransport and WebSocket get in at these paths. */
function knock(page: Page, { ports, way }: Server, path = "/dunlin") {
  return page.evaluate(
    async ([secure, plain, hash, path]) => {
      const serverCertificateHashes = [
        {
          algorithm: "sha-256",
          value: Uint8Array.from(hash.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)),
        },
      ];
      const session = new WebTransport(`https://127.0.0.1:${secure}${path}`, { serverCertificateHashes });
      session.closed.catch(() => {});
      const webtransport = await session.ready.then(
        () => "open",
        () => "refused",
      );
      const websocket = await new Promise<string>((resolve) => {
        const socket = new WebSocket(`ws://127.0.0.1:${plain}${path}`, "dunlin.v1");
        socket.onopen = () => resolve("open");
        socket.onerror = () => resolve("refused");
      });
      return { webtransport, websocket };
    },
    [ports.secure, ports.plain, way.options.certificateHashes?.[0] ?? "", path] as const,
  );
}

test("pages of a strange origin are refused", async ({ page, server }) => {
  await showAt(STRANGE, page);
  expect(await knock(page, server)).toEqual({ webtransport: "refused", websocket: "refused" });
  expect(await server.metric("dunlin_webtransport_refused_total", "origin")).toBe(1);
  expect(await server.metric("dunlin_websocket_refused_total", "origin")).toBe(1);
});

test.describe("with that origin in the configuration", () => {
  test.use({ settings: { origins: STRANGE } });

  test("its pages are welcome", async ({ page, server }) => {
    await showAt(STRANGE, page);
    expect(await knock(page, server)).toEqual({ webtransport: "open", websocket: "open" });
  });
});

test("an unknown path is refused", async ({ page, server }) => {
  expect(await knock(page, server, "/dunlin")).toEqual({ webtransport: "open", websocket: "open" });
  expect(await knock(page, server, "/elsewhere")).toEqual({ webtransport: "refused", websocket: "refused" });
  expect(await server.metric("dunlin_webtransport_refused_total", "path")).toBe(1);
});

/** How the WebSocket closes that sends this first. */
function statusAfter(
  page: Page,
  { ports }: Server,
  send: "text" | "long" | "unknown channel" | "short" | "no kind",
) {
  return page.evaluate(
    async ([plain, send]) => {
      const socket = new WebSocket(`ws://127.0.0.1:${plain}/dunlin`, "dunlin.v1");
      await new Promise((open) => {
        socket.onopen = open;
      });
      const what = {
        text: "hello",
        long: dunlin.muxed(0, 0, new Uint8Array(65_537)),
        "unknown channel": dunlin.muxed(7, 0, dunlin.hello()),
        short: new Uint8Array(4),
        "no kind": dunlin.muxed(0, 9, new Uint8Array(4)),
      };
      socket.send(what[send]);
      return new Promise<number>((resolve) => {
        socket.onclose = ({ code }) => resolve(code);
      });
    },
    [ports.plain, send] as const,
  );
}

for (const [send, status] of [
  ["text", 1003],
  ["long", 1009],
  ["unknown channel", 1002],
  ["short", 1002],
  ["no kind", 1002],
] as const) {
  test(`a WebSocket with a message that is wrong (${send}) closes with ${status}, and others go on`, async ({
    page,
    other,
    server,
  }) => {
    const neighbour = await other.evaluateHandle(
      ({ url, options }) => new dunlin.Ear(url, options, "room"),
      server.plainWay,
    );
    await neighbour.evaluate(({ channel }) => channel.joined);
    expect(await statusAfter(page, server, send)).toBe(status);
    await neighbour.evaluate(({ channel }) => channel.push("still", "here"));
    await expect.poll(() => neighbour.evaluate(({ heard }) => heard)).toEqual(["here"]);
    expect(await neighbour.evaluate(({ transports }) => transports.length)).toBe(1);
    expect(await server.metric("dunlin_websocket_violations_total", `"${status}"`)).toBe(1);
  });
}

test("a WebSocket of another subprotocol is refused", async ({ page, server }) => {
  const opened = await page.evaluate(async (plain) => {
    return new Promise<boolean>((resolve) => {
      const socket = new WebSocket(`ws://127.0.0.1:${plain}/dunlin`, "chat");
      socket.onopen = () => resolve(true);
      socket.onerror = () => resolve(false);
    });
  }, server.ports.plain);
  expect(opened).toBe(false);
  expect(await server.metric("dunlin_websocket_refused_total", "subprotocol")).toBe(1);
});
