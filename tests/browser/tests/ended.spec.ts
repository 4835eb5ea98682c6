// A page in which many topics are open when the server ends their session: over WebTransport that crashed it (Chromium 156) unless
// the streams had ended before the session.
import { expect, test } from "../harness/world.ts";

const TOPICS = 50;

for (const transport of ["webtransport", "websocket"] as const) {
  test(`a page with ${TOPICS} topics outlives what the server ends over ${transport}`, async ({
    page,
    server,
  }) => {
    const client = await page.evaluateHandle(
      async ([{ url, options }, transport, topics]) => {
        const client = new dunlin.Client(url, { ...options, transports: [transport] });
        await Promise.all(Array.from({ length: topics }, (_, n) => client.join(`topic:${n}`).joined));
        return client;
      },
      [server.way, transport, TOPICS] as const,
    );
    for (let round = 1; round <= 3; round++) {
      const session = await client.evaluate(({ connection }) => connection?.session);
      const url = `http://127.0.0.1:${server.ports.plain}/v1/sessions/${session}?reconnect=true`;
      expect((await fetch(url, { method: "DELETE" })).ok).toBe(true);
      await expect.poll(() => client.evaluate(({ connection }) => connection?.session)).not.toBe(session);
      await expect.poll(() => server.metric("dunlin_channels")).toBe(TOPICS);
    }
    await client.evaluate((client) => client.close());
    expect(await page.evaluate(() => 1)).toBe(1);
  });
}
