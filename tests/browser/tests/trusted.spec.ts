// A certificate that the browser trusts: no hashes, and WebSocket over TLS.

import { Certificate } from "../harness/certificate.ts";
import { chromium } from "../harness/chromium.ts";
import { test as base, expect } from "../harness/world.ts";

const test = base.extend<object, { readonly certificate: Certificate }>({
  certificate: [
    async ({}, use) => {
      using certificate = new Certificate();
      await use(certificate);
    },
    { scope: "worker" },
  ],
  // Trusted by its key, so that no authority has to be installed on this machine; by QUIC Chromium trusts none but the
  // authorities it came with, unless it is told that this is development.
  launchOptions: async ({ certificate }, use) => {
    const args = [
      `--ignore-certificate-errors-spki-list=${certificate.keyHash}`,
      "--webtransport-developer-mode",
    ];
    await use({ executablePath: chromium(), args });
  },
  settings: async ({ certificate }, use) => {
    await use({ "tls.cert": certificate.chain, "tls.key": certificate.key });
  },
});

for (const transport of ["webtransport", "websocket"] as const) {
  test(`a page connects over ${transport} without a hash`, async ({ page, server }) => {
    const ear = await page.evaluateHandle(
      ([url, transport]) => new dunlin.Ear(url, { transports: [transport] }, "room"),
      [`https://127.0.0.1:${server.ports.secure}`, transport] as const,
    );
    await ear.evaluate(({ channel }) => channel.push("say", "hello"));
    await expect.poll(() => ear.evaluate(({ heard }) => heard)).toEqual(["hello"]);
    expect(await ear.evaluate(({ transports }) => transports)).toEqual([transport]);
    expect(await server.metric("dunlin_connections_total", transport)).toBe(1);
  });
}

test("the way that the server tells leads there too, and names no hash", async ({ page, server }) => {
  const way = await page.evaluate((site) => dunlin.discover(site), server.site);
  expect(way).toEqual({ url: `https://localhost:${server.ports.secure}`, options: {} });
});

test("UDP that is blocked: WebSocket over TLS", async ({ page, server, relay }) => {
  relay.loss = "all";
  const ear = await page.evaluateHandle(
    ([url, websocketUrl]) => new dunlin.Ear(url, { websocketUrl }, "room"),
    [`https://127.0.0.1:${relay.port}`, `wss://127.0.0.1:${server.ports.secure}/dunlin`] as const,
  );
  await ear.evaluate(({ channel }) => channel.joined);
  expect(await ear.evaluate(({ transports }) => transports)).toEqual(["websocket"]);
});
