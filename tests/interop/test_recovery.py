"""What a member that was away gets, and what it is told that it missed."""

import asyncio

from frames import Code, Delivery, Event, Gap, Position, Start
from story import Story


async def until(channel, payload):
    """Everything up to and including the event with this payload."""
    happened = [await channel.next()]
    while not isinstance(happened[-1], Event) or happened[-1].payload != payload:
        happened.append(await channel.next())
    return happened


def said(happened):
    return [frame.payload for frame in happened]


class HistoryStory(Story):
    """One client speaks in a room, another is away."""

    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.speaker = await (await self.client()).join("room:1")
        self.client_away = await self.client()

    async def say(self, *words, key=None):
        for word in words:
            await self.speaker.push("say", word, key)


class RecoveryStory(HistoryStory):
    async def test_a_member_that_was_away_gets_all_it_missed(self):
        channel = await self.client_away.join("room:1")
        await self.say(b"1")
        self.assertEqual(said(await until(channel, b"1")), [b"1"])
        since = channel.position
        self.client_away.connection.abandon()
        await self.say(b"2", b"3")
        await self.client_away.connect()
        self.assertEqual(channel.joined.start, Start.RECOVERED)
        self.assertEqual(channel.joined.position, since)
        self.assertEqual(said(await until(channel, b"3")), [b"2", b"3"])

    async def test_a_new_member_can_have_all_of_history(self):
        await self.say(b"1", b"2")
        channel = await self.client_away.join("room:1", since=Position(0, 0))
        self.assertEqual(channel.joined.start, Start.RECOVERED)
        self.assertEqual(channel.joined.position.epoch, self.speaker.position.epoch)
        self.assertEqual(said(await until(channel, b"2")), [b"1", b"2"])

    async def test_a_position_of_another_epoch_is_lost(self):
        await self.say(b"1")
        epoch, offset = self.speaker.joined.position
        channel = await self.client_away.join("room:1", since=Position(epoch + 1, offset))
        self.assertEqual(channel.joined.start, Start.LOST)
        await self.say(b"2")
        self.assertEqual(said(await until(channel, b"2")), [b"2"])

    async def test_a_position_ahead_of_the_log_is_lost(self):
        epoch, offset = self.speaker.joined.position
        channel = await self.client_away.join("room:1", since=Position(epoch, offset + 1000))
        self.assertEqual(channel.joined.start, Start.LOST)

    async def test_a_position_without_an_epoch_is_lost(self):
        channel = await self.client_away.join("room:1", since=Position(0, 1))
        self.assertEqual(channel.joined.start, Start.LOST)

    async def test_latest_recovers_the_newest_of_every_key(self):
        since = self.speaker.joined.position
        await self.say(b"a1", b"a2", key="a")
        await self.say(b"1", b"2")
        await self.say(b"b1", b"b2", key="b")
        await self.say(b"a3", key="a")
        channel = await self.client_away.join("room:1", since=since, delivery=Delivery.LATEST)
        self.assertEqual(said(await until(channel, b"a3")), [b"2", b"b2", b"a3"])

    async def test_whoever_wants_no_events_gets_none_but_can_push(self):
        channel = await self.client_away.join("room:1", delivery=Delivery.NONE)
        await channel.push("say", b"silent")
        await until(self.speaker, b"silent")
        reply = await channel.push("say", b"still")
        self.assertEqual(reply.code, Code.OK)
        await self.client_away.leave(channel)
        self.assertEqual(channel.unread, 0)


class PauseStory(HistoryStory):
    async def test_a_pause_holds_events_back_and_resume_brings_them_all(self):
        channel = await self.client_away.join("room:1")
        self.client_away.pause()
        await self.client_away.ping()
        await self.say(b"1", b"2")
        # Replies go on meanwhile.
        await channel.push("say", b"3")
        self.assertEqual(channel.unread, 0)
        self.client_away.resume()
        self.assertEqual(said(await until(channel, b"3")), [b"1", b"2", b"3"])

    async def test_a_pause_ends_with_its_connection(self):
        channel = await self.client_away.join("room:1")
        self.client_away.pause()
        await self.client_away.ping()
        await self.say(b"1")
        self.client_away.connection.abandon()
        await self.client_away.connect()
        self.assertEqual(said(await until(channel, b"1")), [b"1"])

    async def test_latest_brings_the_newest_of_every_key_after_a_pause(self):
        channel = await self.client_away.join("room:1", delivery=Delivery.LATEST)
        self.client_away.pause()
        await self.client_away.ping()
        for round_ in range(10):
            await self.say(b"a%d" % round_, key="a")
            await self.say(b"b%d" % round_, key="b")
        self.client_away.resume()
        self.assertEqual(said(await until(channel, b"b9"))[-2:], [b"a9", b"b9"])


class ShortHistoryStory(HistoryStory):
    SETTINGS = ["history.count=5"]

    async def test_a_position_beyond_history_is_lost(self):
        since = self.speaker.joined.position
        await self.say(*(b"%d" % number for number in range(20)))
        channel = await self.client_away.join("room:1", since=since)
        self.assertEqual(channel.joined.start, Start.LOST)
        self.assertGreater(channel.position.offset, since.offset)

    async def test_a_gap_names_what_a_pause_has_cost(self):
        channel = await self.client_away.join("room:1")
        before = channel.position
        self.client_away.pause()
        await self.client_away.ping()
        # Far more than history: a server may keep some more events for members than for those who join.
        words = [b"%d" % number for number in range(1000)]
        await asyncio.gather(*(self.speaker.push("say", word) for word in words))
        self.client_away.resume()
        gap, *events = await until(channel, words[-1])
        self.assertIsInstance(gap, Gap)
        self.assertEqual(gap.first, before.offset + 1)
        self.assertGreater(events[0].offset, gap.last)
        self.assertGreaterEqual(len(events), 5)
        self.assertEqual(said(events), words[-len(events) :])
