//! Dunlin's own protocol, frame by frame, as PROTOCOL.md has it.

use anyhow::{Result, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};
use dunlin_proto::{
    Code, Topic,
    frame::{
        channel::{Delivery, FromClient, FromServer, Join, Push},
        control::{self, Hello},
    },
    version,
};
use dunlin_transport::Connection;

use super::Message;
use crate::{
    link::{Down, Link, Up},
    payload::SIZE,
};

/// Pushes that may wait for their answer: as many as a server's default limits allow.
pub(super) const UNANSWERED: usize = 256;

/// Bytes of a frame's length.
const PREFIX: usize = 4;

/// Longest frame that is taken, in bytes: a message here is far shorter.
const LONGEST: usize = 64 * 1024;

pub(super) async fn enter(connection: &Connection, topic: &str, reads: bool) -> Result<Link> {
    let mut control = open(connection).await?;
    let hello = Hello {
        versions: vec![version::VERSION],
        agent: concat!("dunlin-compare/", env!("CARGO_PKG_VERSION")).into(),
        client: rand::random(),
        resume: None,
        token: None,
    };
    control.up.write(&control::FromClient::Hello(hello).encode()).await?;
    let welcome = control.expect(take).await?;
    match control::FromServer::decode(&welcome)? {
        control::FromServer::Welcome(welcome) => ensure!(
            welcome.limits.pushes as usize >= UNANSWERED,
            "the server takes only {} pushes",
            welcome.limits.pushes
        ),
        other => bail!("{other:?} instead of a welcome"),
    }
    let mut link = open(connection).await?;
    let mut join = Join::new(Topic::new(topic)?);
    join.delivery = (!reads).then_some(Delivery::None);
    link.up.write(&FromClient::Join(join).encode()).await?;
    let joined = link.expect(take).await?;
    match FromServer::decode(&joined)? {
        FromServer::Joined(_) => {}
        other => bail!("{other:?} instead of an answer to the join"),
    }
    link.held = Box::new((connection.clone(), control));
    Ok(link)
}

async fn open(connection: &Connection) -> Result<Link> {
    let (up, down) = connection.open_bi().await?;
    Ok(Link::new(Up::Dunlin(up), Down::Dunlin(down), ()))
}

pub(super) fn publish(number: u64, payload: [u8; SIZE]) -> Vec<u8> {
    let payload = Bytes::copy_from_slice(&payload);
    let push = Push { reference: number + 1, event: "bench".into(), payload, key: None };
    FromClient::Push(push).encode().to_vec()
}

pub(super) fn next(buffer: &mut BytesMut) -> Result<Option<Message>> {
    let Some(frame) = take(buffer)? else { return Ok(None) };
    Ok(Some(match FromServer::decode(&frame)? {
        FromServer::Event(event) => Message::Published(event.payload),
        FromServer::Reply { code: Code::OK, .. } => Message::Answer,
        FromServer::Reply { code, .. } => bail!("a push was refused: {code}"),
        FromServer::Closed(refusal) => bail!("the channel was closed: {}", refusal.code),
        _ => Message::Other,
    }))
}

/// Takes the next frame's body, if it is whole.
fn take(buffer: &mut BytesMut) -> Result<Option<Bytes>> {
    let Some(prefix) = buffer.first_chunk() else { return Ok(None) };
    let len = u32::from_be_bytes(*prefix) as usize;
    ensure!(len <= LONGEST, "a frame of {len} bytes");
    if buffer.len() < PREFIX + len {
        return Ok(None);
    }
    buffer.advance(PREFIX);
    Ok(Some(buffer.split_to(len).freeze()))
}
