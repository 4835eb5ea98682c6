//! Who may use the backend API.

use super::{
    Auth, Family,
    check::{Check, Switch, parts},
    key::{Key, text},
};
use dunlin_proto::{Pattern, Topic};
use sha2::{Digest, Sha256};
use std::{fmt, net::SocketAddr, sync::Arc};
use subtle::ConstantTimeEq;

/// Who may use the backend API.
#[derive(Debug, Clone)]
pub enum Api {
    /// Nobody: it is not there.
    Off,
    /// Every program on this machine, over plain HTTP: development mode.
    Local,
    /// Who has one of these keys, on every HTTP port.
    Keys(Arc<[ApiKey]>),
}

/// A key of a backend.
#[derive(Clone)]
pub struct ApiKey {
    /// For logs and metrics.
    pub name: Box<str>,
    /// SHA-256 of the secret.
    digest: [u8; 32],
    scopes: Vec<Scope>,
    /// The topics that it is for; all if empty.
    topics: Vec<Pattern>,
}

/// What a key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Publishing to topics.
    Publish,
    /// Reading topics' history.
    History,
    /// Seeing who is in a topic.
    Presence,
    /// Listing topics.
    Topics,
    /// Listing sessions.
    Sessions,
    /// Acting on sessions: pushing to them, ending them, giving them new tokens, revoking.
    Control,
    /// Facts about the node.
    Node,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Publish,
        Self::History,
        Self::Presence,
        Self::Topics,
        Self::Sessions,
        Self::Control,
        Self::Node,
    ];

    /// The name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Publish => "publish",
            Self::History => "history",
            Self::Presence => "presence",
            Self::Topics => "topics",
            Self::Sessions => "sessions",
            Self::Control => "control",
            Self::Node => "node",
        }
    }
}

impl ApiKey {
    /// Whether this is the secret. Takes the same time for all that are not.
    #[must_use]
    pub fn is(&self, secret: &str) -> bool {
        self.digest.ct_eq(&<[u8; 32]>::from(Sha256::digest(secret))).into()
    }

    /// Whether the key is for this, on this topic if there is one.
    #[must_use]
    pub fn may(&self, scope: Scope, topic: Option<&Topic>) -> bool {
        let is_for = |topic: &Topic| self.topics.is_empty() || self.topics.iter().any(|of| of.matches(topic));
        self.scopes.contains(&scope) && topic.is_none_or(is_for)
    }

    /// Whether it is for some topics only.
    #[must_use]
    pub fn is_bounded(&self) -> bool {
        !self.topics.is_empty()
    }
}

impl fmt::Debug for ApiKey {
    /// Without the digest.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, scopes, topics, .. } = self;
        f.debug_struct("ApiKey")
            .field("name", name)
            .field("scopes", scopes)
            .field("topics", topics)
            .finish_non_exhaustive()
    }
}

pub(super) const FAMILY: Family = Family {
    prefix: "api.key",
    example: "backend",
    doc: "A key for the HTTP API: what a program that has it may do.",
    keys: KEYS,
    most: 1000,
};

/// Shortest secret in characters.
const SHORTEST: usize = 16;

const SECRET: &str = "a secret of at least 16 characters, or sha256: and the 64 hex digits of its digest";

const KEYS: &[Key] = &[
    Key {
        secret: true,
        ..text("secret", "", SECRET, "What the program sends: Authorization: Bearer SECRET.")
    },
    text(
        "scopes",
        "",
        "a list of publish, history, presence, topics, sessions, control and node",
        "What it may do; all of it if not set.",
    ),
    text("topics", "", "a list of topic patterns", "The topics on which it may; all if not set."),
];

impl Check<'_> {
    pub(super) fn api(&mut self, auth: &Auth, http: Option<SocketAddr>) -> Api {
        let mode = self.parse("api.mode");
        let names = self.members(&FAMILY, "keys");
        let keys: Vec<_> = names.iter().filter_map(|name| self.api_key(name)).collect();
        match mode {
            Switch::Off => Api::Off,
            Switch::Auto | Switch::On if !names.is_empty() => Api::Keys(keys.into()),
            // In development this machine is the bound, as it is for clients.
            Switch::Auto | Switch::On
                if matches!(auth, Auth::Development) && http.is_some_and(|http| http.ip().is_loopback()) =>
            {
                Api::Local
            }
            Switch::Auto => Api::Off,
            Switch::On => {
                self.mistake("api.mode", "there is no key: set a secret in a table [api.key.NAME]");
                Api::Off
            }
        }
    }

    fn api_key(&mut self, name: &str) -> Option<ApiKey> {
        let mut table = self.table(&FAMILY, name);
        let [secret, scopes, topics] =
            ["secret", "scopes", "topics"].map(|key| table.given(key).map(|(value, _)| value));
        let digest = secret.as_deref().and_then(digest);
        let scopes = scopes.map_or(Some(Scope::ALL.into()), |text| {
            parts(&text)
                .map(|name| Scope::ALL.into_iter().find(|scope| scope.name() == name))
                .collect::<Option<Vec<_>>>()
        });
        let topics = topics.map_or(Ok(Vec::new()), |text| {
            parts(&text).map(str::parse::<Pattern>).collect::<Result<Vec<_>, _>>()
        });
        if digest.is_none() {
            table.wrong("secret", format!("what is given is not {SECRET}"));
        }
        if scopes.is_none() {
            table.wrong("scopes", format!("it is not {}", KEYS[1].legal));
        }
        if let Err(error) = &topics {
            table.wrong("topics", format!("it is not a list of topic patterns: {error}"));
        }
        Some(ApiKey { name: name.into(), digest: digest?, scopes: scopes?, topics: topics.ok()? })
    }
}

fn digest(secret: &str) -> Option<[u8; 32]> {
    let Some(hex) = secret.strip_prefix("sha256:") else {
        return (secret.chars().count() >= SHORTEST).then(|| Sha256::digest(secret).into());
    };
    let digits: Option<Vec<_>> = hex.chars().map(|digit| digit.to_digit(16)).collect();
    let bytes: Vec<_> =
        digits?.chunks(2).map(|pair| (pair[0] << 4 | *pair.get(1).unwrap_or(&0)) as u8).collect();
    bytes.try_into().ok().filter(|_| hex.len() == 64)
}

#[cfg(test)]
mod tests {
    use super::super::checked;
    use super::*;

    const SECRET: &str = "a secret of some length";

    fn key(values: &[(&str, &str)]) -> Result<ApiKey, String> {
        checked(values).map(|config| match config.api {
            Api::Keys(keys) => keys[0].clone(),
            other => panic!("{other:?} instead of keys"),
        })
    }

    #[test]
    fn a_key_is_known_by_its_secret_or_its_digest_and_may_what_its_scopes_say() {
        let all = key(&[("api.key.shop.secret", SECRET)]).unwrap();
        assert!(all.is(SECRET) && !all.is("a secret of some lengt") && !all.is(""));
        assert!(Scope::ALL.iter().all(|scope| all.may(*scope, Some(&"any".parse().unwrap()))));
        let hex: String = Sha256::digest(SECRET).iter().map(|byte| format!("{byte:02x}")).collect();
        let digest = format!("sha256:{hex}");
        let some = [
            ("api.key.a.secret", &*digest),
            ("api.key.a.scopes", "publish, node"),
            ("api.key.a.topics", "room:*"),
        ];
        let some = key(&some).unwrap();
        assert!(some.is(SECRET) && some.is_bounded());
        let may = |scope, topic: &str| some.may(scope, Some(&topic.parse().unwrap()));
        assert!(may(Scope::Publish, "room:1") && some.may(Scope::Node, None));
        assert!(!may(Scope::Publish, "hall") && !may(Scope::History, "room:1"));
        assert!(!format!("{some:?}").contains(&hex));
    }

    #[test]
    fn without_keys_it_is_for_this_machine_in_development_and_absent_otherwise() {
        let mode = |values: &[(&str, &str)]| checked(values).map(|config| config.api);
        assert!(matches!(mode(&[]), Ok(Api::Local)));
        assert!(matches!(mode(&[("api.mode", "off")]), Ok(Api::Off)));
        assert!(matches!(mode(&[("auth.mode", "off")]), Ok(Api::Off)));
        assert!(matches!(mode(&[("http", "off")]), Ok(Api::Off)));
        assert!(mode(&[("auth.mode", "off"), ("api.mode", "on")]).unwrap_err().contains("there is no key"));
    }

    #[test]
    fn mistakes_name_the_key_and_show_no_secret() {
        let wrong =
            key(&[("api.key.a.secret", "tooshort"), ("api.key.a.scopes", "all"), ("api.key.a.topics", "a*")])
                .unwrap_err();
        for expected in ["api.key.a.secret", "api.key.a.scopes", "api.key.a.topics"] {
            assert!(wrong.contains(expected), "{wrong}");
        }
        assert!(!wrong.contains("tooshort"));
    }
}
