"""A backend decides, is told, and publishes, while people listen over QUIC and over WebSocket."""

import asyncio
import base64
import os
import unittest

import aiohttp
from backend import Backend
from programs import Server, objects

STORY_SECONDS = 40
KEY = "the backend's own key"
PASSWORD = "ada's password"
CONFIGURATION = """
listen = "127.0.0.1:0"
http = "127.0.0.1:0"

[log]
format = "json"

[webhook]
url = "{url}"
secret = "{secret}"
topics = "room:*"

[api.key.backend]
secret = "{key}"
"""


class Backends(unittest.IsolatedAsyncioTestCase):
    async def asyncSetUp(self):
        secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
        self.backend = await self.enterAsyncContext(Backend(secret))
        configuration = CONFIGURATION.format(url=self.backend.url, secret=secret, key=KEY)
        self.server = await self.enterAsyncContext(Server(configuration))

    async def subscriber(self, transport):
        """A command line that listens in room 1 until it has had two events; and what it prints from then on."""
        process = await self.server.command(
            "sub", "room:1", "--json", "--count", "2", "--transport", transport, token=PASSWORD
        )
        printed = objects(process)
        await self.next(printed, "joined")
        return process, printed

    async def next(self, printed, kind):
        async for thing in printed:
            if thing["type"] == kind:
                return thing
        self.fail(f"the output ended before {kind!r}")

    async def refused(self, *arguments, token=PASSWORD):
        """How a command fails."""
        process = await self.server.command(*arguments, token=token)
        _, words = await process.communicate()
        self.assertNotEqual(process.returncode, 0)
        return words.decode()

    async def publish(self, key):
        """Publishes over HTTP, as the backend would. Returns the status."""
        url = f"{self.server.http}/v1/topics/room:1/events"
        headers = {"Authorization": f"Bearer {key}"}
        async with aiohttp.ClientSession() as session:
            async with session.post(url, json={"event": "news", "data": {"n": 1}}, headers=headers) as answer:
                return answer.status

    async def test_it_decides_is_told_and_publishes(self):
        async with asyncio.timeout(STORY_SECONDS):
            subscribers = [await self.subscriber("quic"), await self.subscriber("websocket")]
            said = await self.server.command("pub", "room:1", "hello", token=PASSWORD)
            self.assertEqual(await said.wait(), 0)
            self.assertEqual(await self.publish("not the key, but as long"), 401)
            self.assertEqual(await self.publish(KEY), 200)
            for process, printed in subscribers:
                changed = await self.next(printed, "event")
                self.assertEqual(changed["data"], {"by": "ada", "text": "HELLO"})
                news = await self.next(printed, "event")
                self.assertEqual((news["event"], news["data"]), ("news", {"n": 1}))
                self.assertEqual(await process.wait(), 0)
            # Two subscribers and one who published.
            while sum(notice["type"] == "end" for notice in self.backend.notices) < 3:
                await asyncio.sleep(0.05)
            transports = {ask["session"]["transport"] for ask in self.backend.requests if ask["type"] == "join"}
            self.assertLessEqual({"quic", "websocket"}, transports)
            left = [notice for notice in self.backend.notices if notice["type"] == "leave"]
            self.assertTrue(all(notice["state"] == {"tenant": 7} for notice in left))
            self.assertEqual(self.backend.forged, 0)

    async def test_it_refuses_and_its_words_arrive(self):
        async with asyncio.timeout(STORY_SECONDS):
            stranger = await self.refused("sub", "room:1", token="a guess")
            self.assertIn("FORBIDDEN", stranger)
            self.assertIn("who are you?", stranger)
            self.assertNotIn(self.backend.url, stranger)
            self.assertIn("the room is full", await self.refused("sub", "room:13"))
            self.assertIn("FORBIDDEN", await self.refused("sub", "elsewhere"))

    async def test_who_does_not_sign_is_not_believed(self):
        async with aiohttp.ClientSession() as session:
            async with session.post(self.backend.url, json={"type": "connect", "token": PASSWORD}) as answer:
                self.assertEqual(answer.status, 401)
        self.assertEqual((self.backend.requests, self.backend.forged), ([], 1))


if __name__ == "__main__":
    unittest.main()
