"""The frames of PROTOCOL.md: what they hold, and how they look on a stream."""

from enum import IntEnum
from typing import NamedTuple

import msgpack

HEADER_BYTES = 4


class Malformed(Exception):
    """A body that is no frame."""


class Code(IntEnum):
    """The codes that this client or its tests name; any other number is legal too."""

    OK = 0
    MALFORMED = 100
    FRAME_TOO_LARGE = 101
    UNEXPECTED_FRAME = 102
    UNSUPPORTED_VERSION = 103
    HELLO_EXPECTED = 104
    HELLO_REPEATED = 105
    DEADLINE = 106
    ILLEGAL_TOPIC = 107
    ILLEGAL_VALUE = 108
    CHANNEL_LIMIT = 201
    SERVER_FULL = 202
    PAYLOAD_TOO_LARGE = 204
    FORBIDDEN = 302
    NO_CHANNEL = 400
    REPLACED = 402
    SESSION_MOVED = 403
    ALREADY_APPLIED = 405
    GOING_AWAY = 501


class Delivery(IntEnum):
    """Which events a member wants."""

    RELIABLE = 0
    LATEST = 1
    NONE = 2
    DATAGRAM = 3


class Start(IntEnum):
    """Where the events of a new membership begin."""

    LIVE = 0
    RECOVERED = 1
    LOST = 2


class Position(NamedTuple):
    """A place in a topic's log: everything up to and including `offset` has been seen."""

    epoch: int
    offset: int


class Limits(NamedTuple):
    """What the server allows: bytes of a payload, channels at once, unanswered pushes of a channel."""

    payload: int
    channels: int
    pushes: int


class Hello(NamedTuple):
    versions: list[int]
    agent: str
    client: bytes
    resume: bytes | None = None
    token: str | None = None


class Welcome(NamedTuple):
    version: int
    session: str
    resume: bytes
    resumed: bool
    linger_ms: int
    idle_ms: int
    limits: Limits
    agent: str


class Refused(NamedTuple):
    code: int
    message: str
    retry_after_ms: int | None = None


class Refresh(NamedTuple):
    token: str


class Refreshed(NamedTuple):
    expires_in_ms: int | None = None


class Pause(NamedTuple):
    pass


class Resume(NamedTuple):
    pass


class Ping(NamedTuple):
    n: int


class Pong(NamedTuple):
    n: int


class GoAway(NamedTuple):
    code: int
    within_ms: int
    url: str | None = None


class Goodbye(NamedTuple):
    code: int
    message: str
    retry_after_ms: int | None = None


class Join(NamedTuple):
    topic: str
    since: Position | None = None
    delivery: int | None = None
    priority: int | None = None
    params: bytes | None = None
    presence: int | None = None
    interval_ms: int | None = None
    deadline_ms: int | None = None
    rewind: int | None = None
    flow: int | None = None


class Joined(NamedTuple):
    position: Position
    start: int
    applied: int
    reply: bytes | None = None
    head: int | None = None
    delivery: int | None = None


class Push(NamedTuple):
    reference: int
    event: str
    payload: bytes
    key: str | None = None


class Reply(NamedTuple):
    reference: int
    code: int
    payload: bytes | None = None


class Event(NamedTuple):
    """`at` is in milliseconds since 1970-01-01T00:00:00Z."""

    offset: int
    at: int
    event: str
    payload: bytes
    key: str | None = None


class Gap(NamedTuple):
    first: int
    last: int


class Restarted(NamedTuple):
    position: Position


class Direct(NamedTuple):
    event: str
    payload: bytes


class Closed(NamedTuple):
    code: int
    message: str
    retry_after_ms: int | None = None


class PresenceState(NamedTuple):
    version: int
    keys: int
    entries: int
    left: int
    list: "list[tuple] | None" = None


class PresenceDiff(NamedTuple):
    version: int
    keys: int
    entries: int
    joins: list[tuple]
    updates: list[tuple]
    leaves: list[tuple]


class Adjust(NamedTuple):
    priority: int | None = None
    interval_ms: int | None = None
    deadline_ms: int | None = None


KINDS = {
    1: Hello,
    2: Welcome,
    3: Refused,
    4: Refresh,
    5: Refreshed,
    6: Pause,
    7: Resume,
    8: Ping,
    9: Pong,
    10: GoAway,
    11: Goodbye,
    16: Join,
    17: Joined,
    18: Push,
    19: Reply,
    20: Event,
    21: Gap,
    22: Restarted,
    23: Direct,
    24: Closed,
    25: PresenceState,
    26: PresenceDiff,
    27: Adjust,
}
KIND_OF = {frame: kind for kind, frame in KINDS.items()}


def encode(frame):
    """The bytes of a frame, length included."""
    return encode_elements(KIND_OF[type(frame)], *frame)


def encode_elements(*elements):
    """The bytes of a frame with these elements, be they legal or not."""
    return with_length(msgpack.packb(elements))


def with_length(body):
    """A body preceded by its length."""
    return len(body).to_bytes(HEADER_BYTES, "big") + body


def decode_datagram(data):
    """The flow of a datagram, and the event in it."""
    return int.from_bytes(data[:4], "big"), decode(data[4:])


def decode(body):
    """The frame in a body. Optional fields may be missing; what a later version has added is dropped."""
    try:
        kind, *fields = msgpack.unpackb(body)
        frame = KINDS[kind](*fields[: len(KINDS[kind]._fields)])
        if isinstance(frame, Welcome):
            return frame._replace(limits=Limits(*frame.limits))
        if isinstance(frame, (Joined, Restarted)):
            return frame._replace(position=Position(*frame.position))
        return frame
    except (ValueError, TypeError, KeyError) as illegal:
        raise Malformed(str(illegal)) from illegal
