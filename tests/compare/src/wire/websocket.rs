//! WebSocket (RFC 6455), of which a load needs whole frames and an upgrade. A library would copy each message once more.

use anyhow::{Result, bail, ensure};
use bytes::{Buf, Bytes, BytesMut};

use crate::link::Link;

pub(super) const TEXT: u8 = 1;
pub(super) const BINARY: u8 = 2;

/// The header's flag of a frame that is a whole message.
const WHOLE: u8 = 0x80;

/// Asks for the upgrade, and waits for it.
pub(super) async fn upgrade(mut link: Link, path: &str) -> Result<Link> {
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    );
    link.up.write(request.as_bytes()).await?;
    link.expect(|buffer| {
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
        let answer = buffer.split_to(end + 4);
        ensure!(answer.starts_with(b"HTTP/1.1 101 "), "no upgrade: {}", String::from_utf8_lossy(&answer));
        Ok(Some(()))
    })
    .await?;
    Ok(link)
}

/// A frame from a client; under a key of zeros, which changes nothing.
pub(super) fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![WHOLE | kind];
    match payload.len() {
        len @ 0..126 => out.push(0x80 | u8::try_from(len).expect("below 126")),
        len => {
            out.push(0x80 | 126);
            out.extend_from_slice(&u16::try_from(len).expect("messages are short").to_be_bytes());
        }
    }
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(payload);
    out
}

/// Takes the next frame from the server: what kind it is, and what it carries.
pub(super) fn take(buffer: &mut BytesMut) -> Result<Option<(u8, Bytes)>> {
    let Some([first, second]) = buffer.first_chunk::<2>().copied() else { return Ok(None) };
    let (head, len) = match second {
        126 => match buffer.get(2..4) {
            Some(len) => (4, usize::from(u16::from_be_bytes([len[0], len[1]]))),
            None => return Ok(None),
        },
        127 => match buffer.get(2..10) {
            Some(mut len) => (10, usize::try_from(len.get_u64())?),
            None => return Ok(None),
        },
        len => (2, usize::from(len)),
    };
    if first & WHOLE == 0 || second > 127 {
        bail!("a frame that no server here sends");
    }
    if buffer.len() < head + len {
        return Ok(None);
    }
    buffer.advance(head);
    Ok(Some((first & 0x0f, buffer.split_to(len).freeze())))
}
