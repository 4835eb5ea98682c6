//! Centrifuge's client protocol of version 0.15: commands and replies as Protocol Buffers, each after its length.

use anyhow::{Result, bail};
use bytes::{Buf, Bytes, BytesMut};
use prost::Message as _;

use super::{Message, websocket};
use crate::{link::Link, payload::SIZE};

const CONNECT: u32 = 0;
const SUBSCRIBE: u32 = 1;
const PUBLISH: u32 = 3;

/// The kind of push that is a message.
const PUBLICATION: u32 = 0;

#[derive(Clone, PartialEq, prost::Message)]
struct Command {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(uint32, tag = "2")]
    method: u32,
    #[prost(bytes = "bytes", tag = "3")]
    params: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Reply {
    #[prost(uint32, tag = "1")]
    id: u32,
    #[prost(message, optional, tag = "2")]
    error: Option<Error>,
    #[prost(bytes = "bytes", tag = "3")]
    result: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Error {
    #[prost(uint32, tag = "1")]
    code: u32,
    #[prost(string, tag = "2")]
    message: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Push {
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(bytes = "bytes", tag = "3")]
    data: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Publication {
    #[prost(bytes = "bytes", tag = "4")]
    data: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Connect {
    #[prost(string, tag = "4")]
    name: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Subscribe {
    #[prost(string, tag = "1")]
    channel: String,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Publish {
    #[prost(string, tag = "1")]
    channel: String,
    #[prost(bytes = "bytes", tag = "2")]
    data: Bytes,
}

pub(super) async fn enter(link: Link, topic: &str, reads: bool) -> Result<Link> {
    let mut link = websocket::upgrade(link, "/connection/websocket?format=protobuf").await?;
    ask(&mut link, 1, CONNECT, &Connect { name: "load".into() }).await?;
    if reads {
        ask(&mut link, 2, SUBSCRIBE, &Subscribe { channel: topic.into() }).await?;
    }
    Ok(link)
}

async fn ask(link: &mut Link, id: u32, method: u32, params: &impl prost::Message) -> Result<()> {
    link.up.write(&command(id, method, params)).await?;
    link.expect(|buffer| {
        let mut answered = false;
        each(buffer, |message| answered |= matches!(message, Message::Answer))?;
        Ok(answered.then_some(()))
    })
    .await
}

pub(super) fn publish(topic: &str, number: u64, payload: [u8; SIZE]) -> Vec<u8> {
    let params = Publish { channel: topic.into(), data: payload.to_vec().into() };
    command(u32::try_from(number % 1_000_000).expect("below a million") + 3, PUBLISH, &params)
}

fn command(id: u32, method: u32, params: &impl prost::Message) -> Vec<u8> {
    let command = Command { id, method, params: params.encode_to_vec().into() };
    websocket::frame(websocket::BINARY, &command.encode_length_delimited_to_vec())
}

/// Takes everything that is whole; one WebSocket message holds many replies.
pub(super) fn each(buffer: &mut BytesMut, mut with: impl FnMut(Message)) -> Result<()> {
    while let Some((kind, mut replies)) = websocket::take(buffer)? {
        if kind != websocket::BINARY {
            continue;
        }
        while !replies.is_empty() {
            let len = prost::decode_length_delimiter(&mut replies)?;
            if len > replies.remaining() {
                bail!("a reply is longer than its message");
            }
            with(message(Reply::decode(replies.split_to(len))?)?);
        }
    }
    Ok(())
}

fn message(reply: Reply) -> Result<Message> {
    if let Some(Error { code, message }) = reply.error {
        bail!("{code}: {message}");
    }
    if reply.id != 0 {
        return Ok(Message::Answer);
    }
    let push = Push::decode(reply.result)?;
    Ok(match push.kind {
        PUBLICATION => Message::Published(Publication::decode(push.data)?.data),
        _ => Message::Other,
    })
}
