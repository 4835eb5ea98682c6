// The example `cursors`: what guests see of each other on the board. What it looks like is left in target/screenshots.
import { test as base, expect, type Page } from "@playwright/test";
import { Board } from "../harness/board.ts";
import { TARGET } from "../harness/target.ts";

/** A place on the board, as fractions of its width and height. */
type Place = readonly [x: number, y: number];

/** Lets somebody come to the board, in a browser profile and a window of their own. */
type Come = (width: number, height: number) => Promise<Page>;

const test = base.extend<{ readonly board: Board; readonly lacking: string; readonly come: Come }>({
  board: async ({}, use) => {
    await using board = await Board.start();
    await use(board);
  },
  /** What these browsers do not have, so that they use the other. */
  lacking: ["", { option: true }],
  come: async ({ browser, board, lacking }, use) => {
    const wrong: string[] = [];
    const contexts = new Set<{ close(): Promise<void> }>();
    await use(async (width, height) => {
      // Without transitions, a cursor is only where it was told to be.
      const context = await browser.newContext({ viewport: { width, height }, reducedMotion: "reduce" });
      contexts.add(context);
      const page = await context.newPage();
      page.on("pageerror", (error) => wrong.push(String(error)));
      page.on("crash", () => wrong.push("the page crashed"));
      await page.addInitScript((lacking) => Reflect.deleteProperty(globalThis, lacking), lacking);
      await page.goto(board.url);
      await expect(page.getByRole("status")).toHaveText(/^live/);
      return page;
    });
    for (const context of contexts) await context.close();
    expect(wrong).toEqual([]);
  },
});

/** Where a guest's own pointer goes. */
async function point(page: Page, [x, y]: Place): Promise<void> {
  const { width, height } = await page
    .locator("#board")
    .evaluate(({ clientWidth: width, clientHeight: height }) => ({ width, height }));
  await page.locator("#board").hover({ position: { x: x * width, y: y * height } });
}

/** Moves a guest's pointer without rest, for which it must be done within the page, until what is returned is called. */
async function wander(page: Page): Promise<() => Promise<void>> {
  const timer = await page.locator("#board").evaluate((board) => {
    const { x, y, width } = board.getBoundingClientRect();
    let way = 0;
    return window.setInterval(() => {
      way += 1;
      board.dispatchEvent(new PointerEvent("pointermove", { clientX: x + (way % width), clientY: y }));
    }, 10);
  });
  return () => page.evaluate((timer) => clearInterval(timer), timer);
}

/** Where a guest sees the cursors of others, from left to right. */
function others(page: Page): Promise<Place[]> {
  return page.locator("#board").evaluate((board) => {
    const box = board.getBoundingClientRect();
    return [...board.querySelectorAll(".cursor:not(.mine)")]
      .filter((cursor) => cursor.checkVisibility())
      .map((cursor) => cursor.getBoundingClientRect())
      .map(({ x, y }): Place => [(x - box.x) / box.width, (y - box.y) / box.height])
      .sort(([a], [b]) => a - b);
  });
}

/** Waits until a guest sees the cursors of others there, from left to right, and nobody else's. */
async function sees(page: Page, places: readonly Place[]): Promise<void> {
  const near = places.map(([x, y]) => [expect.closeTo(x, 2), expect.closeTo(y, 2)]);
  await expect.poll(() => others(page)).toEqual(near);
}

function guests(page: Page) {
  return page.getByRole("list", { name: "Who is here" }).getByRole("listitem");
}

for (const { lacking, state } of [
  { lacking: "WebSocket", state: "live, in datagrams" },
  { lacking: "WebTransport", state: "live, the newest of each" },
]) {
  test.describe(state, () => {
    test.use({ lacking });

    test("a cursor is where its guest points, in windows of any size", async ({ come }) => {
      const [ada, bob] = [await come(1280, 800), await come(640, 900)];
      for (const page of [ada, bob]) {
        await expect(page.getByRole("status")).toHaveText(state);
        await expect(guests(page)).toHaveCount(2);
        await expect(guests(page).filter({ hasText: "(you)" })).toHaveCount(1);
      }
      // Where a cursor rests is told in another way: what Bob sees of her now are moves.
      const stop = await wander(ada);
      const seen = new Set<string>();
      const places = async () => seen.add(String(await others(bob))).size;
      await expect.poll(places, { intervals: [10] }).toBeGreaterThan(10);
      await stop();
      await point(ada, [0.25, 0.6]);
      await sees(bob, [[0.25, 0.6]]);
      await bob.setViewportSize({ width: 1000, height: 500 });
      await sees(bob, [[0.25, 0.6]]);
      await point(bob, [0.75, 0.3]);
      await sees(ada, [[0.75, 0.3]]);
    });

    test("who comes later sees where everybody is, though nobody moves", async ({ come }) => {
      const [ada, bob] = [await come(1280, 800), await come(640, 900)];
      await point(ada, [0.25, 0.6]);
      await point(bob, [0.75, 0.3]);
      await sees(ada, [[0.75, 0.3]]);
      await sees(bob, [[0.25, 0.6]]);
      const cleo = await come(900, 600);
      await sees(cleo, [
        [0.25, 0.6],
        [0.75, 0.3],
      ]);
      await expect(guests(cleo)).toHaveCount(3);
      await cleo.screenshot({ path: `${TARGET}/screenshots/cursors.png` });
    });

    test("who closes the page is gone, and the cursor too", async ({ come }) => {
      const [ada, bob] = [await come(1280, 800), await come(640, 900)];
      await point(ada, [0.25, 0.6]);
      await sees(bob, [[0.25, 0.6]]);
      await ada.close();
      await sees(bob, []);
      await expect(guests(bob)).toHaveCount(1);
    });
  });
}
