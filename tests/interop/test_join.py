"""How members come and go."""

from dunlin_client import Failed
from frames import Closed, Code, Event, Join, Push, Reply, Start
from story import Story


class JoinStory(Story):
    async def test_a_member_sees_what_is_pushed_from_now_on(self):
        client = await self.client()
        channel = await client.join("room:42")
        self.assertEqual(channel.joined.start, Start.LIVE)
        self.assertEqual(channel.joined.applied, 0)
        self.assertGreater(channel.position.epoch, 0)
        before = channel.position
        await channel.push("say", b"\xa5hello", key="ada")
        event = await channel.next()
        self.assertEqual((event.event, event.payload, event.key), ("say", b"\xa5hello", "ada"))
        self.assertGreater(channel.position.offset, before.offset)

    async def test_names_that_are_no_topics_are_refused(self):
        client = await self.client()
        for topic in ("", "a//b", "/a", "a:", "a b", "a\n", "ä", "#", "x" * 256, "$ ", "$" + "x" * 255):
            with self.subTest(topic=topic), self.assertRaises(Failed) as refused:
                await client.join(topic)
            self.assertEqual(refused.exception.code, Code.ILLEGAL_TOPIC)

    async def test_every_legal_character_may_be_in_a_topic(self):
        client = await self.client()
        for topic in ("a", "A9/z:-/_.~@+=,!$", "x" * 255):
            with self.subTest(topic=topic):
                await client.join(topic)

    async def test_topics_that_the_server_does_not_serve_are_refused(self):
        client = await self.client()
        for topic in ("$", "$server", "$a/b"):
            with self.subTest(topic=topic), self.assertRaises(Failed) as refused:
                await client.join(topic)
            self.assertEqual(refused.exception.code, Code.NO_CHANNEL)

    async def test_a_join_may_be_as_long_as_any_channel_frame(self):
        client = await self.client()
        await client.join("room:1", params=bytes(client.welcome.limits.payload))

    async def test_a_refused_join_touches_nothing_else(self):
        client = await self.client()
        channel = await client.join("room:1")
        with self.assertRaises(Failed):
            await client.join("no topic")
        await channel.push("say", b"")

    async def test_a_second_join_replaces_the_first(self):
        client = await self.client()
        first = await client.join("room:1")
        second = await client.join("room:1", since=first.position)
        with self.assertRaises(Failed) as closed:
            await first.next()
        self.assertEqual(closed.exception.code, Code.REPLACED)
        await second.push("say", b"")
        self.assertIsInstance(await second.next(), Event)

    async def test_the_old_stream_is_finished_after_its_closed(self):
        connection, old = await self.joined("room:1")
        connection.open_stream().send(Join("room:1"))
        closed = await old.receive()
        self.assertIsInstance(closed, Closed)
        self.assertEqual(closed.code, Code.REPLACED)
        self.assertIsNone(await old.receive())

    async def test_whoever_leaves_still_gets_the_answers(self):
        _, stream = await self.joined("room:1")
        for reference in range(1, 101):
            stream.send(Push(reference, "say", b""))
        stream.finish()
        answered = []
        while (frame := await stream.receive()) is not None:
            if isinstance(frame, Reply):
                answered.append(frame.reference)
        self.assertEqual(answered, list(range(1, 101)))

    async def test_a_member_that_resets_its_stream_has_left(self):
        connection, stream = await self.joined("room:1")
        stream.reset(Code.OK)
        while await stream.receive() is not None:
            pass
        again = connection.open_stream()
        again.send(Join("room:1"))
        self.assertEqual((await again.receive()).start, Start.LIVE)

    async def test_references_go_on_after_leaving(self):
        client = await self.client()
        first = await client.join("room:1")
        await first.push("say", b"")
        await client.leave(first)
        second = await client.join("room:1")
        self.assertEqual(second.joined.applied, 0)
        self.assertEqual((await second.push("say", b"")).reference, 2)


class FewChannelsStory(Story):
    SETTINGS = ["limits.channels=2"]

    async def test_one_channel_too_many_is_refused(self):
        client = await self.client()
        first = await client.join("room:1")
        await client.join("room:2")
        with self.assertRaises(Failed) as refused:
            await client.join("room:3")
        self.assertEqual(refused.exception.code, Code.CHANNEL_LIMIT)
        await client.leave(first)
        await client.join("room:3")

    async def test_replacing_a_channel_takes_no_more_room(self):
        client = await self.client()
        await client.join("room:1")
        await client.join("room:2")
        await client.join("room:2")


class ManyChannelsStory(Story):
    async def test_stream_credit_comes_as_it_is_used(self):
        client = await self.client()
        for number in range(100):
            await client.join(f"room:{number}")
        for number in range(100):
            await client.leave(client.channels[f"room:{number}"])
        for number in range(100):
            await client.join(f"room:{number}")

    async def test_more_joins_in_the_first_flight_than_credit_are_all_answered(self):
        client = await self.client()
        for number in range(60):
            await client.join(f"room:{number}")
        client.connection.abandon()
        await client.connect()
        self.assertTrue(client.welcome.resumed)
        self.assertEqual({channel.joined.start for channel in client.channels.values()}, {Start.RECOVERED})
