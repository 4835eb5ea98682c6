//! Requests to the backend: signed, over connections that are kept, without redirects, the answer bounded.

use super::{
    answer::{self, Decision},
    fault::Fault,
    signature,
};
use crate::{clock, config, tls};
use axum::http::{Request, StatusCode, Uri, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client as Pool, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use std::{path::Path, time::Duration};

/// Longest answer in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// How long a connection without a request is kept.
const KEPT: Duration = Duration::from_secs(30);

/// Sends requests.
pub(super) struct Client {
    pool: Pool<HttpsConnector<HttpConnector>, Full<Bytes>>,
    url: Uri,
    secrets: Vec<config::Secret>,
}

/// An answer, whatever it says.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    is_json: bool,
    body: Bytes,
}

/// Why there is nobody who vouches for the backend.
#[derive(Debug, thiserror::Error)]
#[error("webhook.ca: {0}")]
pub(crate) struct OpenError(String);

impl Client {
    pub(super) fn open(config: &config::Webhook) -> Result<Self, OpenError> {
        let roots = config.ca.as_deref().map_or_else(|| Ok(tls::system_roots()), roots)?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls::client(roots))
            .https_or_http()
            .enable_http1()
            .enable_http2()
            .build();
        let pool = Pool::builder(TokioExecutor::new())
            .pool_idle_timeout(KEPT)
            .pool_timer(TokioTimer::new())
            .pool_max_idle_per_host(config.concurrency)
            .build(connector);
        Ok(Self { pool, url: config.url.clone(), secrets: config.secrets.clone() })
    }

    /// Sends one request. The caller bounds its time; who no longer waits gives the connection up.
    pub(super) async fn post(&self, id: &str, body: Bytes) -> Result<Answer, Fault> {
        let at = clock::now_ms() / 1000;
        let request = Request::post(self.url.clone())
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json")
            .header(header::USER_AGENT, crate::AGENT)
            .header("webhook-id", id)
            .header("webhook-timestamp", at)
            .header("webhook-signature", signature::sign(&self.secrets, id, at, &body))
            .body(Full::new(body))
            .expect("the parts of a checked URL, and plain headers");
        let answer = self.pool.request(request).await.map_err(|_| Fault::Connection)?;
        let kind = answer.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_json = kind.is_some_and(is_json);
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MOST_BYTES).collect().await;
        Ok(Answer { status, is_json, body: body.map_err(|_| Fault::Garbage)?.to_bytes() })
    }
}

impl Answer {
    pub(super) fn read(&self) -> Result<Decision, Fault> {
        answer::read(self.status, self.is_json, &self.body)
    }
}

fn is_json(kind: &str) -> bool {
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}

/// The authorities of a PEM file.
fn roots(path: &Path) -> Result<RootCertStore, OpenError> {
    let mut roots = RootCertStore::empty();
    let wrong = |what: String| OpenError(format!("{}: {what}", path.display()));
    let certificates = CertificateDer::pem_file_iter(path).map_err(|error| wrong(error.to_string()))?;
    for certificate in certificates {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    if roots.is_empty() { Err(wrong("there is no certificate in it".into())) } else { Ok(roots) }
}
