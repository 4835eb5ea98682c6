"""How events are delivered to members that ask for something."""

from frames import Adjust, Delivery, Event, Gap, Join, Joined, Start
from story import Story


class DeliveryStory(Story):
    async def member(self, join):
        """A connection, the stream of a member, and the answer to its join."""
        connection, _ = await self.greeted()
        stream = connection.open_stream()
        stream.send(join)
        joined = await stream.receive()
        self.assertIsInstance(joined, Joined)
        return connection, stream, joined

    async def test_small_events_come_in_datagrams_and_large_ones_on_the_stream(self):
        client = await self.client()
        say = await client.join("cursors", delivery=Delivery.NONE)
        join = Join("cursors", delivery=Delivery.DATAGRAM, flow=2**32 - 1)
        connection, stream, joined = await self.member(join)
        self.assertEqual(joined.delivery, Delivery.DATAGRAM)
        for n in range(1, 6):
            await say.push("moved", b"\xc0", key="ada")
            flow, event = await connection.datagrams.get()
            self.assertEqual((flow, event.offset, event.key), (2**32 - 1, n, "ada"))
        await say.push("moved", bytes(5000))
        self.assertEqual(len((await stream.receive()).payload), 5000)

    async def test_the_newest_of_each_key_comes_at_intervals_that_can_be_ended(self):
        client = await self.client()
        say = await client.join("map", delivery=Delivery.NONE)
        join = Join("map", delivery=Delivery.LATEST, interval_ms=3_600_000)
        _, stream, _ = await self.member(join)
        for key in ("ada", "ada", "bob", "ada"):
            await say.push("moved", b"\xc0", key=key)
        first = await stream.receive()
        stream.send(Adjust(interval_ms=0))
        rest = []
        while not rest or rest[-1].offset < 4:
            rest.append(await stream.receive())
        # How many there were when the first delivery was made is not known.
        self.assertEqual((first.key, rest[-1].key), ("ada", "ada"))
        self.assertLessEqual(len(rest), 2)

    async def test_a_join_may_begin_with_the_last_events(self):
        client = await self.client()
        say = await client.join("chat", delivery=Delivery.NONE)
        for _ in range(4):
            await say.push("said", b"\xc0")
        _, stream, joined = await self.member(Join("chat", rewind=2))
        self.assertEqual((joined.start, joined.position.offset, joined.head), (Start.LIVE, 2, 4))
        self.assertEqual([(await stream.receive()).offset for _ in range(2)], [3, 4])

    async def test_what_is_late_is_named(self):
        client = await self.client()
        say = await client.join("news", delivery=Delivery.NONE)
        for _ in range(3):
            await say.push("said", b"\xc0")
        since = say.position._replace(offset=0)
        _, stream, joined = await self.member(Join("news", since=since, deadline_ms=1))
        self.assertEqual(joined.start, Start.RECOVERED)
        missed = 0
        while missed < 3:
            frame = await stream.receive()
            # A server that is very quick may deliver the last one in time.
            self.assertIsInstance(frame, (Gap, Event))
            missed = frame.last if isinstance(frame, Gap) else frame.offset
