"""A QUIC connection to a Dunlin server, and the frames on its streams."""

import asyncio
import hashlib
import socket
import ssl

from aioquic.asyncio import QuicConnectionProtocol
from aioquic.quic import events
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from cryptography.hazmat.primitives.serialization import Encoding

import frames

ALPN = "dunlin/1"
KEEP_ALIVE_SECONDS = 25


class WrongCertificate(Exception):
    """The server has another certificate than the pinned one."""


class StreamReset(Exception):
    """The server reset the stream; `code` says why."""

    def __init__(self, code):
        super().__init__(code)
        self.code = code


class ConnectionLost(Exception):
    """The connection is gone; `code` is the application's, or None if there was none."""

    def __init__(self, code, reason):
        super().__init__(code, reason)
        self.code = code


class Stream:
    """One bidirectional stream that carries frames. `stopped` holds the code once the server reads no more."""

    def __init__(self, connection, stream_id):
        self.stopped = asyncio.get_running_loop().create_future()
        self._connection = connection
        self._id = stream_id
        self._reader = asyncio.StreamReader()
        self._finished = False
        self._failure = None

    def send(self, frame):
        self.send_bytes(frames.encode(frame))

    def send_bytes(self, data, finish=False):
        """Sends bytes as they are. On a stream that the server no longer reads they are dropped."""
        if not self.stopped.done():
            self._connection.send_on(self._id, data, finish)

    def finish(self):
        self.send_bytes(b"", finish=True)

    def reset(self, code):
        """Gives up what was sent and is not acknowledged."""
        self._connection.reset(self._id, code)

    async def receive(self):
        """The next frame, or None once the server has finished the stream.

        Raises StreamReset or ConnectionLost, though only after every frame that came before."""
        try:
            header = await self._reader.readexactly(frames.HEADER_BYTES)
            return frames.decode(await self._reader.readexactly(int.from_bytes(header, "big")))
        except asyncio.IncompleteReadError as end:
            if self._failure:
                raise self._failure from None
            if not end.partial:
                return None
            self._connection.close(frames.Code.MALFORMED, "the stream was finished within a frame")
            raise
        except frames.Malformed as illegal:
            self._connection.close(frames.Code.MALFORMED, str(illegal))
            raise

    def take(self, data, finished):
        """Takes what has arrived."""
        self._reader.feed_data(data)
        if finished:
            self._finished = True
            self._reader.feed_eof()

    def fail(self, failure):
        """Ends the stream, unless the server has finished it before."""
        if not self._finished:
            self._finished = True
            self._failure = failure
            self._reader.feed_eof()


class Connection(QuicConnectionProtocol):
    """Streams by id, and the end of them all in `lost`."""

    def __init__(self, quic):
        super().__init__(quic)
        self.lost = asyncio.get_running_loop().create_future()
        self._streams = {}
        self._keeping_alive = None

    @classmethod
    async def open(cls, host, port, pin):
        """Connects to the server whose certificate (DER) has the SHA-256 digest `pin`, in hex."""
        # No authority vouches for a pinned certificate. That the server has its key is verified all the same.
        tls = QuicConfiguration(alpn_protocols=[ALPN], server_name=host, verify_mode=ssl.CERT_NONE)
        loop = asyncio.get_running_loop()
        family, _, _, _, address = (await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM))[0]
        _, connection = await loop.create_datagram_endpoint(lambda: cls(QuicConnection(configuration=tls)), family=family)
        connection.connect(address)
        try:
            await connection.wait_connected()
        except ConnectionError:
            raise await connection.lost from None
        leaf = connection._quic.tls._peer_certificate.public_bytes(Encoding.DER)
        if hashlib.sha256(leaf).hexdigest() != pin:
            connection.close()
            raise WrongCertificate(host)
        connection._keeping_alive = asyncio.create_task(connection._keep_alive())
        return connection

    def open_stream(self):
        stream_id = self._quic.get_next_available_stream_id()
        stream = self._streams[stream_id] = Stream(self, stream_id)
        # Claims the id: the next stream gets another one even if this one has nothing to send yet.
        self._quic.send_stream_data(stream_id, b"")
        return stream

    def send_on(self, stream_id, data, finish):
        self._quic.send_stream_data(stream_id, data, finish)
        self._transmit_soon()

    def reset(self, stream_id, code):
        self._quic.reset_stream(stream_id, code)
        self._transmit_soon()

    def abandon(self):
        """Falls silent without a word to the server, as when the network is gone."""
        if self._timer:
            self._timer.cancel()
        self._end(ConnectionLost(None, "abandoned"))

    def transmit(self):
        if not self.lost.done():
            super().transmit()

    def quic_event_received(self, event):
        if isinstance(event, events.StreamDataReceived):
            self._streams[event.stream_id].take(event.data, event.end_stream)
        elif isinstance(event, events.StreamReset):
            self._streams[event.stream_id].fail(StreamReset(event.error_code))
        elif isinstance(event, events.StopSendingReceived):
            self._streams[event.stream_id].stopped.set_result(event.error_code)
        elif isinstance(event, events.ConnectionTerminated):
            # Only a close by the application comes without a frame type, and only its code is one of Dunlin's.
            code = event.error_code if event.frame_type is None else None
            self._end(ConnectionLost(code, event.reason_phrase))

    def _end(self, failure):
        if self.lost.done():
            return
        self.lost.set_result(failure)
        self._transport.abort()
        if self._keeping_alive:
            self._keeping_alive.cancel()
        for stream in self._streams.values():
            stream.fail(failure)

    async def _keep_alive(self):
        while True:
            await asyncio.sleep(KEEP_ALIVE_SECONDS)
            await self.ping()
