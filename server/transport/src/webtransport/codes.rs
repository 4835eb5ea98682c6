//! Codes: those of the application within HTTP/3's, and HTTP/3's own.

use quinn::VarInt;

/// Where the application's codes begin (draft-ietf-webtrans-http3, 4.4).
const FIRST: u64 = 0x52e4_a40f_a8db;

/// Of each 31 numbers HTTP/3 reserves one, which the mapping leaves out.
const BETWEEN_RESERVED: u64 = 0x1e;

/// An orderly end (RFC 9114, 8.1).
pub(crate) const H3_NO_ERROR: VarInt = VarInt::from_u32(0x100);

/// A request that was not looked at, and can be made again elsewhere (RFC 9114, 8.1).
pub(crate) const H3_REQUEST_REJECTED: VarInt = VarInt::from_u32(0x10b);

/// A stream of a session that is not there (draft-ietf-webtrans-http3, 4.6).
pub(crate) const BUFFERED_STREAM_REJECTED: VarInt = VarInt::from_u32(0x3994_bd84);

/// The session of a stream is over (draft-ietf-webtrans-http3, 6).
pub(crate) const SESSION_GONE: VarInt = VarInt::from_u32(0x170d_7b68);

/// What a stream is reset or stopped with.
pub(crate) fn to_http3(code: u32) -> VarInt {
    let code = u64::from(code);
    VarInt::from_u64(FIRST + code + code / BETWEEN_RESERVED).expect("2^48 fits in 62 bits")
}

/// The code that a stream was reset or stopped with; `None` if it is not the application's.
pub(crate) fn from_http3(code: VarInt) -> Option<u32> {
    let shifted = code.into_inner().checked_sub(FIRST)?;
    let reserved = shifted % (BETWEEN_RESERVED + 1) == BETWEEN_RESERVED;
    if reserved { None } else { u32::try_from(shifted - shifted / (BETWEEN_RESERVED + 1)).ok() }
}

/// The application's code in a close of the whole connection; `None` if it is HTTP/3's (RFC 9114, 8.1) or QPACK's
/// (RFC 9204, 6).
pub(crate) fn of_close(code: VarInt) -> Option<u32> {
    match u32::try_from(code.into_inner()) {
        Ok(0x100..=0x110 | 0x200..=0x202) | Err(_) => None,
        Ok(code) => Some(code),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_come_back() {
        for code in [0, 1, 29, 30, 31, 59, 60, 404, 70_000, u32::MAX] {
            assert_eq!(from_http3(to_http3(code)), Some(code), "{code}");
        }
    }

    #[test]
    fn the_bounds_are_those_of_the_draft() {
        assert_eq!(to_http3(0).into_inner(), 0x52e4_a40f_a8db);
        assert_eq!(to_http3(u32::MAX).into_inner(), 0x52e5_ac98_3162);
    }

    #[test]
    fn reserved_numbers_and_those_of_others_are_no_codes() {
        let reserved = (0..10).map(|n| 0x1f * n + 0x21 + (FIRST - 0x21).next_multiple_of(0x1f));
        for strange in reserved.chain([0, 0x10b, FIRST - 1, 0x52e5_ac98_3163]) {
            assert_eq!(from_http3(VarInt::from_u64(strange).unwrap()), None, "{strange:#x}");
        }
        // Those that stand for codes are never reserved.
        assert!((0..1000).all(|code| !(to_http3(code).into_inner() - 0x21).is_multiple_of(0x1f)));
    }

    #[test]
    fn a_close_with_a_code_of_http3_is_no_code() {
        for strange in [0x100, 0x110, 0x200, 0x202, u64::from(u32::MAX) + 1] {
            assert_eq!(of_close(VarInt::from_u64(strange).unwrap()), None, "{strange:#x}");
        }
        for ours in [0, 108, 204, 0x111, 501, u32::MAX] {
            assert_eq!(of_close(ours.into()), Some(ours));
        }
    }
}
