//! What each message carries: its number and when it was due, as text, for not every protocol here carries bytes. It is read a million
//! times a second.

/// Bytes of each message.
pub(crate) const SIZE: usize = 128;

/// Digits of a number, of which the first is this letter.
const DIGITS: usize = 16;
const ZERO: u8 = b'a';

/// A message's number, from 0 on, and the moment at which it was due in nanoseconds of the load's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) number: u64,
    pub(crate) due: u64,
}

impl Stamp {
    pub(crate) fn encode(self) -> [u8; SIZE] {
        let mut payload = [b'.'; SIZE];
        for (place, number) in payload.chunks_exact_mut(DIGITS).zip([self.number, self.due]) {
            for (n, digit) in place.iter_mut().enumerate() {
                *digit = ZERO + (number >> (60 - 4 * n) & 0xf) as u8;
            }
        }
        payload
    }

    /// `None` if this is no payload of ours.
    pub(crate) fn decode(payload: &[u8]) -> Option<Self> {
        let payload: &[u8; SIZE] = payload.try_into().ok()?;
        let number = |place: usize| {
            payload[place * DIGITS..][..DIGITS].iter().try_fold(0, |number: u64, digit| {
                let value = digit.wrapping_sub(ZERO);
                (value < 16).then_some(number << 4 | u64::from(value))
            })
        };
        Some(Self { number: number(0)?, due: number(1)? })
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
