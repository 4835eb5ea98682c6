//! Certificates for development: made, kept and renewed without anybody's help.
//!
//! One PEM file holds certificate and key together, so no crash and no second process can part them.

use std::{
    collections::BTreeSet,
    fmt, fs,
    io::ErrorKind,
    net::IpAddr,
    path::Path,
    time::{Duration, SystemTime},
};

use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, KeyPair, PKCS_ECDSA_P256_SHA256,
};
use rustls::{
    pki_types::{CertificateDer, ServerName},
    sign::CertifiedKey,
};
use time::OffsetDateTime;

use crate::{
    Error,
    inspect::Facts,
    keep::{self, Readers},
    load::{self, PemFile},
};

const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// From the first moment of a development certificate's life to its last; it begins [`BACKDATED`] in the past.
/// A day under what browsers allow ([`crate::inspect::MAX_VALIDITY_BY_HASH`]).
pub const VALIDITY: Duration = Duration::from_secs(13 * 24 * 60 * 60);

/// How far in the past a certificate begins, for clients whose clocks are slow.
pub const BACKDATED: Duration = HOUR;

/// A certificate with less than this to live is replaced.
pub const RENEW_BEFORE: Duration = Duration::from_secs(2 * DAY.as_secs());

/// The file in the data directory with the certificate and its key, for the user alone.
pub const PAIR_FILE: &str = "dev.pem";

/// The file beside it with the certificate alone, to hand to clients that take an authority's file.
pub const CERT_FILE: &str = "dev-cert.pem";

const LOCK_FILE: &str = "dev.lock";

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
    // Apple's clients ask for the purpose. There is no key usage, and it is no authority: with either, OpenSSL
    // or rustls would not take the same certificate as its own authority.
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let not_before = now - BACKDATED;
    params.not_before = OffsetDateTime::from(not_before);
    params.not_after = OffsetDateTime::from(not_before + VALIDITY);

    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let cert = params.self_signed(&key)?;
    let der = cert.der().clone();
    Ok(Made { cert_pem: keep::pem(&der), key_pem: key.serialize_pem(), cert: der })
}

impl Made {
    /// Writes [`PAIR_FILE`] and [`CERT_FILE`] in the directory, which is created if need be, each in one step.
    ///
    /// # Errors
    /// If the directory cannot be written.
    pub fn save(&self, dir: &Path) -> Result<(), Error> {
        let pair = format!("{}{}", self.cert_pem, self.key_pem);
        keep::write(&dir.join(PAIR_FILE), pair.as_bytes(), Readers::Owner)?;
        keep::write(&dir.join(CERT_FILE), self.cert_pem.as_bytes(), Readers::Everybody)
    }
}

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Made").field("cert_pem", &self.cert_pem).finish_non_exhaustive()
    }
}

/// Why a certificate was made where one might have been kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// There was none.
    Missing,
    /// The file could be read but not understood, with what was wrong. It has been overwritten.
    Corrupt(String),
    /// It had less than [`RENEW_BEFORE`] to live, or none.
    EndsSoon,
    /// It began in the future: the clock has been set back.
    NotYetValid,
    /// It was made for other names.
    OtherNames,
    /// Browsers would not accept it by its hash: somebody put it there.
    NotForBrowsers,
}

/// A development certificate that is on disk.
pub(crate) struct Kept {
    pub(crate) certified: CertifiedKey,
    pub(crate) facts: Facts,
    /// Why it is new, if it is.
    pub(crate) made: Option<Reason>,
}

/// The certificate in the directory if it will do, otherwise a new one that takes its place.
pub(crate) fn keep(dir: &Path, names: &[String], now: SystemTime) -> Result<Kept, Error> {
    if let Ok(kept) = find(dir, names, now)?
        && cert_file_is_of(dir, &kept)
    {
        return Ok(kept);
    }
    let _lock = keep::lock(&dir.join(LOCK_FILE))?;
    // Whoever held the lock before may have made one.
    match find(dir, names, now)? {
        Ok(kept) => {
            write_cert_file(dir, &kept)?;
            Ok(kept)
        }
        Err(reason) => {
            make(names, now)?.save(dir)?;
            let (certified, facts) = read(&dir.join(PAIR_FILE))?;
            Ok(Kept { certified, facts, made: Some(reason) })
        }
    }
}

/// The certificate on disk, or why a new one has to be made.
fn find(dir: &Path, names: &[String], now: SystemTime) -> Result<Result<Kept, Reason>, Error> {
    Ok(match read(&dir.join(PAIR_FILE)) {
        Ok((certified, facts)) => match unfit(&facts, names, now)? {
            None => Ok(Kept { certified, facts, made: None }),
            Some(reason) => Err(reason),
        },
        Err(Error::Read { source, .. }) if source.kind() == ErrorKind::NotFound => Err(Reason::Missing),
        Err(unreadable @ Error::Read { .. }) => return Err(unreadable),
        Err(corrupt) => Err(Reason::Corrupt(corrupt.to_string())),
    })
}

/// Read once, so that a rename in the meantime cannot mix two pairs.
fn read(path: &Path) -> Result<(CertifiedKey, Facts), Error> {
    let pair = PemFile::read(path)?;
    let certified = load::fit(&pair, &pair)?;
    let facts = Facts::read(path, 0, &certified.cert[0])?;
    Ok((certified, facts))
}

/// Why the certificate will not do, if it will not.
pub(crate) fn unfit(facts: &Facts, names: &[String], now: SystemTime) -> Result<Option<Reason>, Error> {
    let wanted: BTreeSet<_> = all_names(names)?.into_iter().collect();
    Ok(if facts.not_after < now + RENEW_BEFORE {
        Some(Reason::EndsSoon)
    } else if now < facts.not_before {
        Some(Reason::NotYetValid)
    } else if facts.names.iter().cloned().collect::<BTreeSet<_>>() != wanted {
        Some(Reason::OtherNames)
    } else if !facts.is_accepted_by_hash() {
        Some(Reason::NotForBrowsers)
    } else {
        None
    })
}

fn cert_file_is_of(dir: &Path, kept: &Kept) -> bool {
    fs::read(dir.join(CERT_FILE)).is_ok_and(|pem| pem == keep::pem(&kept.certified.cert[0]).as_bytes())
}

fn write_cert_file(dir: &Path, kept: &Kept) -> Result<(), Error> {
    keep::write(&dir.join(CERT_FILE), keep::pem(&kept.certified.cert[0]).as_bytes(), Readers::Everybody)
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

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there was none"),
            Self::Corrupt(why) => write!(f, "the old one was corrupt: {why}"),
            Self::EndsSoon => f.write_str("the old one was at its end"),
            Self::NotYetValid => f.write_str("the old one began in the future"),
            Self::OtherNames => f.write_str("the old one was made for other names"),
            Self::NotForBrowsers => f.write_str("browsers would not accept the old one by its hash"),
        }
    }
}
