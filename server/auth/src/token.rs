//! A token, from text to claims.

use crate::{Algorithm, Claims, Keys, Policy, Rejected, Seconds, signature};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dunlin_proto::limits::MAX_TOKEN_LEN;
use serde::Deserialize;
use serde_json::{Map, Value};

/// Checks a token with these keys at this time, and reads what it says.
///
/// # Errors
/// Why it is not accepted. The signature is checked before anything is believed.
pub fn verify(token: &str, keys: &Keys, policy: &Policy, now: Seconds) -> Result<Claims, Rejected> {
    let parts = Parts::split(token)?;
    let header = parts.header()?;
    let algorithm = header.algorithm()?;
    if header.crit.is_some() {
        return Err(Rejected::Critical);
    }
    let mut candidates = keys.of(header.kid.as_deref()).peekable();
    if candidates.peek().is_none() {
        return Err(Rejected::UnknownKey);
    }
    let mut candidates = candidates.filter(|key| key.is_for(algorithm)).peekable();
    if candidates.peek().is_none() {
        return Err(Rejected::WrongAlgorithm);
    }
    let signature = decode(parts.signature, "the signature is not base64url")?;
    if !candidates.any(|key| signature::confirms(key, algorithm, parts.message.as_bytes(), &signature)) {
        return Err(Rejected::BadSignature);
    }
    Claims::check(&decode(parts.claims, "the claims are not base64url")?, policy, now)
}

/// The name of the key that a token says it is signed with; nothing of it is believed.
#[must_use]
pub fn kid(token: &str) -> Option<Box<str>> {
    Parts::split(token).ok()?.header().ok()?.kid
}

/// SHA-256 of a token: to know it again without keeping it.
#[must_use]
pub fn fingerprint(token: &str) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, token.as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// What a token says of itself, believed by nobody.
#[derive(Debug, Clone, PartialEq)]
pub struct Unverified {
    /// Its header.
    pub header: Map<String, Value>,
    /// Its claims.
    pub claims: Map<String, Value>,
}

/// Reads a token without checking it: to show it, never to act on it.
///
/// # Errors
/// It is not a JWT.
pub fn inspect(token: &str) -> Result<Unverified, Rejected> {
    let parts = Parts::split(token)?;
    let read = |bytes: &[u8], what| serde_json::from_slice(bytes).map_err(|_| Rejected::Malformed(what));
    Ok(Unverified {
        header: read(&decode(parts.header, "the header is not base64url")?, "the header is not JSON")?,
        claims: read(&decode(parts.claims, "the claims are not base64url")?, "the claims are not JSON")?,
    })
}

/// The three parts of the compact form (RFC 7515, 7.1).
struct Parts<'a> {
    header: &'a str,
    claims: &'a str,
    signature: &'a str,
    /// What is signed.
    message: &'a str,
}

impl<'a> Parts<'a> {
    fn split(token: &'a str) -> Result<Self, Rejected> {
        if token.len() > MAX_TOKEN_LEN {
            return Err(Rejected::TooLong);
        }
        let not_three = Rejected::Malformed("it does not have three parts");
        let Some((message, signature)) = token.rsplit_once('.') else { return Err(not_three) };
        match message.split_once('.') {
            Some((header, claims)) if !claims.contains('.') => {
                Ok(Self { header, claims, signature, message })
            }
            _ => Err(not_three),
        }
    }

    fn header(&self) -> Result<Header, Rejected> {
        let bytes = decode(self.header, "the header is not base64url")?;
        serde_json::from_slice(&bytes).map_err(|_| Rejected::Malformed("the header is not that of a JWT"))
    }
}

/// What of a header counts. Where it would have the key fetched from (`jku`, `x5u`, `jwk`, `x5c`) does not.
#[derive(Deserialize)]
struct Header {
    alg: Box<str>,
    kid: Option<Box<str>>,
    crit: Option<Value>,
}

impl Header {
    fn algorithm(&self) -> Result<Algorithm, Rejected> {
        if self.alg.eq_ignore_ascii_case("none") {
            return Err(Rejected::Unsigned);
        }
        self.alg.parse().map_err(|_| Rejected::UnknownAlgorithm)
    }
}

fn decode(part: &str, what: &'static str) -> Result<Vec<u8>, Rejected> {
    URL_SAFE_NO_PAD.decode(part).map_err(|_| Rejected::Malformed(what))
}
