//! What several routes take in their paths, queries and bodies.

use super::Problem;
use dunlin_proto::{Code, Topic, frame::Refusal};
use serde::Deserialize;
use utoipa::ToSchema;

/// Most items that one request or answer lists.
pub(super) const MOST_ITEMS: usize = 1000;

/// How many items are wanted at most.
pub(super) fn limit(given: Option<usize>, otherwise: usize) -> Result<usize, Problem> {
    let limit = given.unwrap_or(otherwise);
    if (1..=MOST_ITEMS).contains(&limit) { Ok(limit) } else { Err(Problem::illegal("`limit` is 1 to 1000")) }
}

/// The name of a topic.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(
    max_length = 255,
    pattern = "^[A-Za-z0-9._~@+=,!$-]+([:/][A-Za-z0-9._~@+=,!$-]+)*$",
    example = "room:42"
)]
pub(super) struct TopicName(String);

impl TopicName {
    /// The topic of this name.
    pub(super) fn legal(&self) -> Result<Topic, Problem> {
        legal(&self.0)
    }
}

/// The topic of this name.
pub(super) fn legal(name: &str) -> Result<Topic, Problem> {
    name.parse::<Topic>().map_err(|error| Refusal::because(Code::ILLEGAL_TOPIC, &error.to_string()).into())
}
