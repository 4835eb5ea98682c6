//! The examples of `PROTOCOL.md` as values.

use bytes::Bytes;
use dunlin_proto::{
    Code, Limits, Position,
    frame::{
        Refusal,
        channel::{self, Adjust, Delivery, Event, Join, Joined, Push, Start},
        control::{self, Hello, Welcome},
        presence,
    },
};

/// A frame in its place.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Frame {
    ControlFromClient(control::FromClient),
    ControlFromServer(control::FromServer),
    ChannelFromClient(channel::FromClient),
    ChannelFromServer(channel::FromServer),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    Control,
    Channel,
}

/// Who sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Side {
    Client,
    Server,
}

pub(crate) const PLACES: [(Stream, Side); 4] = [
    (Stream::Control, Side::Client),
    (Stream::Control, Side::Server),
    (Stream::Channel, Side::Client),
    (Stream::Channel, Side::Server),
];

/// By place, then in the order of `PROTOCOL.md`.
pub(crate) fn all() -> Vec<(&'static str, Frame)> {
    let epoch = 81_985_529_216_486;
    let client = *b"\x8f\x1d\x3c\x5a\x7e\x9b\x02\x46\x5a\x6c\x8d\x0e\x1f\x3a\x5b\x7c";
    let ticket = Bytes::from_static(b"\xc4\xb1\xe0\x7f\x5d\x2a\x93\x86\x4e\x0b\x7a\x1c\x9d\x3f\x58\x26");
    let hello = Hello { versions: vec![1], agent: "example/1.0".into(), client, resume: None, token: None };
    let welcome = Welcome {
        version: 1,
        session: "9c41f2d07ab35e68".into(),
        resume: ticket.clone(),
        resumed: false,
        linger_ms: 120_000,
        idle_ms: 60_000,
        limits: Limits { payload: 1_048_576, channels: 100, pushes: 256 },
        agent: "dunlin-server/0.1.0".into(),
        expires_in_ms: None,
    };
    let joins =
        Join { delivery: Some(Delivery::Reliable), ..Join::new("room:42".parse().expect("a legal name")) };
    let joined = Joined {
        position: Position::new(epoch, 41),
        start: Start::Live,
        applied: 0,
        reply: Bytes::new(),
        head: Some(41),
        delivery: Some(Delivery::Reliable),
    };
    let say = Bytes::from_static(b"\xa5hello");
    let cursor = Bytes::from_static(b"\x92\x03\x0e");
    let landed = Bytes::from_static(b"\x82\xa5epoch\xcf\x00\x00\x4a\x90\xbe\x58\x7d\xe6\xa6offset\x2a");
    let refusal =
        |code, message, retry_after_ms| Refusal { retry_after_ms, ..Refusal::because(code, message) };

    let control_from_client = {
        use control::FromClient::{Goodbye, Hello as Open, Pause, Ping, Refresh, Resume};
        vec![
            ("hello", Open(hello.clone())),
            ("hello-resume", Open(Hello { resume: Some(ticket), token: Some("secret".into()), ..hello })),
            ("refresh", Refresh { token: "secret".into() }),
            ("pause", Pause),
            ("resume", Resume),
            ("ping", Ping { n: 7 }),
            ("goodbye", Goodbye { code: Code::OK, message: "bye".into() }),
        ]
    };
    let control_from_server = {
        use control::FromServer::{GoAway, Goodbye, Pong, Refreshed, Refused, Welcome as Accept};
        vec![
            ("welcome", Accept(welcome.clone())),
            ("welcome-back", Accept(Welcome { resumed: true, expires_in_ms: Some(3_600_000), ..welcome })),
            (
                "refused-hello",
                Refused(refusal(Code::UNSUPPORTED_VERSION, "this server speaks version 1", None)),
            ),
            ("refreshed", Refreshed { expires_in_ms: Some(3_600_000) }),
            ("refreshed-never", Refreshed { expires_in_ms: None }),
            ("pong", Pong { n: 7 }),
            (
                "go-away",
                GoAway {
                    code: Code::GOING_AWAY,
                    within_ms: 10_000,
                    url: Some("dunlin://b.example:4433".into()),
                },
            ),
            ("goodbye-server", Goodbye(refusal(Code::SESSION_ENDED, "signed in elsewhere", Some(5000)))),
        ]
    };
    let channel_from_client = {
        use channel::FromClient::{Adjust as Change, Join as Ask, Push as Say};
        vec![
            ("join", Ask(joins.clone())),
            (
                "join-since",
                Ask(Join {
                    since: Some(Position::new(epoch, 41)),
                    delivery: Some(Delivery::Latest),
                    priority: 200,
                    params: Some(Bytes::from_static(b"\x81\xa4name\xa3Ada")),
                    ..joins.clone()
                }),
            ),
            ("join-presence", Ask(Join { presence: presence::Ask::Full, ..joins.clone() })),
            (
                "join-latest",
                Ask(Join {
                    delivery: Some(Delivery::Latest),
                    interval_ms: Some(200),
                    deadline_ms: Some(2000),
                    rewind: Some(10),
                    ..joins.clone()
                }),
            ),
            (
                "join-datagram",
                Ask(Join { delivery: Some(Delivery::Datagram), rewind: Some(1), flow: Some(7), ..joins }),
            ),
            ("push", Say(Push { reference: 1, event: "say".into(), payload: say.clone(), key: None })),
            (
                "push-key",
                Say(Push {
                    reference: 2,
                    event: "cursor".into(),
                    payload: cursor.clone(),
                    key: Some("ada".into()),
                }),
            ),
            ("adjust", Change(Adjust { priority: Some(200), interval_ms: None, deadline_ms: Some(1000) })),
        ]
    };
    let channel_from_server = {
        use channel::FromServer::{
            Closed, Direct, Event as Happened, Gap, Joined as Accept, PresenceDiff, PresenceState, Refused,
            Reply, Restarted,
        };
        let at = 1_795_464_000_000;
        let ada = presence::Entry {
            key: "ada".into(),
            id: 11,
            data: Bytes::from_static(b"\xa5phone"),
            away: false,
        };
        let bob = presence::Entry { key: "bob".into(), id: 12, data: Bytes::new(), away: true };
        vec![
            ("refused-join", Refused(refusal(Code::FORBIDDEN, "members only", None))),
            ("joined", Accept(joined.clone())),
            (
                "joined-recovered",
                Accept(Joined {
                    start: Start::Recovered,
                    applied: 3,
                    reply: Bytes::from_static(b"\x81\xa4motd\xa2hi"),
                    head: Some(44),
                    delivery: Some(Delivery::Latest),
                    ..joined
                }),
            ),
            ("reply", Reply { reference: 1, code: Code::OK, payload: landed }),
            ("reply-error", Reply { reference: 2, code: Code::REJECTED, payload: "you are muted".into() }),
            ("event", Happened(Event { offset: 42, at, event: "say".into(), payload: say, key: None })),
            (
                "event-key",
                Happened(Event {
                    offset: 43,
                    at: at + 250,
                    event: "cursor".into(),
                    payload: cursor,
                    key: Some("ada".into()),
                }),
            ),
            ("gap", Gap { from: 44, to: 143 }),
            ("restarted", Restarted(Position::new(81_985_529_230_001, 0))),
            ("direct", Direct { event: "invite".into(), payload: Bytes::from_static(b"\xa6room:7") }),
            (
                "presence-state",
                PresenceState(presence::State {
                    head: presence::Head { version: 7, keys: 2, entries: 3 },
                    left: 1,
                    list: Some(vec![ada.clone(), bob]),
                }),
            ),
            (
                "presence-counts",
                PresenceState(presence::State {
                    head: presence::Head { version: 7, keys: 2, entries: 3 },
                    left: 0,
                    list: None,
                }),
            ),
            (
                "presence-diff",
                PresenceDiff(presence::Diff {
                    head: presence::Head { version: 8, keys: 2, entries: 3 },
                    joins: vec![presence::Entry { key: "eve".into(), id: 13, ..ada.clone() }],
                    updates: vec![presence::Entry { away: true, ..ada }],
                    leaves: vec![presence::Leave { key: "bob".into(), id: 12 }],
                }),
            ),
            ("closed", Closed(refusal(Code::CHANNEL_FAILED, "the channel failed", Some(2500)))),
        ]
    };

    let mut all = Vec::new();
    all.extend(control_from_client.into_iter().map(|(name, frame)| (name, Frame::ControlFromClient(frame))));
    all.extend(control_from_server.into_iter().map(|(name, frame)| (name, Frame::ControlFromServer(frame))));
    all.extend(channel_from_client.into_iter().map(|(name, frame)| (name, Frame::ChannelFromClient(frame))));
    all.extend(channel_from_server.into_iter().map(|(name, frame)| (name, Frame::ChannelFromServer(frame))));
    all
}

impl Frame {
    pub(crate) fn encode(&self) -> Bytes {
        match self {
            Self::ControlFromClient(frame) => frame.encode(),
            Self::ControlFromServer(frame) => frame.encode(),
            Self::ChannelFromClient(frame) => frame.encode(),
            Self::ChannelFromServer(frame) => frame.encode(),
        }
    }

    pub(crate) fn stream(&self) -> Stream {
        match self {
            Self::ControlFromClient(_) | Self::ControlFromServer(_) => Stream::Control,
            Self::ChannelFromClient(_) | Self::ChannelFromServer(_) => Stream::Channel,
        }
    }

    pub(crate) fn side(&self) -> Side {
        match self {
            Self::ControlFromClient(_) | Self::ChannelFromClient(_) => Side::Client,
            Self::ControlFromServer(_) | Self::ChannelFromServer(_) => Side::Server,
        }
    }
}

impl Stream {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Channel => "channel",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        [Self::Control, Self::Channel].into_iter().find(|s| s.name() == name).expect("control or channel")
    }
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    pub(crate) fn named(name: &str) -> Self {
        [Self::Client, Self::Server].into_iter().find(|s| s.name() == name).expect("client or server")
    }
}
