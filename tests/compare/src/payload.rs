//! What each message carries: its number and when it was due, as text, for not every protocol here carries bytes.

use std::io::Write;

/// Bytes of each message.
pub(crate) const SIZE: usize = 128;

/// A message's number, from 0 on, and the moment at which it was due in nanoseconds of the load's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) number: u64,
    pub(crate) due: u64,
}

impl Stamp {
    pub(crate) fn encode(self) -> [u8; SIZE] {
        let mut payload = [b'.'; SIZE];
        write!(&mut payload[..], "{:016x}{:016x}", self.number, self.due).expect("there is room");
        payload
    }

    /// `None` if this is no payload of ours.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let number = |from| {
            let digits = payload.get(from..from + 16).filter(|_| payload.len() == SIZE)?;
            u64::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()
        };
        Some(Self { number: number(0)?, due: number(16)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_read_as_it_was_written() {
        let stamp = Stamp { number: 7, due: u64::MAX - 1 };
        assert_eq!(Stamp::decode(&stamp.encode()), Some(stamp));
        assert_eq!(Stamp::decode(&stamp.encode()[1..]), None);
        assert_eq!(Stamp::decode(&[b'.'; SIZE]), None);
    }
}
