//! The events of the server's own topics: MessagePack maps with these names. Readers are to ignore names that they do not
//! know, and a name is never given another meaning.

use crate::session::Session;
use dunlin_transport::Kind;
use serde::Serialize;
use std::{collections::BTreeMap, sync::Arc};

/// Event `stats` of `$server/stats`.
#[derive(Debug, Serialize)]
pub(super) struct Stats {
    /// When it was made, in milliseconds since the Unix epoch.
    pub(super) at: u64,
    /// How long the server has been running, in milliseconds.
    pub(super) uptime_ms: u64,
    /// Name and version of the server.
    pub(super) agent: &'static str,
    pub(super) sessions: Sessions,
    /// Memberships now, those whose member is away included.
    pub(super) memberships: usize,
    pub(super) topics: Topics,
    pub(super) per_second: PerSecond,
    pub(super) continuity: Continuity,
    /// What was refused since the start, by the name of its code.
    pub(super) refusals: BTreeMap<&'static str, u64>,
    /// Absent where the system does not tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) process: Option<Process>,
}

/// Sessions now.
#[derive(Debug, Default, Serialize)]
pub(super) struct Sessions {
    connected: u64,
    /// Those that wait for their client.
    parked: u64,
    /// The connected ones, by what carries them.
    by_transport: Transports,
}

/// A number for each transport.
#[derive(Debug, Default, Serialize)]
pub(super) struct Transports {
    quic: u64,
    webtransport: u64,
    websocket: u64,
    memory: u64,
}

/// Topics now, without the server's own.
#[derive(Debug, Serialize)]
pub(super) struct Topics {
    pub(super) count: usize,
    /// Readers of all topics, the server's own included.
    pub(super) readers: usize,
    /// What all logs take, in bytes.
    pub(super) history_bytes: usize,
    /// What they may take (`history.memory`), in bytes.
    pub(super) history_limit: usize,
}

/// What came in since the event before, by the second.
#[derive(Debug, Serialize)]
pub(super) struct PerSecond {
    /// Events published by clients and by the application.
    pub(super) events: f64,
    /// Bytes of payload in them.
    pub(super) event_bytes: f64,
    /// Connections admitted.
    pub(super) connections: f64,
    /// Sessions that began.
    pub(super) sessions_opened: f64,
}

/// How interruptions ended, since the start.
#[derive(Debug, Serialize)]
pub(super) struct Continuity {
    /// Changes of address that a connection survived: a NAT that forgot its client, or another network.
    pub(super) migrated: u64,
    /// Sessions that a client came back to.
    pub(super) resumed: u64,
    /// Joins from a position after which nothing was missing.
    pub(super) recovered: u64,
    /// Joins from a position that history did not cover.
    pub(super) lost: u64,
    /// Gaps that readers were told of.
    pub(super) gaps: u64,
}

/// The server's process.
#[derive(Debug, Serialize)]
pub(crate) struct Process {
    /// Memory in use, in bytes.
    pub(crate) rss_bytes: u64,
    /// Processor time used since the start.
    pub(crate) cpu_seconds: f64,
}

/// Event `topics` of `$server/topics`: the 50 with the highest rate, then the most readers.
#[derive(Debug, Serialize)]
pub(super) struct TopicList {
    /// How many there are, without the server's own.
    pub(super) total: usize,
    pub(super) topics: Vec<TopicRow>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct TopicRow {
    pub(super) name: String,
    pub(super) readers: usize,
    /// Events a second since the event before this one; 0 in the first after a time without readers.
    pub(super) rate: f64,
    /// The newest event's position.
    pub(super) offset: u64,
    pub(super) epoch: u64,
    /// Events in the log.
    pub(super) held: usize,
    /// Bytes that they take.
    pub(super) bytes: usize,
}

/// Event `sessions` of `$server/sessions`: the 50 whose client connected last, newest first.
#[derive(Debug, Serialize)]
pub(super) struct SessionList {
    /// How many there are, parked ones included.
    pub(super) total: usize,
    pub(super) sessions: Vec<SessionRow>,
}

#[derive(Debug, Serialize)]
pub(super) struct SessionRow {
    /// Public name, as in `Welcome`.
    pub(super) session: String,
    /// `quic`, `webtransport`, `websocket` or `memory`; of a parked session, the last.
    pub(super) transport: String,
    /// The client's address and port; of a parked session, the last.
    pub(super) address: String,
    /// Name and version of the client library.
    pub(super) agent: String,
    /// Round trip time in milliseconds; nil while it is not known.
    pub(super) rtt_ms: Option<f64>,
    /// Memberships.
    pub(super) channels: usize,
    /// Milliseconds since its client connected last.
    pub(super) connected_ms: u64,
    /// How often its client came back to it.
    pub(super) resumed: u64,
    /// Whether it waits for its client.
    pub(super) parked: bool,
    pub(super) paths: PathHistory,
}

/// How a session's client has changed its address while its connection lived on; a new connection is no change. Addresses
/// are told as they are seen, which is before the client has proved that it is there.
#[derive(Debug, Serialize)]
pub(super) struct PathHistory {
    /// How many changes there were in all.
    pub(super) changes: u64,
    /// The last of them, 8 at most, newest first.
    pub(super) last: Vec<PathChange>,
}

#[derive(Debug, Serialize)]
pub(super) struct PathChange {
    /// What was different: `port`, `address` (IP), or `family` (IPv4 and IPv6).
    pub(super) kind: &'static str,
    /// Address and port before.
    pub(super) from: String,
    /// Address and port after.
    pub(super) address: String,
    /// Milliseconds since the server noticed.
    pub(super) ms: u64,
}

impl Sessions {
    pub(super) fn of(sessions: &[Arc<Session>]) -> Self {
        let mut counted = Self::default();
        for session in sessions {
            match session.transport() {
                Some(kind) => {
                    counted.connected += 1;
                    *counted.by_transport.of(kind) += 1;
                }
                None => counted.parked += 1,
            }
        }
        counted
    }
}

impl Transports {
    pub(super) fn of(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Quic => &mut self.quic,
            Kind::WebTransport => &mut self.webtransport,
            Kind::WebSocket => &mut self.websocket,
            Kind::Memory => &mut self.memory,
        }
    }
}
