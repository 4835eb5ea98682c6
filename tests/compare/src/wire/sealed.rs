//! [`crate::sealed`] from the client's side.

use anyhow::{Result, ensure};
use bytes::BytesMut;

use super::Message;
use crate::{link::Link, payload::SIZE, sealed};

pub(super) async fn enter(mut link: Link, topic: &str, reads: bool) -> Result<Link> {
    if reads {
        link.up.write(&[sealed::READ, first(topic)]).await?;
        let answer = link.expect(|buffer| Ok(take(buffer, sealed::READS.len()))).await?;
        ensure!(answer == sealed::READS, "another answer");
    }
    Ok(link)
}

pub(super) fn publish(topic: &str, payload: [u8; SIZE]) -> Vec<u8> {
    [&[sealed::PUBLISH, first(topic)][..], &payload].concat()
}

/// What is left here of a topic.
fn first(topic: &str) -> u8 {
    topic.as_bytes()[0]
}

/// Every message has the same length.
pub(super) fn next(buffer: &mut BytesMut) -> Result<Option<Message>> {
    Ok(take(buffer, SIZE).map(|payload| Message::Published(payload.freeze())))
}

fn take(buffer: &mut BytesMut, len: usize) -> Option<BytesMut> {
    (buffer.len() >= len).then(|| buffer.split_to(len))
}
