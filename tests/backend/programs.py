"""The real server and the real command line, as processes."""

import asyncio
import json
import os
import re
import tempfile
from pathlib import Path

BINARIES = Path(__file__).parents[2] / "target" / "debug"


class Server:
    """A server with a configuration file. Runs within an `async with`."""

    def __init__(self, configuration):
        self._configuration = configuration

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
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading
        self._directory.cleanup()

    async def command(self, *arguments, token):
        """Starts `dunlin`. Its output is read by the caller."""
        environment = self._environment | {"DUNLIN_URL": self.url, "DUNLIN_TOKEN": token}
        return await asyncio.create_subprocess_exec(
            BINARIES / "dunlin", *arguments, env=environment,
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )

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


async def objects(process):
    """The JSON objects that a process prints, a line each."""
    async for line in process.stdout:
        yield json.loads(line)
