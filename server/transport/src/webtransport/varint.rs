//! Variable-length integers (RFC 9000, 16).

use quinn::{ReadExactError, RecvStream};

/// The longest one, in bytes.
pub(crate) const MAX_LEN: usize = 8;

/// Appends a number below 2^62.
pub(crate) fn put(to: &mut Vec<u8>, n: u64) {
    let bytes = n.to_be_bytes();
    let (len, prefix) = match n {
        0..0x40 => (1, 0x00),
        0x40..0x4000 => (2, 0x40),
        0x4000..0x4000_0000 => (4, 0x80),
        _ => (8, 0xc0),
    };
    let at = to.len();
    to.extend_from_slice(&bytes[MAX_LEN - len..]);
    to[at] |= prefix;
}

/// Cuts a number off the front, or leaves all as it is while there is not all of one.
pub(crate) fn take(from: &mut &[u8]) -> Option<u64> {
    let (number, rest) = from.split_at_checked(len(*from.first()?))?;
    *from = rest;
    Some(value(number))
}

/// Reads a number off a stream. Not cancel-safe.
pub(crate) async fn read(from: &mut RecvStream) -> Result<u64, ReadExactError> {
    let mut bytes = [0; MAX_LEN];
    from.read_exact(&mut bytes[..1]).await?;
    let len = len(bytes[0]);
    from.read_exact(&mut bytes[1..len]).await?;
    Ok(value(&bytes[..len]))
}

/// The two high bits of the first byte tell the length.
fn len(first: u8) -> usize {
    1 << (first >> 6)
}

fn value(number: &[u8]) -> u64 {
    let all = number.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    all & (u64::MAX >> (66 - 8 * number.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_the_rfc() {
        // RFC 9000, A.1.
        for (bytes, n) in [
            (&[0x25][..], 37),
            (&[0x7b, 0xbd], 15_293),
            (&[0x9d, 0x7f, 0x3e, 0x7d], 494_878_333),
            (&[0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c], 151_288_809_941_952_652),
        ] {
            let mut made = Vec::new();
            put(&mut made, n);
            assert_eq!(made, bytes);
            let mut rest = bytes;
            assert_eq!((take(&mut rest), rest), (Some(n), &[][..]));
        }
        assert_eq!(take(&mut &[0x40, 0x25][..]), Some(37), "longer than needed is legal");
    }

    #[test]
    fn half_a_number_is_left_for_later() {
        let whole = [0xc2, 0x19, 0x7c, 0x5e, 0xff, 0x14, 0xe8, 0x8c];
        for cut in 0..whole.len() {
            let mut rest = &whole[..cut];
            assert_eq!((take(&mut rest), rest.len()), (None, cut));
        }
    }

    #[test]
    fn every_length_comes_back_at_its_bounds() {
        for n in [0, 0x3f, 0x40, 0x3fff, 0x4000, 0x3fff_ffff, 0x4000_0000, (1 << 62) - 1] {
            let mut made = b"!".to_vec();
            put(&mut made, n);
            assert_eq!(take(&mut &made[1..]), Some(n), "{n:#x}");
        }
    }
}
