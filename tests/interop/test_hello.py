"""How a conversation begins and ends."""

from connection import ConnectionLost, WrongCertificate
from dunlin_client import Client
from frames import Code, Hello, Refused, Welcome
from server import HOST
from story import AGENT, Story


class HelloStory(Story):
    async def test_a_hello_is_welcomed(self):
        client = await self.client()
        self.assertEqual(client.welcome.version, 1)
        self.assertFalse(client.welcome.resumed)
        self.assertEqual(client.welcome.limits, (1048576, 100, 256))
        self.assertGreater(client.welcome.idle_ms, 0)

    async def test_another_certificate_than_the_pinned_one_is_not_accepted(self):
        with self.assertRaises(WrongCertificate):
            await Client(HOST, self.server.port, "00" * 32).connect()

    async def test_an_unknown_version_is_refused_and_the_connection_closed(self):
        connection = await self.connection()
        control = connection.open_stream()
        control.send(Hello([2, 4294967295], AGENT, bytes(16)))
        refused = await control.receive()
        self.assertIsInstance(refused, Refused)
        self.assertEqual(refused.code, Code.UNSUPPORTED_VERSION)
        self.assertEqual((await connection.lost).code, Code.UNSUPPORTED_VERSION)

    async def test_the_highest_version_that_both_speak_is_chosen(self):
        connection = await self.connection()
        control = connection.open_stream()
        control.send(Hello([7, 1, 2], AGENT, bytes(16)))
        welcome = await control.receive()
        self.assertIsInstance(welcome, Welcome)
        self.assertEqual(welcome.version, 1)

    async def test_a_ping_is_answered(self):
        client = await self.client()
        await client.ping()

    async def test_without_authentication_any_token_is_good_forever(self):
        client = await self.client()
        self.assertIsNone(await client.refresh("secret"))

    async def test_goodbye_ends_the_session_and_voids_its_ticket(self):
        client = await self.client()
        ticket = client.ticket
        self.assertEqual(await client.goodbye(), Code.OK)
        client.ticket = ticket
        await client.connect()
        self.assertFalse(client.welcome.resumed)

    async def test_finishing_the_control_stream_is_a_goodbye(self):
        connection, control = await self.greeted()
        control.finish()
        self.assertEqual((await connection.lost).code, Code.OK)


class FullServerStory(Story):
    SETTINGS = ["limits.sessions=1"]

    async def test_a_full_server_says_so(self):
        await self.client()
        with self.assertRaises(ConnectionLost) as full:
            await self.client()
        self.assertEqual(full.exception.code, Code.SERVER_FULL)
