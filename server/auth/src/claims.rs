//! What a token says, once its signature is known to be good.

use crate::{
    Rejected, Seconds,
    capability::{Capabilities, OneOrMany, RawGrant},
};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use std::time::Duration;

/// Longest user (`sub`) and token id (`jti`), in bytes.
pub const MAX_NAME_LEN: usize = 255;

/// What a token must say to be accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Who must have issued it (`iss`), if that matters.
    pub issuer: Option<Box<str>>,
    /// Whom it may be meant for (`aud`). With none, a token that is meant for somebody in particular is not accepted.
    pub audience: Vec<Box<str>>,
    /// How far the clocks of issuer and server may differ.
    pub leeway: Duration,
    /// How far ahead a token's end may be.
    pub longest: Duration,
}

/// The claims of an accepted token.
#[derive(Debug, Clone, PartialEq)]
pub struct Claims {
    /// The user (`sub`).
    pub user: Option<Box<str>>,
    /// The token's own name (`jti`).
    pub id: Option<Box<str>>,
    /// When it was issued (`iat`).
    pub issued: Option<Seconds>,
    /// When it expires (`exp`).
    pub expires: Seconds,
    /// What it allows.
    pub capabilities: Capabilities,
    /// All its other claims, for the application.
    pub others: Map<String, Value>,
}

#[derive(Deserialize)]
struct Raw {
    sub: Option<Box<str>>,
    jti: Option<Box<str>>,
    iss: Option<Box<str>>,
    aud: Option<OneOrMany>,
    #[serde(default, deserialize_with = "moment")]
    exp: Option<f64>,
    #[serde(default, deserialize_with = "moment")]
    nbf: Option<f64>,
    #[serde(default, deserialize_with = "moment")]
    iat: Option<f64>,
    #[serde(default)]
    dunlin: Vec<RawGrant>,
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// A NumericDate: seconds since the epoch, which may have a fraction.
fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<f64>, D::Error> {
    let number = Option::<f64>::deserialize(deserializer)?;
    match number {
        Some(seconds) if !(0.0..=9e15).contains(&seconds) => {
            Err(serde::de::Error::custom("a time beyond all times"))
        }
        number => Ok(number),
    }
}

impl Claims {
    /// Reads claims and checks them at a time.
    pub(crate) fn check(json: &[u8], policy: &Policy, now: Seconds) -> Result<Self, Rejected> {
        let raw: Raw = serde_json::from_slice(json).map_err(|_| Rejected::Claims)?;
        let is_short = |name: &Option<Box<str>>| name.as_ref().is_none_or(|name| name.len() <= MAX_NAME_LEN);
        if !is_short(&raw.sub) || !is_short(&raw.jti) {
            return Err(Rejected::Claims);
        }
        if policy.issuer.is_some() && raw.iss != policy.issuer {
            return Err(Rejected::WrongIssuer);
        }
        if !is_for_us(raw.aud.as_ref(), &policy.audience) {
            return Err(Rejected::WrongAudience);
        }
        let (now, leeway) = (now as f64, policy.leeway.as_secs_f64());
        let expires = raw.exp.ok_or(Rejected::NoExpiry)?;
        if expires + leeway <= now {
            return Err(Rejected::Expired);
        }
        if raw.nbf.is_some_and(|from| from - leeway > now) {
            return Err(Rejected::NotYetValid);
        }
        if expires > now + policy.longest.as_secs_f64() + leeway {
            return Err(Rejected::TooLongLived);
        }
        Ok(Self {
            user: raw.sub.filter(|user| !user.is_empty()),
            id: raw.jti.filter(|id| !id.is_empty()),
            issued: raw.iat.map(|seconds| seconds as Seconds),
            expires: expires as Seconds,
            capabilities: Capabilities::read(raw.dunlin)?,
            others: raw.others,
        })
    }
}

/// RFC 7519, 4.1.3: who does not find itself in an audience that is given must reject the token.
fn is_for_us(meant: Option<&OneOrMany>, we: &[Box<str>]) -> bool {
    match meant {
        None => we.is_empty(),
        Some(meant) => meant.as_slice().iter().any(|one| we.contains(one)),
    }
}
