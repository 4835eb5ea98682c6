//! Making tokens: for the command line and for tests. A server only checks them.

use crate::{Algorithm, keys::secret_bytes, signature::hash};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
    },
};
use serde_json::{Map, Value, json};

/// A key that signs tokens with one algorithm. It is never shown.
#[derive(Debug, Clone)]
pub struct SigningKey {
    algorithm: Algorithm,
    key: EncodingKey,
}

/// Why something cannot sign.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// Not a secret.
    #[error(transparent)]
    Secret(#[from] crate::KeyError),
    /// Not a private key.
    #[error(
        "not the PEM of a private key: RSA of at least 2048 bits, or PKCS#8 of ECDSA on P-256 or of Ed25519"
    )]
    Pem,
    /// The key is for other algorithms.
    #[error("this key cannot sign with {0}")]
    Algorithm(Algorithm),
}

impl SigningKey {
    /// A shared secret, as [`crate::Key::secret`] takes it.
    ///
    /// # Errors
    /// It is no secret, or the algorithm does not sign with one.
    pub fn secret(text: &str, algorithm: Algorithm) -> Result<Self, SignError> {
        if !algorithm.is_symmetric() {
            return Err(SignError::Algorithm(algorithm));
        }
        Ok(Self { algorithm, key: EncodingKey::from_secret(&secret_bytes(text)?) })
    }

    /// A private key in PEM; what it is says which algorithm it signs with.
    ///
    /// # Errors
    /// It is none that can be used.
    pub fn pem(pem: &[u8]) -> Result<Self, SignError> {
        let key = if let Ok(key) = EncodingKey::from_rsa_pem(pem) {
            Self { algorithm: Algorithm::Rs256, key }
        } else if let Ok(key) = EncodingKey::from_ec_pem(pem) {
            Self { algorithm: Algorithm::Es256, key }
        } else {
            let key = EncodingKey::from_ed_pem(pem).map_err(|_| SignError::Pem)?;
            Self { algorithm: Algorithm::EdDsa, key }
        };
        // Whether it can be used shows when it is.
        key.sign(b"").map(|_| key)
    }

    /// What it signs with.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let (key, random) = (self.key.as_bytes(), SystemRandom::new());
        match self.algorithm {
            Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512 => {
                Ok(hmac::sign(&hmac::Key::new(hash(self.algorithm), key), message).as_ref().to_vec())
            }
            Algorithm::Rs256 => {
                let pair = RsaKeyPair::from_der(key).map_err(|_| SignError::Pem)?;
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature).map_err(|_| SignError::Pem)?;
                Ok(signature)
            }
            Algorithm::Es256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, key, &random);
                let signature = pair.map_err(|_| SignError::Pem)?.sign(&random, message);
                Ok(signature.map_err(|_| SignError::Pem)?.as_ref().to_vec())
            }
            Algorithm::EdDsa => {
                let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(key).map_err(|_| SignError::Pem)?;
                Ok(pair.sign(message).as_ref().to_vec())
            }
        }
    }
}

/// Signs claims; `kid` names the key in the header.
///
/// # Errors
/// The key cannot sign.
pub fn sign(claims: &Map<String, Value>, key: &SigningKey, kid: Option<&str>) -> Result<String, SignError> {
    let mut header = json!({"typ": "JWT", "alg": key.algorithm.name()});
    if let Some(kid) = kid {
        header["kid"] = kid.into();
    }
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let claims = Value::Object(claims.clone());
    let message =
        format!("{}.{}", encode(header.to_string().as_bytes()), encode(claims.to_string().as_bytes()));
    let signature = key.sign(message.as_bytes())?;
    Ok(format!("{message}.{}", encode(&signature)))
}
