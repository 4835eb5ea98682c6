// The console, as somebody meets it who opens the server's page. What it looks like is left in target/screenshots.
import type { Page } from "@playwright/test";
import { TARGET } from "../harness/target.ts";
import { test as base, expect } from "../harness/world.ts";

const test = base.extend<{ readonly tab: Page }>({
  /** The console in a tab where nothing may go wrong unseen: no error, and nothing against the page's security policy. */
  tab: async ({ context, server }, use) => {
    const tab = await context.newPage();
    const wrong: string[] = [];
    tab.on("pageerror", (error) => wrong.push(String(error)));
    tab.on("console", (message) => {
      if (message.type() === "error" || message.type() === "warning") wrong.push(message.text());
    });
    await tab.goto(server.site);
    await use(tab);
    expect(wrong).toEqual([]);
  },
});

async function shot(tab: Page, name: string): Promise<void> {
  await tab.screenshot({ path: `${TARGET}/screenshots/${name}.png` });
}

/** Joins a topic with the form. */
async function join(tab: Page, topic: string): Promise<void> {
  await tab.getByPlaceholder(/^Join a topic/).fill(topic);
  await tab.getByRole("button", { name: "Join", exact: true }).click();
  await expect(tab.getByRole("tab", { name: topic })).toHaveAttribute("aria-selected", "true");
}

/** Another client of the server, so that there is something to see. */
async function company(page: Page, way: Parameters<typeof speak>[0]): Promise<void> {
  await page.evaluate(speak, way);
}

async function speak({ url, options }: { url: string; options: object }): Promise<void> {
  const client = new dunlin.Client(url, options);
  const room = client.join("room:42");
  for (let n = 1; n <= 40; n++)
    await room.push("said", { n, text: `line ${n}`, at: [52.1, 4.3] }, { key: `k${n % 5}` });
  client.join("positions/ferry");
  client.join("orders:north");
}

test("the page connects over WebTransport, joins, publishes and sees the event", async ({ tab }) => {
  await expect(tab.locator("#link-word")).toHaveText("Online");
  await expect(tab.locator("#link-transport")).toHaveText("WebTransport");
  await expect(tab.locator("#link-rtt")).toHaveText(/\d/);
  await join(tab, "room:42");
  await tab.getByRole("textbox", { name: "Payload" }).fill('{"text": "hello from the console"}');
  await tab.getByRole("button", { name: "Publish" }).click();
  await expect(tab.getByRole("option").filter({ hasText: "hello from the console" })).toBeVisible();
});

test("live figures move", async ({ tab, page, server }) => {
  const tile = (name: string) => tab.locator(".tile").filter({ hasText: name }).locator(".value");
  await expect(tile("Sessions")).toHaveText("1");
  const ticker = await page.evaluateHandle(
    ({ url, options }) => new dunlin.Ticker(url, options, "ticks"),
    server.way,
  );
  await expect(tile("Sessions")).toHaveText("2");
  await expect(tab.locator("#topics").getByText("ticks")).toBeVisible();
  await expect
    .poll(async () => Number.parseFloat((await tile("Events a second").textContent()) ?? ""))
    .toBeGreaterThan(0);
  await ticker.evaluate((ticker) => ticker.stop());
  await expect(tile("Sessions")).toHaveText("1");
});

test("the keyboard is enough", async ({ tab }) => {
  await expect(tab.locator("#link-word")).toHaveText("Online");
  await tab.keyboard.press("j");
  await tab.keyboard.type("room:keys");
  await tab.keyboard.press("Enter");
  await expect(tab.getByRole("tab", { name: "room:keys" })).toHaveAttribute("aria-selected", "true");
  await tab.keyboard.press("Escape");
  await tab.keyboard.press("n");
  await tab.keyboard.press("Control+Enter");
  await expect(tab.getByRole("option").filter({ hasText: "hello" })).toBeVisible();
  await tab.keyboard.press("Escape");
  await tab.keyboard.press("1");
  await expect(tab.getByRole("tab", { name: "Server" })).toHaveAttribute("aria-selected", "true");
  await tab.keyboard.press("?");
  await expect(tab.getByRole("dialog")).toBeVisible();
  await tab.keyboard.press("Escape");
  await expect(tab.getByRole("dialog")).toBeHidden();
});

for (const [name, colorScheme, width, height] of [
  ["light", "light", 1280, 800],
  ["dark", "dark", 1280, 800],
  ["phone-light", "light", 360, 740],
  ["phone-dark", "dark", 360, 740],
] as const) {
  test(`looks: ${name}`, async ({ tab, page, server }) => {
    await tab.setViewportSize({ width, height });
    await tab.emulateMedia({ colorScheme });
    await company(page, server.way);
    await expect(tab.locator("#sessions tbody tr")).toHaveCount(2);
    await expect(tab.locator("#topics tbody tr")).toHaveCount(3);
    await tab.screenshot({ path: `${TARGET}/screenshots/server-${name}.png`, fullPage: true });
    await tab.getByLabel("since oldest").check();
    await join(tab, "room:42");
    // The list follows what comes, to its end; the frame of a line may be half a pixel beyond.
    await expect(tab.getByRole("option").filter({ hasText: "line 40" })).toBeInViewport({ ratio: 0.95 });
    await shot(tab, `room-${name}`);
    await tab.getByRole("option").filter({ hasText: "line 38" }).click();
    await shot(tab, `event-${name}`);
    // Nothing is wider than the window.
    expect(await tab.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
  });
}

for (const [name, colorScheme, width] of [
  ["light", "light", 1280],
  ["dark", "dark", 1280],
  ["phone-light", "light", 360],
  ["phone-dark", "dark", 360],
] as const) {
  test(`a client that moves is seen on its way: ${name}`, async ({ tab, page, server, relay }) => {
    await tab.setViewportSize({ width, height: 740 });
    await tab.emulateMedia({ colorScheme, reducedMotion: "reduce" });
    const way = server.wayBy(relay.port);
    const ticker = await page.evaluateHandle(
      ({ url, options }) => new dunlin.Ticker(url, options, "ticks"),
      way,
    );
    const mover = tab.locator("#sessions tbody tr:not(.own)");
    await expect(mover.locator("td").last()).toHaveText("0");
    await expect(tab.locator("#moves")).toBeHidden();
    const before = (await mover.locator("td").nth(3).textContent()) ?? "";
    relay.rebind();
    await expect(mover.locator("td").last()).toHaveText("1");
    const after = (await mover.locator("td").nth(3).textContent()) ?? "";
    const move = tab.locator("#moves li");
    await expect(move).toContainText(`${before} → ${after}`);
    await expect(move).toContainText("another port");
    await expect(move).toHaveClass("fresh");
    await tab.screenshot({ path: `${TARGET}/screenshots/moved-${name}.png`, fullPage: true });
    expect(await tab.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    // A highlight is short.
    await expect(move).not.toHaveClass("fresh");
    await ticker.evaluate((ticker) => ticker.stop());
  });
}

test.describe("with a token", () => {
  const token = "open sesame, open";
  test.use({ settings: { "console.token": token } });

  test("the figures are for those who have it", async ({ tab }) => {
    const field = tab.getByLabel("Token");
    await expect(field).toBeVisible();
    await shot(tab, "token");
    await field.fill("open barley, open");
    await tab.getByRole("button", { name: "Show" }).click();
    await expect(tab.locator("#locked-text")).toContainText("did not accept");
    await field.fill(token);
    await tab.getByRole("button", { name: "Show" }).click();
    await expect(field).toBeHidden();
    await expect(tab.locator(".tile").filter({ hasText: "Sessions" }).locator(".value")).toHaveText(/\d/);
    expect(tab.url()).not.toContain("sesame");
  });
});

test.describe("switched off", () => {
  test.use({ settings: { "console.mode": "off" } });

  test("there is no page, and there are no figures", async ({ page, server }) => {
    expect((await fetch(server.site)).status).toBe(404);
    const refused = await page.evaluate(async ({ url, options }) => {
      const { joined } = new dunlin.Client(url, options).join("$server/stats");
      return joined.then(
        () => "joined",
        (error) => (error instanceof dunlin.JoinError ? error.codeName : String(error)),
      );
    }, server.way);
    expect(refused).toBe("NO_CHANNEL");
  });
});
