//! What is known about the connection in use.

use std::{net::SocketAddr, time::Duration};

use dunlin_certs::Fingerprint;
use dunlin_proto::Limits;

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
    /// What carries the connection, as `quic`.
    pub transport: String,
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
    /// Packets taken for lost.
    pub lost_packets: u64,
    /// Packets sent.
    pub sent_packets: u64,
    /// Bytes sent, as UDP payload.
    pub sent_bytes: u64,
    /// Bytes received, as UDP payload.
    pub received_bytes: u64,
}
