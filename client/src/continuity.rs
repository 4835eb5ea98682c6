//! What to do when the network changes: the ladder of continuity, while there is a connection. Pure.
//!
//! The highest rung is that the connection moves with the client; below it another connection resumes the session while this
//! one is kept, and the first that answers is used; after a longer time away this one is not waited for at all, for what is
//! left of it (lost packets, growing pauses before each repetition, a window full of what was lost) only delays.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::{
    Cause,
    local_route::LocalRoute,
    watchdog::{Traffic, Verdict, Watchdog},
};

/// Without a network for this long, a client comes back on a new connection, which with 0-RTT is faster than moving: quinn
/// repeats what was lost at pauses that double, which no new network shortens, and counts the losses of the old network
/// against the new one.
const TOO_LONG: Duration = Duration::from_secs(1);

/// How often to look for a network where nothing tells of one.
pub(crate) const POLL: Duration = Duration::from_millis(500);

/// A step of the clock, or a timer's delay, that means that this device or process stood still.
const ASLEEP: Duration = Duration::from_secs(2);

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Nothing.
    Rest,
    /// Send a `Ping`.
    Ask,
    /// There is no network: write nothing until there is one.
    Hold,
    /// Move the connection to a new socket and send a `Ping` there.
    Migrate,
    /// Make another connection, and use the one that answers first.
    Race(Cause),
    /// Give this connection up and make another one.
    Leave,
}

/// A moment on both clocks. The first may stand still while the device sleeps.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    pub(crate) at: Instant,
    pub(crate) wall: SystemTime,
}

/// How the client is connected to a network.
#[derive(Debug, PartialEq, Eq)]
enum Place {
    /// By this route.
    Here(LocalRoute),
    /// By none.
    Away { since: Instant },
    /// It does not matter, as in memory.
    Anywhere,
}

/// The state of one connection, and of the network under it.
#[derive(Debug)]
pub(crate) struct Continuity {
    watchdog: Watchdog,
    place: Place,
    /// Whether the connection can move to another socket.
    migrates: bool,
    last: Moment,
}

impl Continuity {
    /// A connection that has just been made by this route; none if routes do not matter.
    pub(crate) fn new(watchdog: Watchdog, route: Option<LocalRoute>, migrates: bool, now: Moment) -> Self {
        let place = route.map_or(Place::Anywhere, Place::Here);
        Self { watchdog, place, migrates, last: now }
    }

    /// When to [look](Self::look) next.
    pub(crate) fn due(&self) -> Instant {
        match self.place {
            Place::Away { .. } => self.last.at + POLL,
            _ => self.watchdog.due(),
        }
    }

    /// Whether the next thing that is written or heard is worth a look at once.
    pub(crate) fn is_idle(&self) -> bool {
        !self.is_away() && self.watchdog.is_idle()
    }

    /// Whether there is no network.
    pub(crate) fn is_away(&self) -> bool {
        matches!(self.place, Place::Away { .. })
    }

    /// This side has written something.
    pub(crate) fn wrote(&mut self, now: Instant) {
        self.watchdog.wrote(now);
    }

    /// Decides at the time that was due, by the bytes received so far.
    pub(crate) fn look(&mut self, now: Moment, traffic: Traffic) -> Act {
        let due = self.due();
        let last = std::mem::replace(&mut self.last, now);
        if self.is_away() {
            return Act::Rest;
        }
        let verdict = self.watchdog.look(now.at, traffic);
        if now.slept_since(last) >= ASLEEP {
            return Act::Race(Cause::Slept);
        }
        if now.at.saturating_duration_since(due) >= ASLEEP {
            // What has arrived meanwhile may not have been read yet: its absence proves nothing.
            self.watchdog.asked(now.at, traffic.rtt);
            return Act::Ask;
        }
        match verdict {
            Verdict::Rest => Act::Rest,
            Verdict::Ask => Act::Ask,
            Verdict::Suspect => Act::Race(Cause::Silence),
        }
    }

    /// Decides by the route that there is now. `told` says that the host knows of a change, even if the route looks the same.
    pub(crate) fn routed(
        &mut self,
        now: Moment,
        route: Option<LocalRoute>,
        told: bool,
        rtt: Duration,
    ) -> Act {
        let away = match &self.place {
            Place::Anywhere if !told => return Act::Rest,
            Place::Here(here) if !told && route.as_ref() == Some(here) => return Act::Rest,
            Place::Anywhere | Place::Here(_) => Duration::ZERO,
            Place::Away { since } => now.at.saturating_duration_since(*since),
        };
        match route {
            Some(route) => {
                self.place = Place::Here(route);
                if away >= TOO_LONG { Act::Leave } else { self.change(now, rtt) }
            }
            None if self.is_away() => Act::Rest,
            None => {
                self.place = Place::Away { since: now.at };
                self.last = now;
                Act::Hold
            }
        }
    }

    fn change(&mut self, now: Moment, rtt: Duration) -> Act {
        if !self.migrates {
            return Act::Race(Cause::NetworkChanged);
        }
        self.watchdog.asked(now.at, rtt);
        Act::Migrate
    }
}

impl Moment {
    pub(crate) fn now() -> Self {
        Self { at: Instant::now(), wall: SystemTime::now() }
    }

    /// How much further the clock on the wall went than the other one.
    fn slept_since(self, before: Self) -> Duration {
        let wall = self.wall.duration_since(before.wall).unwrap_or_default();
        wall.saturating_sub(self.at.saturating_duration_since(before.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(20);
    const MS: fn(u64) -> Duration = Duration::from_millis;

    fn route(n: u8) -> Option<LocalRoute> {
        Some(LocalRoute::from_v4([10, n, 0, 2]))
    }

    /// A client on the first network.
    struct Story {
        continuity: Continuity,
        now: Moment,
        received: u64,
    }

    impl Story {
        fn new(migrates: bool) -> Self {
            let now = Moment::now();
            let watchdog = Watchdog::new(Duration::from_secs(25), now.at, 0);
            Self { continuity: Continuity::new(watchdog, route(1), migrates, now), now, received: 0 }
        }

        fn pass(&mut self, time: Duration) {
            self.now.at += time;
            self.now.wall += time;
        }

        fn on(&mut self, route: Option<LocalRoute>) -> Act {
            self.continuity.routed(self.now, route, false, RTT)
        }

        fn told(&mut self, route: Option<LocalRoute>) -> Act {
            self.continuity.routed(self.now, route, true, RTT)
        }

        /// Looks at each time that is due, until there is something to do; and how long that took.
        fn next(&mut self) -> (Act, Duration) {
            let start = self.now.at;
            loop {
                let time = self.continuity.due() - self.now.at;
                self.pass(time);
                match self.look() {
                    Act::Rest => {}
                    act => return (act, self.now.at - start),
                }
            }
        }

        fn look(&mut self) -> Act {
            self.continuity.look(self.now, Traffic { received: self.received, rtt: RTT })
        }
    }

    #[test]
    fn on_another_network_the_connection_moves_at_once() {
        let mut story = Story::new(true);
        assert_eq!(story.on(route(2)), Act::Migrate);
        // The other events of the same change.
        assert_eq!(story.on(route(2)), Act::Rest);
    }

    #[test]
    fn a_move_without_an_answer_becomes_a_race() {
        let mut story = Story::new(true);
        story.on(route(2));
        assert_eq!(story.next(), (Act::Race(Cause::Silence), MS(400)));
    }

    #[test]
    fn a_move_with_an_answer_is_over() {
        let mut story = Story::new(true);
        story.on(route(2));
        story.pass(MS(60));
        story.received = 100;
        assert_eq!(story.next().0, Act::Ask);
        assert!(story.now.at - story.continuity.last.at < MS(1));
    }

    #[test]
    fn what_cannot_move_is_raced() {
        assert_eq!(Story::new(false).on(route(2)), Act::Race(Cause::NetworkChanged));
    }

    #[test]
    fn events_that_change_nothing_cost_nothing_unless_the_host_knows_better() {
        let mut story = Story::new(true);
        assert_eq!(story.on(route(1)), Act::Rest);
        assert_eq!(story.told(route(1)), Act::Migrate);
    }

    #[test]
    fn without_a_network_nothing_is_written_or_asked() {
        let mut story = Story::new(true);
        assert_eq!(story.on(None), Act::Hold);
        assert_eq!(story.on(None), Act::Rest);
        for _ in 0..100 {
            assert_eq!(story.continuity.due() - story.now.at, POLL);
            story.pass(POLL);
            assert_eq!(story.look(), Act::Rest);
        }
    }

    #[test]
    fn a_short_outage_is_survived_and_a_long_one_is_not_waited_for() {
        for (time, act) in [(MS(900), Act::Migrate), (MS(1000), Act::Leave), (MS(60_000), Act::Leave)] {
            let mut story = Story::new(true);
            story.on(None);
            story.pass(time);
            assert_eq!(story.on(route(2)), act, "after {time:?}");
        }
        // Also on the network that it was on before.
        let mut story = Story::new(true);
        story.on(None);
        story.pass(MS(500));
        assert_eq!(story.on(route(1)), Act::Migrate);
    }

    #[test]
    fn silence_is_raced() {
        let mut story = Story::new(true);
        assert_eq!(story.next().0, Act::Ask);
        assert_eq!(story.next(), (Act::Ask, MS(1000)));
        assert_eq!(story.next(), (Act::Race(Cause::Silence), MS(1000)));
    }

    #[test]
    fn whoever_slept_races() {
        let mut story = Story::new(true);
        story.pass(MS(10));
        story.now.wall += Duration::from_secs(60);
        assert_eq!(story.look(), Act::Race(Cause::Slept));
        // Once.
        story.pass(MS(10));
        assert_eq!(story.look(), Act::Rest);
    }

    #[test]
    fn a_clock_that_is_set_back_is_no_sleep() {
        let mut story = Story::new(true);
        story.pass(MS(10));
        story.now.wall -= Duration::from_secs(3600);
        assert_eq!(story.look(), Act::Rest);
    }

    #[test]
    fn a_process_that_stood_still_asks_before_it_believes_in_silence() {
        let mut story = Story::new(true);
        assert_eq!(story.next().0, Act::Ask);
        story.pass(Duration::from_secs(10));
        assert_eq!(story.look(), Act::Ask);
        assert_eq!(story.next(), (Act::Race(Cause::Silence), MS(400)));
    }

    #[test]
    fn in_memory_there_are_no_networks() {
        let now = Moment::now();
        let watchdog = Watchdog::new(Duration::from_secs(25), now.at, 0);
        let mut continuity = Continuity::new(watchdog, None, false, now);
        assert_eq!(continuity.routed(now, None, false, RTT), Act::Rest);
        assert!(!continuity.is_away());
        assert_eq!(continuity.routed(now, None, true, RTT), Act::Hold);
    }
}
