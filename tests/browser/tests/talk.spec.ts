import { AMPLE } from "../harness/way.ts";
import { expect, test } from "../harness/world.ts";

for (const transport of ["webtransport", "websocket"] as const) {
  test.describe(`over ${transport}`, () => {
    test("a page joins, pushes, is answered and hears itself", async ({ page, server }) => {
      const talk = await page.evaluate(
        async ([{ url, options }, transport]) => {
          const client = new dunlin.Client(url, { ...options, transports: [transport] });
          const channel = client.join("room:1");
          const { start } = await channel.joined;
          const reply = await channel.push("say", { text: "hello" }, { key: "k" });
          let event: unknown;
          for await (const message of channel) {
            if (message.type !== "event") continue;
            event = { event: message.event, data: message.data, key: message.key };
            break;
          }
          const carried = client.connection?.transport;
          await client.close();
          return { start, reply: reply.data as { offset: number }, event, carried, end: client.state.type };
        },
        [server.way, transport] as const,
      );
      expect(talk).toEqual({
        start: "live",
        reply: { epoch: expect.any(Number), offset: 1 },
        event: { event: "say", data: { text: "hello" }, key: "k" },
        carried: transport,
        end: "closed",
      });
      await expect.poll(() => server.metric("dunlin_sessions")).toBe(0);
    });

    test("a payload of 1 MiB goes up and down byte for byte, and one byte more is refused", async ({
      page,
      server,
    }) => {
      const result = await page.evaluate(
        async ([{ url, options }, transport]) => {
          const client = new dunlin.Client(url, { ...options, transports: [transport] });
          const channel = client.join("files");
          const sent = new Uint8Array(1 << 20);
          // The most that is given at once.
          for (let at = 0; at < sent.length; at += 65_536)
            crypto.getRandomValues(sent.subarray(at, at + 65_536));
          void channel.pushBytes("file", sent);
          let received = new Uint8Array();
          for await (const message of channel) {
            if (message.type !== "event") continue;
            received = Uint8Array.from(message.payload);
            break;
          }
          const tooMuch = channel.pushBytes("file", new Uint8Array((1 << 20) + 1)).then(
            () => "applied",
            (error) => (error instanceof dunlin.PushError ? error.failure : String(error)),
          );
          const same = received.length === sent.length && received.every((byte, at) => byte === sent[at]);
          return { same, tooMuch: await tooMuch };
        },
        [server.way, transport] as const,
      );
      expect(result).toEqual({ same: true, tooMuch: "tooLarge" });
    });

    test("2,000 messages on 50 topics arrive in order, each once", async ({ page, server }) => {
      const heard = await page.evaluate(
        async ([{ url, options }, transport]) => {
          const client = new dunlin.Client(url, { ...options, transports: [transport] });
          const listen = async (topic: string) => {
            const channel = client.join(topic);
            await channel.joined;
            // Those of one topic are on their way together, and with those of all others.
            const pushes = Array.from({ length: 40 }, (_, n) => channel.push("n", n));
            const numbers: unknown[] = [];
            for await (const message of channel) {
              if (message.type === "event") numbers.push(message.data);
              if (numbers.length === 40) break;
            }
            await Promise.all(pushes);
            return numbers;
          };
          const heard = await Promise.all(Array.from({ length: 50 }, (_, n) => listen(`topic:${n}`)));
          // Nothing follows that is too much: the answer to a ping comes after all that was on its way.
          await client.ping();
          await client.close();
          return heard;
        },
        [server.way, transport] as const,
      );
      const expected = Array.from({ length: 40 }, (_, n) => n);
      expect(heard).toEqual(Array.from({ length: 50 }, () => expected));
      expect(await server.metric("dunlin_events_delivered_total")).toBe(2_000);
    });
  });
}

test("a page that the server itself tells the way connects by certificate hash", async ({ page, server }) => {
  const carried = await page.evaluate(
    async ([site, headStart]) => {
      const { url, options } = await dunlin.discover(site);
      const client = new dunlin.Client(url, { ...options, headStart });
      await client.ping();
      return client.connection?.transport;
    },
    [server.site, AMPLE] as const,
  );
  expect(carried).toBe("webtransport");
});

test("another certificate than the one that was named is not believed", async ({ page, server }) => {
  const client = await page.evaluateHandle(({ url, options }) => {
    const certificateHashes = ["00".repeat(32)];
    return new dunlin.Client(url, { ...options, certificateHashes, transports: ["webtransport"] });
  }, server.way);
  await expect
    .poll(() => client.evaluate(({ problem }) => problem))
    .toContain("is the certificate the right one?");
  expect(await server.metric("dunlin_sessions_opened_total")).toBe(0);
});

test("datagrams of a page mean nothing and harm nothing", async ({ page, server }) => {
  const { url, options } = server.way;
  const closed = await page.evaluate(
    async ([url, hash]) => {
      const session = dunlin.webTransport(url, hash);
      await session.ready;
      const { readable, writable } = await session.createBidirectionalStream();
      const writer = writable.getWriter();
      await writer.write(dunlin.hello());
      const datagrams = session.datagrams.writable.getWriter();
      for (const size of [0, 1, 100, session.datagrams.maxDatagramSize])
        await datagrams.write(new Uint8Array(size));
      const reader = readable.getReader();
      await reader.read();
      // Goodbye, which is answered after all of this.
      await writer.write(dunlin.frame(11, 0, "bye"));
      return session.closed;
    },
    [url, options.certificateHashes?.[0] ?? ""] as const,
  );
  expect(closed).toMatchObject({ closeCode: 0 });
});
