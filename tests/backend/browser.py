"""A real Chromium, in which pages with the browser client listen."""

import os
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web
from playwright.async_api import Error, async_playwright
from programs import Refused

PAGE = Path(__file__).with_name("page.html")
CLIENT = Path(__file__).parents[2] / "client" / "web" / "dist"
# Nothing is downloaded: this is where Debian has it.
CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")


class Browser:
    """A browser and a site, whose page knows a server by its HTTP address. Runs within an `async with`."""

    def __init__(self, server):
        self._server = server

    async def __aenter__(self):
        async with AsyncExitStack() as stack:
            self._site = await stack.enter_async_context(Site())
            playwright = await stack.enter_async_context(async_playwright())
            self._chromium = await playwright.chromium.launch(executable_path=CHROMIUM)
            stack.push_async_callback(self._chromium.close)
            self._running = stack.pop_all()
        return self

    async def __aexit__(self, *_):
        await self._running.aclose()

    async def join(self, topic, transport, token):
        """A page that has joined a topic."""
        page = await self._chromium.new_page()
        await page.goto(self._site.url)
        wish = {"server": self._server, "topic": topic, "transport": transport, "token": token}
        try:
            return Page(await page.evaluate_handle("wish => join(wish)", wish))
        except Error as error:
            raise Refused(error.message) from error


class Page:
    """A listener: what the page's `join` gives."""

    def __init__(self, listener):
        self._listener = listener

    async def next(self):
        """The name and the data of the next event."""
        return tuple(await self._listener.evaluate("listener => listener.next()"))

    async def leave(self):
        await self._listener.evaluate("listener => listener.leave()")


class Site:
    """Serves the page and the client on localhost, a secure place to browsers. Runs within an `async with`."""

    async def __aenter__(self):
        application = web.Application()
        application.router.add_get("/", self._page)
        application.router.add_static("/client", CLIENT)
        self._runner = web.AppRunner(application)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://localhost:{self._runner.addresses[0][1]}/"
        return self

    async def __aexit__(self, *_):
        await self._runner.cleanup()

    async def _page(self, _):
        return web.FileResponse(PAGE)
