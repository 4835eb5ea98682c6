//! The connection in use, as channels see it.

use std::{sync::Arc, time::Duration};

use dunlin_certs::Fingerprint;
use dunlin_proto::{Limits, frame::control::Welcome};
use dunlin_transport::{Connection, EarlyData, Kind};

use crate::{Closed, ConnectionInfo, flows::Flows, info::Connections, pulse::Pulse};

/// Whether there is a connection. The supervisor sets it, channels watch it.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    /// Not now.
    Down,
    /// Streams can be opened.
    Up(Live),
    /// Never again.
    Closed(Closed),
}

/// A connection on which the control stream is open.
#[derive(Debug, Clone)]
pub(crate) struct Live {
    /// Rises whenever all streams have to be opened again: with each connection, and when early data is rejected.
    /// Without [`Link::Down`] in between, the session has moved while the connection before still stood.
    pub(crate) generation: u64,
    pub(crate) connection: Connection,
    pub(crate) pulse: Pulse,
    /// Those of its datagrams that are events.
    pub(crate) flows: Flows,
    /// There is no network: nothing is to be written until there is one.
    pub(crate) held: bool,
    /// What the server said to `Hello`. Until then joins may be sent, for they can be repeated without harm;
    /// pushes may not, for they might travel as early data, which an attacker can replay.
    pub(crate) session: Option<Arc<Session>>,
}

/// A session as it was welcomed on this connection.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) welcome: Welcome,
    pub(crate) handshake: Duration,
    /// Up to this one.
    pub(crate) connections: Connections,
}

impl Link {
    pub(crate) fn info(&self) -> Option<ConnectionInfo> {
        let Self::Up(Live { connection, session: Some(session), .. }) = self else { return None };
        let stats = connection.stats();
        let welcome = &session.welcome;
        Some(ConnectionInfo {
            session: welcome.session.clone(),
            resumed: welcome.resumed,
            agent: welcome.agent.clone(),
            limits: welcome.limits,
            linger: Duration::from_millis(welcome.linger_ms),
            transport: connection.kind(),
            connections: session.connections,
            remote: (connection.kind() != Kind::Memory).then(|| connection.remote_address()),
            certificate: connection.peer_certificate().map(|der| Fingerprint::of(&der)),
            handshake: session.handshake,
            early_data: connection.early_data() == Some(EarlyData::Accepted),
            rtt: stats.rtt,
            mtu: matches!(connection.kind(), Kind::Quic | Kind::WebTransport).then_some(stats.mtu),
            lost_packets: stats.lost_packets,
            sent_packets: stats.sent_packets,
            sent_bytes: stats.sent_bytes,
            received_bytes: stats.received_bytes,
        })
    }
}

impl Live {
    /// The server's limits, once it has welcomed this client.
    pub(crate) fn limits(&self) -> Option<Limits> {
        self.session.as_ref().map(|session| session.welcome.limits)
    }
}
