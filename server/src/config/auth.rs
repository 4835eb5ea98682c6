//! Who vouches for clients, and whether anybody has to.

use super::{
    Tcp,
    check::{Check, Switch},
};
use axum::http::Uri;
use dunlin_auth::{Key, Policy};
use std::{net::SocketAddr, path::PathBuf};

/// Who may connect.
#[derive(Debug, Clone)]
pub enum Auth {
    /// Everybody, to do everything: there are no keys, and nobody but this machine is listened to.
    Development,
    /// Everybody, to do everything, by the operator's will.
    Off,
    /// Who has a token, to do what it allows.
    On(Box<Trust>),
}

/// The keys that vouch for tokens, and what tokens must say.
#[derive(Debug, Clone)]
pub struct Trust {
    /// A shared secret. Never shown.
    pub secret: Option<Key>,
    /// PEM file with a public key.
    pub public_key: Option<PathBuf>,
    /// Where a key set is.
    pub jwks: Option<KeySet>,
    /// What tokens must say.
    pub policy: Policy,
}

/// Where a JSON Web Key Set is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySet {
    /// In a file.
    File(PathBuf),
    /// On a web server: `https`, or `http` on this machine.
    Url(Uri),
}

impl Check<'_> {
    pub(super) fn auth(&mut self, listen: SocketAddr, tcp: Tcp, http: Option<SocketAddr>) -> Auth {
        let mode = self.parse("auth.mode");
        let trust = Trust {
            secret: self.optional("auth.secret", |text| Key::secret(text).ok()),
            public_key: self.optional("auth.public_key", |text| Some(text.into())),
            jwks: self.optional("auth.jwks", key_set),
            policy: Policy {
                issuer: self.optional("auth.issuer", |text| Some(text.into())),
                audience: self.list("auth.audience"),
                leeway: self.duration("auth.leeway"),
                longest: self.duration("auth.longest"),
            },
        };
        // What was given and is wrong has been reported; that nobody vouches then is no second mistake.
        let is_wrong = self.mistakes.iter().any(|mistake| mistake.key.starts_with("auth."));
        let has_keys = trust.secret.is_some() || trust.public_key.is_some() || trust.jwks.is_some();
        match mode {
            Switch::Off => Auth::Off,
            Switch::Auto | Switch::On if has_keys => Auth::On(Box::new(trust)),
            Switch::On if !is_wrong => {
                self.mistake("auth.mode", "needs auth.secret, auth.public_key or auth.jwks beside it");
                Auth::Development
            }
            _ if is_wrong => Auth::Development,
            _ => {
                let tcp = match tcp {
                    Tcp::At(address) => Some(address),
                    Tcp::Beside | Tcp::Off => None,
                };
                for (name, address) in [("listen", Some(listen)), ("tcp", tcp), ("http", http)] {
                    if address.is_some_and(|address| !address.ip().is_loopback()) {
                        self.mistake(name, OPEN);
                    }
                }
                Auth::Development
            }
        }
    }
}

/// Why a server without keys keeps to itself.
const OPEN: &str = "without keys for tokens everybody could do everything there: set auth.secret, auth.public_key or auth.jwks, or \
                    auth.mode = \"off\" if that is what you want";

fn key_set(place: &str) -> Option<KeySet> {
    if !place.contains("://") {
        return Some(KeySet::File(place.into()));
    }
    Some(KeySet::Url(web(place)?))
}

/// A URL of `https`, or of `http` on this machine, without a password.
pub(super) fn web(place: &str) -> Option<Uri> {
    let uri: Uri = place.parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let has_password = uri.authority()?.as_str().contains('@');
    match uri.scheme_str()? {
        _ if has_password => None,
        "https" => Some(uri),
        "http" if is_here => Some(uri),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::checked;

    const SECRET: &str = "thirty-two bytes that nobody else knows";

    fn check(values: &[(&str, &str)]) -> Result<Auth, String> {
        checked(values).map(|config| config.auth)
    }

    #[test]
    fn without_keys_it_keeps_to_this_machine() {
        assert!(matches!(check(&[]), Ok(Auth::Development)));
        assert!(matches!(check(&[("listen", "[::1]:0")]), Ok(Auth::Development)));
        for key in ["listen", "tcp", "http"] {
            let open = check(&[(key, "0.0.0.0:4433")]).unwrap_err();
            assert!(open.contains(key) && open.contains("auth.mode = \"off\""), "{open}");
            assert!(matches!(check(&[(key, "0.0.0.0:4433"), ("auth.mode", "off")]), Ok(Auth::Off)));
            assert!(matches!(check(&[(key, "0.0.0.0:4433"), ("auth.secret", SECRET)]), Ok(Auth::On(_))));
        }
    }

    #[test]
    fn keys_turn_it_on_unless_it_is_off() {
        assert!(matches!(check(&[("auth.public_key", "a.pem")]), Ok(Auth::On(_))));
        assert!(matches!(check(&[("auth.secret", SECRET), ("auth.mode", "off")]), Ok(Auth::Off)));
        assert!(
            check(&[("auth.mode", "on")])
                .unwrap_err()
                .contains("auth.mode (command line): needs auth.secret")
        );
    }

    #[test]
    fn a_key_set_is_a_file_or_behind_tls() {
        let place = |place| match check(&[("auth.jwks", place)]) {
            Ok(Auth::On(trust)) => trust.jwks,
            _ => None,
        };
        assert_eq!(place("keys.json"), Some(KeySet::File("keys.json".into())));
        assert!(matches!(place("https://id.example/jwks"), Some(KeySet::Url(_))));
        assert!(matches!(place("http://127.0.0.1:8080/jwks"), Some(KeySet::Url(_))));
        for wrong in ["http://id.example/jwks", "ftp://id.example", "https://u:p@id.example/", "https://"] {
            assert_eq!(place(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn all_mistakes_are_told_and_no_secret_is() {
        let wrong = [
            ("auth.secret", "hush"),
            ("auth.leeway", "1h"),
            ("auth.jwks", "ftp://x"),
            ("listen", "0.0.0.0:1"),
        ];
        let told = check(&wrong).unwrap_err();
        assert_eq!(told.lines().count(), 3, "{told}");
        assert!(
            told.contains("auth.secret (command line): what is given is not a secret of at least 32"),
            "{told}"
        );
        assert!(!told.contains("hush"), "{told}");
        assert!(!format!("{:?}", check(&[("auth.secret", SECRET)])).contains("thirty"));
    }
}
