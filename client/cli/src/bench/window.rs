//! Which messages have not reached every reader yet.

use std::collections::VecDeque;

/// The messages from the oldest that somebody has yet to read, each with how many have read it.
#[derive(Debug, Default)]
pub(super) struct Window {
    oldest: u64,
    readers: VecDeque<u64>,
}

impl Window {
    /// Takes in the next message.
    pub(super) fn publish(&mut self) {
        self.readers.push_back(0);
    }

    /// Notes that one more of this many readers has read a message, and says whether the window has moved.
    pub(super) fn arrive(&mut self, number: u64, all: u64) -> bool {
        let place = number.checked_sub(self.oldest).and_then(|place| usize::try_from(place).ok());
        let Some(count) = place.and_then(|place| self.readers.get_mut(place)) else { return false };
        *count += 1;
        let before = self.oldest;
        while self.readers.front().is_some_and(|count| *count >= all) {
            self.readers.pop_front();
            self.oldest += 1;
        }
        self.oldest != before
    }

    /// How many messages are out, from the oldest that somebody has yet to read.
    pub(super) fn len(&self) -> u64 {
        self.readers.len() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_reader_holds_the_window() {
        let mut window = Window::default();
        (0..3).for_each(|_| window.publish());
        let moved: Vec<_> = [0, 1, 2, 1].iter().map(|number| window.arrive(*number, 2)).collect();
        assert_eq!((moved, window.len()), (vec![false; 4], 3));
        assert!(window.arrive(0, 2));
        assert_eq!(window.len(), 1);
        assert!(!window.arrive(u64::MAX, 2) && !window.arrive(0, 2));
    }
}
