"""What the server does with what it must not accept."""

from frames import Closed, Code, Join, Joined, Ping, Refused, encode_elements, with_length
from story import AGENT, Story

NOT_MESSAGE_PACK = with_length(b"\xc1\xc1\xc1\xc1")
ENDLESS = b"\xff\xff\xff\xff"


class ControlErrorStory(Story):
    async def closed_after(self, data, greeted):
        """The code with which the server closes the connection after these bytes on its control stream."""
        if greeted:
            connection, control = await self.greeted()
        else:
            connection = await self.connection()
            control = connection.open_stream()
        control.send_bytes(data)
        return (await connection.lost).code

    async def test_garbage_instead_of_a_hello(self):
        self.assertEqual(await self.closed_after(ENDLESS, greeted=False), Code.FRAME_TOO_LARGE)
        self.assertEqual(await self.closed_after(NOT_MESSAGE_PACK, greeted=False), Code.MALFORMED)
        self.assertEqual(await self.closed_after(encode_elements(8, 1), greeted=False), Code.HELLO_EXPECTED)
        self.assertEqual(await self.closed_after(encode_elements(99), greeted=False), Code.HELLO_EXPECTED)

    async def test_garbage_after_the_hello(self):
        for data, code in [
            (ENDLESS, Code.FRAME_TOO_LARGE),
            (NOT_MESSAGE_PACK, Code.MALFORMED),
            (with_length(b""), Code.MALFORMED),
            (with_length(b"\x07"), Code.MALFORMED),
            (encode_elements(), Code.MALFORMED),
            (encode_elements("8", 1), Code.MALFORMED),
            (encode_elements(8), Code.MALFORMED),
            (encode_elements(8, 2**53), Code.ILLEGAL_VALUE),
            (encode_elements(8, -1), Code.MALFORMED),
            (encode_elements(8, 1.0), Code.MALFORMED),
            (encode_elements(8, None), Code.MALFORMED),
            (encode_elements(4, b"secret"), Code.MALFORMED),
            (with_length(b"\x92\x08\x07\x00"), Code.MALFORMED),
            (encode_elements(99), Code.UNEXPECTED_FRAME),
            (encode_elements(9, 1), Code.UNEXPECTED_FRAME),
            (encode_elements(9, "the kind counts before the fields"), Code.UNEXPECTED_FRAME),
            (encode_elements(16, "room:1"), Code.UNEXPECTED_FRAME),
            (encode_elements(1, [1], AGENT, bytes(16)), Code.HELLO_REPEATED),
        ]:
            with self.subTest(data=data):
                self.assertEqual(await self.closed_after(data, greeted=True), code)

    async def test_illegal_hellos(self):
        for fields, code in [
            (([], AGENT, bytes(16)), Code.UNSUPPORTED_VERSION),
            (([1] * 17, AGENT, bytes(16)), Code.ILLEGAL_VALUE),
            (([1], "x" * 513, bytes(16)), Code.ILLEGAL_VALUE),
            (([1], AGENT, bytes(15)), Code.ILLEGAL_VALUE),
            (([1, 2**32], AGENT, bytes(16)), Code.ILLEGAL_VALUE),
            (([1, -1], AGENT, bytes(16)), Code.MALFORMED),
            (([1], AGENT, bytes(17), "the first wrong field counts"), Code.ILLEGAL_VALUE),
            (([1], AGENT, "x" * 16), Code.MALFORMED),
            (([1], AGENT), Code.MALFORMED),
        ]:
            with self.subTest(fields=fields):
                self.assertEqual(await self.closed_after(encode_elements(1, *fields), greeted=False), code)


class ChannelErrorStory(Story):
    async def test_garbage_instead_of_a_join_is_refused_and_the_stream_ends(self):
        connection, _ = await self.greeted()
        for data, code in [
            (ENDLESS, Code.FRAME_TOO_LARGE),
            (NOT_MESSAGE_PACK, Code.MALFORMED),
            (encode_elements(18, 1, "say", b""), Code.UNEXPECTED_FRAME),
            (encode_elements(99), Code.UNEXPECTED_FRAME),
            (encode_elements(16, "room:1", None, 4), Code.ILLEGAL_VALUE),
            (encode_elements(16, "room:1", None, 0, 0, None, 0, 3_600_001), Code.ILLEGAL_VALUE),
            (encode_elements(16, "room:1", None, 0, 256), Code.ILLEGAL_VALUE),
            (encode_elements(16, "room:1", [0]), Code.MALFORMED),
            (encode_elements(16, "room:1", [0, 0, 0]), Code.MALFORMED),
            (encode_elements(16, "room:1", None, 0, 0, "params"), Code.MALFORMED),
        ]:
            with self.subTest(data=data):
                stream = connection.open_stream()
                stream.send_bytes(data)
                refused = await stream.receive()
                self.assertIsInstance(refused, Refused)
                self.assertEqual(refused.code, code)
                self.assertIsNone(await stream.receive())
                self.assertEqual(await stream.stopped, code)

    async def test_garbage_after_the_join_closes_the_channel_only(self):
        connection, control = await self.greeted()
        for data, code in [
            (ENDLESS, Code.FRAME_TOO_LARGE),
            (NOT_MESSAGE_PACK, Code.MALFORMED),
            (encode_elements(16, "room:2"), Code.UNEXPECTED_FRAME),
            (encode_elements(8, 1), Code.UNEXPECTED_FRAME),
            (encode_elements(18, 0, "say", b""), Code.ILLEGAL_VALUE),
            (encode_elements(18, 1, "", b""), Code.ILLEGAL_VALUE),
            (encode_elements(18, 1, "x" * 129, b""), Code.ILLEGAL_VALUE),
            (encode_elements(18, 1, "say", b"", "x" * 129), Code.ILLEGAL_VALUE),
            (encode_elements(18, 1, "say", "text"), Code.MALFORMED),
        ]:
            with self.subTest(data=data):
                stream = connection.open_stream()
                stream.send(Join("room:1"))
                await stream.receive()
                stream.send_bytes(data)
                closed = await stream.receive()
                self.assertIsInstance(closed, Closed)
                self.assertEqual(closed.code, code)
                self.assertIsNone(await stream.receive())
                self.assertEqual(await stream.stopped, code)
        control.send(Ping(7))
        self.assertEqual((await control.receive()).n, 7)

    async def test_a_stream_finished_without_a_join_is_refused(self):
        connection, _ = await self.greeted()
        stream = connection.open_stream()
        stream.finish()
        self.assertEqual((await stream.receive()).code, Code.UNEXPECTED_FRAME)
        self.assertIsNone(await stream.receive())

    async def test_a_stream_finished_within_a_frame_is_malformed(self):
        _, stream = await self.joined("room:1")
        stream.send_bytes(b"\x00\x00", finish=True)
        self.assertEqual((await stream.receive()).code, Code.MALFORMED)
        self.assertIsNone(await stream.receive())


class ImpatientServerStory(Story):
    SETTINGS = ["limits.deadline=200ms"]

    async def test_a_hello_that_does_not_come_in_time_ends_the_connection(self):
        connection = await self.connection()
        self.assertEqual((await connection.lost).code, Code.DEADLINE)

    async def test_a_push_that_stays_unfinished_ends_its_channel_only(self):
        connection, stream = await self.joined("room:1")
        stream.send_bytes(b"\x00\x00\x00\x10\x95")
        closed = await stream.receive()
        self.assertIsInstance(closed, Closed)
        self.assertEqual(closed.code, Code.DEADLINE)
        other = connection.open_stream()
        other.send(Join("room:1"))
        self.assertIsInstance(await other.receive(), Joined)
