"""A client that comes back need not wait for the handshake."""

from connection import Connection
from frames import Hello, Join, Joined, Welcome
from server import HOST
from story import AGENT, Story


class EarlyDataStory(Story):
    async def asyncSetUp(self):
        await super().asyncSetUp()
        tickets = []
        connection = await Connection.open(HOST, self.server.port, self.server.pin, tickets.append)
        control = connection.open_stream()
        control.send(Hello([1], AGENT, bytes(16)))
        self.welcome = await control.receive()
        self.ticket = tickets[0]
        connection.abandon()

    async def come_back(self):
        """Resumes the session with Hello and Join in the first flight. Returns whether they went as early data."""
        connection = await Connection.open_early(HOST, self.server.port, self.server.pin, self.ticket)
        self.addCleanup(connection.abandon)
        control, stream = connection.open_stream(), connection.open_stream()
        control.send(Hello([1], AGENT, bytes(16), self.welcome.resume))
        stream.send(Join("room:1"))
        welcome = await control.receive()
        self.assertIsInstance(welcome, Welcome)
        self.assertTrue(welcome.resumed)
        self.assertIsInstance(await stream.receive(), Joined)
        return connection.early_data_accepted

    async def test_hello_and_join_go_as_early_data(self):
        self.assertTrue(await self.come_back())

    async def test_a_ticket_is_accepted_once_and_what_was_early_is_sent_again(self):
        await self.come_back()
        self.assertFalse(await self.come_back())
