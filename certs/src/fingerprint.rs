//! The SHA-256 of a certificate: what people compare, clients pin and browsers take.

use std::{fmt, str::FromStr};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use sha2::{Digest as _, Sha256};

/// The SHA-256 of a certificate's DER, as in WebTransport's `serverCertificateHashes`.
///
/// Shown as 64 lower-case hex digits. Parsed from those, from pairs with colons as OpenSSL prints them, or from
/// base64 (either alphabet, with or without padding).
///
/// ```
/// use dunlin_certs::Fingerprint;
/// let fingerprint = Fingerprint::of(b"abc");
/// assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
/// assert_eq!("ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=".parse(), Ok(fingerprint));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

/// The text is not 32 bytes in hex or base64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a fingerprint is 32 bytes: 64 hex digits, with or without colons, or 43 characters of base64")]
pub struct Illegal;

impl Fingerprint {
    /// Hashes a certificate.
    #[must_use]
    pub fn of(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }
}

impl FromStr for Fingerprint {
    type Err = Illegal;
    fn from_str(text: &str) -> Result<Self, Illegal> {
        let text = text.trim();
        // The three spellings differ in length, so none can be taken for another.
        let bytes = match text.len() {
            64 => text.as_bytes().chunks(2).map(byte).collect(),
            95 => text.split(':').map(|pair| byte(pair.as_bytes())).collect(),
            _ => from_base64(text),
        };
        bytes.and_then(|bytes: Vec<u8>| bytes.try_into().ok()).map(Self).ok_or(Illegal)
    }
}

fn byte(pair: &[u8]) -> Option<u8> {
    let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let &[high, low] = pair else { return None };
    Some(digit(high)? << 4 | digit(low)?)
}

fn from_base64(text: &str) -> Option<Vec<u8>> {
    let text = text.trim_end_matches('=').replace('-', "+").replace('_', "/");
    STANDARD_NO_PAD.decode(text).ok()
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // FIPS 180-2, appendix B.1: SHA-256 of "abc".
    const ABC: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn is_shown_as_lower_case_hex() {
        assert_eq!(Fingerprint::of(b"abc").to_string(), ABC);
    }

    #[test]
    fn every_spelling_parses() {
        let pairs: Vec<_> = ABC.as_bytes().chunks(2).map(|pair| str::from_utf8(pair).unwrap()).collect();
        let spellings = [
            ABC.to_owned(),
            ABC.to_uppercase(),
            format!(" {ABC}\n"),
            pairs.join(":"),
            "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=".to_owned(),
            "ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0".to_owned(),
        ];
        for spelling in spellings {
            assert_eq!(spelling.parse(), Ok(Fingerprint::of(b"abc")), "{spelling}");
        }
    }

    #[test]
    fn anything_else_does_not() {
        let misplaced_colon = ABC.replacen("ba78", "ba7:8", 1);
        let plus = ABC.replacen("ba", "+b", 1);
        for text in ["", "abc", &ABC[2..], &misplaced_colon, &plus, &"é".repeat(32), &":".repeat(95)] {
            assert_eq!(text.parse::<Fingerprint>(), Err(Illegal), "{text}");
        }
    }
}
