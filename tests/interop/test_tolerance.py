"""What the server must accept, though it is not what clients usually send."""

import msgpack

from frames import KIND_OF, Event, Hello, Join, Joined, Push, Reply, Welcome, encode, encode_elements, with_length
from story import AGENT, Story

FROM_THE_FUTURE = ("later", {"any": [1, None]}, 2.5, msgpack.Timestamp(0))


class ToleranceStory(Story):
    async def replied(self, stream):
        """The next reply, past any events."""
        while not isinstance(frame := await stream.receive(), Reply):
            self.assertIsInstance(frame, Event)
        return frame

    async def test_more_elements_than_known_are_ignored(self):
        connection = await self.connection()
        control = connection.open_stream()
        control.send_bytes(encode_elements(KIND_OF[Hello], [1], AGENT, bytes(16), None, None, *FROM_THE_FUTURE))
        self.assertIsInstance(await control.receive(), Welcome)
        stream = connection.open_stream()
        stream.send_bytes(encode_elements(KIND_OF[Join], "room:1", None, 0, 128, *[None] * 6, *FROM_THE_FUTURE))
        self.assertIsInstance(await stream.receive(), Joined)
        stream.send_bytes(encode_elements(KIND_OF[Push], 1, "say", b"", None, *FROM_THE_FUTURE))
        self.assertEqual((await self.replied(stream)).code, 0)

    async def test_optional_fields_may_be_missing_or_nil(self):
        connection = await self.connection()
        control = connection.open_stream()
        control.send_bytes(encode_elements(KIND_OF[Hello], [1], AGENT, bytes(16)))
        self.assertIsInstance(await control.receive(), Welcome)
        for fields in [("room:1",), ("room:2", None), ("room:3", None, None, None, None, None)]:
            with self.subTest(fields=fields):
                stream = connection.open_stream()
                stream.send_bytes(encode_elements(KIND_OF[Join], *fields))
                self.assertIsInstance(await stream.receive(), Joined)
                stream.send_bytes(encode_elements(KIND_OF[Push], 1, "say", b""))
                self.assertEqual((await self.replied(stream)).code, 0)

    async def test_every_width_of_integers_and_headers_is_legal(self):
        connection, _ = await self.greeted()
        stream = connection.open_stream()
        join = b"\xdd\x00\x00\x00\x02" + b"\xd3\x00\x00\x00\x00\x00\x00\x00\x10" + b"\xdb\x00\x00\x00\x06room:1"
        stream.send_bytes(with_length(join))
        self.assertIsInstance(await stream.receive(), Joined)
        push = b"\xdc\x00\x04" + b"\xd0\x12" + b"\xcd\x00\x01" + b"\xd9\x03say" + b"\xc6\x00\x00\x00\x01\xc0"
        stream.send_bytes(with_length(push))
        self.assertEqual((await self.replied(stream)).reference, 1)

    async def test_frames_may_arrive_one_byte_at_a_time(self):
        connection = await self.connection()
        control = connection.open_stream()
        stream = connection.open_stream()
        for target, frame, answer in [
            (control, Hello([1], AGENT, bytes(16)), Welcome),
            (stream, Join("room:1"), Joined),
            (stream, Push(1, "say", b"bit by bit"), (Event, Reply)),
        ]:
            for byte in encode(frame):
                target.send_bytes(bytes([byte]))
                # Each byte in a packet of its own, which the server has received before the next one goes.
                await connection.ping()
            self.assertIsInstance(await target.receive(), answer)

    async def test_many_frames_may_arrive_at_once(self):
        connection, stream = await self.joined("room:1")
        stream.send_bytes(b"".join(encode(Push(reference, "say", b"")) for reference in range(1, 101)))
        replies = [await self.replied(stream) for _ in range(100)]
        self.assertEqual([reply.reference for reply in replies], list(range(1, 101)))

    async def test_joins_may_come_in_the_flight_of_the_hello(self):
        connection = await self.connection()
        control, stream = connection.open_stream(), connection.open_stream()
        stream.send(Join("room:1"))
        control.send(Hello([1], AGENT, bytes(16)))
        self.assertIsInstance(await control.receive(), Welcome)
        self.assertIsInstance(await stream.receive(), Joined)

    async def test_a_first_push_may_follow_its_join_at_once(self):
        connection = await self.connection()
        control, stream = connection.open_stream(), connection.open_stream()
        control.send(Hello([1], AGENT, bytes(16)))
        stream.send(Join("room:1"))
        stream.send(Push(1, "say", b""))
        self.assertIsInstance(await stream.receive(), Joined)
        self.assertEqual((await self.replied(stream)).code, 0)
