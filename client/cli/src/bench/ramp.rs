//! Bringing many peers in, some at a time.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use tokio::{
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, sleep_until, timeout},
};

use super::{peer::PeerError, schedule::Schedule, stop::Stop, times::Times};

/// How fast peers come.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    /// How many may be on their way at once.
    pub(super) in_flight: usize,
    /// How many begin in a second at most; 0 for no limit.
    pub(super) per_second: u32,
}

/// Failures by reason.
pub(super) type Failures = BTreeMap<String, u64>;

/// Who is in, and how that went.
#[derive(Debug)]
pub(super) struct Ramped<T> {
    pub(super) peers: Vec<T>,
    pub(super) failures: Failures,
    /// From the beginning of each one, or with a limit from when it was due.
    pub(super) times: Times,
    pub(super) took: Duration,
}

/// Counts one more failure.
pub(super) fn count(failures: &mut Failures, error: &PeerError) {
    *failures.entry(error.to_string()).or_default() += 1;
}

/// Adds failures to others.
pub(super) fn add(failures: &mut Failures, more: Failures) {
    for (reason, n) in more {
        *failures.entry(reason).or_default() += n;
    }
}

/// Brings in peers 0 to `n` - 1, each by what `bring` says.
pub(super) async fn ramp<T, F>(
    what: &str,
    n: usize,
    pace: Pace,
    stop: &Stop,
    bring: impl Fn(usize) -> F,
) -> Ramped<T>
where
    T: Send + 'static,
    F: Future<Output = Result<T, PeerError>> + Send + 'static,
{
    let bar = progress(what, n as u64);
    let began = Instant::now();
    let mut ramped = Ramped {
        peers: Vec::with_capacity(n),
        failures: Failures::new(),
        times: Times::default(),
        took: Duration::ZERO,
    };
    let turns = Arc::new(Semaphore::new(pace.in_flight));
    let mut coming = JoinSet::new();
    for number in 0..n {
        let due = match pace.per_second {
            0 => None,
            rate => Some(began + Schedule::new(rate.into()).due(number as u64)),
        };
        if let Some(due) = due {
            tokio::select! { () = sleep_until(due) => {}, () = stop.wait() => break }
        }
        let turn = tokio::select! {
            turn = turns.clone().acquire_owned() => turn.expect("nobody closes it"),
            () = stop.wait() => break,
        };
        let came = bring(number);
        coming.spawn(async move {
            let began = due.unwrap_or_else(Instant::now);
            let came = came.await;
            drop(turn);
            (came, began.elapsed())
        });
        while let Some(Ok((came, took))) = coming.try_join_next() {
            ramped.note(came, took, &bar);
        }
    }
    loop {
        tokio::select! {
            came = coming.join_next() => match came {
                Some(Ok((came, took))) => ramped.note(came, took, &bar),
                Some(Err(_)) => {}
                None => break,
            },
            () = stop.wait() => break,
        }
    }
    ramped.took = began.elapsed();
    bar.finish_and_clear();
    ramped
}

impl<T> Ramped<T> {
    fn note(&mut self, came: Result<T, PeerError>, took: Duration, bar: &ProgressBar) {
        bar.inc(1);
        match came {
            Ok(peer) => {
                self.times.add(took);
                self.peers.push(peer);
            }
            Err(error) => count(&mut self.failures, &error),
        }
    }
}

/// Waits until all who leave have left; who takes longer than ten seconds is cut off.
pub(super) async fn all_leave<T: 'static>(mut leaving: JoinSet<T>) {
    let all = async { while leaving.join_next().await.is_some() {} };
    let _ = timeout(Duration::from_secs(10), all).await;
}

/// A bar on standard error, if that is a terminal.
pub(super) fn progress(what: &str, n: u64) -> ProgressBar {
    let style =
        ProgressStyle::with_template("{msg} {bar:30} {pos}/{len} {per_sec}").expect("a legal template");
    ProgressBar::new(n).with_style(style).with_message(what.to_owned())
}
