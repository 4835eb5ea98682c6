//! Whether a key confirms a signature.

use crate::{Algorithm, keys::Key};
use jsonwebtoken::DecodingKeyKind;
use ring::{
    hmac,
    signature::{
        ECDSA_P256_SHA256_FIXED, ED25519, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents,
        UnparsedPublicKey,
    },
};

/// Whether this key, which is for this algorithm, has signed the message.
pub(crate) fn confirms(key: &Key, algorithm: Algorithm, message: &[u8], signature: &[u8]) -> bool {
    match (key.material(), algorithm) {
        (DecodingKeyKind::SecretOrDer(secret), Algorithm::Hs256 | Algorithm::Hs384 | Algorithm::Hs512) => {
            hmac::verify(&hmac::Key::new(hash(algorithm), secret), message, signature).is_ok()
        }
        (DecodingKeyKind::SecretOrDer(der), Algorithm::Rs256) => {
            UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der).verify(message, signature).is_ok()
        }
        (DecodingKeyKind::RsaModulusExponent { n, e }, Algorithm::Rs256) => {
            let key = RsaPublicKeyComponents { n, e };
            key.verify(&RSA_PKCS1_2048_8192_SHA256, message, signature).is_ok()
        }
        (DecodingKeyKind::SecretOrDer(point), Algorithm::Es256) => {
            UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point).verify(message, signature).is_ok()
        }
        (DecodingKeyKind::SecretOrDer(point), Algorithm::EdDsa) => {
            UnparsedPublicKey::new(&ED25519, point).verify(message, signature).is_ok()
        }
        (DecodingKeyKind::RsaModulusExponent { .. }, _) => false,
    }
}

/// The hash of a shared secret's signature.
pub(crate) fn hash(algorithm: Algorithm) -> hmac::Algorithm {
    match algorithm {
        Algorithm::Hs384 => hmac::HMAC_SHA384,
        Algorithm::Hs512 => hmac::HMAC_SHA512,
        _ => hmac::HMAC_SHA256,
    }
}
