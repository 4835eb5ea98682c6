//! The built-in channel: every push is published to all members; who asks for presence is shown as well, unless it only watches.

use super::{Ask, Channel, Context, Push};
use bytes::Bytes;
use dunlin_proto::{
    Position,
    frame::{Refusal, channel::Delivery},
};
use rmp::encode;
use std::convert::Infallible;

/// Publish and subscribe, for servers that embed no code of their own.
pub(crate) struct PubSub;

impl Channel for PubSub {
    type Info = Infallible;

    async fn join(&mut self, context: &Context, params: Option<Bytes>) -> Result<Bytes, Refusal> {
        // Who wants no events only watches.
        if context.presence_asked() != Ask::None && context.facts.delivery != Delivery::None {
            let session = context.session();
            context.track(context.user().unwrap_or(session.name()), params.unwrap_or_default())?;
        }
        Ok(Bytes::new())
    }

    async fn handle_in(&mut self, context: &Context, push: Push) -> Result<Bytes, Refusal> {
        Ok(reply(context.broadcast(push).await?.position))
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
