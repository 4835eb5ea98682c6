//! Connections over quinn: its types in our words.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicI32, Ordering::Relaxed},
    },
};

use bytes::Bytes;
use quinn::{TransportErrorCode, VarInt, crypto::rustls::HandshakeData};
use rustls::pki_types::CertificateDer;
use tokio::select;

use crate::{ConnectionError, EarlyData, SendDatagramError, Stats, handshake, stream::MAX_PRIORITY};

mod stream;

pub(crate) use stream::{RecvStream, SendStream};

#[derive(Clone, Debug)]
pub(crate) struct Connection {
    pub(crate) quinn: quinn::Connection,
    handshake: handshake::Outcome,
    local: Local,
    pub(crate) floor: Floor,
}

/// The priority that counts as zero among the streams of one connection.
///
/// quinn 0.11 keeps a stream that has data in the queue of the priority that it had when it was put there, and moves it only when it
/// has sent some of them: one that is lowered moves at once, one that is raised waits until all others are empty. So nothing is ever
/// raised, but everything else lowered.
#[derive(Clone, Debug)]
pub(crate) struct Floor(Arc<AtomicI32>);

/// What a stream can be raised by; any priority is below it.
const FLOOR_HEIGHT: i32 = MAX_PRIORITY as i32 + 1;

impl Floor {
    fn new() -> Self {
        // HTTP/3's own streams, which quinn has at 0, are above all of ours.
        Self(Arc::new(AtomicI32::new(-FLOOR_HEIGHT)))
    }

    fn get(&self) -> i32 {
        self.0.load(Relaxed)
    }

    /// After two million times it stays where it is.
    fn lower(&self) {
        let _ = self.0.fetch_update(Relaxed, Relaxed, |floor| floor.checked_sub(FLOOR_HEIGHT));
    }
}

/// Where the socket of an endpoint is bound, which its connections ask and quinn does not tell them.
#[derive(Clone, Debug)]
pub(crate) struct Local(Arc<Mutex<SocketAddr>>);

impl Connection {
    pub(crate) fn new(quinn: quinn::Connection, handshake: handshake::Outcome, local: Local) -> Self {
        Self { quinn, handshake, local, floor: Floor::new() }
    }

    /// A connection whose handshake is over.
    pub(crate) fn established(quinn: quinn::Connection, local: Local) -> Self {
        Self::new(quinn, handshake::complete(), local)
    }

    pub(crate) async fn open_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        let (send, recv) = self.quinn.open_bi().await?;
        Ok((SendStream::new(send, recv.is_0rtt(), self.floor.clone()), RecvStream::new(recv)))
    }

    pub(crate) async fn accept_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        loop {
            select! {
                biased;
                stream = self.quinn.accept_bi() => {
                    let (send, recv) = stream?;
                    // What a server accepts early is real; only what a client opens early can be void.
                    return Ok((SendStream::new(send, false, self.floor.clone()), RecvStream::new(recv)));
                }
                // HTTP/3 needs such streams, so a few are allowed before it is known who comes. Dropped, it is stopped.
                stream = self.quinn.accept_uni() => drop(stream?),
            }
        }
    }

    pub(crate) fn send_datagram(&self, data: Bytes) -> Result<(), SendDatagramError> {
        self.quinn.send_datagram(data).map_err(|error| match error {
            quinn::SendDatagramError::UnsupportedByPeer | quinn::SendDatagramError::Disabled => {
                SendDatagramError::Unsupported
            }
            quinn::SendDatagramError::TooLarge => SendDatagramError::TooLarge,
            quinn::SendDatagramError::ConnectionLost(error) => SendDatagramError::Connection(error.into()),
        })
    }

    pub(crate) async fn read_datagram(&self) -> Result<Bytes, ConnectionError> {
        Ok(self.quinn.read_datagram().await?)
    }

    pub(crate) fn max_datagram_size(&self) -> Option<usize> {
        self.quinn.max_datagram_size()
    }

    pub(crate) fn close(&self, code: u32, reason: &str) {
        close(&self.quinn, code.into(), reason.as_bytes());
    }

    pub(crate) async fn closed(&self) -> ConnectionError {
        self.quinn.closed().await.into()
    }

    pub(crate) fn close_reason(&self) -> Option<ConnectionError> {
        self.quinn.close_reason().map(Into::into)
    }

    pub(crate) fn remote_address(&self) -> SocketAddr {
        canonical(self.quinn.remote_address())
    }

    pub(crate) fn local_address(&self) -> SocketAddr {
        let bound = self.local.get();
        // Servers are told with each packet.
        let ip = self.quinn.local_ip().unwrap_or(bound.ip());
        canonical(SocketAddr::new(ip, bound.port()))
    }

    pub(crate) fn stats(&self) -> Stats {
        let stats = self.quinn.stats();
        Stats {
            rtt: stats.path.rtt,
            congestion_window: stats.path.cwnd,
            mtu: stats.path.current_mtu,
            lost_packets: stats.path.lost_packets,
            sent_packets: stats.path.sent_packets,
            received_bytes: stats.udp_rx.bytes,
            sent_bytes: stats.udp_tx.bytes,
        }
    }

    pub(crate) fn grant_streams(&self, n: u32) {
        self.quinn.set_max_concurrent_bi_streams(stream_limit(n));
    }

    pub(crate) fn early_data(&self) -> Option<EarlyData> {
        *self.handshake.borrow()
    }

    pub(crate) async fn handshake_complete(&self) -> Result<EarlyData, ConnectionError> {
        // Copied out of its lock before the next await.
        let early_data = self.handshake.clone().wait_for(Option::is_some).await.ok().and_then(|known| *known);
        match early_data {
            Some(early_data) => Ok(early_data),
            None => Err(self.closed().await),
        }
    }

    pub(crate) fn peer_certificate(&self) -> Option<CertificateDer<'static>> {
        let chain = self.quinn.peer_identity()?.downcast::<Vec<CertificateDer<'static>>>().ok()?;
        chain.into_iter().next()
    }

    pub(crate) fn alpn(&self) -> Option<Vec<u8>> {
        self.quinn.handshake_data()?.downcast::<HandshakeData>().ok()?.protocol
    }
}

impl Local {
    pub(crate) fn new(bound: SocketAddr) -> Self {
        Self(Arc::new(Mutex::new(bound)))
    }

    pub(crate) fn get(&self) -> SocketAddr {
        *self.lock()
    }

    pub(crate) fn set(&self, bound: SocketAddr) {
        *self.lock() = bound;
    }

    fn lock(&self) -> MutexGuard<'_, SocketAddr> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// quinn would forget why a connection ended that the peer had closed before.
pub(crate) fn close(quinn: &quinn::Connection, code: VarInt, reason: &[u8]) {
    if quinn.close_reason().is_none() {
        quinn.close(code, reason);
    }
}

/// The limit to give quinn so that the peer can always have `n` streams open.
///
/// quinn announces room only when it has more than an eighth of the limit to announce. A peer at the limit that ends
/// one stream to open another could wait for ever.
pub(crate) fn stream_limit(n: u32) -> VarInt {
    n.saturating_add(n / 7).into()
}

/// IPv4 addresses reach a dual-stack socket in IPv6 clothes (RFC 4291, 2.5.5.2).
pub(crate) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// An application's code; ours fit in 32 bits, a stranger's may not.
fn code(code: VarInt) -> u32 {
    u32::try_from(code.into_inner()).unwrap_or(u32::MAX)
}

impl From<quinn::ConnectionError> for ConnectionError {
    fn from(error: quinn::ConnectionError) -> Self {
        use quinn::ConnectionError as E;
        match error {
            E::ApplicationClosed(close) => Self::Closed {
                code: code(close.error_code),
                reason: String::from_utf8_lossy(&close.reason).into_owned(),
            },
            E::LocallyClosed => Self::LocallyClosed,
            E::TimedOut => Self::TimedOut,
            E::Reset => Self::Reset,
            E::ConnectionClosed(close) => transport(close.error_code, close.to_string()),
            E::TransportError(error) => transport(error.code, error.to_string()),
            E::VersionMismatch | E::CidsExhausted => Self::Transport(error.to_string()),
        }
    }
}

fn transport(code: TransportErrorCode, words: String) -> ConnectionError {
    match u64::from(code) {
        _ if code == TransportErrorCode::CONNECTION_REFUSED => ConnectionError::Refused,
        // CRYPTO_ERROR: a TLS alert in the low byte (RFC 9001, 4.8).
        0x100..=0x1ff => ConnectionError::Tls(words),
        _ => ConnectionError::Transport(words),
    }
}
