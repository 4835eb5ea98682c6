//! How long the frames on a stream of HTTP/3 are, before anybody waits for their ends.

use crate::webtransport::varint;

/// The longest frame in bytes, but for DATA, which nobody has to hold as a whole. More than all the fields that are
/// read, so that a request with too many of them is still answered.
pub(super) const MAX_FRAME: u64 = 64 * 1024;

/// The one type of frame that is handed on in pieces (RFC 9114, 7.2.1).
const DATA: u64 = 0x00;

/// The one type of unidirectional stream that carries frames (RFC 9114, 6.2.1).
const CONTROL: u64 = 0x00;

/// Watches the bytes of a stream as they come.
#[derive(Debug)]
pub(super) struct Frames {
    expected: Expected,
    /// What has come of a number, or of the two that a frame begins with.
    begun: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
enum Expected {
    /// The type of a unidirectional stream.
    StreamType,
    /// Type and length of a frame.
    Header,
    /// As many bytes of a frame.
    Payload(u64),
    /// What is no frames.
    Anything,
}

/// A frame is longer than it may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Frames {
    pub(super) fn bidirectional() -> Self {
        Self { expected: Expected::Header, begun: Vec::new() }
    }

    pub(super) fn unidirectional() -> Self {
        Self { expected: Expected::StreamType, begun: Vec::new() }
    }

    /// Looks at the next piece.
    pub(super) fn look(&mut self, mut piece: &[u8]) -> Result<(), TooLong> {
        while let Some((first, rest)) = piece.split_first() {
            match self.expected {
                Expected::Anything => return Ok(()),
                Expected::Payload(left) => {
                    let here = usize::try_from(left).unwrap_or(usize::MAX).min(piece.len());
                    piece = &piece[here..];
                    self.expect_payload(left - here as u64);
                }
                Expected::StreamType => {
                    self.begun.push(*first);
                    piece = rest;
                    if let Some(kind) = varint::take(&mut &self.begun[..]) {
                        self.expected = if kind == CONTROL { Expected::Header } else { Expected::Anything };
                        self.begun.clear();
                    }
                }
                Expected::Header => {
                    self.begun.push(*first);
                    piece = rest;
                    let mut numbers = &self.begun[..];
                    if let (Some(kind), Some(len)) = (varint::take(&mut numbers), varint::take(&mut numbers))
                    {
                        if kind != DATA && len > MAX_FRAME {
                            return Err(TooLong);
                        }
                        self.begun.clear();
                        self.expect_payload(len);
                    }
                }
            }
        }
        Ok(())
    }

    fn expect_payload(&mut self, len: u64) {
        self.expected = if len == 0 { Expected::Header } else { Expected::Payload(len) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u64, len: u64) -> Vec<u8> {
        let mut bytes = Vec::new();
        varint::put(&mut bytes, kind);
        varint::put(&mut bytes, len);
        bytes.resize(bytes.len() + usize::try_from(len.min(2 * MAX_FRAME)).unwrap(), 7);
        bytes
    }

    fn look(mut frames: Frames, bytes: &[u8]) -> [Result<(), TooLong>; 2] {
        let mut in_pieces = Frames { expected: frames.expected, begun: Vec::new() };
        [frames.look(bytes), bytes.chunks(1).try_for_each(|piece| in_pieces.look(piece))]
    }

    #[test]
    fn what_must_be_held_as_a_whole_is_bounded() {
        let request = [frame(0x21, 0), frame(1, MAX_FRAME), frame(0, 100_000), frame(0, 1), frame(1, 9)];
        assert_eq!(look(Frames::bidirectional(), &request.concat()), [Ok(()), Ok(())]);
        for kind in [1, 4, 0x21] {
            let long = [frame(0, 3), frame(kind, MAX_FRAME + 1)].concat();
            assert_eq!(look(Frames::bidirectional(), &long), [Err(TooLong), Err(TooLong)], "{kind:#x}");
        }
        assert_eq!(look(Frames::bidirectional(), &frame(1, (1 << 62) - 1)), [Err(TooLong), Err(TooLong)]);
    }

    #[test]
    fn of_the_unidirectional_streams_only_control_has_frames() {
        let after = |kind| [vec![kind], frame(4, 9), frame(0x21, MAX_FRAME + 1)].concat();
        assert_eq!(look(Frames::unidirectional(), &after(0)), [Err(TooLong), Err(TooLong)]);
        assert_eq!(look(Frames::unidirectional(), &after(2)), [Ok(()), Ok(())]);
    }
}
