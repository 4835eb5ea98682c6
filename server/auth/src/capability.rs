//! What a token allows, by topic pattern.

use crate::Rejected;
use dunlin_proto::{Pattern, Patterns, Topic, frame::channel::Delivery};
use serde::Deserialize;
use serde_json::Value;
use std::num::NonZeroU32;

/// Most topic patterns in one token.
pub const MAX_PATTERNS: usize = 64;

/// What can be allowed on a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Right {
    /// Be a member: hear what happens from now on.
    Join,
    /// Say something.
    Push,
    /// See who is there.
    Presence,
    /// Hear what happened before the membership began.
    History,
}

impl Right {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Join, Self::Push, Self::Presence, Self::History];

    /// The name in a token.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Join => "join",
            Self::Push => "push",
            Self::Presence => "presence",
            Self::History => "history",
        }
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

/// What is allowed on the topics of one pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grant {
    rights: u8,
    deliveries: u8,
    payload: Option<usize>,
    pushes_per_second: Option<NonZeroU32>,
}

impl Grant {
    /// Everything that there is.
    #[must_use]
    pub fn everything() -> Self {
        Self { rights: u8::MAX, deliveries: u8::MAX, payload: None, pushes_per_second: None }
    }

    /// Whether the right is given.
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        self.rights & right.bit() != 0
    }

    /// Whether events may be delivered so. [`Delivery::None`] always may: it delivers none.
    #[must_use]
    pub fn delivers(&self, delivery: Delivery) -> bool {
        delivery == Delivery::None || self.deliveries & delivery_bit(delivery) != 0
    }

    /// Longest payload of a push in bytes, if it is less than the server's own limit.
    #[must_use]
    pub fn payload(&self) -> Option<usize> {
        self.payload
    }

    /// Most pushes a second in one membership, if there is such a limit.
    #[must_use]
    pub fn pushes_per_second(&self) -> Option<NonZeroU32> {
        self.pushes_per_second
    }
}

fn delivery_bit(delivery: Delivery) -> u8 {
    1 << delivery as u8
}

/// What a session may do: for each topic, what the closest pattern grants, and nothing where none matches.
///
/// Grants do not add up: `room:*` with `push` and `room:news` without it means that nobody says anything in `room:news`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Capabilities(Patterns<Grant>);

/// Why a list of grants is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IllegalGrant {
    /// More than [`MAX_PATTERNS`].
    #[error("there are more than {MAX_PATTERNS} patterns")]
    TooMany,
    /// Two grants for one pattern: which counts?
    #[error("the pattern {0} stands twice")]
    Twice(Pattern),
    /// A grant without any pattern.
    #[error("a grant names no topics")]
    NoTopics,
    /// Not a topic pattern.
    #[error("{0:?} is no pattern: {1}")]
    Pattern(Box<str>, dunlin_proto::topic::Illegal),
    /// A pattern of the server's own topics, which tokens do not open.
    #[error("topics that begin with `$` are the server's own")]
    Reserved,
    /// A delivery mode that does not exist.
    #[error("a delivery is reliable, latest, datagram or none")]
    Delivery,
}

/// A grant as it stands in a token. A name that is not known is a mistake: it could have been a limit.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RawGrant {
    topics: OneOrMany,
    may: Vec<Right>,
    delivery: Option<Vec<Box<str>>>,
    #[serde(default)]
    limits: RawLimits,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawLimits {
    payload: Option<usize>,
    pushes_per_second: Option<NonZeroU32>,
}

/// A text or a list of them.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum OneOrMany {
    One(Box<str>),
    Many(Vec<Box<str>>),
}

impl OneOrMany {
    pub(crate) fn as_slice(&self) -> &[Box<str>] {
        match self {
            Self::One(one) => std::slice::from_ref(one),
            Self::Many(many) => many,
        }
    }
}

impl Capabilities {
    /// The capability to do everything on every topic: what a server without keys gives.
    #[must_use]
    pub fn everything() -> Self {
        Self::new(vec![(Pattern::Prefix("".into()), Grant::everything())]).expect("one pattern stands once")
    }

    /// Reads the claim `dunlin` of a token.
    ///
    /// # Errors
    /// It is no list of grants, or an illegal one.
    pub fn from_claim(claim: &Value) -> Result<Self, Rejected> {
        let raw = Vec::<RawGrant>::deserialize(claim).map_err(|_| Rejected::Claims)?;
        Ok(Self::read(raw)?)
    }

    /// Takes grants, each with a pattern of its own.
    ///
    /// # Errors
    /// There are too many, or two of one pattern.
    pub fn new(grants: Vec<(Pattern, Grant)>) -> Result<Self, IllegalGrant> {
        if grants.len() > MAX_PATTERNS {
            return Err(IllegalGrant::TooMany);
        }
        Patterns::new(grants).map(Self).map_err(IllegalGrant::Twice)
    }

    /// What is allowed on a topic: the grant of the closest pattern.
    #[must_use]
    pub fn on(&self, topic: &Topic) -> Option<&Grant> {
        self.0.get(topic)
    }

    pub(crate) fn read(raw: Vec<RawGrant>) -> Result<Self, IllegalGrant> {
        let mut grants = Vec::new();
        for RawGrant { topics, may, delivery, limits } in raw {
            if topics.as_slice().is_empty() {
                return Err(IllegalGrant::NoTopics);
            }
            let deliveries = match delivery {
                None => u8::MAX,
                Some(names) => {
                    let modes: Option<Vec<_>> = names.iter().map(|name| Delivery::named(name)).collect();
                    let modes = modes.ok_or(IllegalGrant::Delivery)?;
                    modes.into_iter().fold(0, |bits, mode| bits | delivery_bit(mode))
                }
            };
            let grant = Grant {
                rights: may.iter().fold(0, |rights, right| rights | right.bit()),
                deliveries,
                payload: limits.payload,
                pushes_per_second: limits.pushes_per_second,
            };
            for text in topics.as_slice() {
                if grants.len() == MAX_PATTERNS {
                    return Err(IllegalGrant::TooMany);
                }
                grants.push((pattern(text)?, grant));
            }
        }
        Self::new(grants)
    }
}

fn pattern(text: &str) -> Result<Pattern, IllegalGrant> {
    if text.starts_with('$') {
        return Err(IllegalGrant::Reserved);
    }
    text.parse().map_err(|error| IllegalGrant::Pattern(text.into(), error))
}

#[cfg(test)]
mod tests;
