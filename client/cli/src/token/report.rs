//! What `dunlin token show` shows.

use std::{
    io,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use console::style;
use dunlin_auth::{Rejected, Unverified};
use serde_json::{Value, json};

use crate::{
    say,
    text::{moment, printable, rfc3339, span},
};

/// What a server would make of it.
#[derive(Debug)]
pub(super) enum Verdict {
    /// There was no key to check with.
    Unchecked,
    Accepted,
    Refused(Rejected),
}

/// The form of the report, and the time it is for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    pub(super) json: bool,
    pub(super) now: SystemTime,
}

const TIMES: [(&str, &str); 3] = [("iat", "issued"), ("nbf", "from"), ("exp", "expires")];

impl Report {
    pub(super) fn show(self, said: &Unverified, verdict: &Verdict) -> io::Result<()> {
        if self.json { self.object(said, verdict) } else { self.lines(said, verdict) }
    }

    fn object(self, said: &Unverified, verdict: &Verdict) -> io::Result<()> {
        let (accepted, reason) = match verdict {
            Verdict::Unchecked => (None, None),
            Verdict::Accepted => (Some(true), None),
            Verdict::Refused(rejected) => (Some(false), Some(rejected.name())),
        };
        let at = |name: &str| said.claims.get(name).and_then(time).and_then(rfc3339);
        say::line(json!({
            "type": "token",
            "header": said.header,
            "claims": said.claims,
            "issued": at("iat"),
            "from": at("nbf"),
            "expires": at("exp"),
            "accepted": accepted,
            "reason": reason,
        }))
    }

    fn lines(self, said: &Unverified, verdict: &Verdict) -> io::Result<()> {
        let fact = |name: &str, fact: &str| {
            say::line(format!("{} {}", style(format!("{name:<9}")).dim(), printable(fact)))
        };
        let kid = said.header.get("kid").map_or("no kid".into(), |kid| format!("kid {}", word(kid)));
        fact("signed", &format!("{}, {kid}", said.header.get("alg").map_or("?".into(), word)))?;
        for (claim, name) in [("sub", "user"), ("jti", "id"), ("iss", "issuer"), ("aud", "audience")] {
            if let Some(value) = said.claims.get(claim) {
                fact(name, &word(value))?;
            }
        }
        for (claim, name) in TIMES {
            match said.claims.get(claim).map(time) {
                None if claim == "exp" => fact(name, "never: servers do not take such a token")?,
                None => {}
                Some(None) => fact(name, "not a time")?,
                Some(Some(at)) => fact(name, &format!("{} ({})", moment(at), self.distance(at)))?,
            }
        }
        match said.claims.get("dunlin").and_then(Value::as_array) {
            None => fact("may", "nothing")?,
            Some(grants) if grants.is_empty() => fact("may", "nothing")?,
            Some(grants) => {
                for grant in grants {
                    fact("may", &explained(grant))?;
                }
            }
        }
        for (claim, value) in &said.claims {
            if !["sub", "jti", "iss", "aud", "iat", "nbf", "exp", "dunlin"].contains(&&**claim) {
                fact("claim", &format!("{claim} = {value}"))?;
            }
        }
        let verdict = match verdict {
            Verdict::Unchecked => style("not checked: there is no key (--key FILE)".into()).yellow(),
            Verdict::Accepted => style("a server with this key accepts it".into()).green(),
            Verdict::Refused(rejected) => {
                style(format!("a server with this key refuses it: {rejected}")).red()
            }
        };
        say::line(format!("{} {verdict}", style(format!("{:<9}", "verdict")).dim()))
    }

    fn distance(self, at: SystemTime) -> String {
        match at.duration_since(self.now) {
            Ok(ahead) => format!("in {}", span(ahead)),
            Err(past) => format!("{} ago", span(past.duration())),
        }
    }
}

fn time(value: &Value) -> Option<SystemTime> {
    let seconds = Duration::try_from_secs_f64(value.as_f64()?).ok()?;
    UNIX_EPOCH.checked_add(seconds)
}

/// A text without quotes, and anything else as JSON.
fn word(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), Into::into)
}

fn list(value: Option<&Value>) -> String {
    match value {
        Some(Value::Array(values)) => values.iter().map(word).collect::<Vec<_>>().join(", "),
        Some(value) => word(value),
        None => String::new(),
    }
}

fn explained(grant: &Value) -> String {
    let (topics, rights) = (list(grant.get("topics")), list(grant.get("may")));
    let rights = if rights.is_empty() { "nothing" } else { &rights };
    let mut text = format!("{topics}: {rights}");
    if let Some(delivery) = grant.get("delivery") {
        text += &format!("; delivery {}", list(Some(delivery)));
    }
    if let Some(limits) = grant.get("limits") {
        text += &format!("; limits {limits}");
    }
    text
}
