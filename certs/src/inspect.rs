//! What a certificate says, and what is wrong with it, for a person to read.

use std::{
    fmt,
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime},
};

use rustls::pki_types::CertificateDer;
use x509_parser::{
    certificate::X509Certificate, extensions::GeneralName, oid_registry as oid, prelude::FromDer as _,
    public_key::PublicKey, x509::SubjectPublicKeyInfo,
};

use crate::{Error, Fingerprint, load::PemFile};

/// The longest life of a certificate that browsers accept by its hash: two weeks from its first moment to its
/// last (W3C WebTransport, "custom certificate requirements").
pub const MAX_VALIDITY_BY_HASH: Duration = Duration::from_secs(14 * 24 * 60 * 60);

/// The facts of one certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Where it stands in its file: 0 is the server's own certificate, the others vouch for it.
    pub position: usize,
    /// The distinguished name of its owner, which no client compares with anything.
    pub subject: String,
    /// The distinguished name of the authority; the same as the subject's if it is self-signed.
    pub issuer: String,
    /// The DNS names and IP addresses that clients may dial (subject alternative names).
    pub names: Vec<String>,
    /// First moment of its life.
    pub not_before: SystemTime,
    /// Last moment of its life.
    pub not_after: SystemTime,
    /// The kind of its key.
    pub key: Key,
    /// SHA-256 of the certificate.
    pub fingerprint: Fingerprint,
    /// Whether it may vouch for others (basic constraints).
    pub is_authority: bool,
}

/// The kind of a certificate's public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Key {
    /// ECDSA on P-256, the only one that every browser accepts by hash.
    EcdsaP256,
    /// ECDSA on P-384.
    EcdsaP384,
    /// RSA, with the bits of its modulus.
    Rsa(usize),
    /// Ed25519.
    Ed25519,
    /// Something else, with its object identifier.
    Other(String),
}

/// Why clients will refuse a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Problem {
    /// Its last moment has passed.
    Expired,
    /// Its first moment has not come: perhaps a clock is wrong.
    NotYetValid,
    /// A server's certificate without a DNS name or an IP address: clients ignore the subject (RFC 9525).
    NoNames,
    /// A server's certificate that is an authority (`CA:TRUE`), which rustls clients refuse.
    Authority,
}

/// The facts of each certificate in a PEM file, in its order. A private key in the file is passed over.
///
/// # Errors
/// If the file cannot be read, or holds no certificate, or one that cannot be understood.
pub fn pem_file(path: &Path) -> Result<Vec<Facts>, Error> {
    let chain = PemFile::read(path)?.chain()?;
    chain.iter().enumerate().map(|(position, cert)| Facts::read(path, position, cert)).collect()
}

impl Facts {
    pub(crate) fn read(path: &Path, position: usize, der: &CertificateDer<'_>) -> Result<Self, Error> {
        let illegal = |reason: String| Error::Certificate { path: path.into(), reason };
        let (_, cert) = X509Certificate::from_der(der).map_err(|error| illegal(error.to_string()))?;
        let alternatives = cert.subject_alternative_name().map_err(|error| illegal(error.to_string()))?;
        let alternatives = alternatives.map_or(&[][..], |extension| &extension.value.general_names);
        let validity = cert.validity();
        Ok(Self {
            position,
            subject: cert.subject().to_string(),
            issuer: cert.issuer().to_string(),
            names: alternatives.iter().filter_map(dialled).collect(),
            not_before: validity.not_before.to_datetime().into(),
            not_after: validity.not_after.to_datetime().into(),
            key: Key::read(cert.public_key()),
            fingerprint: Fingerprint::of(der),
            is_authority: cert.is_ca(),
        })
    }

    /// Whether browsers accept it through `serverCertificateHashes`, with no authority behind it.
    #[must_use]
    pub fn is_accepted_by_hash(&self) -> bool {
        self.key == Key::EcdsaP256
            && self.not_after.duration_since(self.not_before).is_ok_and(|life| life <= MAX_VALIDITY_BY_HASH)
    }

    /// What clients will not accept, as far as the certificate alone can tell; empty if nothing.
    #[must_use]
    pub fn problems(&self, now: SystemTime) -> Vec<Problem> {
        let is_own = self.position == 0;
        [
            (Problem::Expired, self.not_after < now),
            (Problem::NotYetValid, now < self.not_before),
            (Problem::NoNames, is_own && self.names.is_empty()),
            (Problem::Authority, is_own && self.is_authority),
        ]
        .into_iter()
        .filter_map(|(problem, is_there)| is_there.then_some(problem))
        .collect()
    }
}

/// The name as a client would dial it; other kinds (mail addresses, URIs) are not dialled.
fn dialled(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(IpAddr::from)
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(IpAddr::from))
            .ok()
            .map(|address| address.to_string()),
        _ => None,
    }
}

impl Key {
    fn read(key: &SubjectPublicKeyInfo<'_>) -> Self {
        let algorithm = &key.algorithm.algorithm;
        if *algorithm == oid::OID_SIG_ED25519 {
            return Self::Ed25519;
        }
        if let Ok(PublicKey::RSA(rsa)) = key.parsed() {
            return Self::Rsa(rsa.key_size());
        }
        let curve = key.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
        match curve {
            Some(curve) if curve == oid::OID_EC_P256 => Self::EcdsaP256,
            Some(curve) if curve == oid::OID_NIST_EC_P384 => Self::EcdsaP384,
            Some(curve) => Self::Other(curve.to_string()),
            None => Self::Other(algorithm.to_string()),
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EcdsaP256 => f.write_str("ECDSA P-256"),
            Self::EcdsaP384 => f.write_str("ECDSA P-384"),
            Self::Rsa(bits) => write!(f, "RSA {bits}"),
            Self::Ed25519 => f.write_str("Ed25519"),
            Self::Other(identifier) => f.write_str(identifier),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Expired => "it has expired",
            Self::NotYetValid => "it is not valid yet; is the clock right?",
            Self::NoNames => "it names no host (no subject alternative name), so clients cannot accept it",
            Self::Authority => "it is an authority (CA:TRUE), which a server's own certificate must not be",
        })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

    use super::*;
    use crate::development::make;

    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn signed_with(algorithm: &'static SignatureAlgorithm, life: Duration) -> Facts {
        let mut params = CertificateParams::new(["a.test".to_owned()]).unwrap();
        params.not_before = now().into();
        params.not_after = (now() + life).into();
        let cert = params.self_signed(&KeyPair::generate_for(algorithm).unwrap()).unwrap();
        Facts::read(Path::new("made"), 0, cert.der()).unwrap()
    }

    /// Made with `openssl req -x509 -newkey rsa:2048 -subj /CN=localhost`, as found in many tutorials.
    fn from_openssl() -> Facts {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/openssl-rsa.pem");
        pem_file(&path).unwrap().remove(0)
    }

    #[test]
    fn browsers_take_p256_for_two_weeks_at_most() {
        use rcgen::{PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519};
        for (algorithm, key, days, accepted) in [
            (&PKCS_ECDSA_P256_SHA256, Key::EcdsaP256, 14, true),
            (&PKCS_ECDSA_P256_SHA256, Key::EcdsaP256, 15, false),
            (&PKCS_ECDSA_P384_SHA384, Key::EcdsaP384, 14, false),
            (&PKCS_ED25519, Key::Ed25519, 14, false),
        ] {
            let facts = signed_with(algorithm, DAY * days);
            assert_eq!((facts.is_accepted_by_hash(), &facts.key), (accepted, &key), "{days} days");
        }
        let over = signed_with(&PKCS_ECDSA_P256_SHA256, MAX_VALIDITY_BY_HASH + Duration::from_secs(1));
        assert!(!over.is_accepted_by_hash());
    }

    #[test]
    fn a_life_has_a_first_and_a_last_moment() {
        let facts = signed_with(&rcgen::PKCS_ED25519, DAY);
        let second = Duration::from_secs(1);
        assert_eq!(facts.problems(now() - second), [Problem::NotYetValid]);
        assert_eq!(facts.problems(now()), []);
        assert_eq!(facts.problems(now() + DAY), []);
        assert_eq!(facts.problems(now() + DAY + second), [Problem::Expired]);
    }

    #[test]
    fn the_certificate_of_the_tutorials_is_no_use() {
        let facts = from_openssl();
        assert_eq!(facts.subject, "CN=localhost");
        assert_eq!(facts.key.to_string(), "RSA 2048");
        assert_eq!(facts.problems(facts.not_before), [Problem::NoNames, Problem::Authority]);
    }

    #[test]
    fn an_authority_further_down_the_chain_is_as_it_should_be() {
        let facts = Facts { position: 1, ..from_openssl() };
        assert_eq!(facts.problems(facts.not_before), []);
    }

    #[test]
    fn a_file_is_read_in_its_order_and_its_key_passed_over() {
        let (a, b) = (make(&[], now()).unwrap(), make(&["b.test".to_owned()], now()).unwrap());
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("chain.pem");
        fs::write(&path, a.cert_pem + &a.key_pem + &b.cert_pem).unwrap();
        let facts = pem_file(&path).unwrap();
        assert_eq!([facts[0].position, facts[1].position], [0, 1]);
        assert_eq!(
            [facts[0].fingerprint, facts[1].fingerprint],
            [a.cert, b.cert].map(|c| Fingerprint::of(&c))
        );
        assert_eq!(facts[1].names, ["localhost", "127.0.0.1", "::1", "b.test"]);
    }
}
