"""An application's backend, as a team would write it: it decides, is told, and publishes."""

import asyncio
import json

from aiohttp import web
from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Backend:
    """Runs within an `async with`. `requests` and `notices` are what has arrived, in order."""

    def __init__(self, secret):
        self._webhook = Webhook(secret)
        self.requests = []
        self.notices = []
        self.forged = 0
        self._told = asyncio.Condition()

    async def __aenter__(self):
        application = web.Application()
        application.router.add_post("/hook", self._answer)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        port = self._runner.addresses[0][1]
        self.url = f"http://127.0.0.1:{port}/hook"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def until_told(self, kind, times):
        """Waits until so many notices of this type have arrived."""
        async with self._told:
            await self._told.wait_for(lambda: sum(notice["type"] == kind for notice in self.notices) >= times)

    async def _answer(self, request):
        body = await request.text()
        try:
            self._webhook.verify(body, dict(request.headers))
        except WebhookVerificationError:
            self.forged += 1
            return web.Response(status=401)
        asked = json.loads(body)
        if asked["type"] == "notices":
            async with self._told:
                self.notices += asked["events"]
                self._told.notify_all()
            return web.Response(status=204)
        self.requests.append(asked)
        return web.json_response(getattr(self, f"_{asked['type']}")(asked))

    def _connect(self, asked):
        """The server has no keys here: who connects is for the backend to find out."""
        if asked.get("token") != "ada's password":
            return {"allow": False, "message": "who are you?"}
        rights = [{"topics": "room:*", "may": ["join", "push", "presence"]}]
        return {"allow": True, "user": "ada", "data": {"tenant": 7}, "dunlin": rights}

    def _join(self, asked):
        """Room 13 is full."""
        return {"allow": asked["topic"] != "room:13", "message": "the room is full"}

    def _push(self, asked):
        """What is said is said in capitals, by whom the session is."""
        if "binary" in asked:
            return {"allow": True}
        return {"allow": True, "data": {"by": asked["session"]["user"], "text": asked["data"].upper()}}
