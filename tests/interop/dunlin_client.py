"""A small Dunlin client. When to connect again after a loss is left to whoever uses it."""

import asyncio
import itertools
import os
from collections import defaultdict

from connection import Connection, ConnectionLost, StreamReset
from frames import (
    Closed,
    Code,
    Delivery,
    Event,
    Gap,
    GoAway,
    Goodbye,
    Hello,
    Join,
    Joined,
    Pause,
    Ping,
    Pong,
    Position,
    Push,
    Refresh,
    Refreshed,
    Refused,
    Reply,
    Restarted,
    Resume,
)

VERSION = 1
AGENT = "dunlin-interop/1.0"


class Failed(Exception):
    """The server said no, or ended something: a hello, a join, a push or a channel."""

    def __init__(self, code, message, retry_after_ms=None):
        super().__init__(code, message)
        self.code = code
        self.message = message
        self.retry_after_ms = retry_after_ms


class Channel:
    """Membership in one topic. It outlives its streams; `position` is where the next one goes on.

    `joined` is the server's last Joined, or None while there is none on the present stream."""

    def __init__(self, join, references, most_unanswered):
        self.topic = join.topic
        self.position = join.since
        self.joined = None
        self._join = join
        self._stream = None
        self._joining = None
        self._listening = None
        self._references = references
        self._unanswered = {}
        self._room = asyncio.Semaphore(most_unanswered)
        self._happened = asyncio.Queue()
        self._ended = None

    async def push(self, event, payload, key=None):
        """Says something to the topic, once, whatever becomes of the connection. Returns the OK reply."""
        async with self._room:
            if self._ended:
                raise self._ended
            push = Push(next(self._references), event, payload, key)
            answer = asyncio.get_running_loop().create_future()
            self._unanswered[push.reference] = (push, answer)
            if self.joined:
                self._stream.send(push)
            reply = await answer
        # Applied already is as good as applied: only the first reply is gone.
        if reply.code not in (Code.OK, Code.ALREADY_APPLIED):
            raise Failed(reply.code, (reply.payload or b"").decode())
        return reply

    @property
    def unread(self):
        """How many frames `next` would return without waiting."""
        return self._happened.qsize()

    async def next(self):
        """The next Event, Gap, Restarted or Direct. Raises Failed when the server has ended the membership."""
        if self._ended and self._happened.empty():
            raise self._ended
        happened = await self._happened.get()
        if happened is self._ended:
            raise self._ended
        return happened

    async def leave(self):
        """Leaves when all pushes are answered."""
        self._stream.finish()
        await self._listening

    def start_join(self, stream):
        """Joins on a new stream, where the last one stopped; `finish_join` waits for the answer."""
        self.joined = None
        self._stream = stream
        self._joining = asyncio.get_running_loop().create_future()
        stream.send(self._join._replace(since=self.position))
        self._listening = asyncio.create_task(self._listen(stream))

    async def finish_join(self):
        """`joined.start` then says whether something was missed."""
        await self._joining

    async def _listen(self, stream):
        try:
            while (frame := await stream.receive()) is not None:
                self._take(frame)
        except StreamReset as reset:
            self._end(Failed(reset.code, "the server reset the stream"))
        except ConnectionLost as lost:
            # The membership goes on with the next connection; only a join under way has to be repeated.
            if not self._joining.done():
                self._joining.set_exception(lost)

    def _take(self, frame):
        match frame:
            case Joined():
                self.joined = frame
                self.position = frame.position
                for push, _ in self._unanswered.values():
                    self._stream.send(push)
                self._joining.set_result(frame)
            case Refused():
                self._joining.set_exception(Failed(*frame))
            case Reply():
                _, answer = self._unanswered.pop(frame.reference)
                # Whoever pushed may have stopped waiting.
                if not answer.cancelled():
                    answer.set_result(frame)
            case Closed():
                self._end(Failed(*frame))
            case _:
                self._follow(frame)
                self._happened.put_nowait(frame)

    def _follow(self, frame):
        match frame:
            case Event():
                self.position = Position(self.position.epoch, frame.offset)
            case Gap():
                self.position = Position(self.position.epoch, frame.last)
            case Restarted():
                self.position = frame.position

    def _end(self, why):
        self._ended = why
        if not self._joining.done():
            self._joining.set_exception(why)
        self._happened.put_nowait(why)
        for _, answer in self._unanswered.values():
            if not answer.cancelled():
                answer.set_exception(why)
        self._unanswered.clear()


class Client:
    """One logical client: its id, session and channels outlive its connections.

    `going_away` holds the server's GoAway once one has come, `farewell` its Goodbye."""

    def __init__(self, host, port, pin):
        """`pin` is the SHA-256 digest of the server's certificate (DER), in hex."""
        self.id = os.urandom(16)
        self.ticket = None
        self.connection = None
        self.welcome = None
        self.channels = {}
        self._address = (host, port, pin)
        # A topic's references rise as long as the client id lives, also across leaving and joining again.
        self._references = defaultdict(lambda: itertools.count(1))
        self._ping_numbers = itertools.count(1)

    async def connect(self):
        """Connects. After a loss it also resumes the session and joins every channel again, all in one flight."""
        loop = asyncio.get_running_loop()
        self.connection = await Connection.open(*self._address)
        self.going_away = loop.create_future()
        self.farewell = loop.create_future()
        self._pongs = {}
        self._refreshed = asyncio.Queue()
        self._control = self.connection.open_stream()
        self._control.send(Hello([VERSION], AGENT, self.id, self.ticket))
        for channel in self.channels.values():
            channel.start_join(self.connection.open_stream())
        answer = await self._control.receive()
        if isinstance(answer, Refused):
            raise Failed(*answer)
        self.welcome = answer
        self.ticket = answer.resume
        self._listening = asyncio.create_task(self._listen())
        for channel in self.channels.values():
            await channel.finish_join()

    async def join(self, topic, since=None, delivery=Delivery.RELIABLE, params=None):
        """Joins a topic. Without `since` only events from now on are delivered."""
        join = Join(topic, since, delivery, params=params)
        channel = Channel(join, self._references[topic], self.welcome.limits.pushes)
        channel.start_join(self.connection.open_stream())
        await channel.finish_join()
        self.channels[topic] = channel
        return channel

    async def leave(self, channel):
        """Leaves a topic, when every push has been answered."""
        del self.channels[channel.topic]
        await channel.leave()

    def pause(self):
        """Asks for silence: no events until `resume`, or until the connection ends."""
        self._control.send(Pause())

    def resume(self):
        self._control.send(Resume())

    async def ping(self):
        """Returns when the server has answered. Whatever was sent on the control stream before has then arrived."""
        n = next(self._ping_numbers)
        pong = self._pongs[n] = asyncio.get_running_loop().create_future()
        self._control.send(Ping(n))
        await pong

    async def refresh(self, token):
        """Sends a new token. Returns when it expires, in milliseconds from now, or None for never."""
        self._control.send(Refresh(token))
        return (await self._refreshed.get()).expires_in_ms

    async def goodbye(self):
        """Ends the session. Returns the code with which the server then closed the connection."""
        self.ticket = None
        self._control.send(Goodbye(Code.OK, "bye"))
        return (await self.connection.lost).code

    async def _listen(self):
        try:
            while (frame := await self._control.receive()) is not None:
                self._take(frame)
        except (ConnectionLost, StreamReset) as lost:
            for pong in self._pongs.values():
                pong.set_exception(lost)

    def _take(self, frame):
        match frame:
            case Pong():
                self._pongs.pop(frame.n).set_result(None)
            case Refreshed():
                self._refreshed.put_nowait(frame)
            case GoAway():
                self.going_away.set_result(frame)
            case Goodbye():
                self.ticket = None
                self.farewell.set_result(frame)
