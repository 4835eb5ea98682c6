//! A server inside the test, over real QUIC or in memory.

use crate::raw;
use anyhow::Context;
use dunlin_certs::{Fingerprint, Live};
use dunlin_client::{Client, Trust};
use dunlin_server::{Builder, Config, Page, Server, auth::Revoke, config::Sources};
use dunlin_transport::{Connection, Dialer, Listener, MemoryDialer};
use rustls::pki_types::CertificateDer;
use std::{net::SocketAddr, time::SystemTime};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// How clients reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// Native QUIC on a loopback socket.
    Quic,
    /// WebTransport on a loopback socket.
    WebTransport,
    /// WebSocket over TLS on a loopback socket.
    WebSocket,
    /// Memory, without a socket.
    Memory,
}

impl Over {
    /// The transport's name in logs, metrics and figures.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Quic => "quic",
            Self::WebTransport => "webtransport",
            Self::WebSocket => "websocket",
            Self::Memory => "memory",
        }
    }
}

/// A running server with a data directory of its own.
pub struct Running {
    server: Server,
    over: Over,
    memory: Option<MemoryDialer>,
    _dir: TempDir,
}

/// Settings that hold for all tests: ports of the system's choice.
const BASE: &[(&str, &str)] = &[("listen", "127.0.0.1:0"), ("http", "127.0.0.1:0"), ("drain", "0s")];

fn config(settings: &[(&str, &str)]) -> (Config, TempDir) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut sources = Sources::default();
    for (key, value) in BASE.iter().chain(settings) {
        sources.flag(key, (*value).into());
    }
    sources.flag("data_dir", dir.path().display().to_string());
    (Config::check(&sources).expect("legal settings"), dir)
}

impl Running {
    /// Starts a server; `settings` are configuration keys and values.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start(over: Over, settings: &[(&str, &str)]) -> Self {
        Self::start_with(over, settings, |builder| builder).await
    }

    /// Starts a server with channels of the test's own.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_with(
        over: Over,
        settings: &[(&str, &str)],
        channels: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let (config, dir) = config(settings);
        let (server, memory) = match over {
            Over::Quic | Over::WebTransport | Over::WebSocket => {
                (channels(Server::builder(config)).start().await.expect("the server starts"), None)
            }
            Over::Memory => {
                let certificate =
                    Live::open(config.certificate.clone(), SystemTime::now()).expect("a certificate");
                let (listener, dialer) = Listener::memory();
                let builder = channels(Server::builder(config));
                let server = builder.start_on(certificate, move || Ok(listener)).await;
                (server.expect("the server starts"), Some(dialer))
            }
        };
        Self { server, over, memory, _dir: dir }
    }

    /// The address of plain HTTP.
    #[must_use]
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.server.http_address()
    }

    /// The address of HTTP over TLS.
    #[must_use]
    pub fn tcp_address(&self) -> Option<SocketAddr> {
        self.server.tcp_address()
    }

    /// What there is at `/`.
    #[must_use]
    pub fn console(&self) -> Page {
        self.server.console()
    }

    /// Tries to start a server over QUIC.
    ///
    /// # Errors
    /// It does not start.
    pub async fn try_start(settings: &[(&str, &str)]) -> Result<Self, dunlin_server::Error> {
        let (config, dir) = config(settings);
        let server = Server::builder(config).start().await?;
        Ok(Self { server, over: Over::Quic, memory: None, _dir: dir })
    }

    /// Where clients connect to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("dunlin://{}", self.server.address())
    }

    /// SHA-256 of its certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        self.server.fingerprint()
    }

    /// A client of the real library.
    ///
    /// # Panics
    /// If it cannot connect.
    pub async fn client(&self) -> Client {
        self.builder().connect().await.expect("the client connects")
    }

    /// The beginnings of a client, to be changed before it connects.
    ///
    /// # Panics
    /// Never: the URL is legal.
    pub fn builder(&self) -> dunlin_client::Builder {
        let builder =
            Client::builder(&self.url()).expect("a legal URL").trust(Trust::Pinned(self.fingerprint()));
        match (&self.memory, self.over) {
            (Some(dialer), _) => builder.dialer(dialer.clone()),
            (None, Over::WebTransport | Over::WebSocket) => builder.dialer(self.dialer()),
            (None, Over::Quic | Over::Memory) => builder,
        }
    }

    /// A bare connection, for peers that speak raw frames.
    ///
    /// # Panics
    /// If it cannot connect.
    pub async fn dial(&self) -> Connection {
        match &self.memory {
            Some(dialer) => dialer.dial().await.expect("the server accepts"),
            None => self.dial_at(self.server.address()).await,
        }
    }

    /// A bare connection by way of something that passes on what arrives at this address.
    ///
    /// # Panics
    /// If it cannot connect.
    pub async fn dial_at(&self, address: SocketAddr) -> Connection {
        self.dialer().dial(address, "localhost").await.expect("the server accepts")
    }

    /// A dialer that trusts the server's certificate.
    fn dialer(&self) -> Dialer {
        let config = raw::trusting(self.certificate());
        let dialer = match self.over {
            Over::WebTransport => Dialer::webtransport(config),
            Over::WebSocket => Dialer::websocket(config),
            Over::Quic | Over::Memory => Dialer::quic(config),
        };
        dialer.expect("a dialer")
    }

    /// The value of a counter, summed over its labels when `label` is empty.
    ///
    /// # Errors
    /// `/metrics` cannot be read.
    pub async fn counter(&self, name: &str, label: &str) -> anyhow::Result<f64> {
        let text = self.get("/metrics").await?;
        let lines = text.lines().filter(|line| line.starts_with(name) && line.contains(label));
        Ok(lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum())
    }

    /// The answer to a plain HTTP request, headers and all.
    ///
    /// # Errors
    /// The server does not answer.
    pub async fn get(&self, path: &str) -> anyhow::Result<String> {
        let address = self.server.http_address().context("http is on")?;
        let mut stream = TcpStream::connect(address).await?;
        stream
            .write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())
            .await?;
        let mut text = String::new();
        stream.read_to_string(&mut text).await?;
        Ok(text)
    }

    /// Revokes something, and says how many sessions that has ended.
    ///
    /// # Panics
    /// If too much was revoked before.
    pub fn revoke(&self, what: &Revoke) -> usize {
        self.server.revoke(what).expect("there is room for it")
    }

    /// Drains the server and ends it.
    pub async fn shut_down(self) {
        self.server.shut_down().await;
    }

    /// The certificate it serves.
    #[must_use]
    pub fn certificate(&self) -> CertificateDer<'static> {
        self.server.certificate().leaf()
    }

    /// The address it serves.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }
}
