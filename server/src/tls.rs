//! TLS of requests that the server makes: for key sets, and to the backend.

use rustls::{ClientConfig, RootCertStore};

/// Trusts those for whom one of these authorities vouches.
pub(crate) fn client(roots: RootCertStore) -> ClientConfig {
    ClientConfig::builder_with_provider(dunlin_transport::provider())
        .with_safe_default_protocol_versions()
        .expect("ring has cipher suites for both versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The system's authorities. Where there are none, TLS fails and says so.
pub(crate) fn system_roots() -> RootCertStore {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    roots
}
