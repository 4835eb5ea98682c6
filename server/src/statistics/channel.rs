//! The channel behind the server's own topics: members read and do nothing else.

use crate::channel::{Channel, Context, Push};
use bytes::Bytes;
use dunlin_proto::{Code, frame::Refusal};
use std::convert::Infallible;

/// A membership in one of the server's own topics.
pub(crate) struct Figures;

impl Channel for Figures {
    type Info = Infallible;

    async fn join(&mut self, context: &Context, _: Option<Bytes>) -> Result<Bytes, Refusal> {
        context.facts.access.check()?;
        Ok(Bytes::new())
    }

    async fn handle_in(&mut self, _: &Context, _: Push) -> Result<Bytes, Refusal> {
        Err(Refusal::because(Code::FORBIDDEN, "only the server publishes here"))
    }
}
