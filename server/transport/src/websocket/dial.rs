//! The client's handshake.

use std::{
    io,
    net::{Ipv6Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http::{Request, StatusCode};
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::{
    client_async_with_config,
    tungstenite::{self, client::IntoClientRequest, http::header::SEC_WEBSOCKET_PROTOCOL},
};

use super::{
    Handle, Shared,
    driver::{self, Times},
    mux::{Mux, Role},
};
use crate::{ClientConfig, ConnectionError, Interface, PATH, SUBPROTOCOL, origins::Page, socket, tls};

/// Dials WebSockets.
#[derive(Debug)]
pub(crate) struct Dialer {
    /// `None` dials without TLS.
    tls: Option<Arc<rustls::ClientConfig>>,
    handshake_timeout: Duration,
    times: Times,
    stream_window: u32,
    interface: Option<Interface>,
}

/// With TLS or without (RFC 6455, 3).
#[derive(Debug, Clone, Copy)]
pub(crate) enum Scheme {
    Wss,
    Ws,
}

impl Dialer {
    pub(crate) fn new(config: ClientConfig, scheme: Scheme) -> Self {
        Self {
            tls: match scheme {
                Scheme::Wss => Some(Arc::new(tls::http_client(config.verifier, config.tickets))),
                Scheme::Ws => None,
            },
            handshake_timeout: config.handshake_timeout,
            times: Times { idle: config.idle_timeout, ping: config.keep_alive },
            stream_window: config.stream_window,
            interface: config.interface,
        }
    }

    pub(crate) async fn dial(
        &self,
        address: SocketAddr,
        server_name: &str,
    ) -> Result<Handle, ConnectionError> {
        timeout(self.handshake_timeout, self.connect(address, server_name))
            .await
            .unwrap_or(Err(ConnectionError::TimedOut))
    }

    async fn connect(&self, address: SocketAddr, server_name: &str) -> Result<Handle, ConnectionError> {
        let tcp = socket::connect(address, self.interface.as_ref()).await;
        let tcp = tcp.map_err(|error| unreachable(&error))?;
        let mux = Mux::new(Role::Client, self.stream_window, 0);
        let mut shared = Shared::new(address, Page::Here, mux);
        shared.local = tcp.local_addr().ok();
        let Some(tls) = &self.tls else {
            return self.upgrade(tcp, request(Scheme::Ws, address, server_name)?, shared).await;
        };
        let name = ServerName::try_from(server_name.to_owned())
            .map_err(|error| ConnectionError::Transport(error.to_string()))?;
        let mut stream = TlsConnector::from(Arc::clone(tls)).connect(name, tcp).await.map_err(|error| {
            // What TLS itself has to say comes wrapped.
            let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            tls.map_or_else(|| unreachable(&error), |tls| ConnectionError::Tls(tls.to_string()))
        })?;
        let session = stream.get_mut().1;
        session.set_buffer_limit(Some(socket::TLS_BUFFER));
        let certificate = session.peer_certificates().and_then(|chain| chain.first()).cloned();
        shared.certificate = certificate.map(CertificateDer::into_owned);
        self.upgrade(stream, request(Scheme::Wss, address, server_name)?, shared).await
    }

    async fn upgrade<S>(
        &self,
        stream: S,
        request: Request<()>,
        shared: Shared,
    ) -> Result<Handle, ConnectionError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let upgrade = client_async_with_config(request, stream, Some(driver::config()));
        let (socket, _) = upgrade.await.map_err(|error| refused(&error))?;
        let shared = Arc::new(shared);
        tokio::spawn(driver::run(socket, Arc::clone(&shared), self.times));
        Ok(Handle::new(shared))
    }
}

fn request(scheme: Scheme, address: SocketAddr, name: &str) -> Result<Request<()>, ConnectionError> {
    let port = address.port();
    let scheme = match scheme {
        Scheme::Wss => "wss",
        Scheme::Ws => "ws",
    };
    let authority = match name.parse::<Ipv6Addr>() {
        Ok(ip) => format!("[{ip}]:{port}"),
        Err(_) => format!("{name}:{port}"),
    };
    let request = format!("{scheme}://{authority}{PATH}").into_client_request();
    let mut request = request.map_err(|error| ConnectionError::Transport(error.to_string()))?;
    let subprotocol = http::HeaderValue::from_static(SUBPROTOCOL);
    request.headers_mut().insert(SEC_WEBSOCKET_PROTOCOL, subprotocol);
    Ok(request)
}

fn unreachable(error: &io::Error) -> ConnectionError {
    ConnectionError::Transport(error.to_string())
}

fn refused(error: &tungstenite::Error) -> ConnectionError {
    match error {
        tungstenite::Error::Http(response) if response.status() == StatusCode::SERVICE_UNAVAILABLE => {
            ConnectionError::Refused
        }
        tungstenite::Error::Http(response) => {
            ConnectionError::Transport(format!("the server answers {} to a WebSocket", response.status()))
        }
        other => ConnectionError::Transport(other.to_string()),
    }
}
