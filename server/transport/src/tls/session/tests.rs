//! Sessions against rustls' own client, and against quinn's over a socket.

use std::{any::Any, sync::Arc};

use bytes::BytesMut;
use quinn::{
    ConnectError, ConnectionError, Endpoint,
    crypto::{self, Keys, ServerConfig as _, rustls::HandshakeData},
};
use quinn_proto::{Side, TransportError, transport_parameters::TransportParameters};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, PrivatePkcs8KeyDer},
    quic::{ClientConnection, KeyChange, Secrets, Version},
    sign::{CertifiedKey, SingleCertAndKey},
};

use crate::{ALPN, SharedTicketStore, http3, provider, tls};

const NAME: &str = "dunlin.test";

/// Of a TLS KeyUpdate, which QUIC has no use for (RFC 8446, 4.6.3).
const KEY_UPDATE: [u8; 5] = [24, 0, 0, 1, 0];

/// A server's configuration, and that of a client which offers a protocol.
fn configs(protocol: &[u8]) -> (Arc<super::Config>, rustls::ClientConfig) {
    let made = rcgen::generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let certificate: CertificateDer<'static> = made.cert.der().clone();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let key = CertifiedKey::from_der(vec![certificate.clone()], key.into(), &provider()).unwrap();
    let server = tls::server(Arc::new(SingleCertAndKey::from(key)), SharedTicketStore::new(8));
    let mut trusted = RootCertStore::empty();
    trusted.add(certificate).unwrap();
    let mut client = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    client.alpn_protocols = vec![protocol.to_vec()];
    (Arc::new(server), client)
}

/// A session whose handshake is over, and the client's secrets for updates.
fn complete(protocol: &[u8]) -> (Box<dyn crypto::Session>, Secrets) {
    let (server, client) = configs(protocol);
    let none = TransportParameters::read(Side::Client, &mut &[][..]).unwrap();
    let mut server = server.start_session(1, &none);
    let name = NAME.try_into().unwrap();
    let mut client = ClientConnection::new(Arc::new(client), Version::V1, name, Vec::new()).unwrap();
    let mut secrets = None;
    let mut is_known = false;
    while server.is_handshaking() || client.is_handshaking() {
        let mut said = Vec::new();
        while let Some(change) = client.write_hs(&mut said) {
            if let KeyChange::OneRtt { next, .. } = change {
                secrets = Some(next);
            }
        }
        is_known |= server.read_handshake(&said).unwrap();
        assert_eq!(server.handshake_data().is_some(), is_known);
        // Each flight goes in packets of another kind.
        loop {
            let mut said = Vec::new();
            let keys = server.write_handshake(&mut said);
            if keys.is_none() && said.is_empty() {
                break;
            }
            client.read_hs(&said).unwrap();
        }
    }
    (server, secrets.unwrap())
}

fn agreed(data: Box<dyn Any>) -> Option<Vec<u8>> {
    data.downcast::<HandshakeData>().unwrap().protocol
}

#[test]
fn what_was_agreed_upon_is_known_after_the_handshake() {
    for protocol in [ALPN, http3::ALPN] {
        let (session, _) = complete(protocol);
        assert_eq!(session.handshake_data().and_then(agreed).as_deref(), Some(protocol));
        assert!(session.peer_identity().is_none());
        assert!(session.export_keying_material(&mut [0; 8], b"label", b"").is_err());
    }
}

#[test]
fn what_comes_after_the_handshake_is_refused() {
    let (mut session, _) = complete(ALPN);
    let error = session.read_handshake(&KEY_UPDATE).unwrap_err();
    // Alert 10, unexpected_message (RFC 9001, 6).
    assert_eq!(u64::from(error.code), 0x10a);
    assert!(session.write_handshake(&mut Vec::new()).is_none());
}

#[test]
fn each_generation_of_keys_is_the_clients() {
    let (mut session, mut secrets) = complete(ALPN);
    for packet in 0..3 {
        let (server, client) = (session.next_1rtt_keys().unwrap(), secrets.next_packet_keys());
        for (key, its) in [(&server.local, &client.remote), (&server.remote, &client.local)] {
            assert_eq!(key.confidentiality_limit(), its.confidentiality_limit());
            assert_eq!(key.integrity_limit(), its.integrity_limit());
            assert_eq!(key.tag_len(), its.tag_len());
        }
        let mut down = [&b"header"[..], b"down", &[0; 16]].concat();
        server.local.encrypt(packet, &mut down, 6);
        assert_eq!(client.remote.decrypt_in_place(packet, b"header", &mut down[6..]).unwrap(), b"down");
        let mut up = b"up".to_vec();
        let tag = client.local.encrypt_in_place(packet, b"header", &mut up).unwrap();
        let mut up = BytesMut::from(&[&up, tag.as_ref()].concat()[..]);
        server.remote.decrypt(packet, b"header", &mut up).unwrap();
        assert_eq!(up, "up");
    }
}

/// Both ends of a connection over a socket.
async fn connect(client: impl FnOnce(rustls::ClientConfig) -> quinn::ClientConfig) -> [quinn::Connection; 2] {
    let (server, tls) = configs(ALPN);
    let config = quinn::ServerConfig::new(server, Arc::new(crate::Keys::random().retry()));
    let server = Endpoint::server(config, ([127, 0, 0, 1], 0).into()).unwrap();
    let endpoint = Endpoint::client(([127, 0, 0, 1], 0).into()).unwrap();
    let dialed = endpoint.connect_with(client(tls), server.local_addr().unwrap(), NAME).unwrap();
    let accepted = async { server.accept().await.unwrap().await.unwrap() };
    let (client, server) = tokio::join!(dialed, accepted);
    [client.unwrap(), server]
}

fn quic(tls: rustls::ClientConfig) -> crypto::rustls::QuicClientConfig {
    tls.try_into().unwrap()
}

/// Says something on a new stream, which the other end hears and says back.
async fn echo(from: &quinn::Connection, to: &quinn::Connection) {
    let asked = async {
        let (mut send, mut recv) = from.open_bi().await.unwrap();
        send.write_all(b"are you there?").await.unwrap();
        send.finish().unwrap();
        recv.read_to_end(99).await.unwrap()
    };
    let answered = async {
        let (mut send, mut recv) = to.accept_bi().await.unwrap();
        send.write_all(&recv.read_to_end(99).await.unwrap()).await.unwrap();
        send.finish().unwrap();
    };
    assert_eq!(tokio::join!(asked, answered).0, b"are you there?");
}

#[tokio::test]
async fn either_end_updates_its_keys() {
    let [client, server] = connect(|tls| quinn::ClientConfig::new(Arc::new(quic(tls)))).await;
    for _ in 0..3 {
        for (from, to) in [(&client, &server), (&server, &client)] {
            from.force_key_update();
            echo(from, to).await;
            echo(to, from).await;
        }
    }
}

#[tokio::test]
async fn a_client_that_goes_on_about_tls_is_cut_off() {
    let chatty = |tls| quinn::ClientConfig::new(Arc::new(ChattyConfig(Arc::new(quic(tls)))));
    let [_client, server] = connect(chatty).await;
    let ConnectionError::TransportError(error) = server.closed().await else { panic!("another end") };
    assert_eq!(u64::from(error.code), 0x10a);
}

/// A client that sends a KeyUpdate as soon as its handshake is over.
struct ChattyConfig(Arc<crypto::rustls::QuicClientConfig>);

impl crypto::ClientConfig for ChattyConfig {
    fn start_session(
        self: Arc<Self>,
        version: u32,
        server_name: &str,
        params: &TransportParameters,
    ) -> Result<Box<dyn crypto::Session>, ConnectError> {
        let session = self.0.clone().start_session(version, server_name, params)?;
        Ok(Box::new(Chatty { session, is_due: false }))
    }
}

struct Chatty {
    session: Box<dyn crypto::Session>,
    is_due: bool,
}

impl crypto::Session for Chatty {
    fn write_handshake(&mut self, buf: &mut Vec<u8>) -> Option<Keys> {
        if std::mem::take(&mut self.is_due) {
            buf.extend(KEY_UPDATE);
        }
        let keys = self.session.write_handshake(buf);
        self.is_due = keys.is_some() && !self.session.is_handshaking();
        keys
    }

    fn initial_keys(&self, dst_cid: &quinn::ConnectionId, side: Side) -> Keys {
        self.session.initial_keys(dst_cid, side)
    }

    fn handshake_data(&self) -> Option<Box<dyn Any>> {
        self.session.handshake_data()
    }

    fn peer_identity(&self) -> Option<Box<dyn Any>> {
        self.session.peer_identity()
    }

    fn early_crypto(&self) -> Option<(Box<dyn crypto::HeaderKey>, Box<dyn crypto::PacketKey>)> {
        self.session.early_crypto()
    }

    fn early_data_accepted(&self) -> Option<bool> {
        self.session.early_data_accepted()
    }

    fn is_handshaking(&self) -> bool {
        self.session.is_handshaking()
    }

    fn read_handshake(&mut self, buf: &[u8]) -> Result<bool, TransportError> {
        self.session.read_handshake(buf)
    }

    fn transport_parameters(&self) -> Result<Option<TransportParameters>, TransportError> {
        self.session.transport_parameters()
    }

    fn next_1rtt_keys(&mut self) -> Option<crypto::KeyPair<Box<dyn crypto::PacketKey>>> {
        self.session.next_1rtt_keys()
    }

    fn is_valid_retry(&self, orig_dst_cid: &quinn::ConnectionId, header: &[u8], payload: &[u8]) -> bool {
        self.session.is_valid_retry(orig_dst_cid, header, payload)
    }

    fn export_keying_material(
        &self,
        output: &mut [u8],
        label: &[u8],
        context: &[u8],
    ) -> Result<(), crypto::ExportKeyingMaterialError> {
        self.session.export_keying_material(output, label, context)
    }
}
