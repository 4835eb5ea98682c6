//! A server's TLS session that is small once its handshake is over.
//!
//! quinn asks its session for little after that: keys for the next update (RFC 9001, 6), and what was negotiated. Its own
//! session keeps all of rustls' connection for it, with the keys of the handshake, some 3 KB. This one lets go of rustls as soon
//! as the last word of the handshake is written, which on a server are the tickets.

use std::{
    any::Any,
    io,
    sync::{Arc, OnceLock},
};

use bytes::BytesMut;
use quinn::{
    TransportErrorCode,
    crypto::{
        self, CryptoError, ExportKeyingMaterialError, HeaderKey, KeyPair, Keys, ServerConfig as _,
        UnsupportedVersion,
        rustls::{HandshakeData, NoInitialCipherSuite, QuicServerConfig},
    },
};
use quinn_proto::{ConnectionId, Side, TransportError, transport_parameters::TransportParameters};
use rustls::{
    AlertDescription,
    quic::{KeyChange, PacketKey, PacketKeySet, Secrets, ServerConnection, Version},
};

/// How sessions begin. Its clients show no certificates.
pub(crate) struct Config {
    tls: Arc<rustls::ServerConfig>,
    /// For what is the same for all sessions: the keys of Initial packets, and the tags of Retry packets.
    quic: QuicServerConfig,
    /// The application protocols (RFC 7301), as in `tls`.
    protocols: &'static [&'static [u8]],
}

impl Config {
    /// Completes what is to be a server's configuration with the application protocols, in the order of preference.
    ///
    /// # Errors
    /// It has no cipher suite for Initial packets.
    pub(super) fn new(
        mut tls: rustls::ServerConfig,
        protocols: &'static [&'static [u8]],
    ) -> Result<Self, NoInitialCipherSuite> {
        tls.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let tls = Arc::new(tls);
        Ok(Self { quic: tls.clone().try_into()?, tls, protocols })
    }
}

impl crypto::ServerConfig for Config {
    fn initial_keys(&self, version: u32, dst_cid: &ConnectionId) -> Result<Keys, UnsupportedVersion> {
        self.quic.initial_keys(version, dst_cid)
    }

    fn retry_tag(&self, version: u32, orig_dst_cid: &ConnectionId, packet: &[u8]) -> [u8; 16] {
        self.quic.retry_tag(version, orig_dst_cid, packet)
    }

    fn start_session(
        self: Arc<Self>,
        version: u32,
        params: &TransportParameters,
    ) -> Box<dyn crypto::Session> {
        let mut ours = Vec::new();
        params.write(&mut ours);
        let tls = ServerConnection::new(self.tls.clone(), edition(version), ours)
            .expect("the configuration is for TLS 1.3 and QUIC");
        let stage = Stage::Handshake(Box::new(Handshake { tls, is_known: false }));
        Box::new(Session { config: self, version, stage, updates: None })
    }
}

/// What rustls distinguishes of the versions that quinn speaks: drafts up to 32 had another salt, and another extension for the
/// transport parameters.
fn edition(version: u32) -> Version {
    match version {
        0xff00_001d..=0xff00_0020 => Version::V1Draft,
        _ => Version::V1,
    }
}

struct Session {
    config: Arc<Config>,
    version: u32,
    stage: Stage,
    /// Known before the handshake is over.
    updates: Option<Updates>,
}

enum Stage {
    Handshake(Box<Handshake>),
    Complete {
        /// The application protocol that was agreed upon.
        protocol: Option<&'static [u8]>,
    },
}

struct Handshake {
    tls: ServerConnection,
    /// Whether quinn was told that what the client wants is known.
    is_known: bool,
}

impl Session {
    fn protocol(&self) -> Option<&'static [u8]> {
        match &self.stage {
            Stage::Handshake(handshake) => {
                let agreed = handshake.tls.alpn_protocol()?;
                self.config.protocols.iter().copied().find(|protocol| *protocol == agreed)
            }
            Stage::Complete { protocol } => *protocol,
        }
    }

    fn handshake(&self) -> Option<&Handshake> {
        match &self.stage {
            Stage::Handshake(handshake) => Some(handshake),
            Stage::Complete { .. } => None,
        }
    }
}

impl Handshake {
    fn read(&mut self, data: &[u8]) -> Result<bool, TransportError> {
        self.tls.read_hs(data).map_err(|error| match self.tls.alert() {
            Some(alert) => refused(alert, error.to_string()),
            None => TransportError {
                code: TransportErrorCode::PROTOCOL_VIOLATION,
                frame: None,
                reason: format!("TLS error: {error}"),
            },
        })?;
        // rustls does not say when it has read a ClientHello, but knows these then.
        let knows = self.tls.alpn_protocol().is_some()
            || self.tls.server_name().is_some()
            || !self.tls.is_handshaking();
        Ok(knows && !std::mem::replace(&mut self.is_known, knows))
    }
}

/// A TLS alert as an error of the connection (RFC 9001, 4.8).
fn refused(alert: AlertDescription, reason: String) -> TransportError {
    TransportError { code: TransportErrorCode::crypto(alert.into()), frame: None, reason }
}

impl crypto::Session for Session {
    fn initial_keys(&self, dst_cid: &ConnectionId, _side: Side) -> Keys {
        let keys = self.config.quic.initial_keys(self.version, dst_cid);
        keys.unwrap_or_else(|_| unreachable!("no session is started for a version without keys"))
    }

    /// The name that the client asked for is forgotten with the handshake.
    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        let server_name = match self.handshake() {
            Some(handshake) if !handshake.is_known => return None,
            Some(handshake) => handshake.tls.server_name().map(Into::into),
            None => None,
        };
        Some(Box::new(HandshakeData { protocol: self.protocol().map(Into::into), server_name }))
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        None
    }

    fn early_crypto(&self) -> Option<(Box<dyn HeaderKey>, Box<dyn crypto::PacketKey>)> {
        let keys = self.handshake()?.tls.zero_rtt_keys()?;
        Some((Box::new(keys.header), Box::new(keys.packet)))
    }

    /// For clients.
    fn early_data_accepted(&self) -> Option<bool> {
        None
    }

    fn is_handshaking(&self) -> bool {
        self.handshake().is_some_and(|handshake| handshake.tls.is_handshaking())
    }

    /// After the handshake a client has nothing to say: it is asked for no certificate (RFC 9001, 4.4), and its keys are updated
    /// by QUIC, so that TLS's own KeyUpdate is this very error (6).
    fn read_handshake(&mut self, data: &[u8]) -> Result<bool, TransportError> {
        match &mut self.stage {
            Stage::Handshake(handshake) => handshake.read(data),
            Stage::Complete { .. } => {
                Err(refused(AlertDescription::UnexpectedMessage, "TLS after the handshake".into()))
            }
        }
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        let theirs = self.handshake().and_then(|handshake| handshake.tls.quic_transport_parameters());
        let read = theirs.map(|theirs| TransportParameters::read(Side::Server, &mut io::Cursor::new(theirs)));
        Ok(read.transpose()?)
    }

    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        let Stage::Handshake(handshake) = &mut self.stage else { return None };
        let keys = match handshake.tls.write_hs(buf) {
            Some(KeyChange::Handshake { keys }) => keys,
            Some(KeyChange::OneRtt { keys, next }) => {
                self.updates = Some(Updates::new(next));
                keys
            }
            None => {
                // That was all: what rustls has to say, it writes at once.
                if !handshake.tls.is_handshaking() {
                    self.stage = Stage::Complete { protocol: self.protocol() };
                }
                return None;
            }
        };
        Some(Keys {
            header: KeyPair { local: Box::new(keys.local.header), remote: Box::new(keys.remote.header) },
            packet: KeyPair { local: Box::new(keys.local.packet), remote: Box::new(keys.remote.packet) },
        })
    }

    fn next_1rtt_keys(&mut self) -> Option<KeyPair<Box<dyn crypto::PacketKey>>> {
        self.updates.as_mut().map(Updates::next)
    }

    /// Servers get no Retry packets.
    fn is_valid_retry(&self, _: &ConnectionId, _: &[u8], _: &[u8]) -> bool {
        false
    }

    /// Nobody asks for any: what it takes goes with rustls' connection.
    fn export_keying_material(
        &self,
        _: &mut [u8],
        _: &[u8],
        _: &[u8],
    ) -> Result<(), ExportKeyingMaterialError> {
        Err(ExportKeyingMaterialError)
    }
}

/// The generations of 1-RTT keys after the first (RFC 9001, 6.1).
struct Updates {
    /// Of the last generation that was handed out, which shares them, or of the second.
    secrets: Arc<Secrets>,
    are_handed_out: bool,
}

impl Updates {
    fn new(second: Secrets) -> Self {
        Self { secrets: Arc::new(second), are_handed_out: false }
    }

    fn next(&mut self) -> KeyPair<Box<dyn crypto::PacketKey>> {
        if self.are_handed_out {
            let mut secrets = Secrets::clone(&self.secrets);
            secrets.next_packet_keys();
            self.secrets = Arc::new(secrets);
        }
        self.are_handed_out = true;
        let remote = derive(&self.secrets).remote;
        KeyPair { local: Box::new(Deferred::new(self.secrets.clone(), &*remote)), remote: Box::new(remote) }
    }
}

/// The keys of a generation.
fn derive(secrets: &Secrets) -> PacketKeySet {
    secrets.clone().next_packet_keys()
}

/// A key to send with that is made when it is first used: most connections end before their keys are updated.
///
/// A key to receive with must be there before: the time that it takes to make one would tell that an update was tried
/// (RFC 9001, 6.3).
struct Deferred {
    secrets: Arc<Secrets>,
    /// The same for both directions.
    confidentiality_limit: u64,
    integrity_limit: u64,
    key: OnceLock<Box<dyn crypto::PacketKey>>,
}

impl Deferred {
    fn new(secrets: Arc<Secrets>, sibling: &dyn PacketKey) -> Self {
        Self {
            secrets,
            confidentiality_limit: sibling.confidentiality_limit(),
            integrity_limit: sibling.integrity_limit(),
            key: OnceLock::new(),
        }
    }

    fn key(&self) -> &dyn crypto::PacketKey {
        &**self.key.get_or_init(|| Box::new(derive(&self.secrets).local))
    }
}

impl crypto::PacketKey for Deferred {
    fn encrypt(&self, packet: u64, buf: &mut [u8], header_len: usize) {
        self.key().encrypt(packet, buf, header_len);
    }

    fn decrypt(&self, packet: u64, header: &[u8], payload: &mut BytesMut) -> Result<(), CryptoError> {
        self.key().decrypt(packet, header, payload)
    }

    fn tag_len(&self) -> usize {
        self.key().tag_len()
    }

    fn confidentiality_limit(&self) -> u64 {
        self.confidentiality_limit
    }

    fn integrity_limit(&self) -> u64 {
        self.integrity_limit
    }
}

#[cfg(test)]
mod tests;
