//! The built-in channel: every push is published to all members.

use super::{Channel, Context, Push};
use bytes::Bytes;
use dunlin_hub::PublishError;
use dunlin_proto::{Code, Position, frame::Refusal};
use rmp::encode;

/// Publish and subscribe, for servers that embed no code of their own.
pub(crate) struct PubSub;

impl Channel for PubSub {
    async fn join(&mut self, _: &Context, _: Option<Bytes>) -> Result<Bytes, Refusal> {
        Ok(Bytes::new())
    }

    async fn handle_in(&mut self, context: &Context, push: Push) -> Result<Bytes, Refusal> {
        match context.broadcast(push).await {
            Ok(published) => Ok(reply(published.position)),
            Err(error) => Err(refusal(&error)),
        }
    }
}

/// MessagePack map `{"epoch": …, "offset": …}`.
fn reply(position: Position) -> Bytes {
    const INFALLIBLE: &str = "writing into a Vec cannot fail";
    let mut out = Vec::with_capacity(32);
    encode::write_map_len(&mut out, 2).expect(INFALLIBLE);
    for (name, value) in [("epoch", position.epoch), ("offset", position.offset)] {
        encode::write_str(&mut out, name).expect(INFALLIBLE);
        encode::write_uint(&mut out, value).expect(INFALLIBLE);
    }
    out.into()
}

fn refusal(error: &PublishError) -> Refusal {
    let code = match error {
        PublishError::TopicLimit => Code::TOPIC_LIMIT,
        _ => Code::UNAVAILABLE,
    };
    Refusal::because(code, &error.to_string())
}
