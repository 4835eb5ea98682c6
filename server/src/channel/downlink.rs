//! What is meant for one member alone, on its way to whichever stream that member has.

use crate::session::Generation;
use bytes::Bytes;
use dunlin_proto::frame::Refusal;
use std::{
    collections::VecDeque,
    mem,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::Notify;

/// A bounded queue of frames that outlives streams: what comes while the member is away waits for it.
#[derive(Default)]
pub(crate) struct Downlink {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    frames: VecDeque<Bytes>,
    bytes: usize,
    /// The tap that frames go to.
    tap: u64,
    /// Why the backend has ended the membership.
    evicted: Option<Box<Refusal>>,
}

/// One stream's end of the queue. A newer tap takes its place; and it runs dry when the session leaves the stream's connection,
/// on which nothing arrives any more.
pub(crate) struct Tap {
    generation: Generation,
    downlink: Arc<Downlink>,
    number: u64,
}

/// Most frames that wait.
const MOST_FRAMES: usize = 64;

/// Most bytes that wait, unless it is one frame alone.
const MOST_BYTES: usize = 256 * 1024;

/// There is no room: the frame is not sent.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Downlink {
    /// Adds a frame.
    pub(crate) fn offer(&self, frame: Bytes) -> Result<(), Full> {
        let mut state = self.state();
        let is_full = state.frames.len() >= MOST_FRAMES || state.bytes + frame.len() > MOST_BYTES;
        if is_full && !state.frames.is_empty() {
            return Err(Full);
        }
        state.bytes += frame.len();
        state.frames.push_back(frame);
        drop(state);
        self.changed.notify_waiters();
        Ok(())
    }

    /// The membership is to end, for this reason.
    pub(crate) fn evict(&self, why: Refusal) {
        self.state().evicted = Some(Box::new(why));
    }

    /// Why it is to end, if the backend has said so.
    pub(crate) fn evicted(&self) -> Option<Refusal> {
        self.state().evicted.take().map(|why| *why)
    }

    /// From now on frames go here.
    pub(crate) fn tap(self: &Arc<Self>, generation: Generation) -> Tap {
        let mut state = self.state();
        state.tap += 1;
        Tap { downlink: self.clone(), number: state.tap, generation }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no code panics while it holds this lock")
    }
}

impl Tap {
    /// All that waits, at least one frame. Never returns once it has run dry. Cancel-safe.
    pub(crate) async fn next(&self) -> Vec<Bytes> {
        loop {
            let changed = self.downlink.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            let frames = self.take();
            if !frames.is_empty() {
                return frames;
            }
            changed.await;
        }
    }

    fn take(&self) -> Vec<Bytes> {
        let mut state = self.downlink.state();
        if state.tap != self.number || !self.generation.is_present() {
            return Vec::new();
        }
        state.bytes = 0;
        // Not drained but replaced: a queue that was once long gives its room back.
        mem::take(&mut state.frames).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_comes_without_a_stream_waits_for_the_next() {
        let downlink = Arc::<Downlink>::default();
        downlink.offer("a".into()).unwrap();
        let tap = downlink.tap(Generation::first());
        assert_eq!(tap.next().await, ["a"]);
        let offered = tokio::spawn({
            let downlink = downlink.clone();
            async move { downlink.offer("b".into()) }
        });
        assert_eq!(tap.next().await, ["b"]);
        assert_eq!(offered.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_stream_that_was_replaced_takes_nothing() {
        let downlink = Arc::<Downlink>::default();
        let generation = Generation::first();
        let (old, new) = (downlink.tap(generation.clone()), downlink.tap(generation));
        downlink.offer("a".into()).unwrap();
        assert!(old.take().is_empty());
        assert_eq!(new.next().await, ["a"]);
    }

    #[tokio::test]
    async fn a_connection_that_was_left_takes_nothing() {
        let downlink = Arc::<Downlink>::default();
        let left = Generation::first();
        let old = downlink.tap(left.clone());
        let now = left.next();
        downlink.offer("a".into()).unwrap();
        assert!(old.take().is_empty());
        assert_eq!(downlink.tap(now).next().await, ["a"]);
    }

    #[test]
    fn there_is_room_for_so_many_frames_and_bytes() {
        let downlink = Arc::<Downlink>::default();
        for _ in 0..MOST_FRAMES {
            downlink.offer("a".into()).unwrap();
        }
        assert_eq!(downlink.offer("a".into()), Err(Full));
        downlink.tap(Generation::first()).take();
        // One frame always has room.
        downlink.offer(vec![0; MOST_BYTES + 1].into()).unwrap();
        assert_eq!(downlink.offer("a".into()), Err(Full));
    }
}
