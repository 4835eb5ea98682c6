//! Whether what one reader gets is complete, in order and without repetition.

use std::collections::BTreeSet;

/// How many missing numbers are remembered, to tell a late message from a repeated one.
const REMEMBERED: usize = 4096;

/// The numbers that one reader has seen; they are expected to come as 0, 1, 2 and so on.
#[derive(Debug, Default, Clone)]
pub(super) struct Sequence {
    expected: u64,
    missing: BTreeSet<u64>,
}

/// What a message's number says about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It is the next one.
    Next,
    /// So many before it have not come.
    Ahead(u64),
    /// It was missing and has come after one that it should have come before.
    Late,
    /// It was here before.
    Repeated,
}

impl Sequence {
    pub(super) fn take(&mut self, number: u64) -> Verdict {
        if number < self.expected {
            return if self.missing.remove(&number) { Verdict::Late } else { Verdict::Repeated };
        }
        let skipped = number - self.expected;
        let room = REMEMBERED.saturating_sub(self.missing.len());
        self.missing.extend((self.expected..number).take(room));
        self.expected = number + 1;
        if skipped == 0 { Verdict::Next } else { Verdict::Ahead(skipped) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_deviation_has_its_name() {
        let mut sequence = Sequence::default();
        let verdicts: Vec<_> = [0, 1, 1, 4, 2, 2, 5].iter().map(|number| sequence.take(*number)).collect();
        use Verdict::{Ahead, Late, Next, Repeated};
        assert_eq!(verdicts, [Next, Next, Repeated, Ahead(2), Late, Repeated, Next]);
    }

    #[test]
    fn a_wild_number_does_not_fill_the_memory() {
        let mut sequence = Sequence::default();
        assert_eq!(sequence.take(u64::MAX - 1), Verdict::Ahead(u64::MAX - 1));
        assert_eq!(sequence.missing.len(), REMEMBERED);
    }
}
