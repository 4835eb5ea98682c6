//! What a benchmark's message carries: its number and when it was due, so that each reader can tell what it missed.

use bytes::Bytes;

/// What the events of benchmarks are called.
pub(super) const EVENT: &str = "bench";

/// The smallest message, in bytes: number and time.
pub(super) const MIN: usize = 16;

/// A message's number, from 0 on, and the moment at which it was due in nanoseconds of this process's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) number: u64,
    pub(super) due: u64,
}

impl Stamp {
    /// The payload of this many bytes, [`MIN`] at least.
    pub(super) fn encode(self, size: usize) -> Bytes {
        let mut payload = vec![0; size.max(MIN)];
        payload[..8].copy_from_slice(&self.number.to_be_bytes());
        payload[8..MIN].copy_from_slice(&self.due.to_be_bytes());
        payload.into()
    }

    /// Reads the payload of a benchmark's event; `None` if it is too short to be one.
    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let (number, rest) = payload.split_first_chunk::<8>()?;
        let due = rest.first_chunk::<8>()?;
        Some(Self { number: u64::from_be_bytes(*number), due: u64::from_be_bytes(*due) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written_whatever_the_size() {
        let stamp = Stamp { number: 7, due: u64::MAX - 1 };
        for (size, len) in [(0, 16), (16, 16), (128, 128)] {
            let payload = stamp.encode(size);
            assert_eq!((payload.len(), Stamp::decode(&payload)), (len, Some(stamp)));
        }
        assert_eq!(Stamp::decode(&[0; 15]), None);
    }
}
