//! The keys that vouch for tokens.

use crate::Algorithm;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jsonwebtoken::{
    AlgorithmFamily, DecodingKey, DecodingKeyKind,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, PublicKeyUse},
};
use serde::Deserialize;
use serde_json::Value;

/// Most keys held at once: a token without a `kid` is tried with each that is for its algorithm.
pub const MAX_KEYS: usize = 32;

/// Shortest shared secret in bytes (RFC 7518, 3.2).
pub const MIN_SECRET_LEN: usize = 32;

/// One key. It is never shown.
#[derive(Debug, Clone)]
pub struct Key {
    id: Option<Box<str>>,
    /// The one algorithm that it is for, if it says so.
    only: Option<Algorithm>,
    key: DecodingKey,
}

/// All keys that are held.
#[derive(Debug, Clone, Default)]
pub struct Keys(Vec<Key>);

/// Who can read the document that a key set comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// This server's operator: it may hold shared secrets.
    Private,
    /// Everybody: a secret in it would be none.
    Public,
}

/// Why something is no key. Says nothing of what it holds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// A secret that can be guessed.
    #[error("a secret needs at least {MIN_SECRET_LEN} bytes")]
    ShortSecret,
    /// Neither text nor `base64:` and what it promises.
    #[error("what follows `base64:` is not base64")]
    Base64,
    /// A private key where a public one is wanted.
    #[error("this is a private key; the server needs the public one (openssl pkey -in KEY -pubout)")]
    Private,
    /// Not the PEM of a public key that can be used.
    #[error("not the PEM of a public key: RSA of at least 2048 bits, ECDSA on P-256, or Ed25519")]
    Pem,
    /// Not a key set.
    #[error("not a JSON Web Key Set (RFC 7517)")]
    Set,
    /// None of its keys can be used.
    #[error("none of the keys in the set can be used")]
    NoneUsable,
    /// More than [`MAX_KEYS`].
    #[error("there are more than {MAX_KEYS} keys")]
    TooMany,
}

impl Key {
    /// A secret that issuer and server share: text, or bytes as `base64:…`.
    ///
    /// # Errors
    /// It is too short, or not base64 as it claims.
    pub fn secret(text: &str) -> Result<Self, KeyError> {
        let bytes = secret_bytes(text)?;
        Ok(Self { id: None, only: None, key: DecodingKey::from_secret(&bytes) })
    }

    /// A public key in PEM.
    ///
    /// # Errors
    /// It is none, or not one that can be used.
    pub fn pem(pem: &[u8]) -> Result<Self, KeyError> {
        let text = std::str::from_utf8(pem).map_err(|_| KeyError::Pem)?;
        if text.contains("PRIVATE KEY-----") {
            return Err(KeyError::Private);
        }
        if !text.contains("PUBLIC KEY-----") {
            return Err(KeyError::Pem);
        }
        let key = DecodingKey::from_rsa_pem(pem)
            .or_else(|_| DecodingKey::from_ec_pem(pem))
            .or_else(|_| DecodingKey::from_ed_pem(pem))
            .map_err(|_| KeyError::Pem)?;
        let key = Self { id: None, only: None, key };
        if key.is_usable() { Ok(key) } else { Err(KeyError::Pem) }
    }

    /// A key of a set; `None` if it is for something else, or unusable.
    fn jwk(value: Value, source: Source) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value).ok()?;
        if jwk.common.public_key_use.as_ref().is_some_and(|purpose| *purpose != PublicKeyUse::Signature) {
            return None;
        }
        let is_known = match &jwk.algorithm {
            AlgorithmParameters::RSA(_) => true,
            AlgorithmParameters::EllipticCurve(key) => key.curve == EllipticCurve::P256,
            AlgorithmParameters::OctetKeyPair(key) => key.curve == EllipticCurve::Ed25519,
            AlgorithmParameters::OctetKey(_) => source == Source::Private,
            _ => false,
        };
        let only = match jwk.common.key_algorithm {
            Some(algorithm) => Some(algorithm.to_string().parse().ok()?),
            None => None,
        };
        let key = DecodingKey::from_jwk(&jwk).ok()?;
        let key = Self { id: jwk.common.key_id.map(Into::into), only, key };
        (is_known && key.is_usable()).then_some(key)
    }

    /// Whether tokens signed with this algorithm are to be checked with it.
    pub(crate) fn is_for(&self, algorithm: Algorithm) -> bool {
        self.only.is_none_or(|only| only == algorithm)
            && self.key.family()
                == match algorithm {
                    Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => AlgorithmFamily::Hmac,
                    Algorithm::Rs256 => AlgorithmFamily::Rsa,
                    Algorithm::Es256 => AlgorithmFamily::Ec,
                    Algorithm::EdDsa => AlgorithmFamily::Ed,
                }
    }

    pub(crate) fn material(&self) -> &DecodingKeyKind {
        self.key.kind()
    }

    fn is_usable(&self) -> bool {
        let len = match self.key.kind() {
            DecodingKeyKind::SecretOrDer(bytes) => bytes.len(),
            DecodingKeyKind::RsaModulusExponent { n, .. } => n.len(),
        };
        match self.key.family() {
            AlgorithmFamily::Hmac => len >= MIN_SECRET_LEN,
            // 2048 bits, of the modulus or of a little more.
            AlgorithmFamily::Rsa => len >= 256,
            AlgorithmFamily::Ec => len == 65,
            AlgorithmFamily::Ed => len == 32,
        }
    }
}

/// The bytes of a secret as it is configured.
pub(crate) fn secret_bytes(text: &str) -> Result<Vec<u8>, KeyError> {
    let bytes = match text.strip_prefix("base64:") {
        Some(encoded) => STANDARD.decode(encoded).map_err(|_| KeyError::Base64)?,
        None => text.as_bytes().to_vec(),
    };
    if bytes.len() < MIN_SECRET_LEN { Err(KeyError::ShortSecret) } else { Ok(bytes) }
}

impl Keys {
    /// No key: no token is accepted.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The keys of a JSON Web Key Set that can check signatures. Others in it are passed over, as RFC 7517 asks.
    ///
    /// # Errors
    /// It is no set, or none of its keys can be used.
    pub fn set(json: &[u8], source: Source) -> Result<Self, KeyError> {
        #[derive(Deserialize)]
        struct Set {
            keys: Vec<Value>,
        }
        let Set { keys } = serde_json::from_slice(json).map_err(|_| KeyError::Set)?;
        let keys: Vec<_> = keys.into_iter().filter_map(|key| Key::jwk(key, source)).collect();
        if keys.is_empty() {
            return Err(KeyError::NoneUsable);
        }
        if keys.len() > MAX_KEYS { Err(KeyError::TooMany) } else { Ok(Self(keys)) }
    }

    /// Adds a key.
    #[must_use]
    pub fn with(mut self, key: Key) -> Self {
        self.0.push(key);
        self
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.0.extend_from_slice(&others.0);
        self
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Those that a token may be signed with: of the name that it gives, or without a name.
    pub(crate) fn of(&self, kid: Option<&str>) -> impl Iterator<Item = &Key> {
        let is_held = kid.is_some_and(|kid| self.0.iter().any(|key| key.id.as_deref() == Some(kid)));
        self.0.iter().filter(move |key| match kid {
            None => true,
            Some(kid) if is_held => key.id.as_deref() == Some(kid),
            Some(_) => key.id.is_none(),
        })
    }
}

impl From<Key> for Keys {
    fn from(key: Key) -> Self {
        Self(vec![key])
    }
}
