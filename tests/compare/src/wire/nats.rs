//! The NATS client protocol.

use anyhow::{Context, Result, bail};
use bytes::{Buf, BytesMut};
use tokio::{io::AsyncReadExt, net::TcpStream};

use super::Message;
use crate::{
    link::{Link, Maker},
    payload::SIZE,
};

const END: &[u8] = b"\r\n";

pub(super) async fn enter(maker: &Maker, mut stream: TcpStream, topic: &str, reads: bool) -> Result<Link> {
    // The server speaks first, in clear, and then waits for TLS.
    while stream.read_u8().await? != b'\n' {}
    let mut link = maker.tls(stream).await?;
    let subscribe = if reads { format!("SUB {topic} 1\r\n") } else { String::new() };
    let hello = format!(
        "CONNECT {{\"verbose\":false,\"pedantic\":false,\"tls_required\":true,\"lang\":\"rust\",\
         \"version\":\"1\"}}\r\n{subscribe}PING\r\n"
    );
    link.up.write(hello.as_bytes()).await?;
    // The answer to the ping says that what came before it was done.
    loop {
        match &*link.expect(|buffer| Ok(line(buffer))).await? {
            b"PONG" => return Ok(link),
            line if line.starts_with(b"-ERR") => bail!("{}", String::from_utf8_lossy(line)),
            _ => {}
        }
    }
}

pub(super) fn publish(topic: &str, payload: [u8; SIZE]) -> Vec<u8> {
    [format!("PUB {topic} {SIZE}\r\n").as_bytes(), &payload, END].concat()
}

pub(super) fn next(buffer: &mut BytesMut) -> Result<Option<Message>> {
    let Some(end) = position(buffer) else { return Ok(None) };
    let head = &buffer[..end];
    if head.starts_with(b"-ERR") {
        bail!("{}", String::from_utf8_lossy(head));
    }
    if !head.starts_with(b"MSG ") {
        buffer.advance(end + END.len());
        return Ok(Some(Message::Other));
    }
    // MSG SUBJECT SID BYTES
    let len = head.rsplit(|byte| *byte == b' ').next().context("an empty line")?;
    let len: usize = str::from_utf8(len)?.parse()?;
    if buffer.len() < end + len + 2 * END.len() {
        return Ok(None);
    }
    buffer.advance(end + END.len());
    let payload = buffer.split_to(len).freeze();
    buffer.advance(END.len());
    Ok(Some(Message::Published(payload)))
}

fn line(buffer: &mut BytesMut) -> Option<BytesMut> {
    let end = position(buffer)?;
    let line = buffer.split_to(end);
    buffer.advance(END.len());
    Some(line)
}

fn position(buffer: &[u8]) -> Option<usize> {
    buffer.windows(END.len()).position(|window| window == END)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_one_by_one() {
        let mut buffer = BytesMut::from("PING\r\nMSG bench 1 3\r\nabc\r\nMSG bench 1 2\r\nx");
        assert!(matches!(next(&mut buffer).unwrap(), Some(Message::Other)));
        assert!(matches!(next(&mut buffer).unwrap(), Some(Message::Published(payload)) if payload == "abc"));
        assert!(next(&mut buffer).unwrap().is_none());
        buffer.extend_from_slice(b"y\r\n");
        assert!(matches!(next(&mut buffer).unwrap(), Some(Message::Published(payload)) if payload == "xy"));
    }
}
