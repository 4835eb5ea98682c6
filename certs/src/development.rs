//! Certificates for development: made, kept and renewed without anybody's help.
//!
//! One PEM file holds certificate and key together, so no crash and no second process can part them.

mod kept;

use std::{
    fmt,
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime},
};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256,
};
use rustls::pki_types::{CertificateDer, ServerName};
use time::OffsetDateTime;

pub(crate) use kept::{Kept, keep, unfit};
pub use kept::{RENEW_BEFORE, Reason};

use crate::{
    Error,
    file::{self, Readers},
};

/// From the first moment of a development certificate's life to its last; it begins [`BACKDATED`] in the past.
/// A day under what browsers allow ([`crate::inspect::MAX_VALIDITY_BY_HASH`]).
pub const VALIDITY: Duration = Duration::from_secs(13 * 24 * 60 * 60);

/// How far in the past a certificate begins, for clients whose clocks are slow.
pub const BACKDATED: Duration = Duration::from_secs(60 * 60);

/// The file in the data directory with the certificate and its key, for the user alone.
pub const PAIR_FILE: &str = "dev.pem";

/// The file beside it with the certificate alone, to hand to clients that take an authority's file.
pub const CERT_FILE: &str = "dev-cert.pem";

/// The names that every development certificate has.
const OWN_NAMES: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

/// A new certificate and its key.
pub struct Made {
    /// The certificate.
    pub cert: CertificateDer<'static>,
    /// The certificate as PEM.
    pub cert_pem: String,
    /// The private key as PKCS#8 PEM. Secret.
    pub key_pem: String,
}

/// Makes a self-signed ECDSA P-256 certificate for localhost, its two addresses and the given names (DNS names,
/// of which the first label may be `*`, or IP addresses). It is valid for [`VALIDITY`].
///
/// # Errors
/// If a name is not one, or the system has no randomness.
pub fn make(names: &[String], now: SystemTime) -> Result<Made, Error> {
    let mut params = CertificateParams::new(all_names(names)?)?;
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "Dunlin development certificate");
    // Apple's clients ask for the purpose. It is no authority: rustls would not take one as a server's own
    // certificate, not even from a client that trusts exactly this one.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let not_before = now - BACKDATED;
    params.not_before = OffsetDateTime::from(not_before);
    params.not_after = OffsetDateTime::from(not_before + VALIDITY);

    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let cert = params.self_signed(&key)?;
    let der = cert.der().clone();
    Ok(Made { cert_pem: file::pem(&der), key_pem: key.serialize_pem(), cert: der })
}

impl Made {
    /// Writes [`PAIR_FILE`] and [`CERT_FILE`] in the directory, which is created if need be. A server that runs
    /// goes on with the certificate it has; the next one to start there uses this.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let _lock = kept::lock(dir)?;
        self.write(dir)
    }

    /// [`save`](Self::save) for those who hold the lock.
    fn write(&self, dir: &Path) -> Result<(), Error> {
        let pair = format!("{}{}", self.cert_pem, self.key_pem);
        file::write(&dir.join(PAIR_FILE), pair.as_bytes(), Readers::Owner)?;
        file::write(&dir.join(CERT_FILE), self.cert_pem.as_bytes(), Readers::Everybody)
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("cert_pem", &self.cert_pem).finish_non_exhaustive()
    }
}

/// [`OWN_NAMES`] and the given ones, each once, as they will stand in the certificate.
fn all_names(names: &[String]) -> Result<Vec<String>, Error> {
    let mut all = OWN_NAMES.map(str::to_owned).to_vec();
    for name in names {
        let name = canonical(name)?;
        if !all.contains(&name) {
            all.push(name);
        }
    }
    Ok(all)
}

fn canonical(name: &str) -> Result<String, Error> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(address.to_string());
    }
    let host = name.strip_prefix("*.").unwrap_or(name);
    match ServerName::try_from(host) {
        Ok(ServerName::DnsName(_)) if !host.ends_with('.') => Ok(name.to_ascii_lowercase()),
        _ => Err(Error::Name(name.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::{self, Key};

    fn now() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    fn facts(of: &Made) -> inspect::Facts {
        inspect::Facts::read(Path::new("made"), 0, &of.cert).unwrap()
    }

    #[test]
    fn lives_for_thirteen_days_from_an_hour_ago() {
        let facts = facts(&make(&[], now()).unwrap());
        assert_eq!(facts.not_before, now() - BACKDATED);
        assert_eq!(facts.not_after, now() - BACKDATED + VALIDITY);
        assert!(facts.problems(now()).is_empty());
    }

    #[test]
    fn browsers_accept_it_by_hash() {
        let facts = facts(&make(&[], now()).unwrap());
        assert_eq!(facts.key, Key::EcdsaP256);
        assert!(facts.is_accepted_by_hash());
    }

    #[test]
    fn has_its_own_names_and_the_given_ones_once() {
        let given = names(&["Dunlin.Test", "*.dunlin.test", "192.168.0.7", "localhost", "0:0:0::1"]);
        let expected = ["localhost", "127.0.0.1", "::1", "dunlin.test", "*.dunlin.test", "192.168.0.7"];
        assert_eq!(facts(&make(&given, now()).unwrap()).names, expected);
    }

    #[test]
    fn what_is_no_name_is_refused() {
        for name in ["", "*", "*.", "a b", "a..b", "a.", "https://a", "a:4433", "a.*.b"] {
            let refused = make(&names(&[name]), now());
            assert!(matches!(refused, Err(Error::Name(refused)) if refused == name), "{name}");
        }
    }

    #[test]
    fn no_two_have_the_same_key() {
        assert_ne!(make(&[], now()).unwrap().key_pem, make(&[], now()).unwrap().key_pem);
    }

    #[test]
    fn debug_output_keeps_the_secret() {
        assert!(!format!("{:?}", make(&[], now()).unwrap()).contains("PRIVATE"));
    }
}
