//! What the rest of the application has to say to one channel.

use std::{
    collections::VecDeque,
    fmt, mem,
    sync::{Arc, Mutex, MutexGuard},
};
use tokio::sync::Notify;

/// A bounded queue. Who sends never waits: a mailbox that is full ends its channel, so that one channel that is stuck holds up
/// nobody, and is noticed.
pub(crate) struct Mailbox<I> {
    state: Mutex<State<I>>,
    most: usize,
    changed: Notify,
}

enum State<I> {
    Open(VecDeque<I>),
    /// More came than there was room for.
    Overrun,
    Closed,
}

/// More was sent to the channel than its mailbox holds.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

/// Sends to one channel from anywhere. Cheap to clone; it does not keep the channel alive.
pub struct Handle<I>(Arc<Mailbox<I>>);

/// Why a channel did not get what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The channel's mailbox is full, and the channel ends because of it ([`End::Overrun`](super::End::Overrun)).
    #[error("the channel's mailbox is full")]
    Full,
    /// The channel has ended.
    #[error("the channel has ended")]
    Ended,
}

impl<I> Mailbox<I> {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        // Room is taken when it is needed: most channels are never sent anything.
        Arc::new(Self { state: Mutex::new(State::Open(VecDeque::new())), most, changed: Notify::new() })
    }

    pub(crate) fn handle(self: &Arc<Self>) -> Handle<I> {
        Handle(self.clone())
    }

    /// The next one, or that the mailbox was overrun. Cancel-safe.
    pub(crate) async fn next(&self) -> Result<I, Full> {
        loop {
            match &mut *self.state() {
                State::Open(queue) => {
                    if let Some(info) = queue.pop_front() {
                        return Ok(info);
                    }
                }
                State::Overrun => return Err(Full),
                State::Closed => {}
            }
            self.changed.notified().await;
        }
    }

    /// Waits until the mailbox is overrun. Cancel-safe.
    pub(crate) async fn overrun(&self) -> Full {
        while !matches!(*self.state(), State::Overrun) {
            self.changed.notified().await;
        }
        Full
    }

    /// Takes nothing more.
    pub(crate) fn close(&self) {
        let rest = mem::replace(&mut *self.state(), State::Closed);
        // What the application does when it drops these is nothing to do under the lock.
        drop(rest);
    }

    fn send(&self, info: I) -> Result<(), SendError> {
        let mut state = self.state();
        let (sent, rest) = match &mut *state {
            State::Open(queue) if queue.len() < self.most => {
                queue.push_back(info);
                (Ok(()), None)
            }
            State::Open(_) => (Err(SendError::Full), Some(mem::replace(&mut *state, State::Overrun))),
            State::Overrun | State::Closed => (Err(SendError::Ended), None),
        };
        drop(state);
        drop(rest);
        self.changed.notify_one();
        sent
    }

    fn state(&self) -> MutexGuard<'_, State<I>> {
        self.state.lock().expect("no code panics while it holds this lock")
    }
}

impl<I> Handle<I> {
    /// Has the channel's `handle_info` called with this, after what was sent before.
    ///
    /// # Errors
    /// The channel has ended, or ends now because its mailbox is full.
    pub fn send(&self, info: I) -> Result<(), SendError> {
        self.0.send(info)
    }

    /// Whether the channel takes nothing any more.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        !matches!(*self.0.state(), State::Open(_))
    }
}

impl<I> Clone for Handle<I> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<I> fmt::Debug for Handle<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("is_ended", &self.is_ended()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_sent_comes_in_order() {
        let mailbox = Mailbox::new(2);
        let handle = mailbox.handle();
        assert_eq!((handle.send(1), handle.send(2)), (Ok(()), Ok(())));
        assert_eq!((mailbox.next().await, mailbox.next().await), (Ok(1), Ok(2)));
        let sent = tokio::spawn(async move { handle.send(3) });
        assert_eq!(mailbox.next().await, Ok(3));
        assert_eq!(sent.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn a_full_mailbox_ends_its_channel_and_nobody_waits() {
        let mailbox = Mailbox::new(1);
        let handle = mailbox.handle();
        handle.send(1).unwrap();
        assert_eq!(handle.send(2), Err(SendError::Full));
        assert_eq!((mailbox.overrun().await, mailbox.next().await), (Full, Err(Full)));
        assert_eq!((handle.send(3), handle.is_ended()), (Err(SendError::Ended), true));
    }

    #[test]
    fn a_closed_mailbox_lets_go_of_what_it_held() {
        let mailbox = Mailbox::new(9);
        let held = Arc::new(());
        mailbox.handle().send(held.clone()).unwrap();
        mailbox.close();
        assert_eq!((Arc::strong_count(&held), mailbox.handle().send(held)), (1, Err(SendError::Ended)));
    }
}
