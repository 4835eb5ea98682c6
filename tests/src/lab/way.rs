//! Ways for a traveller to reach the server.

use std::{fmt, str::FromStr};

use dunlin_client::Congestion;
use serde::{Serialize, Serializer};

/// What carries the traveller's messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Transport {
    /// Native QUIC, and what the client falls back to by itself.
    Quic,
    /// WebTransport, likewise.
    Webtransport,
    /// WebSocket over TLS over TCP.
    Websocket,
}

/// How much may be in flight at first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Window {
    /// As much as where nothing is configured.
    Default,
    /// This many bytes.
    Bytes(u64),
}

/// A way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// What carries the messages.
    pub transport: Transport,
    /// The congestion control of both sides; their defaults if not set.
    pub congestion: Option<Congestion>,
    /// The initial window of both sides.
    pub window: Window,
}

impl Way {
    /// Every combination of these. TCP has the kernel's congestion control, whatever ours is.
    #[must_use]
    pub fn all(transports: &[Transport], congestions: &[Congestion], windows: &[Window]) -> Vec<Self> {
        let mut ways = Vec::new();
        for transport in transports.iter().copied() {
            let mut add = |congestion, window| ways.push(Self { transport, congestion, window });
            let default = congestions.is_empty().then_some(None);
            let congestions = congestions.iter().copied().map(Some).chain(default);
            if transport == Transport::Websocket {
                add(None, Window::Default);
                continue;
            }
            for congestion in congestions {
                windows.iter().for_each(|window| add(congestion, *window));
            }
        }
        ways
    }

    pub(super) fn scheme(&self) -> &'static str {
        match self.transport {
            Transport::Quic => "dunlin",
            Transport::Webtransport => "https",
            Transport::Websocket => "wss",
        }
    }

    /// The server's settings, as `KEY=VALUE`.
    pub(super) fn server(&self) -> Vec<String> {
        let congestion = self.congestion.map(|name| format!("transport.congestion={name}"));
        let window = match self.window {
            Window::Default => None,
            Window::Bytes(bytes) => Some(format!("transport.initial_window={bytes}")),
        };
        congestion.into_iter().chain(window).collect()
    }

    /// The client's settings, as the agent's arguments.
    pub(super) fn client(&self) -> String {
        let congestion = self.congestion.map(|name| format!(" --congestion {name}")).unwrap_or_default();
        let window = match self.window {
            Window::Default => String::new(),
            Window::Bytes(bytes) => format!(" --initial-window {bytes}"),
        };
        congestion + &window
    }
}

/// As in tables and the names of files.
impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = format!("{:?}", self.transport).to_lowercase();
        if let Some(congestion) = self.congestion {
            text += &format!(" {congestion}");
        }
        if let Window::Bytes(bytes) = self.window {
            text += &format!(" {}k", bytes / 1000);
        }
        f.pad(&text)
    }
}

impl Serialize for Way {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl FromStr for Window {
    type Err = <u64 as FromStr>::Err;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == "default" { Ok(Self::Default) } else { text.parse().map(Self::Bytes) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn combinations_leave_tcp_alone() {
        let transports = [Transport::Quic, Transport::Websocket];
        let windows = [Window::Default, Window::Bytes(32_000)];
        let ways = Way::all(&transports, &[Congestion::Bbr, Congestion::Cubic], &windows);
        let names: Vec<_> = ways.iter().map(ToString::to_string).collect();
        assert_eq!(names, ["quic bbr", "quic bbr 32k", "quic cubic", "quic cubic 32k", "websocket"]);
        let names: Vec<_> =
            Way::all(&transports, &[], &windows[..1]).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["quic", "websocket"]);
    }

    #[test]
    fn both_sides_are_told() {
        let way = Way {
            transport: Transport::Quic,
            congestion: Some(Congestion::NewReno),
            window: Window::Bytes(50_000),
        };
        assert_eq!(way.server(), ["transport.congestion=newreno", "transport.initial_window=50000"]);
        assert_eq!(way.client(), " --congestion newreno --initial-window 50000");
        assert_eq!("default".parse(), Ok(Window::Default));
        assert_eq!("50000".parse(), Ok(way.window));
        assert!("much".parse::<Window>().is_err());
    }
}
