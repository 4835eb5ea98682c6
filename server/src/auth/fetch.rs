//! A small document from a web server: over TLS unless it is on this machine, within five seconds, without redirects.

use axum::http::{Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use std::{sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Longest document in bytes.
const MOST_BYTES: usize = 256 * 1024;

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// A document.
pub(super) struct Fetched {
    pub(super) body: Bytes,
    /// How long it is good, if the web server said so (`Cache-Control: max-age`).
    pub(super) max_age: Option<Duration>,
}

/// Why there is none. Says nothing of what the answer held.
#[derive(Debug, thiserror::Error)]
pub(super) enum FetchError {
    #[error("no answer within {} s", PATIENCE.as_secs())]
    Silence,
    #[error("the URL names no host")]
    NoHost,
    #[error("cannot connect: {0}")]
    Connect(#[from] std::io::Error),
    #[error("{0}")]
    Http(#[from] hyper::Error),
    #[error("the answer is {0}")]
    Status(StatusCode),
    #[error("the answer is cut off, or longer than {MOST_BYTES} bytes")]
    Body,
}

/// What vouches for web servers: the system's authorities.
pub(super) fn tls() -> Arc<rustls::ClientConfig> {
    Arc::new(crate::tls::client(crate::tls::system_roots()))
}

/// Fetches a document.
pub(super) async fn get(uri: &Uri, tls: &Arc<rustls::ClientConfig>) -> Result<Fetched, FetchError> {
    timeout(PATIENCE, ask(uri, tls)).await.unwrap_or(Err(FetchError::Silence))
}

async fn ask(uri: &Uri, tls: &Arc<rustls::ClientConfig>) -> Result<Fetched, FetchError> {
    let host = uri.host().ok_or(FetchError::NoHost)?.trim_matches(['[', ']']).to_owned();
    let is_secure = uri.scheme_str() == Some("https");
    let port = uri.port_u16().unwrap_or(if is_secure { 443 } else { 80 });
    let stream = TcpStream::connect((host.as_str(), port)).await?;
    if !is_secure {
        return request(uri, stream).await;
    }
    let name = ServerName::try_from(host).map_err(|_| FetchError::NoHost)?;
    request(uri, TlsConnector::from(tls.clone()).connect(name, stream).await?).await
}

async fn request<S>(uri: &Uri, stream: S) -> Result<Fetched, FetchError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let authority = uri.authority().ok_or(FetchError::NoHost)?.as_str();
    let request = Request::get(uri.path_and_query().map_or("/", |path| path.as_str()))
        .header(header::HOST, authority)
        .header(header::ACCEPT, "application/json")
        .header(header::USER_AGENT, crate::AGENT)
        .body(Empty::<Bytes>::new())
        .expect("the parts of a URL are legal in a request");
    let answered = async {
        let answer = sender.send_request(request).await?;
        if answer.status() != StatusCode::OK {
            return Err(FetchError::Status(answer.status()));
        }
        let max_age =
            answer.headers().get(header::CACHE_CONTROL).and_then(|value| max_age(value.to_str().ok()?));
        let body =
            Limited::new(answer.into_body(), MOST_BYTES).collect().await.map_err(|_| FetchError::Body)?;
        Ok(Fetched { body: body.to_bytes(), max_age })
    };
    let mut answered = std::pin::pin!(answered);
    // The connection is driven here: nothing is left behind.
    tokio::select! {
        biased;
        fetched = &mut answered => fetched,
        ended = connection => {
            ended?;
            answered.await
        }
    }
}

fn max_age(cache_control: &str) -> Option<Duration> {
    let parts = cache_control.split(',').map(str::trim);
    let seconds = parts.filter_map(|part| part.strip_prefix("max-age=")?.parse().ok()).next()?;
    Some(Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A web server over TLS that gives one answer, and what trusts it.
    async fn serve(answer: String) -> (Uri, Arc<rustls::ClientConfig>) {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let dir = tempfile::tempdir().unwrap();
        let source = dunlin_certs::Source::Development { dir: dir.path().into(), names: Vec::new() };
        let certificate = dunlin_certs::Live::open(source, std::time::SystemTime::now()).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(certificate.leaf()).unwrap();
        let server = rustls::ServerConfig::builder_with_provider(dunlin_transport::provider());
        let server = server.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server.with_cert_resolver(certificate)));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else { continue };
                let _ = stream.read(&mut [0; 4096]).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        let client = crate::tls::client(roots);
        (format!("https://localhost:{port}/keys").parse().unwrap(), Arc::new(client))
    }

    fn answer(status: &str, body: &str) -> String {
        let len = body.len();
        format!("HTTP/1.1 {status}\r\nCache-Control: max-age=90\r\nContent-Length: {len}\r\n\r\n{body}")
    }

    #[tokio::test]
    async fn a_document_comes_over_tls_from_who_is_trusted() {
        let (uri, trusting) = serve(answer("200 OK", "{}")).await;
        let fetched = get(&uri, &trusting).await.unwrap();
        assert_eq!((&*fetched.body, fetched.max_age), (&b"{}"[..], Some(Duration::from_secs(90))));
        assert!(matches!(get(&uri, &tls()).await, Err(FetchError::Connect(_))), "nobody vouches for it");
    }

    #[tokio::test]
    async fn what_is_no_document_is_refused() {
        let (uri, trusting) = serve(answer("302 Found", "")).await;
        assert!(matches!(get(&uri, &trusting).await, Err(FetchError::Status(StatusCode::FOUND))));
        let (uri, trusting) = serve(answer("200 OK", &"x".repeat(MOST_BYTES + 1))).await;
        assert!(matches!(get(&uri, &trusting).await, Err(FetchError::Body)));
        let (uri, trusting) = serve("what?".into()).await;
        assert!(matches!(get(&uri, &trusting).await, Err(FetchError::Http(_))));
    }

    #[test]
    fn the_age_is_found_among_the_rest() {
        assert_eq!(max_age("public, max-age=300, must-revalidate"), Some(Duration::from_secs(300)));
        assert_eq!(max_age("no-store"), None);
        assert_eq!(max_age("max-age=soon"), None);
    }
}
