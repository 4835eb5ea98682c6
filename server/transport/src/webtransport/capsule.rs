//! Capsules on the CONNECT stream (RFC 9297, 3.2): the one that closes the session, and others to skip.

use bytes::Bytes;

use super::varint;

/// WT_CLOSE_SESSION (draft-ietf-webtrans-http3, 6).
const CLOSE: u64 = 0x2843;

/// The longest reason, in bytes.
const MAX_REASON: usize = 1024;

/// The size of the code before it.
const CODE: usize = 4;

/// How a side ends the session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Close {
    pub(crate) code: u32,
    pub(crate) reason: String,
}

/// A closing capsule of impossible size.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl Close {
    /// The capsule; a reason that is too long is cut.
    pub(crate) fn encode(&self) -> Bytes {
        let reason = &self.reason.as_bytes()[..self.reason.floor_char_boundary(MAX_REASON)];
        let mut capsule = Vec::with_capacity(2 * varint::MAX_LEN + CODE + reason.len());
        varint::put(&mut capsule, CLOSE);
        varint::put(&mut capsule, (CODE + reason.len()) as u64);
        capsule.extend_from_slice(&self.code.to_be_bytes());
        capsule.extend_from_slice(reason);
        capsule.into()
    }

    fn decode(body: &[u8]) -> Result<Self, Malformed> {
        let (code, reason) = body.split_first_chunk().ok_or(Malformed)?;
        Ok(Self { code: u32::from_be_bytes(*code), reason: String::from_utf8_lossy(reason).into_owned() })
    }
}

/// Reads capsules from pieces of any size, and keeps no more of them than a closing one can be long.
#[derive(Debug, Default)]
pub(crate) struct Capsules {
    /// The beginning of a capsule that is not complete.
    begun: Vec<u8>,
    /// What is still to come of one that is skipped.
    skip: u64,
}

impl Capsules {
    /// Takes the next piece; the first closing capsule in it, if there is one.
    pub(crate) fn push(&mut self, mut piece: &[u8]) -> Result<Option<Close>, Malformed> {
        while !piece.is_empty() {
            let skipped = usize::try_from(self.skip).unwrap_or(usize::MAX).min(piece.len());
            self.skip -= skipped as u64;
            piece = &piece[skipped..];
            // Few bytes at once, for what follows may belong to the next.
            let (some, rest) = piece.split_at(piece.len().min(256));
            self.begun.extend_from_slice(some);
            piece = rest;
            if let Some(close) = self.advance()? {
                return Ok(Some(close));
            }
        }
        Ok(None)
    }

    /// Takes what is complete out of what has begun.
    fn advance(&mut self) -> Result<Option<Close>, Malformed> {
        let mut rest = &self.begun[..];
        loop {
            let mut body = rest;
            let (Some(kind), Some(len)) = (varint::take(&mut body), varint::take(&mut body)) else { break };
            let here = usize::try_from(len).unwrap_or(usize::MAX).min(body.len());
            if kind != CLOSE {
                self.skip = len - here as u64;
                rest = &body[here..];
            } else if len > (CODE + MAX_REASON) as u64 {
                return Err(Malformed);
            } else if (here as u64) < len {
                break;
            } else {
                return Close::decode(&body[..here]).map(Some);
            }
        }
        self.begun.drain(..self.begun.len() - rest.len());
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(code: u32, reason: &str) -> Close {
        Close { code, reason: reason.to_owned() }
    }

    fn capsule(kind: u64, body: &[u8]) -> Vec<u8> {
        let mut capsule = Vec::new();
        varint::put(&mut capsule, kind);
        varint::put(&mut capsule, body.len() as u64);
        capsule.extend_from_slice(body);
        capsule
    }

    #[test]
    fn a_close_is_read_whole_or_in_pieces() {
        let bytes =
            [capsule(0x1f * 7 + 0x17, b"grease"), close(77, "auf Wiederhören").encode().to_vec()].concat();
        for size in 1..=bytes.len() {
            let mut capsules = Capsules::default();
            let found = bytes.chunks(size).find_map(|piece| capsules.push(piece).unwrap());
            assert_eq!(found, Some(close(77, "auf Wiederhören")), "pieces of {size}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let reason = "ö".repeat(600);
        let mut capsules = Capsules::default();
        let read = capsules.push(&close(1, &format!("x{reason}")).encode()).unwrap().unwrap();
        assert_eq!(read.reason.len(), 1023);
        assert!(read.reason.starts_with('x') && read.reason.ends_with('ö'));
    }

    #[test]
    fn what_is_not_known_is_skipped_and_not_kept() {
        let mut capsules = Capsules::default();
        let mut bytes = Vec::new();
        varint::put(&mut bytes, 0x78ae);
        varint::put(&mut bytes, (1 << 62) - 1);
        assert_eq!(capsules.push(&bytes), Ok(None));
        for _ in 0..100 {
            assert_eq!(capsules.push(&[0x28; 10_000]), Ok(None));
            assert!(capsules.begun.capacity() < 4096, "{} bytes are kept", capsules.begun.capacity());
        }
    }

    #[test]
    fn empty_capsules_and_many_at_once_are_read() {
        let mut bytes = capsule(0x78ae, b"").repeat(1000);
        bytes.extend_from_slice(&close(5, "").encode());
        bytes.extend_from_slice(b"and what follows is nobody's");
        assert_eq!(Capsules::default().push(&bytes), Ok(Some(close(5, ""))));
    }

    #[test]
    fn a_close_of_impossible_size_is_refused() {
        for size in [0, 3, 1029] {
            assert_eq!(Capsules::default().push(&capsule(CLOSE, &vec![0; size])), Err(Malformed), "{size}");
        }
        assert!(Capsules::default().push(&capsule(CLOSE, &[0; 1028])).unwrap().is_some());
        assert_eq!(
            Capsules::default().push(&capsule(CLOSE, &[0, 0, 0, 9, 0xff])),
            Ok(Some(close(9, "\u{fffd}")))
        );
    }
}
