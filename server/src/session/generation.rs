//! Which of a session's connections counts: the last one. Those before it may still be alive, with frames on the way.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::SeqCst},
};

/// One of a session's connections, by its number, and whether the session is still on it.
///
/// What is read on a connection that the session has left counts as lost: the client has said, on the next one, where it
/// goes on.
#[derive(Debug, Clone)]
pub(crate) struct Generation {
    number: u64,
    present: Arc<AtomicU64>,
}

impl Generation {
    /// The connection that the session began on.
    pub(crate) fn first() -> Self {
        Self { number: 0, present: Arc::default() }
    }

    /// The connection after this one. From now on no earlier one is present.
    pub(crate) fn next(&self) -> Self {
        let number = self.number + 1;
        self.present.store(number, SeqCst);
        Self { number, present: self.present.clone() }
    }

    /// Whether the session has not moved on. For what must not be overtaken by a move, to be asked under the session's lock.
    pub(crate) fn is_present(&self) -> bool {
        self.present.load(SeqCst) == self.number
    }

    /// How often the session was resumed before.
    pub(crate) fn number(&self) -> u64 {
        self.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_one_is_present() {
        let first = Generation::first();
        assert!(first.is_present());
        let second = first.next();
        let third = second.next();
        let present = [&first, &second, &third].map(Generation::is_present);
        assert_eq!((present, third.number()), ([false, false, true], 2));
    }
}
