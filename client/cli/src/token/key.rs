//! Keys from files and from the environment. None is ever shown.

use std::{fs, path::Path};

use dunlin_auth::{Algorithm, Key, Keys, SigningKey, Source};

use crate::exit::{Exit, Failure};

/// The variable that the server has its secret from, too.
const VARIABLE: &str = "DUNLIN_AUTH_SECRET";

/// A key to sign with.
pub(super) fn signing(file: Option<&Path>, algorithm: Option<Algorithm>) -> Result<SigningKey, Failure> {
    let Some(text) = text(file)? else {
        return Err(Failure::new(Exit::Usage, "there is no key").hint(format!(
            "name a file with --key FILE, or set {VARIABLE}; `openssl rand -hex 32` makes a secret"
        )));
    };
    let wrong =
        |error: dunlin_auth::SignError| Failure::new(Exit::Usage, format!("{}: {error}", place(file)));
    if !text.contains("-----BEGIN") {
        return SigningKey::secret(&text, algorithm.unwrap_or(Algorithm::Hs256)).map_err(wrong);
    }
    let key = SigningKey::pem(text.as_bytes()).map_err(wrong)?;
    match algorithm {
        Some(algorithm) if algorithm != key.algorithm() => {
            Err(wrong(dunlin_auth::SignError::Algorithm(algorithm)))
        }
        _ => Ok(key),
    }
}

/// Keys to check with, if there are any.
pub(super) fn checking(file: Option<&Path>) -> Result<Option<Keys>, Failure> {
    let Some(text) = text(file)? else { return Ok(None) };
    let keys = if text.contains("-----BEGIN") {
        Key::pem(text.as_bytes()).map(Keys::from)
    } else if text.starts_with('{') {
        Keys::set(text.as_bytes(), Source::Private)
    } else {
        Key::secret(&text).map(Keys::from)
    };
    keys.map(Some).map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", place(file))))
}

/// A name that no other token has.
pub(super) fn random_id() -> String {
    format!("{:016x}", rand::random::<u64>())
}

fn text(file: Option<&Path>) -> Result<Option<String>, Failure> {
    let Some(file) = file else { return Ok(std::env::var(VARIABLE).ok()) };
    let text = fs::read_to_string(file);
    let text = text.map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", file.display())))?;
    Ok(Some(text.trim().to_owned()))
}

fn place(file: Option<&Path>) -> String {
    file.map_or(VARIABLE.into(), |file| file.display().to_string())
}
