//! Paced wake-ups: readers are woken sixteen at a time.
//!
//! A round over all readers of a topic takes a while; messages pile up in the log meanwhile, and the readers whose
//! turn comes later take them in one batch. So batches form by themselves, without a timer, and the more so the
//! higher the load. Waking everyone at once collapses above 100,000 deliveries a second on one core (measured).

use crate::lock;
use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    pin::pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::AcqRel, Ordering::Acquire},
    },
    task::Poll,
};
use tokio::sync::{Notify, futures::Notified};

/// Readers woken before the driver lets them run. 8 to 32 measure the same, 64 is already too many.
const WAKES: usize = 16;

/// Where the readers of one topic wait.
///
/// Why none of them sleeps past an event. A reader is in the queue of `waiting` *before* it looks at the log
/// ([`Bell::wait`]). If it sees nothing there, the event is appended later, and its round begins later still. Then
/// the queue is no longer than the number of readers, each of whom waits at most once; it is served from the front,
/// and those who come back during the round line up behind. So as many wake-ups as there are readers when the round
/// begins reach everyone who was waiting then. A wake-up too many costs its receiver one look at the log.
///
/// Whatever a reader or publisher did before its last call here is seen by the round that follows: `queued` is only
/// ever swapped, so that publishers and drivers read each other's writes.
#[derive(Default)]
pub(crate) struct Bell {
    waiting: Notify,
    readers: AtomicUsize,
    /// How often the log has changed.
    changes: AtomicU64,
    /// Whether the topic is in [`Fanout::rounds`], or in the hands of a driver.
    queued: AtomicBool,
}

impl Bell {
    /// Counts a reader in. To be called under the lock of the log, so that no event comes between this and the look
    /// at the log that tells the reader where it stands.
    pub(crate) fn enter(&self) {
        self.readers.fetch_add(1, AcqRel);
    }

    pub(crate) fn leave(&self) {
        self.readers.fetch_sub(1, AcqRel);
    }

    pub(crate) fn readers(&self) -> usize {
        self.readers.load(Acquire)
    }

    /// Waits until `is_ready`, which looks at the log. Can be dropped and called again at any time.
    pub(crate) async fn wait(&self, is_ready: impl Fn() -> bool) {
        while !is_ready() {
            let mut rung = pin!(self.waiting.notified());
            Notified::enable(rung.as_mut());
            if is_ready() {
                return;
            }
            rung.await;
        }
    }
}

/// A pass over all readers of one topic.
struct Round {
    bell: Arc<Bell>,
    /// What is still to be done, once the round has begun.
    rest: Option<Rest>,
}

struct Rest {
    wakes: usize,
    /// The changes that the round tells of.
    changes: u64,
}

/// The topics whose readers are to be woken, each at most once.
#[derive(Default)]
pub(crate) struct Fanout {
    rounds: Mutex<VecDeque<Round>>,
    /// Wakes one driver.
    work: Notify,
}

impl Fanout {
    /// Has all readers of a topic look at its log. To be called after the log has changed.
    pub(crate) fn ring(&self, bell: &Arc<Bell>) {
        bell.changes.fetch_add(1, AcqRel);
        // Who is not counted yet looks at the log before waiting.
        if bell.readers() > 0 && !bell.queued.swap(true, AcqRel) {
            self.enqueue(Round { bell: bell.clone(), rest: None });
            self.work.notify_one();
        }
    }

    /// Wakes readers for ever. Any number may run at once, and any may be dropped at any time.
    pub(crate) async fn drive(&self) {
        let _successor = Successor(&self.work);
        loop {
            while self.turn() {
                yield_once().await;
            }
            // What was enqueued since has left its permit, here or with another driver that waits.
            self.work.notified().await;
        }
    }

    /// Wakes [`WAKES`] readers, of the topics that are next in line. False if there was nothing to do.
    fn turn(&self) -> bool {
        let mut budget = WAKES;
        while budget > 0 {
            let next = lock(&self.rounds).pop_front();
            let Some(mut round) = next else { return budget < WAKES };
            // Changes before readers: who enters in between has seen the log as it is now.
            let rest = round.rest.get_or_insert_with(|| Rest {
                changes: round.bell.changes.load(Acquire),
                wakes: round.bell.readers(),
            });
            let wakes = rest.wakes.min(budget);
            for _ in 0..wakes {
                round.bell.waiting.notify_one();
            }
            rest.wakes -= wakes;
            // A topic without readers is not free either, so that a turn always ends.
            budget -= wakes.max(1);
            if rest.wakes > 0 {
                self.enqueue(round);
            } else {
                let told = rest.changes;
                self.finish(round.bell, told);
            }
        }
        true
    }

    /// Ends a round; another one follows if the log has changed meanwhile.
    fn finish(&self, bell: Arc<Bell>, told: u64) {
        bell.queued.swap(false, AcqRel);
        // A publisher that found the topic queued until just now relies on this look.
        if bell.changes.load(Acquire) != told && !bell.queued.swap(true, AcqRel) {
            self.enqueue(Round { bell, rest: None });
        }
    }

    fn enqueue(&self, round: Round) {
        lock(&self.rounds).push_back(round);
    }
}

/// A driver that goes away in the middle of its work wakes another one to go on with it.
struct Successor<'a>(&'a Notify);

impl Drop for Successor<'_> {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

/// Lets every task run that is ready, once.
async fn yield_once() {
    let mut yielded = false;
    poll_fn(|context| {
        if mem::replace(&mut yielded, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        cell::{Cell, RefCell},
        pin::Pin,
        sync::atomic::Ordering::SeqCst,
        task::{Context, Wake, Waker},
    };

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, SeqCst);
        }
    }

    /// A future that is polled by hand.
    struct Task<'a> {
        future: Pin<Box<dyn Future<Output = ()> + 'a>>,
        wakes: Arc<Count>,
    }

    impl<'a> Task<'a> {
        fn new(future: impl Future<Output = ()> + 'a) -> Self {
            let mut task = Self { future: Box::pin(future), wakes: Arc::default() };
            task.poll();
            task
        }

        fn poll(&mut self) {
            let waker = Waker::from(self.wakes.clone());
            assert!(self.future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        }

        fn wakes(&self) -> usize {
            self.wakes.0.load(SeqCst)
        }
    }

    /// Readers who never have enough: each lines up again as soon as it is woken and polled.
    fn readers(bell: &Bell, n: usize) -> Vec<Task<'_>> {
        let enter = |_| {
            bell.enter();
            Task::new(bell.wait(|| false))
        };
        (0..n).map(enter).collect()
    }

    /// Turns until there is nothing to do, with the readers polled after each. How many readers had been woken after
    /// each turn, every wake-up counted.
    fn run(fanout: &Fanout, readers: &mut [Task<'_>]) -> Vec<usize> {
        let mut woken = Vec::new();
        while fanout.turn() {
            readers.iter_mut().for_each(Task::poll);
            woken.push(readers.iter().map(Task::wakes).sum());
        }
        woken
    }

    #[test]
    fn a_round_wakes_everyone_once_sixteen_at_a_time() {
        let (fanout, bell) = (Fanout::default(), Arc::new(Bell::default()));
        let mut readers = readers(&bell, 40);
        fanout.ring(&bell);
        assert_eq!(run(&fanout, &mut readers), [16, 32, 40]);
        assert!(readers.iter().all(|reader| reader.wakes() == 1));
    }

    #[test]
    fn news_during_a_round_makes_one_more_round() {
        let (fanout, bell) = (Fanout::default(), Arc::new(Bell::default()));
        let mut readers = readers(&bell, 20);
        fanout.ring(&bell);
        assert!(fanout.turn());
        readers.iter_mut().for_each(Task::poll);
        let before: Vec<_> = readers.iter().map(Task::wakes).collect();
        fanout.ring(&bell);
        fanout.ring(&bell);
        assert_eq!(lock(&fanout.rounds).len(), 1);
        assert_eq!(run(&fanout, &mut readers).last(), Some(&40));
        // Whoever was waiting when the news came has been woken since.
        assert!(readers.iter().zip(before).all(|(reader, before)| reader.wakes() > before));
    }

    #[test]
    fn a_crowded_topic_does_not_hold_up_a_small_one() {
        let (fanout, crowded, small) =
            (Fanout::default(), Arc::new(Bell::default()), Arc::new(Bell::default()));
        let crowd = readers(&crowded, 10_000);
        let reader = readers(&small, 1);
        fanout.ring(&crowded);
        assert!(fanout.turn());
        fanout.ring(&small);
        assert!(fanout.turn());
        assert!(fanout.turn());
        assert_eq!(reader[0].wakes(), 1);
        // One whole turn each in turns; and the crowd has what the small one leaves over.
        assert_eq!(crowd.iter().map(Task::wakes).sum::<usize>(), 16 + 16 + 15);
    }

    #[test]
    fn many_small_topics_share_a_turn() {
        let fanout = Fanout::default();
        let bells: Vec<_> = (0..40).map(|_| Arc::new(Bell::default())).collect();
        let readers: Vec<_> = bells.iter().flat_map(|bell| readers(bell, 1)).collect();
        bells.iter().for_each(|bell| fanout.ring(bell));
        assert!(fanout.turn());
        assert_eq!(readers.iter().map(Task::wakes).sum::<usize>(), 16);
    }

    #[test]
    fn nobody_is_queued_without_readers() {
        let (fanout, bell) = (Fanout::default(), Arc::new(Bell::default()));
        fanout.ring(&bell);
        assert!(!fanout.turn());
    }

    #[test]
    fn readers_who_come_and_go_leave_the_others_their_wake_ups() {
        let (fanout, bell) = (Fanout::default(), Arc::new(Bell::default()));
        let mut readers = readers(&bell, 20);
        fanout.ring(&bell);
        assert!(fanout.turn());
        // Two who were woken give up before they look, two who wait leave.
        for leaver in [17, 16, 1, 0] {
            readers.remove(leaver);
            bell.leave();
        }
        run(&fanout, &mut readers);
        assert!(readers.iter().all(|reader| reader.wakes() >= 1));
    }

    #[test]
    fn news_that_come_while_a_reader_looks_are_not_slept_past() {
        let (fanout, bell) = (Fanout::default(), Arc::new(Bell::default()));
        let others = RefCell::new(readers(&bell, 1));
        let looks = Cell::new(0);
        bell.enter();
        let _reader = Task::new(bell.wait(|| {
            looks.set(looks.get() + 1);
            if looks.get() == 2 {
                // It has seen nothing. Now there is an event, a whole round, and the other reader lines up again,
                // ready to take a wake-up that is not meant for it.
                fanout.ring(&bell);
                assert!(fanout.turn());
                others.borrow_mut().iter_mut().for_each(Task::poll);
            }
            false
        }));
        assert!(looks.get() > 2);
    }

    #[test]
    fn the_work_of_a_driver_that_goes_away_goes_on() {
        let (fanout, bell) = (Fanout::default(), Arc::new(Bell::default()));
        let readers = readers(&bell, 20);
        let mut drivers = [Task::new(fanout.drive()), Task::new(fanout.drive())];
        fanout.ring(&bell);
        let [first, second] = drivers.each_ref().map(Task::wakes);
        assert_eq!((first, second), (1, 0), "one driver is enough");
        drivers[0].poll();
        assert_eq!(readers.iter().map(Task::wakes).sum::<usize>(), 16);
        let [gone, mut left] = drivers;
        drop(gone);
        assert_eq!(left.wakes(), 1);
        left.poll();
        assert_eq!(readers.iter().map(Task::wakes).sum::<usize>(), 20);
    }
}
