//! Messages of the multiplexer: four bytes of channel, one of kind, and a body.

use bytes::{BufMut, Bytes, BytesMut};

use super::Violation;

/// Bytes before the body.
pub(super) const HEADER: usize = 5;

/// The largest body.
pub(super) const MAX_BODY: usize = 65_536;

const DATA: u8 = 0;
const FIN: u8 = 1;
const RESET: u8 = 2;
const STOP: u8 = 3;
const WINDOW: u8 = 4;
const STREAMS: u8 = 5;

/// What a message says of its channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body<'a> {
    Data(&'a [u8]),
    Fin(&'a [u8]),
    Reset(u32),
    Stop(u32),
    Window(u32),
    Streams(u32),
}

pub(super) fn decode(message: &[u8]) -> Result<(u32, Body<'_>), Violation> {
    let (channel, rest) = message.split_first_chunk().ok_or(Violation::Short)?;
    let (&kind, body) = rest.split_first().ok_or(Violation::Short)?;
    let number = || body.try_into().map(u32::from_be_bytes).map_err(|_| Violation::Size);
    let body = match kind {
        DATA | FIN if body.len() > MAX_BODY => return Err(Violation::Size),
        DATA => Body::Data(body),
        FIN => Body::Fin(body),
        RESET => Body::Reset(number()?),
        STOP => Body::Stop(number()?),
        WINDOW => Body::Window(number()?),
        STREAMS => Body::Streams(number()?),
        unknown => return Err(Violation::UnknownKind(unknown)),
    };
    Ok((u32::from_be_bytes(*channel), body))
}

pub(super) fn reset(channel: u32, code: u32) -> Bytes {
    number(channel, RESET, code)
}

pub(super) fn stop(channel: u32, code: u32) -> Bytes {
    number(channel, STOP, code)
}

pub(super) fn window(channel: u32, more: u32) -> Bytes {
    number(channel, WINDOW, more)
}

pub(super) fn streams(in_all: u32) -> Bytes {
    number(0, STREAMS, in_all)
}

pub(super) fn data(channel: u32, body: Vec<Bytes>) -> Bytes {
    bytes(channel, DATA, body)
}

pub(super) fn fin(channel: u32, body: Vec<Bytes>) -> Bytes {
    bytes(channel, FIN, body)
}

fn number(channel: u32, kind: u8, number: u32) -> Bytes {
    let mut message = BytesMut::with_capacity(HEADER + 4);
    message.put_u32(channel);
    message.put_u8(kind);
    message.put_u32(number);
    message.freeze()
}

fn bytes(channel: u32, kind: u8, body: Vec<Bytes>) -> Bytes {
    let length: usize = body.iter().map(Bytes::len).sum();
    let mut message = BytesMut::with_capacity(HEADER + length);
    message.put_u32(channel);
    message.put_u8(kind);
    for chunk in body {
        message.put(chunk);
    }
    message.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_what_the_protocol_says() {
        let chunks = || vec![Bytes::from_static(b"a"), Bytes::from_static(b"bc")];
        for (bytes, expected, channel, body) in [
            (data(7, chunks()), &b"\0\0\0\x07\0abc"[..], 7, Body::Data(b"abc")),
            (fin(7, vec![]), b"\0\0\0\x07\x01", 7, Body::Fin(b"")),
            (reset(1, 258), b"\0\0\0\x01\x02\0\0\x01\x02", 1, Body::Reset(258)),
            (stop(1, 0), b"\0\0\0\x01\x03\0\0\0\0", 1, Body::Stop(0)),
            (window(u32::MAX, 9), b"\xff\xff\xff\xff\x04\0\0\0\x09", u32::MAX, Body::Window(9)),
            (streams(17), b"\0\0\0\0\x05\0\0\0\x11", 0, Body::Streams(17)),
        ] {
            assert_eq!(bytes, expected);
            assert_eq!(decode(expected), Ok((channel, body)));
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        for short in [&b""[..], b"\0\0\0", b"\0\0\0\0"] {
            assert_eq!(decode(short), Err(Violation::Short));
        }
        assert_eq!(decode(b"\0\0\0\0\x06"), Err(Violation::UnknownKind(6)));
        for kind in [RESET, STOP, WINDOW, STREAMS] {
            assert_eq!(decode(&[0, 0, 0, 0, kind, 1, 2, 3]), Err(Violation::Size));
            assert_eq!(decode(&[0, 0, 0, 0, kind, 1, 2, 3, 4, 5]), Err(Violation::Size));
        }
        let mut long = vec![0; HEADER + MAX_BODY];
        assert!(decode(&long).is_ok());
        long.push(0);
        assert_eq!(decode(&long), Err(Violation::Size));
    }
}
