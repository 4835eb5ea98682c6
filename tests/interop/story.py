"""What every story needs: a server of its own, clients, and an end in finite time."""

import asyncio
import functools
import unittest

from connection import Connection
from dunlin_client import Client
from frames import Hello, Join
from server import HOST, Server

STORY_SECONDS = 20
AGENT = "dunlin-interop-raw/1.0"


def within_time(story):
    """Fails a story that waits for something that does not come."""

    @functools.wraps(story)
    async def limited(self):
        async with asyncio.timeout(STORY_SECONDS):
            await story(self)

    return limited


class Story(unittest.IsolatedAsyncioTestCase):
    SETTINGS = ()

    def __init_subclass__(cls):
        for name, member in list(vars(cls).items()):
            if name.startswith("test_"):
                setattr(cls, name, within_time(member))

    async def asyncSetUp(self):
        self.server = await self.enterAsyncContext(Server(self.SETTINGS))

    async def client(self):
        """A client with a session."""
        client = Client(HOST, self.server.port, self.server.pin)
        await client.connect()
        self.addCleanup(lambda: client.connection.abandon())
        return client

    async def connection(self):
        """A connection on which nothing has been said."""
        connection = await Connection.open(HOST, self.server.port, self.server.pin)
        self.addCleanup(connection.abandon)
        return connection

    async def greeted(self):
        """A connection after its Hello, and its control stream after the Welcome."""
        connection = await self.connection()
        control = connection.open_stream()
        control.send(Hello([1], AGENT, bytes(16)))
        await control.receive()
        return connection, control

    async def joined(self, topic):
        """A connection, and a channel stream after its Joined."""
        connection, _ = await self.greeted()
        stream = connection.open_stream()
        stream.send(Join(topic))
        await stream.receive()
        return connection, stream
