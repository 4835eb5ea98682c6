"""A QUIC connection to a Dunlin server, and the frames on its streams."""

import asyncio
import contextlib
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

    def stop(self, code):
        """Tells the server to send no more."""
        self._connection.stop(self._id, code)

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

    def __init__(self, quic, pin):
        super().__init__(quic)
        self.lost = asyncio.get_running_loop().create_future()
        self.early_data_accepted = False
        self.datagrams = asyncio.Queue()
        self._pin = pin
        self._streams = {}
        self._deaf = False
        self._keeping_alive = None

    @classmethod
    async def open(cls, host, port, pin, keep_ticket=None):
        """Connects to the server whose certificate (DER) has the SHA-256 digest `pin`, in hex.

        `keep_ticket` is called with every TLS ticket, which `open_early` can then use."""
        connection = await cls._begin(host, port, pin, keep_ticket=keep_ticket)
        with contextlib.suppress(ConnectionError):
            await connection.wait_connected()
        if connection.lost.done():
            raise connection.lost.result()
        return connection

    @classmethod
    async def open_early(cls, host, port, pin, ticket):
        """Connects with a TLS ticket. What is sent before anything else is awaited goes as early data."""
        return await cls._begin(host, port, pin, ticket=ticket)

    @classmethod
    async def _begin(cls, host, port, pin, ticket=None, keep_ticket=None):
        # No authority vouches for a pinned certificate. That the server has its key is verified all the same.
        tls = QuicConfiguration(
            alpn_protocols=[ALPN],
            server_name=host,
            verify_mode=ssl.CERT_NONE,
            session_ticket=ticket,
            max_datagram_frame_size=65536,
        )
        quic = QuicConnection(configuration=tls, session_ticket_handler=keep_ticket)
        loop = asyncio.get_running_loop()
        family, _, _, _, address = (await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM))[0]
        _, connection = await loop.create_datagram_endpoint(lambda: cls(quic, pin), family=family)
        connection.connect(address, transmit=False)
        # Not at once: streams opened until then have their first frames in the first flight.
        connection._transmit_soon()
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

    def stop(self, stream_id, code):
        self._quic.stop_stream(stream_id, code)
        self.transmit()

    def abandon(self):
        """Falls silent without a word to the server, as when the network is gone."""
        self._end(ConnectionLost(None, "abandoned"))

    def deafen(self):
        """Hears nothing from the server any more, as when the network fails in one direction."""
        self._deaf = True

    async def migrate(self):
        """Goes on from another local port, as a client that has changed networks."""
        old = self._transport
        # The new socket becomes `_transport` in `connection_made`.
        await self._loop.create_datagram_endpoint(lambda: self, family=old.get_extra_info("socket").family)
        old.abort()
        self.change_connection_id()

    def datagram_received(self, data, addr):
        if not self._deaf:
            super().datagram_received(data, addr)

    def transmit(self):
        if not self.lost.done():
            super().transmit()

    def quic_event_received(self, event):
        if isinstance(event, events.HandshakeCompleted):
            self.early_data_accepted = event.early_data_accepted
            # A resumed TLS session has no certificate: its ticket came from the server that was checked then.
            if not event.session_resumed:
                self._check_certificate()
        elif isinstance(event, events.StreamDataReceived):
            self._streams[event.stream_id].take(event.data, event.end_stream)
        elif isinstance(event, events.DatagramFrameReceived):
            self.datagrams.put_nowait(frames.decode_datagram(event.data))
        elif isinstance(event, events.StreamReset):
            self._streams[event.stream_id].fail(StreamReset(event.error_code))
        elif isinstance(event, events.StopSendingReceived):
            self._streams[event.stream_id].stopped.set_result(event.error_code)
        elif isinstance(event, events.ConnectionTerminated):
            # Only a close by the application comes without a frame type, and only its code is one of Dunlin's.
            code = event.error_code if event.frame_type is None else None
            self._end(ConnectionLost(code, event.reason_phrase))

    def _check_certificate(self):
        leaf = self._quic.tls._peer_certificate.public_bytes(Encoding.DER)
        if hashlib.sha256(leaf).hexdigest() != self._pin:
            self.close()
            self._end(WrongCertificate())

    def _end(self, failure):
        if self.lost.done():
            return
        self.lost.set_result(failure)
        if self._timer:
            self._timer.cancel()
        self._transport.abort()
        self._keeping_alive.cancel()
        for stream in self._streams.values():
            stream.fail(failure)

    async def _keep_alive(self):
        while True:
            await asyncio.sleep(KEEP_ALIVE_SECONDS)
            await self.ping()
