"""A backend decides, is told, and publishes, while command lines and a browser listen."""

import asyncio
import base64
import os
import unittest

import aiohttp
from backend import Backend
from browser import Browser
from programs import Refused, Server

# A browser and a server on a busy machine.
STORY_SECONDS = 180
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
        # unittest has asyncio complain of steps longer than a tenth of a second, which are no news on a busy machine.
        asyncio.get_running_loop().slow_callback_duration = STORY_SECONDS
        secret = "whsec_" + base64.b64encode(os.urandom(32)).decode()
        self.backend = await self.enterAsyncContext(Backend(secret))
        configuration = CONFIGURATION.format(url=self.backend.url, secret=secret, key=KEY)
        self.server = await self.enterAsyncContext(Server(configuration))

    async def refusal(self, join, *how):
        """What somebody is told who may not join."""
        with self.assertRaises(Refused) as refused:
            await join(*how)
        return str(refused.exception)

    async def publish(self, key):
        """Publishes over HTTP, as the backend would. Returns the status."""
        url = f"{self.server.http}/v1/topics/room:1/events"
        headers = {"Authorization": f"Bearer {key}"}
        async with aiohttp.ClientSession() as session:
            async with session.post(url, json={"event": "news", "data": {"n": 1}}, headers=headers) as answer:
                return answer.status

    async def test_it_decides_is_told_and_publishes(self):
        async with asyncio.timeout(STORY_SECONDS), Browser(self.server.http) as browser:
            listeners = [
                await self.server.join("room:1", "quic", PASSWORD),
                await self.server.join("room:1", "websocket", PASSWORD),
                await browser.join("room:1", "webtransport", PASSWORD),
                await browser.join("room:1", "websocket", PASSWORD),
            ]
            said = await self.server.command("pub", "room:1", "hello", token=PASSWORD)
            self.assertEqual(await said.wait(), 0)
            self.assertEqual(await self.publish("not the key, but as long"), 401)
            self.assertEqual(await self.publish(KEY), 200)
            for listener in listeners:
                self.assertEqual(await listener.next(), ("message", {"by": "ada", "text": "HELLO"}))
                self.assertEqual(await listener.next(), ("news", {"n": 1}))
                await listener.leave()
            # Those who listened, and one who published.
            await self.backend.until_told("end", len(listeners) + 1)
            joined = [ask["session"] for ask in self.backend.requests if ask["type"] == "join"]
            ways = {(session["agent"].split("/")[0], session["transport"]) for session in joined}
            self.assertLessEqual(
                {
                    ("dunlin-cli", "quic"),
                    ("dunlin-cli", "websocket"),
                    ("dunlin-web", "webtransport"),
                    ("dunlin-web", "websocket"),
                },
                ways,
            )
            left = [notice for notice in self.backend.notices if notice["type"] == "leave"]
            self.assertTrue(all(notice["state"] == {"tenant": 7} for notice in left))
            self.assertEqual(self.backend.forged, 0)

    async def test_it_refuses_and_its_words_arrive(self):
        async with asyncio.timeout(STORY_SECONDS), Browser(self.server.http) as browser:
            for join, transport in (self.server.join, "quic"), (browser.join, "webtransport"):
                stranger = await self.refusal(join, "room:1", transport, "a guess")
                self.assertRegex(stranger, "FORBIDDEN.*who are you?")
                self.assertNotIn(self.backend.url, stranger)
                late = await self.refusal(join, "room:13", transport, PASSWORD)
                self.assertRegex(late, "FORBIDDEN.*the room is full")
                self.assertIn("FORBIDDEN", await self.refusal(join, "elsewhere", transport, PASSWORD))

    async def test_who_does_not_sign_is_not_believed(self):
        async with aiohttp.ClientSession() as session:
            async with session.post(self.backend.url, json={"type": "connect", "token": PASSWORD}) as answer:
                self.assertEqual(answer.status, 401)
        self.assertEqual((self.backend.requests, self.backend.forged), ([], 1))


if __name__ == "__main__":
    unittest.main()
