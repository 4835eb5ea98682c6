//! Signatures as the Standard Webhooks specification has them: HMAC-SHA256 of id, time and body.

use crate::config::Secret;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use ring::hmac;

/// The header `webhook-signature`: one signature for each secret. `at` is in seconds since the Unix epoch.
pub(super) fn sign(secrets: &[Secret], id: &str, at: u64, body: &[u8]) -> String {
    let signed: Vec<_> = secrets.iter().map(|secret| one(secret, id, at, body)).collect();
    signed.join(" ")
}

fn one(secret: &Secret, id: &str, at: u64, body: &[u8]) -> String {
    let mut hmac = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, secret.bytes()));
    hmac.update(format!("{id}.{at}.").as_bytes());
    hmac.update(body);
    format!("v1,{}", STANDARD.encode(hmac.sign()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_signs_as_the_libraries_of_the_specification_do() {
        // The vector of the specification's reference libraries.
        let secret: Secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".parse().unwrap();
        let (id, at, body) = ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        let good = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        assert_eq!(sign(std::slice::from_ref(&secret), id, at, body), good);
        let other: Secret = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA".parse().unwrap();
        let both = sign(&[secret, other], id, at, body);
        assert!(both.starts_with(&format!("{good} v1,")), "{both}");
    }
}
