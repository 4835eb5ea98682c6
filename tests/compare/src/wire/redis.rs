//! Redis' serialization protocol, version 2, and its publish and subscribe.

use anyhow::{Context, Result, bail, ensure};
use bytes::{Bytes, BytesMut};

use super::Message;
use crate::{link::Link, payload::SIZE};

pub(super) async fn enter(mut link: Link, topic: &str, reads: bool) -> Result<Link> {
    let command = if reads { format!("SUBSCRIBE {topic}\r\n") } else { "PING\r\n".into() };
    link.up.write(command.as_bytes()).await?;
    link.expect(next).await?;
    Ok(link)
}

pub(super) fn publish(topic: &str, payload: [u8; SIZE]) -> Vec<u8> {
    let head = format!("*3\r\n$7\r\nPUBLISH\r\n${}\r\n{topic}\r\n${SIZE}\r\n", topic.len());
    [head.as_bytes(), &payload, b"\r\n"].concat()
}

/// A message is the array `message`, channel, payload.
pub(super) fn next(buffer: &mut BytesMut) -> Result<Option<Message>> {
    let mut at = 0;
    let Some(first) = line(buffer, &mut at) else { return Ok(None) };
    match first.split_first().context("an empty line")? {
        (b'*', len) => {
            let mut parts = [const { 0..0 }; 3];
            ensure!(number(len)? == parts.len(), "an array of another length");
            for part in &mut parts {
                let Some(item) = line(buffer, &mut at) else { return Ok(None) };
                // Of the answer to a subscription the last part is a number.
                let Some((b'$', len)) = item.split_first() else { continue };
                *part = at..at + number(len)?;
                at = part.end + 2;
                if buffer.len() < at {
                    return Ok(None);
                }
            }
            let taken: Bytes = buffer.split_to(at).freeze();
            let is_message = &taken[parts[0].clone()] == b"message";
            Ok(Some(if is_message {
                Message::Published(taken.slice(parts[2].clone()))
            } else {
                Message::Other
            }))
        }
        (b'-', error) => bail!("{}", String::from_utf8_lossy(error)),
        // A number of readers, or PONG.
        _ => {
            let _ = buffer.split_to(at);
            Ok(Some(Message::Answer))
        }
    }
}

fn line<'a>(buffer: &'a [u8], at: &mut usize) -> Option<&'a [u8]> {
    let rest = &buffer[*at..];
    let end = rest.windows(2).position(|window| window == b"\r\n")?;
    *at += end + 2;
    Some(&rest[..end])
}

fn number(digits: &[u8]) -> Result<usize> {
    Ok(str::from_utf8(digits)?.parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_when_it_is_whole() {
        let whole = "*3\r\n$9\r\nsubscribe\r\n$5\r\nbench\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$5\r\nbench\r\n$3\r\nabc\r\n";
        for end in 0..whole.len() {
            let mut buffer = BytesMut::from(&whole.as_bytes()[..end]);
            while let Some(message) = next(&mut buffer).unwrap() {
                assert!(matches!(message, Message::Other), "{end}");
            }
        }
        let mut buffer = BytesMut::from(whole);
        assert!(matches!(next(&mut buffer).unwrap(), Some(Message::Other)));
        assert!(matches!(next(&mut buffer).unwrap(), Some(Message::Published(payload)) if payload == "abc"));
        assert!(next(&mut buffer).unwrap().is_none());
    }
}
