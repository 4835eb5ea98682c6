//! MQTT 3.1.1 with quality of service 0 (OASIS standard of 29 October 2014).

use anyhow::{Result, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};

use super::Message;
use crate::{link::Link, payload::SIZE};

const CONNECT: u8 = 0x10;
const CONNACK: u8 = 0x20;
const PUBLISH: u8 = 0x30;
const SUBSCRIBE: u8 = 0x82;
const SUBACK: u8 = 0x90;

pub(super) async fn enter(mut link: Link, number: usize, topic: &str, reads: bool) -> Result<Link> {
    // Clean session, no keep-alive.
    let mut connect = vec![];
    text(&mut connect, "MQTT");
    connect.extend_from_slice(&[4, 0x02, 0, 0]);
    text(&mut connect, &format!("c{number}-{:08x}", rand::random::<u32>()));
    link.up.write(&packet(CONNECT, &connect)).await?;
    let (kind, body) = link.expect(take).await?;
    ensure!(kind == CONNACK && body.get(1) == Some(&0), "the broker refuses the connection");
    if reads {
        let mut subscribe = vec![0, 1];
        text(&mut subscribe, topic);
        subscribe.push(0);
        link.up.write(&packet(SUBSCRIBE, &subscribe)).await?;
        let (kind, body) = link.expect(take).await?;
        ensure!(kind == SUBACK && body.get(2) == Some(&0), "the broker refuses the subscription");
    }
    Ok(link)
}

pub(super) fn publish(topic: &str, payload: [u8; SIZE]) -> Vec<u8> {
    let mut body = Vec::with_capacity(2 + topic.len() + SIZE);
    text(&mut body, topic);
    body.extend_from_slice(&payload);
    packet(PUBLISH, &body)
}

pub(super) fn next(buffer: &mut BytesMut) -> Result<Option<Message>> {
    let Some((kind, mut body)) = take(buffer)? else { return Ok(None) };
    if kind & 0xf0 != PUBLISH {
        return Ok(Some(Message::Other));
    }
    let topic = usize::from(body.try_get_u16()?);
    ensure!(topic <= body.len(), "a topic is longer than its packet");
    body.advance(topic);
    Ok(Some(Message::Published(body)))
}

fn text(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&u16::try_from(text.len()).expect("short").to_be_bytes());
    out.extend_from_slice(text.as_bytes());
}

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![kind];
    let mut left = body.len();
    loop {
        let more = if left >= 128 { 0x80 } else { 0 };
        out.push(u8::try_from(left % 128).expect("seven bits") | more);
        left /= 128;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(body);
    out
}

/// Takes the next packet's first byte and its body.
fn take(buffer: &mut BytesMut) -> Result<Option<(u8, Bytes)>> {
    let Some((kind, rest)) = buffer.split_first() else { return Ok(None) };
    let (kind, mut len) = (*kind, 0);
    for (n, byte) in rest.iter().take(4).enumerate() {
        len |= usize::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            let head = 2 + n;
            return Ok((buffer.len() >= head + len).then(|| {
                buffer.advance(head);
                (kind, buffer.split_to(len).freeze())
            }));
        }
    }
    if rest.len() >= 4 {
        bail!("a packet has no end");
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_taken_when_it_is_whole() {
        let packet = publish("bench", [1; SIZE]);
        // 135 bytes: the length takes two.
        assert_eq!(&packet[..3], [PUBLISH, 0x87, 1]);
        let mut buffer = BytesMut::from(&packet[..packet.len() - 1]);
        assert!(next(&mut buffer).unwrap().is_none());
        buffer.extend_from_slice(&packet[packet.len() - 1..]);
        let Some(Message::Published(payload)) = next(&mut buffer).unwrap() else { panic!("a message") };
        assert_eq!(&payload[..], [1; SIZE]);
        assert!(buffer.is_empty());
    }
}
