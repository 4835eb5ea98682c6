"""A push is applied once, and everybody sees the same order."""

import asyncio

import msgpack

from dunlin_client import Failed
from frames import Code, Event, Push, Reply
from story import Story


def place(reply):
    """Where the built-in channel says that a push stands in the log, as (epoch, offset)."""
    told = msgpack.unpackb(reply.payload)
    return told["epoch"], told["offset"]


async def payloads(channel, count):
    """The payloads of the next events."""
    return [(await channel.next()).payload for _ in range(count)]


class PushStory(Story):
    async def test_the_reply_names_the_place_of_the_event(self):
        client = await self.client()
        channel = await client.join("room:1")
        reply = await channel.push("say", b"")
        event = await channel.next()
        self.assertEqual(place(reply), (channel.position.epoch, event.offset))

    async def test_a_thousand_events_reach_two_members_in_one_order(self):
        clients = [await self.client() for _ in range(2)]
        channels = [await client.join("room:1") for client in clients]
        mine = [[b"%d-%d" % (member, number) for number in range(500)] for member in range(2)]
        pushes = [channel.push("say", payload) for channel, said in zip(channels, mine) for payload in said]
        pushing = asyncio.gather(*pushes)
        heard = await asyncio.gather(*(payloads(channel, 1000) for channel in channels))
        await pushing
        self.assertEqual(heard[0], heard[1])
        for member in range(2):
            self.assertEqual([said for said in heard[0] if said in set(mine[member])], mine[member])

    async def test_a_mebibyte_goes_both_ways(self):
        client = await self.client()
        channel = await client.join("room:1")
        payload = bytes(range(256)) * 4096
        await channel.push("file", payload)
        self.assertEqual((await channel.next()).payload, payload)

    async def test_a_payload_above_the_limit_ends_nothing(self):
        client = await self.client()
        channel = await client.join("room:1")
        with self.assertRaises(Failed) as failed:
            await channel.push("file", bytes(client.welcome.limits.payload + 1))
        self.assertEqual(failed.exception.code, Code.PAYLOAD_TOO_LARGE)
        await channel.push("say", b"")

    async def test_a_repeated_push_on_the_same_stream_gets_the_same_reply(self):
        _, stream = await self.joined("room:1")
        stream.send(Push(5, "say", b"once"))
        stream.send(Push(5, "say", b"once"))
        stream.send(Push(6, "say", b"next"))
        frames = [await stream.receive() for _ in range(5)]
        replies = [frame for frame in frames if isinstance(frame, Reply)]
        self.assertEqual([reply.reference for reply in replies], [5, 5, 6])
        self.assertEqual(replies[0], replies[1])
        self.assertEqual([frame.payload for frame in frames if isinstance(frame, Event)], [b"once", b"next"])

    async def test_a_reference_below_one_that_was_handled_counts_as_applied(self):
        _, stream = await self.joined("room:1")
        stream.send(Push(5, "say", b"five"))
        stream.send(Push(3, "say", b"three"))
        stream.send(Push(6, "say", b"six"))
        frames = [await stream.receive() for _ in range(5)]
        replies = [(frame.reference, frame.code) for frame in frames if isinstance(frame, Reply)]
        self.assertEqual(replies, [(5, Code.OK), (3, Code.ALREADY_APPLIED), (6, Code.OK)])
        self.assertEqual([frame.payload for frame in frames if isinstance(frame, Event)], [b"five", b"six"])


class ExactlyOnceStory(Story):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.observer = await (await self.client()).join("room:1")
        self.member = await self.client()
        self.channel = await self.member.join("room:1")

    async def test_a_push_whose_reply_was_lost_is_applied_once_and_answered_the_same(self):
        self.member.connection.deafen()
        push = asyncio.create_task(self.channel.push("say", b"once"))
        seen = await self.observer.next()
        self.member.connection.abandon()

        await self.member.connect()
        self.assertTrue(self.member.welcome.resumed)
        self.assertEqual(self.channel.joined.applied, 1)
        reply = await push
        self.assertEqual(reply.code, Code.OK)
        self.assertEqual(place(reply), (self.observer.position.epoch, seen.offset))
        await self.channel.push("say", b"next")
        self.assertEqual((await self.observer.next()).payload, b"next")
        self.assertEqual(await payloads(self.channel, 2), [b"once", b"next"])

    async def test_a_push_that_never_arrived_is_applied_when_it_is_repeated(self):
        self.member.connection.abandon()
        push = asyncio.create_task(self.channel.push("say", b"late"))
        await self.member.connect()
        self.assertEqual(self.channel.joined.applied, 0)
        await push
        self.assertEqual((await self.observer.next()).payload, b"late")

    async def test_pushes_of_which_only_some_arrived_are_applied_once_and_in_order(self):
        self.member.connection.deafen()
        first = [asyncio.create_task(self.channel.push("say", b"%d" % n)) for n in range(10)]
        heard = await payloads(self.observer, 10)
        self.member.connection.abandon()
        # Begun in the dead connection, before the client has noticed.
        more = [asyncio.create_task(self.channel.push("say", b"%d" % n)) for n in range(10, 20)]
        await self.member.connect()
        await asyncio.gather(*first, *more)
        heard += await payloads(self.observer, 10)
        self.assertEqual(heard, [b"%d" % n for n in range(20)])

    async def test_a_push_repeated_in_a_new_session_is_still_recognised(self):
        self.member.connection.deafen()
        push = asyncio.create_task(self.channel.push("say", b"once"))
        await self.observer.next()
        self.member.connection.abandon()

        self.member.ticket = None
        await self.member.connect()
        self.assertFalse(self.member.welcome.resumed)
        self.assertIn((await push).code, (Code.OK, Code.ALREADY_APPLIED))
        await self.channel.push("say", b"next")
        self.assertEqual((await self.observer.next()).payload, b"next")


class ShortMemoryStory(Story):
    SETTINGS = ["limits.pushes=2"]

    async def test_a_reply_that_is_no_longer_held_is_named_as_applied(self):
        _, stream = await self.joined("room:1")
        for reference in range(1, 5):
            stream.send(Push(reference, "say", b""))
            while not isinstance(await stream.receive(), Reply):
                pass
        stream.send(Push(1, "say", b""))
        while not isinstance(reply := await stream.receive(), Reply):
            pass
        self.assertEqual((reply.reference, reply.code, reply.payload or b""), (1, Code.ALREADY_APPLIED, b""))


class SmallPayloadStory(Story):
    SETTINGS = ["limits.payload=1KiB"]

    async def test_an_error_reply_is_final(self):
        observer = await (await self.client()).join("room:1")
        member = await self.client()
        channel = await member.join("room:1")
        member.connection.deafen()
        refused = asyncio.create_task(channel.push("say", bytes(1025)))
        applied = asyncio.create_task(channel.push("say", b"applied"))
        self.assertEqual((await observer.next()).payload, b"applied")
        member.connection.abandon()
        await member.connect()
        self.assertEqual(channel.joined.applied, 2)
        with self.assertRaises(Failed) as failed:
            await refused
        self.assertEqual(failed.exception.code, Code.PAYLOAD_TOO_LARGE)
        await applied
