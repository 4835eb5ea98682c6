//! Noticing that nothing comes any more: by the bytes received, for a connection whose path is gone calls itself alive.

use std::time::Duration;

use tokio::time::Instant;

/// How often a connection is looked at on which something happens.
const TICK: Duration = Duration::from_millis(50);

/// How long it is looked at after the last sign of life.
const AWAKE: Duration = Duration::from_secs(1);

/// The shortest silence that gives cause to ask, where something was to be expected.
const QUIET: Duration = Duration::from_millis(300);

/// The shortest patience with an answer where something was to be expected: a lost packet is repeated within it.
const SHORT: Duration = Duration::from_millis(400);

/// The same on a connection that was idle: a phone's radio may have to wake up first.
const LONG: Duration = Duration::from_secs(2);

/// How often to ask again meanwhile. Each `Ping` is a new packet, while the transport repeats a lost one at growing
/// intervals: so a server that was restarted says within this time that it has forgotten the connection.
const AGAIN: Duration = Duration::from_secs(1);

/// The longest round trip that is believed. quinn measures the time away as one when it has migrated after an outage.
const LONGEST_RTT: Duration = Duration::from_secs(1);

/// What a connection says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Traffic {
    /// Bytes received so far.
    pub(crate) received: u64,
    /// Round trip; zero while it is not known.
    pub(crate) rtt: Duration,
}

/// What to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing.
    Rest,
    /// Send a `Ping`.
    Ask,
    /// There was no answer: the path is probably gone.
    Suspect,
}

/// When to ask for a sign of life, and when to stop believing in the path.
///
/// Something is to be expected when this side has written, for the server acknowledges it; when events came regularly; and
/// in answer to a `Ping`, which goes out once in each interval of keep-alive. Any byte counts as a sign.
#[derive(Debug)]
pub(crate) struct Watchdog {
    keep_alive: Duration,
    received: u64,
    /// When the last look was that found something new.
    heard: Instant,
    looked: Instant,
    /// The first write since then.
    wrote: Option<Instant>,
    rhythm: Rhythm,
    /// When a `Ping` went out last.
    pinged: Instant,
    asked: Option<Asked>,
}

/// A `Ping` that waits for a sign.
#[derive(Debug, Clone, Copy)]
struct Asked {
    until: Instant,
    again: Instant,
}

impl Watchdog {
    pub(crate) fn new(keep_alive: Duration, now: Instant, received: u64) -> Self {
        let rhythm = Rhythm::default();
        Self { keep_alive, received, heard: now, looked: now, wrote: None, rhythm, pinged: now, asked: None }
    }

    /// When to [look](Self::look) next.
    pub(crate) fn due(&self) -> Instant {
        let mut due = self.asked.map_or(self.pinged + self.keep_alive, |asked| asked.again.min(asked.until));
        if !self.is_idle() {
            due = due.min(self.looked + TICK);
        }
        due
    }

    /// Whether nothing happens, so that the next thing is worth a look at once.
    pub(crate) fn is_idle(&self) -> bool {
        let awake = self.wrote.is_some() || self.rhythm.mean().is_some() || self.asked.is_some();
        !awake && self.looked.saturating_duration_since(self.heard) >= AWAKE
    }

    /// This side has written something.
    pub(crate) fn wrote(&mut self, now: Instant) {
        self.wrote.get_or_insert(now);
    }

    /// A `Ping` goes out for another reason, as on a new path: there must be a sign soon.
    pub(crate) fn asked(&mut self, now: Instant, rtt: Duration) {
        self.ask(now, SHORT.max(3 * believable(rtt)));
    }

    /// Decides by what has been received so far.
    pub(crate) fn look(&mut self, now: Instant, traffic: Traffic) -> Verdict {
        self.looked = now;
        let rtt = believable(traffic.rtt);
        if traffic.received > self.received {
            self.rhythm.note(now.saturating_duration_since(self.heard));
            self.received = traffic.received;
            self.heard = now;
            self.wrote = None;
            self.asked = None;
        }
        if let Some(asked) = &mut self.asked {
            if now >= asked.until {
                return Verdict::Suspect;
            }
            if now >= asked.again {
                asked.again = now + AGAIN;
                return Verdict::Ask;
            }
            return Verdict::Rest;
        }
        if self.expected(rtt).is_some_and(|expected| now >= expected) {
            // Once is enough: what came regularly may well have ended.
            self.rhythm = Rhythm::default();
            self.ask(now, SHORT.max(3 * rtt));
            return Verdict::Ask;
        }
        if now >= self.pinged + self.keep_alive {
            self.ask(now, LONG.max(3 * rtt));
            return Verdict::Ask;
        }
        Verdict::Rest
    }

    fn ask(&mut self, now: Instant, patience: Duration) {
        self.pinged = now;
        self.asked = Some(Asked { until: now + patience, again: now + AGAIN });
    }

    /// By when there should have been a sign of life without asking.
    fn expected(&self, rtt: Duration) -> Option<Instant> {
        let quiet = QUIET.max(3 * rtt);
        let written = self.wrote.map(|wrote| wrote + quiet);
        let regular = self.rhythm.mean().map(|mean| self.heard + quiet.max(4 * mean));
        [written, regular].into_iter().flatten().min()
    }
}

fn believable(rtt: Duration) -> Duration {
    rtt.min(LONGEST_RTT)
}

/// How regularly something arrives.
#[derive(Debug, Default)]
struct Rhythm {
    /// Moving mean of the times between arrivals, as far as looks tell them apart.
    interval: Duration,
    arrivals: u32,
}

impl Rhythm {
    /// A longer time between arrivals is no rhythm, and asking after each of them would cost more than they do.
    const LONGEST: Duration = Duration::from_secs(1);

    /// So many arrivals make one.
    const ENOUGH: u32 = 8;

    fn note(&mut self, interval: Duration) {
        if interval > Self::LONGEST {
            *self = Self::default();
            return;
        }
        self.interval = if self.arrivals == 0 { interval } else { (3 * self.interval + interval) / 4 };
        self.arrivals = self.arrivals.saturating_add(1);
    }

    fn mean(&self) -> Option<Duration> {
        (self.arrivals >= Self::ENOUGH).then_some(self.interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEEP_ALIVE: Duration = Duration::from_secs(25);
    const RTT: Duration = Duration::from_millis(20);
    const MS: fn(u64) -> Duration = Duration::from_millis;

    /// A connection on a clock of its own.
    struct Story {
        watchdog: Watchdog,
        start: Instant,
        now: Instant,
        received: u64,
    }

    impl Story {
        fn new() -> Self {
            let now = Instant::now();
            Self { watchdog: Watchdog::new(KEEP_ALIVE, now, 0), start: now, now, received: 0 }
        }

        /// Something arrives each `every`, for `time`; nothing need be asked.
        fn flow(&mut self, every: Duration, time: Duration) {
            let (end, mut next) = (self.now + time, self.now + every);
            while next <= end {
                assert_eq!(self.until(next), None, "asked in the middle of a flow");
                self.received += 100;
                next += every;
            }
        }

        /// Looks whenever it is due until then, or until there is something to do.
        fn until(&mut self, end: Instant) -> Option<(Verdict, Duration)> {
            while self.watchdog.due() <= end {
                self.now = self.watchdog.due();
                let verdict = self.watchdog.look(self.now, Traffic { received: self.received, rtt: RTT });
                if verdict != Verdict::Rest {
                    return Some((verdict, self.now - self.start));
                }
            }
            self.now = end;
            None
        }

        fn next(&mut self) -> (Verdict, Duration) {
            self.until(self.now + KEEP_ALIVE * 2).expect("sooner or later something is asked")
        }
    }

    #[test]
    fn a_quiet_connection_is_asked_once_in_each_interval() {
        let mut story = Story::new();
        for round in 1..4 {
            assert_eq!(story.next(), (Verdict::Ask, KEEP_ALIVE * round));
            story.received += 1;
        }
    }

    #[test]
    fn an_idle_one_is_not_looked_at_in_between() {
        let mut story = Story::new();
        story.until(story.start + AWAKE);
        assert!(story.watchdog.is_idle());
        assert_eq!(story.watchdog.due(), story.start + KEEP_ALIVE);
    }

    #[test]
    fn silence_after_a_question_is_asked_again_and_then_suspect() {
        let mut story = Story::new();
        assert_eq!(story.next(), (Verdict::Ask, KEEP_ALIVE));
        assert_eq!(story.next(), (Verdict::Ask, KEEP_ALIVE + AGAIN));
        assert_eq!(story.next(), (Verdict::Suspect, KEEP_ALIVE + LONG));
    }

    #[test]
    fn the_end_of_a_regular_flow_is_asked_about_soon_and_once() {
        let mut story = Story::new();
        story.flow(MS(10), MS(2000));
        let (verdict, at) = story.next();
        assert_eq!(verdict, Verdict::Ask);
        assert!((MS(2250)..=MS(2350)).contains(&at), "{at:?}");
        // There is an answer: it was just the end.
        story.received += 1;
        assert_eq!(story.next(), (Verdict::Ask, at + KEEP_ALIVE));
    }

    #[test]
    fn a_black_hole_under_traffic_is_suspect_within_a_second() {
        let mut story = Story::new();
        story.flow(MS(10), MS(2000));
        assert_eq!(story.next().0, Verdict::Ask);
        let (verdict, at) = story.next();
        assert_eq!(verdict, Verdict::Suspect);
        assert!(at <= MS(2850), "{at:?}");
    }

    #[test]
    fn slow_flows_are_given_four_of_their_intervals_and_sparse_ones_none() {
        let mut story = Story::new();
        story.flow(MS(500), MS(10_000));
        let (verdict, at) = story.next();
        assert_eq!(verdict, Verdict::Ask);
        assert!((MS(11_900)..=MS(12_300)).contains(&at), "{at:?}");
        let mut story = Story::new();
        story.flow(MS(2000), MS(20_000));
        assert_eq!(story.next(), (Verdict::Ask, KEEP_ALIVE));
    }

    #[test]
    fn what_was_written_is_to_be_acknowledged() {
        let mut story = Story::new();
        story.until(story.start + MS(5000));
        story.watchdog.wrote(story.now);
        assert_eq!(story.next(), (Verdict::Ask, MS(5300)));
        assert_eq!(story.next(), (Verdict::Suspect, MS(5700)));
    }

    #[test]
    fn an_acknowledgement_in_time_is_enough() {
        let mut story = Story::new();
        story.until(story.start + MS(5000));
        story.watchdog.wrote(story.now);
        story.until(story.start + MS(5100));
        story.received += 40;
        assert_eq!(story.next(), (Verdict::Ask, KEEP_ALIVE));
    }

    #[test]
    fn a_round_trip_that_cannot_be_is_not_waited_for() {
        let mut watchdog = Watchdog::new(KEEP_ALIVE, Instant::now(), 0);
        let now = Instant::now();
        watchdog.asked(now, Duration::from_secs(60));
        let traffic = Traffic { received: 0, rtt: Duration::from_secs(60) };
        assert_eq!(watchdog.look(now + MS(2999), traffic), Verdict::Ask);
        assert_eq!(watchdog.look(now + MS(3000), traffic), Verdict::Suspect);
    }
}
