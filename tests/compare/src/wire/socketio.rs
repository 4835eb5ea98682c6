//! Engine.IO 4 with Socket.IO 5 in it, over WebSocket from the start; messages are text.

use anyhow::{Result, bail};
use bytes::{Bytes, BytesMut};

use super::{Message, websocket};
use crate::{link::Link, payload::SIZE};

/// Engine.IO's message with Socket.IO's connect in it, and the answer to it.
const CONNECT: &str = "40";

/// A message with an event in it.
const EVENT: &str = "42";

pub(super) async fn enter(link: Link, topic: &str, reads: bool) -> Result<Link> {
    let mut link = websocket::upgrade(link, "/socket.io/?EIO=4&transport=websocket").await?;
    say(&mut link, CONNECT.into()).await?;
    wait(&mut link, CONNECT).await?;
    if reads {
        say(&mut link, format!("{EVENT}[\"join\",\"{topic}\"]")).await?;
        wait(&mut link, "42[\"joined\"").await?;
    }
    Ok(link)
}

async fn say(link: &mut Link, text: String) -> Result<()> {
    link.up.write(&websocket::frame(websocket::TEXT, text.as_bytes())).await
}

async fn wait(link: &mut Link, beginning: &str) -> Result<()> {
    loop {
        let (_, text) = link.expect(websocket::take).await?;
        if text.starts_with(b"44") {
            bail!("refused: {}", String::from_utf8_lossy(&text));
        }
        if text.starts_with(beginning.as_bytes()) {
            return Ok(());
        }
    }
}

/// The server's own event `publish` says to whom.
pub(super) fn publish(topic: &str, payload: [u8; SIZE]) -> Vec<u8> {
    let head = format!("{EVENT}[\"publish\",\"{topic}\",\"");
    websocket::frame(websocket::TEXT, &[head.as_bytes(), &payload, b"\"]"].concat())
}

/// A message is `42["bench","…"]`.
pub(super) fn next(buffer: &mut BytesMut) -> Result<Option<Message>> {
    const HEAD: &[u8] = b"42[\"bench\",\"";
    let Some((_, text)) = websocket::take(buffer)? else { return Ok(None) };
    let is_message = text.starts_with(HEAD) && text.len() >= HEAD.len() + SIZE;
    let payload = |text: Bytes| text.slice(HEAD.len()..HEAD.len() + SIZE);
    Ok(Some(if is_message { Message::Published(payload(text)) } else { Message::Other }))
}
