//! What is known about the connection in use.

use std::{net::SocketAddr, time::Duration};

use dunlin_certs::Fingerprint;
use dunlin_proto::Limits;
use dunlin_transport::Kind as Transport;

/// The connection in use, as of now.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// Public name of the session, for logs.
    pub session: String,
    /// Whether an earlier session of this client was resumed.
    pub resumed: bool,
    /// Name and version of the server, for logs.
    pub agent: String,
    /// What the server allows this session.
    pub limits: Limits,
    /// How long the session waits for this client after the connection is lost.
    pub linger: Duration,
    /// What carries the connection.
    pub transport: Transport,
    /// How many connections this client has had so far, with this one.
    pub connections: Connections,
    /// The server's address, where the transport has one.
    pub remote: Option<SocketAddr>,
    /// The certificate the server showed, where the transport has one.
    pub certificate: Option<Fingerprint>,
    /// From the start of dialling until the server's welcome.
    pub handshake: Duration,
    /// Whether the first flight travelled as 0-RTT data and was accepted.
    pub early_data: bool,
    /// Round-trip time, as the transport estimates it.
    pub rtt: Duration,
    /// Largest UDP payload in bytes that fits the path, where the transport has to know.
    pub mtu: Option<u16>,
    /// Packets taken for lost; none over TCP, which does not say.
    pub lost_packets: u64,
    /// Packets sent; none over TCP, which does not say.
    pub sent_packets: u64,
    /// Bytes sent, as payload of UDP or TCP.
    pub sent_bytes: u64,
    /// Bytes received, as payload of UDP or TCP.
    pub received_bytes: u64,
}

/// How many connections a client has had, by what carried them. Those count on which the server has welcomed it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Connections {
    /// Native QUIC.
    pub quic: u64,
    /// WebTransport.
    pub webtransport: u64,
    /// WebSocket, plain or over TLS.
    pub websocket: u64,
    /// Memory of this process.
    pub memory: u64,
}

impl Connections {
    pub(crate) fn count(&mut self, transport: Transport) {
        *match transport {
            Transport::Quic => &mut self.quic,
            Transport::WebTransport => &mut self.webtransport,
            Transport::WebSocket => &mut self.websocket,
            Transport::Memory => &mut self.memory,
        } += 1;
    }
}
