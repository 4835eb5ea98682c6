//! Which servers the client believes to be who they say they are.

use std::{io, path::PathBuf, sync::Arc};

use dunlin_certs::Fingerprint;
use rustls::{
    CertificateError, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject as _},
};

/// What a server's certificate is checked against. There is no way to skip the check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Trust {
    /// The system's roots; and for a server on this machine also the certificate that a development server of
    /// the same user has announced for its port (see [`dunlin_certs::local`]).
    #[default]
    Auto,
    /// The system's roots.
    System,
    /// The certificates in this PEM file as the only roots.
    CaFile(PathBuf),
    /// Exactly the certificate with this SHA-256, whatever its names and its dates say.
    Pinned(Fingerprint),
}

/// Why there is nothing to check a certificate against.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("cannot read the CA file {0}: {1}")]
    CaFile(PathBuf, rustls::pki_types::pem::Error),
    #[error("the CA file {0} holds no certificate")]
    NoCertificate(PathBuf),
    #[error("a CA certificate cannot be used: {0}")]
    Root(rustls::Error),
    #[error("this system has no root certificates{0}; name a CA file, or pin a fingerprint")]
    NoRoots(String),
}

/// Checks a server's certificate: by its fingerprint, by roots, or one of the two.
#[derive(Debug)]
pub(crate) struct Verifier {
    pin: Option<Fingerprint>,
    roots: Option<Arc<WebPkiServerVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Verifier {
    /// Reads the roots that are needed, from files. With [`Trust::Auto`], `local` is the announced certificate of a
    /// server on this machine.
    pub(crate) fn new(trust: &Trust, local: Option<Fingerprint>) -> Result<Self, TrustError> {
        let provider = dunlin_transport::provider();
        let (pin, roots) = match trust {
            Trust::Pinned(pin) => (Some(*pin), None),
            Trust::CaFile(path) => (None, Some(ca_file(path)?)),
            Trust::System => (None, Some(system()?)),
            // A machine without roots can still be developed on.
            Trust::Auto if local.is_some() => (local, system().ok()),
            Trust::Auto => (None, Some(system()?)),
        };
        let by_roots = |roots: RootCertStore| {
            WebPkiServerVerifier::builder_with_provider(roots.into(), provider.clone())
                .build()
                .map_err(|error| TrustError::Root(rustls::Error::General(error.to_string())))
        };
        let roots = roots.map(by_roots).transpose()?;
        Ok(Self { pin, roots, provider })
    }
}

fn ca_file(path: &PathBuf) -> Result<RootCertStore, TrustError> {
    let unreadable = |error| TrustError::CaFile(path.clone(), error);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unreadable)? {
        roots.add(certificate.map_err(unreadable)?).map_err(TrustError::Root)?;
    }
    if roots.is_empty() { Err(TrustError::NoCertificate(path.clone())) } else { Ok(roots) }
}

fn system() -> Result<RootCertStore, TrustError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // Systems carry roots that no library can read; the others count.
    roots.add_parsable_certificates(found.certs);
    if roots.is_empty() {
        let why = found.errors.first().map_or(String::new(), |error| format!(" ({error})"));
        return Err(TrustError::NoRoots(why));
    }
    Ok(roots)
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let shown = Fingerprint::of(end_entity);
        match (&self.pin, &self.roots) {
            (Some(pin), _) if *pin == shown => Ok(ServerCertVerified::assertion()),
            (_, Some(roots)) => {
                roots.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            }
            _ => Err(CertificateError::Other(rustls::OtherError(Arc::new(io::Error::other(format!(
                "the server shows a certificate with SHA-256 {shown}, which is not the pinned one"
            )))))
            .into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    fn certificate() -> CertificateDer<'static> {
        dunlin_certs::development::make(&[], SystemTime::now()).unwrap().cert
    }

    fn believes(verifier: &Verifier, shown: &CertificateDer<'_>) -> bool {
        let name = "localhost".try_into().unwrap();
        verifier.verify_server_cert(shown, &[], &name, &[], UnixTime::now()).is_ok()
    }

    #[test]
    fn on_this_machine_the_announced_certificate_is_believed_and_no_other() {
        let announced = certificate();
        let verifier = Verifier::new(&Trust::Auto, Some(Fingerprint::of(&announced))).unwrap();
        assert!(believes(&verifier, &announced));
        assert!(!believes(&verifier, &certificate()));
    }

    #[test]
    fn an_announcement_counts_for_nothing_where_another_trust_was_asked_for() {
        let (announced, pinned) = (certificate(), certificate());
        let trust = Trust::Pinned(Fingerprint::of(&pinned));
        let verifier = Verifier::new(&trust, Some(Fingerprint::of(&announced))).unwrap();
        assert!(believes(&verifier, &pinned));
        assert!(!believes(&verifier, &announced));
    }
}
