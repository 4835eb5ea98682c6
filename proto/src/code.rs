//! The one table of codes: why something was refused, answered, reset or closed, and whether to try again.

use std::{fmt, time::Duration};

/// A number from the table, the same in refusals, replies, stream resets and connection closes.
///
/// A peer may send a number that this version does not know: it is kept, and [`Code::retry`] is then careful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Code(pub u32);

/// Whether and when the same request is worth another attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Not without a change on the caller's side.
    Never,
    /// At once (with jitter when many may have been told the same).
    Now,
    /// After this time, unless the frame names another one.
    After(Duration),
    /// With a new token.
    NewToken,
}

impl fmt::Display for Retry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Never => f.write_str("never"),
            Self::Now => f.write_str("now"),
            Self::After(time) => write!(f, "after {} ms", time.as_millis()),
            Self::NewToken => f.write_str("with a new token"),
        }
    }
}

/// One row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row {
    /// The number on the wire.
    pub code: Code,
    /// A stable name for logs, metrics and scripts.
    pub name: &'static str,
    /// What happened.
    pub meaning: &'static str,
    /// What to do about it.
    pub retry: Retry,
}

macro_rules! table {
    ($($constant:ident = $number:literal, $retry:expr, $meaning:literal;)*) => {
        impl Code {
            $(#[doc = $meaning] pub const $constant: Self = Self($number);)*
        }
        /// Every code, in the order of the numbers.
        pub const TABLE: &[Row] = &[
            $(Row { code: Code($number), name: stringify!($constant), meaning: $meaning, retry: $retry },)*
        ];
    };
}

const fn after(millis: u64) -> Retry {
    Retry::After(Duration::from_millis(millis))
}

table! {
    OK = 0, Retry::Never, "Done: nothing went wrong, the sender has finished.";

    MALFORMED = 100, Retry::Never, "The bytes are not a frame: not MessagePack, not an array, or a field of the wrong type.";
    FRAME_TOO_LARGE = 101, Retry::Never, "A frame is longer than the limit for its stream.";
    UNEXPECTED_FRAME = 102, Retry::Never, "A frame of a kind that does not belong on this stream, or not now.";
    UNSUPPORTED_VERSION = 103, Retry::Never, "None of the offered versions is spoken here.";
    HELLO_EXPECTED = 104, Retry::Never, "The first frame of the first stream was not Hello.";
    HELLO_REPEATED = 105, Retry::Never, "A second Hello on one connection.";
    DEADLINE = 106, after(1000), "A frame or a handshake was begun and not completed in time.";
    ILLEGAL_TOPIC = 107, Retry::Never, "The topic name breaks the rules for names.";
    ILLEGAL_VALUE = 108, Retry::Never, "A field is outside its range: too long, too large, or not a known choice.";

    ADDRESS_LIMIT = 200, after(10_000), "Too many connections from one address.";
    CHANNEL_LIMIT = 201, Retry::Never, "The session has as many channels as it may have.";
    SERVER_FULL = 202, after(5000), "The server has as many sessions as it may have.";
    TOPIC_LIMIT = 203, after(5000), "The server holds as many topics as it may hold.";
    PAYLOAD_TOO_LARGE = 204, Retry::Never, "The payload is longer than the limit announced in Welcome.";
    RATE_LIMITED = 205, after(1000), "Too many connections, joins or pushes in a short time.";
    LOG_FULL = 206, after(1000), "The topic's log is full, and keeps what it has.";

    TOKEN_REQUIRED = 300, Retry::NewToken, "The server asks for a token and got none that it can accept.";
    TOKEN_EXPIRED = 301, Retry::NewToken, "The token has expired or was revoked.";
    FORBIDDEN = 302, Retry::Never, "This session may not do that here.";

    NO_CHANNEL = 400, Retry::Never, "No channel serves this topic.";
    CHANNEL_FAILED = 401, after(1000), "The channel's code failed; only this channel was ended.";
    REPLACED = 402, Retry::Never, "A newer stream of the same session has joined this topic.";
    SESSION_MOVED = 403, Retry::Never, "The session was resumed on another connection.";
    SESSION_ENDED = 404, Retry::Now, "The session is over; a new one may be opened.";
    ALREADY_APPLIED = 405, Retry::Never, "The push was applied earlier, and its reply is no longer held.";
    REJECTED = 406, Retry::Never, "The application refused; the message says why.";
    CHANNEL_OVERRUN = 407, after(1000), "The channel could not keep up; only this channel was ended.";

    INTERNAL = 500, after(1000), "The server failed in a way that is not the client's fault.";
    GOING_AWAY = 501, Retry::Now, "The server is shutting down; connect again, elsewhere if an address was named.";
    UNAVAILABLE = 502, after(1000), "Something the server depends on does not answer.";
}

impl Code {
    /// This code's row, if this version knows it.
    #[must_use]
    pub fn row(self) -> Option<&'static Row> {
        TABLE.binary_search_by_key(&self.0, |row| row.code.0).ok().map(|at| &TABLE[at])
    }

    /// The stable name; `"UNKNOWN"` for a number that is not in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().map_or("UNKNOWN", |row| row.name)
    }

    /// The table's advice. An unknown code is retried after five seconds: it may stem from a newer server.
    #[must_use]
    pub fn retry(self) -> Retry {
        self.row().map_or(after(5000), |row| row.retry)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_rise_so_that_lookup_may_search() {
        assert!(TABLE.windows(2).all(|pair| pair[0].code.0 < pair[1].code.0));
        assert!(TABLE.iter().all(|row| row.code.row() == Some(row)));
    }

    #[test]
    fn an_unknown_code_is_kept_and_retried_later() {
        let code = Code(7777);
        assert_eq!(code.to_string(), "UNKNOWN (7777)");
        assert_eq!(code.retry(), Retry::After(Duration::from_secs(5)));
    }
}
