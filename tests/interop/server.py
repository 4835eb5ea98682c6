"""The real server, as a process of its own on a free loopback port."""

import asyncio
import hashlib
import os
import re
import ssl
import tempfile
from pathlib import Path

BINARY = Path(__file__).parents[2] / "target" / "debug" / "dunlin-server"
HOST = "127.0.0.1"


class Server:
    """Runs within an `async with`. `pin` is the SHA-256 digest of its certificate, in hex."""

    def __init__(self, settings=()):
        """`settings` are KEY=VALUE pairs as the server's --set takes them."""
        self._settings = settings

    async def __aenter__(self):
        self._directory = tempfile.TemporaryDirectory(prefix="dunlin-interop-")
        await self._start(port=0)
        pem = Path(self._directory.name, "dev-cert.pem").read_text()
        self.pin = hashlib.sha256(ssl.PEM_cert_to_DER_cert(pem)).hexdigest()
        return self

    async def __aexit__(self, *_):
        await self._kill()
        self._directory.cleanup()

    async def restart(self):
        """Kills the process and starts another one at the same address, with the same certificate."""
        await self._kill()
        await self._start(self.port)

    def terminate(self):
        self._process.terminate()

    async def ended(self):
        """Waits for the process to end. Returns its exit code."""
        return await self._process.wait()

    async def _start(self, port):
        # The caller's own settings must not change what is tested.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("DUNLIN_")}
        environment["DUNLIN_LOCAL_DIR"] = self._directory.name
        command = [BINARY, "--http", "off", "--listen", f"{HOST}:{port}", "--data-dir", self._directory.name]
        for setting in ("log.format=json", *self._settings):
            command += ["--set", setting]
        self._process = await asyncio.create_subprocess_exec(
            *command, env=environment, stderr=asyncio.subprocess.PIPE
        )
        self.port = await self._read_port()
        # Read on, or the server would wait for room in the pipe.
        self._reading = asyncio.create_task(self._process.stderr.read())

    async def _kill(self):
        if self._process.returncode is None:
            self._process.kill()
        await self._process.wait()
        await self._reading

    async def _read_port(self):
        log = []
        async for line in self._process.stderr:
            log.append(line.decode())
            if serving := re.search(rf"serving dunlin://{HOST}:(\d+)", log[-1]):
                return int(serving[1])
        raise RuntimeError("the server did not start: " + "".join(log))
