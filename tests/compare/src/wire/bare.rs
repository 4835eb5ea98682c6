//! [`crate::bare`] from the client's side.

use anyhow::Result;
use bytes::BytesMut;

use super::Message;
use crate::{bare, link::Link, payload::SIZE};

/// What a publisher says where a reader asks to read.
const WRITE: &[u8] = b"W";

pub(super) async fn enter(mut link: Link, topic: &str, reads: bool) -> Result<Link> {
    for body in [topic.as_bytes(), if reads { bare::READ } else { WRITE }] {
        link.up.write(&bare::frame(body)).await?;
        link.expect(|buffer| Ok(bare::take(buffer))).await?;
    }
    Ok(link)
}

pub(super) fn publish(payload: [u8; SIZE]) -> Vec<u8> {
    bare::frame(&payload).to_vec()
}

pub(super) fn next(buffer: &mut BytesMut) -> Result<Option<Message>> {
    Ok(bare::take(buffer).map(Message::Published))
}
