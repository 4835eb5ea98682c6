//! Positions in a topic's log.

use std::{fmt, num::ParseIntError, str::FromStr};

/// Greatest epoch and offset: 2^53 - 1, the greatest integer that every JSON and JavaScript reader keeps exact.
pub const MAX: u64 = (1 << 53) - 1;

/// A place in a topic's log: everything up to and including `offset` of this `epoch`.
///
/// The first event of a log has offset 1, so offset 0 is the place before it. A log that starts over (the
/// server restarted, the topic was dropped while idle) has a new epoch; positions of different epochs
/// cannot be compared. Written `EPOCH:OFFSET`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which life of the log; never 0 in a real log.
    pub epoch: u64,
    /// The last event seen; 0 for none.
    pub offset: u64,
}

impl Position {
    /// Asks for whatever history holds: epoch 0 exists in no log.
    pub const OLDEST: Self = Self { epoch: 0, offset: 0 };

    /// A position in the log's life `epoch`, after event `offset`.
    #[must_use]
    pub const fn new(epoch: u64, offset: u64) -> Self {
        Self { epoch, offset }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.epoch, self.offset)
    }
}

/// Why a text is not a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// No colon.
    #[error("a position is written EPOCH:OFFSET")]
    Form,
    /// Not a whole number.
    #[error("a position is written EPOCH:OFFSET: {0}")]
    Number(#[from] ParseIntError),
    /// Over [`MAX`].
    #[error("epoch and offset are at most 2^53 - 1")]
    TooLarge,
}

impl FromStr for Position {
    type Err = Illegal;
    fn from_str(s: &str) -> Result<Self, Illegal> {
        let (epoch, offset) = s.split_once(':').ok_or(Illegal::Form)?;
        let position = Self::new(epoch.parse()?, offset.parse()?);
        if position.epoch > MAX || position.offset > MAX { Err(Illegal::TooLarge) } else { Ok(position) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_round_trip() {
        let position = Position::new(7, 42);
        assert_eq!(position.to_string().parse(), Ok(position));
    }

    #[test]
    fn bad_texts() {
        assert_eq!("7".parse::<Position>(), Err(Illegal::Form));
        assert!(matches!("7:x".parse::<Position>(), Err(Illegal::Number(_))));
        assert_eq!("9007199254740992:0".parse::<Position>(), Err(Illegal::TooLarge));
    }
}
