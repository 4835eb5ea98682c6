"""The real server and the real command line, as processes."""

import asyncio
import json
import os
import re
import signal
import tempfile
from pathlib import Path

BINARIES = Path(__file__).parents[2] / "target" / "debug"


class Refused(Exception):
    """Somebody could not join. The words are what they were told."""


class Server:
    """A server with a configuration file. Runs within an `async with`."""

    def __init__(self, configuration):
        self._configuration = configuration
        self._commands = []

    async def __aenter__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="dunlin-backend-")
        file = Path(self._directory.name, "dunlin.toml")
        file.write_text(self._configuration)
        # The caller's own settings must not change what is tested.
        self._environment = {name: value for name, value in os.environ.items() if not name.startswith("DUNLIN_")}
        self._environment["DUNLIN_LOCAL_DIR"] = self._directory.name
        self._process = await asyncio.create_subprocess_exec(
            BINARIES / "dunlin-server", "--config", file, "--data-dir", self._directory.name,
            env=self._environment, stderr=asyncio.subprocess.PIPE,
        )
        await self._read_addresses()
        # Read on, or the server would wait for room in the pipe.
        self._reading = asyncio.create_task(self._process.stderr.read())
        return self

    async def __aexit__(self, *_):
        # Whatever became of the story, no process outlives it.
        for process in [*self._commands, self._process]:
            if process.returncode is None:
                process.kill()
            await process.wait()
        await self._reading
        self._directory.cleanup()

    async def join(self, topic, transport, token):
        """A command line that has joined a topic."""
        process = await self.command("sub", topic, "--json", "--transport", transport, token=token)
        subscriber = Subscriber(process)
        await subscriber.joined()
        return subscriber

    async def command(self, *arguments, token):
        """Starts `dunlin`. Its output is read by the caller."""
        environment = self._environment | {"DUNLIN_URL": self.url, "DUNLIN_TOKEN": token}
        process = await asyncio.create_subprocess_exec(
            BINARIES / "dunlin", *arguments, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )
        self._commands.append(process)
        return process

    async def _read_addresses(self):
        log = []
        self.url = self.http = None
        async for line in self._process.stderr:
            log.append(line.decode())
            if found := re.search(r"dunlin://127\.0\.0\.1:\d+", log[-1]):
                self.url = found[0]
            if found := re.search(r"http://127\.0\.0\.1:\d+", log[-1]):
                self.http = found[0]
            if self.url and self.http:
                return
        raise RuntimeError("the server did not start: " + "".join(log))


class Subscriber:
    """A listener: `dunlin sub`."""

    def __init__(self, process):
        self._process = process

    async def joined(self):
        if await self._object("joined"):
            return
        _, words = await self._process.communicate()
        if self._process.returncode == 0:
            raise RuntimeError("it has not joined, and ended as if all were well")
        raise Refused(words.decode())

    async def next(self):
        """The name and the data of the next event."""
        if event := await self._object("event"):
            return event["event"], event["data"]
        raise RuntimeError("the output ended before an event")

    async def leave(self):
        """As at Ctrl-C."""
        self._process.send_signal(signal.SIGINT)
        _, words = await self._process.communicate()
        if self._process.returncode:
            raise RuntimeError(words.decode())

    async def _object(self, kind):
        """The next JSON object of this type that is printed, if there is one."""
        async for line in self._process.stdout:
            thing = json.loads(line)
            if thing["type"] == kind:
                return thing
        return None
