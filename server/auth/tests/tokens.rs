//! Tokens good and bad, with every algorithm.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use dunlin_auth::{
    Algorithm, Claims, Key, KeyError, Keys, Policy, Rejected, Right, SigningKey, Source, inspect, sign,
    verify,
};
use dunlin_proto::Code;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::time::Duration;

const NOW: u64 = 1_800_000_000;
const SECRET: &str = "a shared secret of thirty-two bytes or more, which is never shown";
const RSA: &str = include_str!("keys/rsa.pem");
const RSA_PUBLIC: &str = include_str!("keys/rsa.pub.pem");
const RSA_WEAK: &str = include_str!("keys/rsa1024.pub.pem");
const P256: &str = include_str!("keys/p256.pem");
const P256_PUBLIC: &str = include_str!("keys/p256.pub.pem");
const ED25519: &str = include_str!("keys/ed25519.pem");
const ED25519_PUBLIC: &str = include_str!("keys/ed25519.pub.pem");

fn policy() -> Policy {
    Policy {
        issuer: None,
        audience: Vec::new(),
        leeway: Duration::from_secs(30),
        longest: Duration::from_secs(7 * 24 * 3600),
    }
}

#[allow(clippy::needless_pass_by_value, reason = "tests read better without ampersands")]
fn claims(extra: Value) -> Map<String, Value> {
    let mut claims =
        json!({"sub": "ada", "exp": NOW + 3600, "dunlin": [{"topics": "room:*", "may": ["join"]}]});
    claims.as_object_mut().unwrap().extend(extra.as_object().unwrap().clone());
    claims.as_object().unwrap().clone()
}

fn hs256() -> SigningKey {
    SigningKey::secret(SECRET, Algorithm::Hs256).unwrap()
}

fn check(extra: Value, policy: &Policy) -> Result<Claims, Rejected> {
    let token = sign(&claims(extra), &hs256(), None).unwrap();
    verify(&token, &Key::secret(SECRET).unwrap().into(), policy, NOW)
}

/// A token whose signature is whatever the bytes are.
fn forged(header: &Value, claims: &Map<String, Value>, signature: &[u8]) -> String {
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let claims = Value::Object(claims.clone()).to_string();
    format!("{}.{}.{}", encode(header.to_string().as_bytes()), encode(claims.as_bytes()), encode(signature))
}

#[test]
fn every_algorithm_is_checked_with_its_own_key_and_no_other() {
    let secret = |algorithm| SigningKey::secret(SECRET, algorithm).unwrap();
    let signers = [
        (secret(Algorithm::Hs256), Key::secret(SECRET).unwrap()),
        (secret(Algorithm::Hs384), Key::secret(SECRET).unwrap()),
        (secret(Algorithm::Hs512), Key::secret(SECRET).unwrap()),
        (SigningKey::pem(RSA.as_bytes()).unwrap(), Key::pem(RSA_PUBLIC.as_bytes()).unwrap()),
        (SigningKey::pem(P256.as_bytes()).unwrap(), Key::pem(P256_PUBLIC.as_bytes()).unwrap()),
        (SigningKey::pem(ED25519.as_bytes()).unwrap(), Key::pem(ED25519_PUBLIC.as_bytes()).unwrap()),
    ];
    for (at, (signer, _)) in signers.iter().enumerate() {
        let token = sign(&claims(json!({})), signer, None).unwrap();
        assert_eq!(inspect(&token).unwrap().header["alg"], signer.algorithm().name());
        for (other, (_, key)) in signers.iter().enumerate() {
            let result = verify(&token, &key.clone().into(), &policy(), NOW);
            if at == other || (at < 3 && other < 3) {
                let accepted = result.unwrap();
                assert_eq!(accepted.user.as_deref(), Some("ada"));
                assert!(accepted.capabilities.on(&"room:1".parse().unwrap()).unwrap().may(Right::Join));
            } else {
                assert_eq!(result.unwrap_err(), Rejected::WrongAlgorithm, "{at} {other}");
            }
        }
        let all = signers.iter().fold(Keys::none(), |keys, (_, key)| keys.with(key.clone()));
        assert!(verify(&token, &all, &policy(), NOW).is_ok());
    }
}

#[test]
fn a_token_without_a_signature_is_none() {
    let keys = Key::secret(SECRET).unwrap().into();
    for alg in ["none", "None", "NONE", "nOnE"] {
        let token = forged(&json!({"alg": alg}), &claims(json!({})), b"");
        assert_eq!(verify(&token, &keys, &policy(), NOW).unwrap_err(), Rejected::Unsigned);
    }
    let unsigned = forged(&json!({"alg": "HS256"}), &claims(json!({})), b"");
    assert_eq!(verify(&unsigned, &keys, &policy(), NOW).unwrap_err(), Rejected::BadSignature);
    for alg in ["HS1", "PS256", "ES384", "hs256", ""] {
        let token = forged(&json!({"alg": alg}), &claims(json!({})), b"x");
        assert_eq!(verify(&token, &keys, &policy(), NOW).unwrap_err(), Rejected::UnknownAlgorithm);
    }
}

#[test]
fn a_public_key_is_no_shared_secret() {
    // The attack: the server's public key is known to all, so an HMAC made with it would be as well.
    let signer = SigningKey::secret(RSA_PUBLIC, Algorithm::Hs256).unwrap();
    let token = sign(&claims(json!({})), &signer, None).unwrap();
    let keys = Key::pem(RSA_PUBLIC.as_bytes()).unwrap().into();
    assert_eq!(verify(&token, &keys, &policy(), NOW).unwrap_err(), Rejected::WrongAlgorithm);
}

#[test]
fn another_secret_and_another_text_have_another_signature() {
    let keys: Keys = Key::secret(SECRET).unwrap().into();
    let other = SigningKey::secret(&SECRET.replace('a', "b"), Algorithm::Hs256).unwrap();
    let token = sign(&claims(json!({})), &other, None).unwrap();
    assert_eq!(verify(&token, &keys, &policy(), NOW).unwrap_err(), Rejected::BadSignature);

    let good = sign(&claims(json!({})), &hs256(), None).unwrap();
    let better = sign(&claims(json!({"sub": "root"})), &hs256(), None).unwrap();
    let (signature, claims) = (good.rsplit('.').next().unwrap(), better.rsplit_once('.').unwrap().0);
    let mixed = format!("{claims}.{signature}");
    assert_eq!(verify(&mixed, &keys, &policy(), NOW).unwrap_err(), Rejected::BadSignature);
}

#[test]
fn times_are_checked_with_leeway() {
    assert!(check(json!({"exp": NOW - 29}), &policy()).is_ok());
    assert_eq!(check(json!({"exp": NOW - 30}), &policy()).unwrap_err(), Rejected::Expired);
    assert!(check(json!({"nbf": NOW + 30}), &policy()).is_ok());
    assert_eq!(check(json!({"nbf": NOW + 31}), &policy()).unwrap_err(), Rejected::NotYetValid);
    assert_eq!(check(json!({"exp": null}), &policy()).unwrap_err(), Rejected::NoExpiry);
    assert_eq!(check(json!({"exp": NOW + 8 * 24 * 3600}), &policy()).unwrap_err(), Rejected::TooLongLived);
    // What is no number is not passed over.
    for wrong in [json!({"exp": "never"}), json!({"nbf": "0"}), json!({"exp": -1}), json!({"exp": 1e300})] {
        assert_eq!(check(wrong, &policy()).unwrap_err(), Rejected::Claims);
    }
}

#[test]
fn issuer_and_audience_are_checked() {
    let strict = Policy { issuer: Some("us".into()), audience: vec!["dunlin".into()], ..policy() };
    assert!(check(json!({"iss": "us", "aud": "dunlin"}), &strict).is_ok());
    assert!(check(json!({"iss": "us", "aud": ["other", "dunlin"]}), &strict).is_ok());
    assert_eq!(check(json!({"iss": "them", "aud": "dunlin"}), &strict).unwrap_err(), Rejected::WrongIssuer);
    assert_eq!(check(json!({"aud": "dunlin"}), &strict).unwrap_err(), Rejected::WrongIssuer);
    assert_eq!(check(json!({"iss": "us", "aud": "other"}), &strict).unwrap_err(), Rejected::WrongAudience);
    assert_eq!(check(json!({"iss": "us"}), &strict).unwrap_err(), Rejected::WrongAudience);
    // Meant for somebody, and this server was not told that it is they.
    assert_eq!(check(json!({"aud": "other"}), &policy()).unwrap_err(), Rejected::WrongAudience);
}

#[test]
fn a_giant_token_is_not_even_read() {
    let token = sign(&claims(json!({"x": "y".repeat(8000)})), &hs256(), None).unwrap();
    assert!(token.len() > 8192);
    let keys = Key::secret(SECRET).unwrap().into();
    assert_eq!(verify(&token, &keys, &policy(), NOW).unwrap_err(), Rejected::TooLong);
    let deep = forged(&json!({"alg": "HS256"}), &Map::new(), b"").replacen(
        '.',
        &format!(".{}", "W1tb".repeat(1000)),
        1,
    );
    assert!(matches!(verify(&deep, &keys, &policy(), NOW), Err(Rejected::BadSignature)));
}

#[test]
fn what_is_no_token_is_malformed() {
    let keys = Key::secret(SECRET).unwrap().into();
    for text in ["", "a", "a.b", "..", "a.b.c.d", "é.b.c", "eyJ9.e30.", "bnVsbA.e30.", "W10.e30."] {
        let rejected = verify(text, &keys, &policy(), NOW).unwrap_err();
        assert!(matches!(rejected, Rejected::Malformed(_)), "{text} {rejected:?}");
        assert_eq!(rejected.code(), Code::TOKEN_REQUIRED);
    }
    let critical = forged(&json!({"alg": "HS256", "crit": ["b64"], "b64": false}), &claims(json!({})), b"");
    assert_eq!(verify(&critical, &keys, &policy(), NOW).unwrap_err(), Rejected::Critical);
    assert_eq!(check(json!({"sub": 7}), &policy()).unwrap_err(), Rejected::Claims);
    assert_eq!(check(json!({"sub": "x".repeat(256)}), &policy()).unwrap_err(), Rejected::Claims);
}

#[test]
fn a_token_without_capabilities_allows_nothing() {
    let claims = check(json!({"dunlin": []}), &policy()).unwrap();
    assert!(claims.capabilities.on(&"room:1".parse().unwrap()).is_none());
    let twice = json!({"dunlin": [{"topics": ["a", "a"], "may": []}]});
    assert!(matches!(check(twice, &policy()), Err(Rejected::Capabilities(_))));
    let others = check(json!({"name": "Ada", "roles": ["admin"]}), &policy()).unwrap().others;
    assert_eq!((others.len(), &others["name"]), (2, &json!("Ada")));
}

fn set(ids: &[&str]) -> Value {
    let key =
        |id: &&str| json!({"kty": "oct", "kid": id, "k": URL_SAFE_NO_PAD.encode(format!("{id}{SECRET}"))});
    json!({"keys": ids.iter().map(key).collect::<Vec<_>>()})
}

#[test]
fn a_key_is_chosen_by_its_name() {
    let read = |ids: &[&str]| Keys::set(set(ids).to_string().as_bytes(), Source::Private).unwrap();
    let signer = SigningKey::secret(&format!("one{SECRET}"), Algorithm::Hs256).unwrap();
    let named = |kid| sign(&claims(json!({})), &signer, kid).unwrap();
    assert!(verify(&named(Some("one")), &read(&["one", "two"]), &policy(), NOW).is_ok());
    assert!(verify(&named(None), &read(&["two", "one"]), &policy(), NOW).is_ok());
    let wrong = verify(&named(Some("two")), &read(&["one", "two"]), &policy(), NOW);
    assert_eq!(wrong.unwrap_err(), Rejected::BadSignature);
    let unknown = verify(&named(Some("three")), &read(&["one", "two"]), &policy(), NOW);
    assert_eq!(unknown.unwrap_err(), Rejected::UnknownKey);
    // A key without a name may be of any.
    let configured = read(&["two"]).with(Key::secret(&format!("one{SECRET}")).unwrap());
    assert!(verify(&named(Some("three")), &configured, &policy(), NOW).is_ok());
}

#[test]
fn a_set_is_read_as_far_as_it_can_be_used() {
    let read = |value: Value, source| Keys::set(value.to_string().as_bytes(), source).map(|keys| keys.len());
    let p256 = json!({"kty": "EC", "crv": "P-256", "kid": "p", "alg": "ES256", "use": "sig",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"});
    let encryption = json!({"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB"});
    let strange = json!({"kty": "XYZ"});
    let mixed = json!({"keys": [p256, encryption, strange, set(&["s"])["keys"][0]]});
    assert_eq!(read(mixed.clone(), Source::Private), Ok(2));
    // A secret that is published is none.
    assert_eq!(read(mixed, Source::Public), Ok(1));
    assert_eq!(read(set(&["s"]), Source::Public), Err(KeyError::NoneUsable));
    assert_eq!(read(json!({"keys": []}), Source::Private), Err(KeyError::NoneUsable));
    assert_eq!(read(json!([]), Source::Private), Err(KeyError::Set));
    let many: Vec<String> = (0..33).map(|n| n.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    assert_eq!(read(set(&many), Source::Private), Err(KeyError::TooMany));
}

#[test]
fn keys_that_are_none_are_refused_and_never_shown() {
    let error = |pem: &str| Key::pem(pem.as_bytes()).unwrap_err();
    assert_eq!(error(RSA), KeyError::Private);
    assert_eq!(error(ED25519), KeyError::Private);
    assert_eq!(error(RSA_WEAK), KeyError::Pem);
    assert_eq!(error("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"), KeyError::Pem);
    assert_eq!(error("hello"), KeyError::Pem);
    assert_eq!(Key::secret("short").unwrap_err(), KeyError::ShortSecret);
    assert_eq!(Key::secret("base64:!").unwrap_err(), KeyError::Base64);
    let shown = format!("{:?} {:?}", Key::secret(SECRET).unwrap(), hs256());
    assert!(!shown.contains("shared") && !shown.contains("97, 32"), "{shown}");
}

proptest! {
    #[test]
    fn any_text_is_refused_without_panic_and_is_not_quoted(text in "\\PC{0,200}") {
        let keys = Key::secret(SECRET).unwrap().into();
        let rejected = verify(&text, &keys, &policy(), NOW).unwrap_err();
        let told = format!("{rejected} {} {}", rejected.public(), rejected.name());
        prop_assert!(text.len() < 12 || !told.contains(&text));
    }

    #[test]
    fn a_token_that_was_changed_anywhere_is_refused(at in 0_usize..10_000, to in "[A-Za-z0-9_.-]") {
        let token = sign(&claims(json!({})), &hs256(), None).unwrap();
        let at = at % token.len();
        let mut changed = token.clone();
        changed.replace_range(at..=at, &to);
        prop_assume!(changed != token);
        let keys = Key::secret(SECRET).unwrap().into();
        prop_assert!(verify(&changed, &keys, &policy(), NOW).is_err());
    }
}

/// `cargo test --release -p dunlin-auth --test tokens -- --ignored --nocapture` says what a check costs.
#[test]
#[ignore = "a measurement"]
fn what_a_check_costs() {
    for (signer, key) in [
        (hs256(), Key::secret(SECRET).unwrap()),
        (SigningKey::pem(RSA.as_bytes()).unwrap(), Key::pem(RSA_PUBLIC.as_bytes()).unwrap()),
        (SigningKey::pem(P256.as_bytes()).unwrap(), Key::pem(P256_PUBLIC.as_bytes()).unwrap()),
        (SigningKey::pem(ED25519.as_bytes()).unwrap(), Key::pem(ED25519_PUBLIC.as_bytes()).unwrap()),
    ] {
        let (token, keys) = (sign(&claims(json!({})), &signer, None).unwrap(), key.into());
        let start = std::time::Instant::now();
        for _ in 0..2000 {
            verify(&token, &keys, &policy(), NOW).unwrap();
        }
        println!("{}: {:?}", signer.algorithm(), start.elapsed() / 2000);
    }
}
