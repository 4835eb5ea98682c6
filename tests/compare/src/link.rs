//! Bytes to and from a server, whatever carries them.

use std::{any::Any, net::SocketAddr, rc::Rc, sync::Arc};

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use dunlin_transport::{ClientConfig, Congestion, Dialer, Tickets};
use ring::aead::LessSafeKey;
use rustls::{
    ClientConfig as TlsConfig, RootCertStore, client::WebPkiServerVerifier, pki_types::CertificateDer,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf},
    net::{TcpStream, UdpSocket},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::sealed;

/// Bytes taken from a link at once.
const CHUNK: usize = 64 * 1024;

/// Asked of the kernel for each UDP socket: with less, packets for a thousand connections are dropped here.
const SOCKET_BUFFER: usize = 16 * 1024 * 1024;

/// UDP sockets of the load; each carries many connections.
const SOCKETS: usize = 4;

/// The way up.
pub(crate) enum Up {
    Tls(WriteHalf<TlsStream<TcpStream>>),
    Quic(quinn::SendStream),
    Dunlin(dunlin_transport::SendStream),
    Udp(Rc<UdpSocket>),
}

/// The way down.
pub(crate) enum Down {
    Tls(ReadHalf<TlsStream<TcpStream>>),
    Quic(quinn::RecvStream),
    Dunlin(dunlin_transport::RecvStream),
    Udp(Rc<UdpSocket>, Box<LessSafeKey>),
}

/// Both ways, and what must live as long as they.
pub(crate) struct Link {
    pub(crate) up: Up,
    pub(crate) down: Down,
    pub(crate) buffer: BytesMut,
    pub(crate) held: Box<dyn Any>,
}

impl Link {
    pub(crate) fn new(up: Up, down: Down, held: impl Any) -> Self {
        Self { up, down, buffer: BytesMut::new(), held: Box::new(held) }
    }

    /// Reads on until this makes something of the buffer.
    pub(crate) async fn expect<T>(
        &mut self,
        mut parse: impl FnMut(&mut BytesMut) -> Result<Option<T>>,
    ) -> Result<T> {
        loop {
            if let Some(value) = parse(&mut self.buffer)? {
                return Ok(value);
            }
            self.down.read(&mut self.buffer).await?;
        }
    }
}

impl Up {
    pub(crate) async fn write(&mut self, data: &[u8]) -> Result<()> {
        match self {
            Self::Tls(stream) => {
                stream.write_all(data).await?;
                stream.flush().await?;
            }
            Self::Quic(stream) => stream.write_all(data).await?,
            Self::Dunlin(stream) => stream.write(Bytes::copy_from_slice(data)).await?,
            Self::Udp(socket) => {
                socket.send(data).await?;
            }
        }
        Ok(())
    }
}

impl Down {
    /// Reads what there is, something at least.
    pub(crate) async fn read(&mut self, buffer: &mut BytesMut) -> Result<()> {
        match self {
            Self::Tls(stream) => {
                buffer.reserve(16 * 1024);
                if stream.read_buf(buffer).await? == 0 {
                    bail!("the server has closed the connection");
                }
            }
            Self::Quic(stream) => {
                let chunk =
                    stream.read_chunk(CHUNK, true).await?.context("the server has ended the stream")?;
                buffer.extend_from_slice(&chunk.bytes);
            }
            Self::Dunlin(stream) => {
                let chunk = stream.read(CHUNK).await?.context("the server has ended the stream")?;
                buffer.extend_from_slice(&chunk);
            }
            Self::Udp(socket, key) => {
                let mut datagram = [0; 2048];
                let len = socket.recv(&mut datagram).await?;
                buffer.extend_from_slice(sealed::open(key, &mut datagram[..len])?);
            }
        }
        Ok(())
    }
}

/// How links to one server are made.
pub(crate) struct Maker {
    tls: TlsConnector,
    quic: Vec<quinn::Endpoint>,
    dunlin: Vec<Dialer>,
}

/// What carries Dunlin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Carrier {
    Quic,
    WebTransport,
    WebSocket,
}

impl Maker {
    /// Links to a server with this certificate; `alpn` is for plain QUIC.
    pub(crate) fn new(
        certificate: &CertificateDer<'static>,
        alpn: Option<&[u8]>,
        dunlin: Option<Carrier>,
    ) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(certificate.clone())?;
        let roots = Arc::new(roots);
        let tls = |alpn: Option<&[u8]>| {
            let builder = TlsConfig::builder_with_provider(dunlin_transport::provider());
            let mut config = builder
                .with_protocol_versions(&[&rustls::version::TLS13])?
                .with_root_certificates(roots.clone())
                .with_no_client_auth();
            config.alpn_protocols = alpn.map(<[u8]>::to_vec).into_iter().collect();
            // Each connection is a client of its own.
            config.resumption = rustls::client::Resumption::disabled();
            anyhow::Ok(config)
        };
        let mut maker = Self { tls: TlsConnector::from(Arc::new(tls(None)?)), quic: vec![], dunlin: vec![] };
        for _ in 0..SOCKETS {
            if alpn.is_some() {
                let crypto = quinn::crypto::rustls::QuicClientConfig::try_from(tls(alpn)?)?;
                maker.quic.push(endpoint(crypto)?);
            }
            if let Some(carrier) = dunlin {
                let provider = dunlin_transport::provider();
                let verifier =
                    WebPkiServerVerifier::builder_with_provider(roots.clone(), provider).build()?;
                let mut config = ClientConfig::new(verifier);
                config.tickets = Tickets::Dropped;
                // As on the other links over QUIC: what a client sends is of no account here.
                config.congestion = Congestion::Cubic;
                config.socket_buffer = SOCKET_BUFFER;
                maker.dunlin.push(match carrier {
                    Carrier::Quic => Dialer::quic(config)?,
                    Carrier::WebTransport => Dialer::webtransport(config)?,
                    Carrier::WebSocket => Dialer::websocket(config)?,
                });
            }
        }
        Ok(maker)
    }

    /// TCP; some say something before TLS begins.
    pub(crate) async fn tcp(&self, address: SocketAddr) -> Result<TcpStream> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    pub(crate) async fn tls(&self, stream: TcpStream) -> Result<Link> {
        let stream = self.tls.connect("localhost".try_into()?, stream).await?;
        let (down, up) = tokio::io::split(stream);
        Ok(Link::new(Up::Tls(up), Down::Tls(down), ()))
    }

    /// A connection with one bidirectional stream.
    pub(crate) async fn quic(&self, address: SocketAddr, number: usize) -> Result<Link> {
        let endpoint = &self.quic[number % SOCKETS];
        let connection = endpoint.connect(address, "localhost")?.await?;
        let (up, down) = connection.open_bi().await?;
        Ok(Link::new(Up::Quic(up), Down::Quic(down), connection))
    }

    pub(crate) async fn dunlin(
        &self,
        address: SocketAddr,
        number: usize,
    ) -> Result<dunlin_transport::Connection> {
        Ok(self.dunlin[number % SOCKETS].dial(address, "localhost").await?)
    }

    pub(crate) async fn udp(&self, address: SocketAddr) -> Result<Link> {
        let socket = UdpSocket::bind("127.0.0.1:0").await?;
        socket.connect(address).await?;
        let socket = Rc::new(socket);
        let key = sealed::key(socket.local_addr()?.port());
        let down = Down::Udp(socket.clone(), Box::new(key));
        Ok(Link::new(Up::Udp(socket), down, ()))
    }
}

fn endpoint(crypto: quinn::crypto::rustls::QuicClientConfig) -> Result<quinn::Endpoint> {
    let socket = sealed::socket(([127, 0, 0, 1], 0).into(), SOCKET_BUFFER)?;
    let runtime = Arc::new(quinn::TokioRuntime);
    let mut endpoint = quinn::Endpoint::new(quinn::EndpointConfig::default(), None, socket, runtime)?;
    let mut transport = quinn::TransportConfig::default();
    transport.keep_alive_interval(Some(std::time::Duration::from_secs(25)));
    let mut config = quinn::ClientConfig::new(Arc::new(crypto));
    config.transport_config(Arc::new(transport));
    endpoint.set_default_client_config(config);
    Ok(endpoint)
}
