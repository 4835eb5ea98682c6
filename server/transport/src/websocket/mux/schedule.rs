//! Whose turn it is to send.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    mem,
};

/// The channels that have something to send, each at most once in either queue.
#[derive(Debug, Default)]
pub(super) struct Schedule {
    /// Those with a RESET, STOP or WINDOW: small, and somebody may wait for it.
    urgent: VecDeque<u32>,
    /// Those with data: the highest priority first, and among equals whoever waits longest.
    data: BinaryHeap<(u16, Reverse<u64>, u32)>,
    turns: u64,
}

/// Where a channel stands in the schedule.
#[derive(Debug, Default)]
pub(super) struct Place {
    urgent: bool,
    data: bool,
}

impl Schedule {
    pub(super) fn add_urgent(&mut self, channel: u32, place: &mut Place) {
        if !mem::replace(&mut place.urgent, true) {
            self.urgent.push_back(channel);
        }
    }

    pub(super) fn add_data(&mut self, channel: u32, priority: u16, place: &mut Place) {
        if !mem::replace(&mut place.data, true) {
            self.turns += 1;
            self.data.push((priority, Reverse(self.turns), channel));
        }
    }

    /// Moves a channel that waits to where it belongs now.
    pub(super) fn set_priority(&mut self, channel: u32, priority: u16) {
        let mut all = mem::take(&mut self.data).into_vec();
        for waiting in all.iter_mut().filter(|(.., number)| *number == channel) {
            waiting.0 = priority;
        }
        self.data = all.into();
    }

    /// Who is next, and leaves it in its place.
    pub(super) fn peek(&self) -> Option<u32> {
        self.urgent.front().copied().or_else(|| self.data.peek().map(|&(.., channel)| channel))
    }

    /// Takes the next one out; its place in that queue is free again once it is [left](Place).
    pub(super) fn pop(&mut self) -> Option<Turn> {
        match self.urgent.pop_front() {
            Some(_) => Some(Turn::Urgent),
            None => self.data.pop().map(|_| Turn::Data),
        }
    }
}

/// The queue that a channel was taken from.
#[derive(Debug, Clone, Copy)]
pub(super) enum Turn {
    Urgent,
    Data,
}

impl Place {
    pub(super) fn leave(&mut self, turn: Turn) {
        match turn {
            Turn::Urgent => self.urgent = false,
            Turn::Data => self.data = false,
        }
    }
}
