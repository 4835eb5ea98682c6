//! The backend that decides, and how long it is waited for.

use super::{
    auth::web,
    check::{Check, parts},
};
use axum::http::Uri;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use dunlin_proto::{Pattern, Topic};
use std::{fmt, path::PathBuf, str::FromStr, sync::Arc, time::Duration};

/// A backend that is asked and told over HTTP.
#[derive(Debug, Clone)]
pub struct Webhook {
    /// Where it is.
    pub url: Uri,
    /// What requests are signed with: one secret, or two while it is changed.
    pub secrets: Vec<Secret>,
    /// What it decides and what it is told.
    pub events: Vec<Asked>,
    /// The topics that concern it.
    pub topics: Vec<Pattern>,
    /// How long a decision may take, repeated requests included.
    pub timeout: Duration,
    /// How often a request that failed is repeated.
    pub retries: u32,
    /// Most decisions asked for at once.
    pub concurrency: usize,
    /// Most decisions that wait for their turn.
    pub queue: usize,
    /// Most notices that wait.
    pub notices: usize,
    /// What is decided while it does not answer.
    pub down: Down,
    /// Who vouches for it, in place of the system's authorities.
    pub ca: Option<PathBuf>,
}

/// What a backend decides, or is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// Decides who connects.
    Connect,
    /// Decides who joins.
    Join,
    /// Decides what is published.
    Push,
    /// Is told that a membership is over.
    Leave,
    /// Is told that a session is over.
    End,
    /// Is told who is in a topic.
    Presence,
}

/// What is decided while the backend does not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// Nothing is allowed.
    Deny,
    /// Everything is.
    Allow,
    /// What the client's token allows; nothing without one.
    Token,
}

/// A key for signatures. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<[u8]>);

impl Webhook {
    /// Whether the backend decides about this, or is told of it.
    #[must_use]
    pub fn wants(&self, asked: Asked) -> bool {
        self.events.contains(&asked)
    }

    /// The same, of a topic. The server's own topics are nobody else's business.
    #[must_use]
    pub fn wants_of(&self, asked: Asked, topic: &Topic) -> bool {
        self.wants(asked) && !topic.is_reserved() && self.topics.iter().any(|pattern| pattern.matches(topic))
    }
}

impl Secret {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl FromStr for Secret {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).map_err(drop)?;
        if (24..=64).contains(&bytes.len()) { Ok(Self(bytes.into())) } else { Err(()) }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl FromStr for Asked {
    type Err = ();
    fn from_str(name: &str) -> Result<Self, ()> {
        match name {
            "connect" => Ok(Self::Connect),
            "join" => Ok(Self::Join),
            "push" => Ok(Self::Push),
            "leave" => Ok(Self::Leave),
            "end" => Ok(Self::End),
            "presence" => Ok(Self::Presence),
            _ => Err(()),
        }
    }
}

impl Check<'_> {
    pub(super) fn webhook(&mut self) -> Option<Box<Webhook>> {
        let before = self.mistakes.len();
        let url = self.optional("webhook.url", web);
        let secrets: Vec<Secret> =
            self.read("webhook.secret", |text| each(text).filter(|secrets: &Vec<_>| secrets.len() <= 2));
        let webhook = Webhook {
            url: url.clone().unwrap_or_default(),
            secrets,
            events: self.read("webhook.events", each),
            topics: self.read("webhook.topics", each),
            timeout: self.duration("webhook.timeout"),
            retries: self.count("webhook.retries"),
            concurrency: self.count("webhook.concurrency"),
            queue: self.count("webhook.queue"),
            notices: self.count("webhook.notices"),
            down: self.read("webhook.down", |text| match text {
                "deny" => Some(Down::Deny),
                "allow" => Some(Down::Allow),
                "token" => Some(Down::Token),
                _ => None,
            }),
            ca: self.optional("webhook.ca", |text| Some(text.into())),
        };
        url?;
        if webhook.secrets.is_empty() && self.mistakes.len() == before {
            self.mistake("webhook.url", "needs webhook.secret beside it");
        }
        for limit in ["channels.timeout", "limits.deadline"] {
            if webhook.timeout >= self.duration(limit) {
                self.mistake("webhook.timeout", &format!("must be less than {limit}"));
            }
        }
        Some(Box::new(webhook))
    }
}

/// A comma separated list, if all of it is legal.
fn each<T: FromStr>(text: &str) -> Option<Vec<T>> {
    parts(text).map(|part| part.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::checked;

    const URL: (&str, &str) = ("webhook.url", "http://127.0.0.1:8000/hook");
    const SECRET: (&str, &str) = ("webhook.secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");

    #[test]
    fn without_a_url_there_is_none() {
        assert!(checked(&[]).unwrap().webhook.is_none());
        let webhook = checked(&[URL, SECRET]).unwrap().webhook.unwrap();
        assert_eq!((webhook.secrets[0].bytes().len(), webhook.down), (24, Down::Deny));
        assert!(webhook.wants_of(Asked::Join, &"room:1".parse().unwrap()));
        assert!(!webhook.wants_of(Asked::Join, &"$server/stats".parse().unwrap()));
    }

    #[test]
    fn mistakes_are_told_and_no_secret_is() {
        let told = |more: &[(&str, &str)]| checked(&[&[URL], more].concat()).unwrap_err();
        assert!(told(&[]).contains("webhook.url (command line): needs webhook.secret"));
        assert!(told(&[SECRET, ("webhook.url", "http://far.example/")]).contains("is not a URL of https"));
        let slow = told(&[SECRET, ("channels.timeout", "3s"), ("limits.deadline", "1s")]);
        assert!(slow.contains("less than channels.timeout") && slow.contains("less than limits.deadline"));
        let short = told(&[("webhook.secret", "aHVzaA==")]);
        assert!(short.contains("what is given is not") && !short.contains("aHVzaA"), "{short}");
        assert_eq!(short.lines().count(), 1, "{short}");
        assert!(told(&[SECRET, ("webhook.events", "join,leap")]).contains("a list of connect"));
    }
}
