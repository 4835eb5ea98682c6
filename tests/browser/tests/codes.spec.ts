// What a script sees of the server's codes, with the browser's own WebTransport.
import type { Page } from "@playwright/test";
import type { Server } from "../harness/server.ts";
import { expect, test } from "../harness/world.ts";

/** How the page's script reaches the server. */
function target({ ports, way }: Server): readonly [string, string] {
  return [`https://127.0.0.1:${ports.secure}`, way.options.certificateHashes?.[0] ?? ""];
}

/** How the session ends that says this first. */
function endAfter(page: Page, server: Server, ...first: unknown[]) {
  return page.evaluate(
    async ([[url, hash], first]) => {
      const session = dunlin.webTransport(url, hash);
      await session.ready;
      const { writable } = await session.createBidirectionalStream();
      await writable.getWriter().write(dunlin.frame(...first));
      const { closeCode, reason } = await session.closed;
      return { closeCode, reason };
    },
    [target(server), first] as const,
  );
}

test("the subprotocol is agreed on", async ({ page, server }) => {
  const protocol = await page.evaluate(async ([url, hash]) => {
    const session = dunlin.webTransport(url, hash, ["other.v2", "dunlin.v1"]);
    await session.ready;
    return (session as { protocol?: string }).protocol;
  }, target(server));
  expect(protocol).toBe("dunlin.v1");
});

test("a session that the server closes tells the code and the reason", async ({ page, server }) => {
  const ping = [8, 1];
  expect(await endAfter(page, server, ...ping)).toEqual({
    closeCode: 104,
    reason: expect.stringContaining("Hello"),
  });
  const versions = [2, 3];
  const helloOfTheFuture = [1, versions, "later/9", "0123456789abcdef"];
  expect(await endAfter(page, server, ...helloOfTheFuture)).toMatchObject({ closeCode: 100 });
});

test("a stream that the server stops tells the code, and the other streams go on", async ({
  page,
  server,
}) => {
  const result = await page.evaluate(async ([url, hash]) => {
    const session = dunlin.webTransport(url, hash);
    await session.ready;
    const control = await session.createBidirectionalStream();
    const writer = control.writable.getWriter();
    await writer.write(dunlin.hello());
    const { readable, writable } = await session.createBidirectionalStream();
    const joining = writable.getWriter();
    await joining.write(dunlin.frame(16, "$nothing/here"));
    const stopped = joining.closed.then(
      () => "not stopped",
      (error: WebTransportError) => ({ source: error.source, code: error.streamErrorCode }),
    );
    const refused = new Uint8Array(await new Response(readable).arrayBuffer());
    await writer.write(dunlin.frame(8, 1));
    const answers = control.readable.getReader();
    let pong = false;
    for (let bytes = new Uint8Array(); !pong; ) {
      const { value } = await answers.read();
      bytes = new Uint8Array([...bytes, ...(value ?? [])]);
      // `Pong` is the array of 2 that ends what has arrived.
      pong = bytes.at(-3) === 0x92 && bytes.at(-2) === 9 && bytes.at(-1) === 1;
    }
    session.close();
    return { refused: dunlin.decodeValue(refused.subarray(4)), stopped: await stopped, pong };
  }, target(server));
  expect(result).toEqual({
    refused: [3, 400, expect.any(String), null],
    stopped: { source: "stream", code: 400 },
    pong: true,
  });
});

test("a stream that the server resets tells the code", async ({ page, server }) => {
  const full = await page.evaluateHandle(async ([url, hash]) => {
    const session = dunlin.webTransport(url, hash);
    await session.ready;
    const open = async (first: Uint8Array) => {
      const { readable, writable } = await session.createBidirectionalStream();
      const writer = writable.getWriter();
      writer.closed.catch(() => {});
      await writer.write(first);
      return { reader: readable.getReader(), writer };
    };
    const control = await open(dunlin.hello());
    await control.reader.read();
    // Events that nobody reads, until the connection has no more room for anything of the server's.
    const unread = await Promise.all(["a", "b", "c", "d"].map((topic) => open(dunlin.frame(16, topic))));
    const megabyte = new Uint8Array(1 << 20);
    await Promise.all(
      unread.map(async ({ writer }) => {
        for (let n = 1; n <= 8; n++) await writer.write(dunlin.frame(18, n, "e", megabyte));
      }),
    );
    return { session, open };
  }, target(server));
  // The server sends as fast as its congestion control lets it: full is when it sends no more.
  let before = 0;
  await expect
    .poll(
      async () => {
        const last = before;
        before = await server.metric("dunlin_events_delivered_total");
        return before > 0 && before === last;
      },
      { intervals: [1_000] },
    )
    .toBe(true);
  const code = await full.evaluate(async ({ session, open }) => {
    // The refusal finds no room either: what is left is to say why with the reset.
    const { reader } = await open(dunlin.frame(16, "$nothing/here"));
    try {
      for (;;) {
        const { done } = await reader.read();
        if (done) return "finished";
      }
    } catch (error) {
      return (error as WebTransportError).streamErrorCode;
    } finally {
      session.close();
    }
  });
  expect(code).toBe(400);
});
