//! Datagrams: events that arrive at once or not at all, for members that ask for [`Delivery::Datagram`].
//!
//! A datagram is the flow that the client has chosen for the membership, 4 bytes, big-endian, and the body of one `Event` frame. The
//! frame's bytes are those of the log: nothing but the flow is made anew for each member.
//!
//! [`Delivery::Datagram`]: crate::frame::channel::Delivery::Datagram

use crate::{
    codec::PREFIX,
    frame::{
        DecodeError,
        channel::{Event, FromServer},
    },
};
use bytes::{BufMut, Bytes, BytesMut};

/// Bytes of the flow.
pub const FLOW: usize = 4;

/// How long the datagram of an event is, from its frame with the length prefix.
#[must_use]
pub fn len(event: &[u8]) -> usize {
    FLOW + event.len().saturating_sub(PREFIX)
}

/// The datagram of an event for one member, from its frame with the length prefix.
#[must_use]
pub fn encode(flow: u32, event: &[u8]) -> Bytes {
    let mut datagram = BytesMut::with_capacity(len(event));
    datagram.put_u32(flow);
    datagram.put_slice(event.get(PREFIX..).unwrap_or_default());
    datagram.freeze()
}

/// The flow that a datagram is for, and the event in it.
///
/// # Errors
/// It is too short, or holds anything but one legal event.
pub fn decode(datagram: &Bytes) -> Result<(u32, Event), DecodeError> {
    let flow = datagram.first_chunk::<FLOW>().ok_or(DecodeError::Malformed("no flow"))?;
    match FromServer::decode(&datagram.slice(FLOW..))? {
        FromServer::Event(event) => Ok((u32::from_be_bytes(*flow), event)),
        _ => Err(DecodeError::Malformed("no event")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::channel::encode_event;

    #[test]
    fn what_is_encoded_is_decoded() {
        let frame = encode_event(7, 8, "moved", b"\xc0", Some("ada"));
        let datagram = encode(0x0102_0304, &frame);
        assert_eq!((&datagram[..FLOW], datagram.len()), (&[1, 2, 3, 4][..], len(&frame)));
        let (flow, event) = decode(&datagram).unwrap();
        assert_eq!((flow, event.offset, event.key.as_deref()), (0x0102_0304, 7, Some("ada")));
    }

    #[test]
    fn what_is_no_event_is_refused() {
        let gap = FromServer::Gap { from: 1, to: 2 }.encode();
        for datagram in [&b""[..], b"abc", b"abcd", b"abcd\xc0", &encode(1, &gap)] {
            decode(&Bytes::copy_from_slice(datagram)).unwrap_err();
        }
    }
}
