"""A session is more than its connection."""

from frames import Code, Hello, Ping, Start, encode_elements
from story import AGENT, Story


class SessionStory(Story):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        self.member = await self.client()
        self.channel = await self.member.join("room:1")

    async def hello(self, client_id, ticket):
        """A connection, its control stream, and the Welcome."""
        connection = await self.connection()
        control = connection.open_stream()
        control.send(Hello([1], AGENT, client_id, ticket))
        return connection, control, await control.receive()

    async def test_a_session_waits_for_a_client_that_closed_with_an_error(self):
        self.member.connection.close(Code.MALFORMED)
        await self.member.connection.lost
        await self.member.connect()
        self.assertTrue(self.member.welcome.resumed)

    async def test_a_session_ends_with_a_close_of_code_ok(self):
        self.member.connection.close(Code.OK)
        await self.member.connection.lost
        await self.member.connect()
        self.assertFalse(self.member.welcome.resumed)

    async def test_a_membership_waits_until_it_is_joined_again(self):
        await self.channel.push("say", b"")
        self.member.connection.abandon()
        self.member.channels.clear()
        await self.member.connect()
        channel = await self.member.join("room:1", since=self.channel.position)
        self.assertEqual(channel.joined.applied, 1)

    async def test_a_session_ends_with_a_violation(self):
        def stop(control):
            control.stop(Code.GOING_AWAY)
            # The server notices when it has something to say.
            control.send(Ping(7))

        for violate in (
            lambda control: control.send_bytes(encode_elements(99)),
            lambda control: control.reset(Code.GOING_AWAY),
            stop,
        ):
            connection, control, welcome = await self.hello(bytes(16), None)
            violate(control)
            self.assertEqual((await connection.lost).code, Code.UNEXPECTED_FRAME)
            _, _, welcome = await self.hello(bytes(16), welcome.resume)
            self.assertFalse(welcome.resumed)

    async def test_a_ticket_is_good_until_the_next_one_was_used(self):
        for _ in range(2):
            _, _, welcome = await self.hello(self.member.id, self.member.ticket)
            self.assertTrue(welcome.resumed)

    async def test_a_ticket_works_only_with_its_client_id(self):
        _, _, welcome = await self.hello(bytes(16), self.member.ticket)
        self.assertFalse(welcome.resumed)

    async def test_an_unknown_ticket_gives_a_new_session(self):
        self.member.connection.abandon()
        self.member.ticket = b"unknown"
        await self.member.connect()
        self.assertFalse(self.member.welcome.resumed)
        self.assertEqual(self.channel.joined.start, Start.RECOVERED)

    async def test_a_session_resumed_elsewhere_closes_the_old_connection(self):
        old = self.member.connection
        await self.member.connect()
        self.assertTrue(self.member.welcome.resumed)
        self.assertEqual((await old.lost).code, Code.SESSION_MOVED)
        await self.channel.push("say", b"")

    async def test_a_connection_moves_to_another_address_unnoticed(self):
        await self.member.connection.migrate()
        await self.channel.push("say", b"here")
        self.assertEqual((await self.channel.next()).payload, b"here")

    async def test_a_restarted_server_has_forgotten_session_and_log(self):
        await self.channel.push("say", b"")
        before = self.channel.position
        self.member.connection.abandon()
        await self.server.restart()
        await self.member.connect()
        self.assertFalse(self.member.welcome.resumed)
        self.assertEqual(self.channel.joined.start, Start.LOST)
        self.assertNotEqual(self.channel.position.epoch, before.epoch)
        await self.channel.push("say", b"")
