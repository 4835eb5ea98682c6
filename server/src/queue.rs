//! A bounded queue from one task to another, a seventh of the size of tokio's channel, which begins with room for 32 and keeps
//! its ends on cache lines of their own.

use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    sync::{Arc, Mutex, MutexGuard},
    task::{Context, Poll, Waker},
};

/// The end to put in at. Without it the queue ends, when all is taken out.
pub(crate) struct Sender<T>(Arc<Queue<T>>);

/// The end to take out at. Without it nothing more goes in.
pub(crate) struct Receiver<T>(Arc<Queue<T>>);

/// What was not put in, and why.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refused<T> {
    /// There is no room.
    Full(T),
    /// Nothing goes in any more.
    Closed(T),
}

struct Queue<T> {
    most: usize,
    state: Mutex<State<T>>,
}

struct State<T> {
    /// Room is taken when it is needed: most queues are never used.
    items: VecDeque<T>,
    is_open: bool,
    /// Who waits for an item.
    receiver: Option<Waker>,
    /// Who waits for room.
    sender: Option<Waker>,
}

/// A queue in which at most so many wait.
pub(crate) fn bounded<T>(most: usize) -> (Sender<T>, Receiver<T>) {
    let state = State { items: VecDeque::new(), is_open: true, receiver: None, sender: None };
    let queue = Arc::new(Queue { most, state: Mutex::new(state) });
    (Sender(queue.clone()), Receiver(queue))
}

impl<T> Sender<T> {
    /// Puts it in, if there is room.
    pub(crate) fn try_send(&self, item: T) -> Result<(), Refused<T>> {
        let mut state = self.0.state();
        if !state.is_open {
            return Err(Refused::Closed(item));
        }
        if state.items.len() >= self.0.most {
            return Err(Refused::Full(item));
        }
        state.items.push_back(item);
        let receiver = state.receiver.take();
        drop(state);
        wake(receiver);
        Ok(())
    }

    /// Waits until there is room, which nobody else can take, or nothing goes in any more. Cancel-safe.
    pub(crate) async fn room(&mut self) {
        poll_fn(|cx| {
            let mut state = self.0.state();
            if state.is_open && state.items.len() >= self.0.most {
                return wait(&mut state.sender, cx);
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Puts it in once there is room. Gives it back if nothing goes in any more.
    pub(crate) async fn send(&mut self, item: T) -> Result<(), T> {
        self.room().await;
        self.try_send(item).map_err(|(Refused::Full(item) | Refused::Closed(item))| item)
    }

    /// Whether nothing goes in any more.
    pub(crate) fn is_closed(&self) -> bool {
        !self.0.state().is_open
    }
}

impl<T> Receiver<T> {
    /// The next one, or `None` when the queue has ended. Cancel-safe.
    pub(crate) async fn recv(&mut self) -> Option<T> {
        poll_fn(|cx| {
            let mut state = self.0.state();
            match state.items.pop_front() {
                None if state.is_open => wait(&mut state.receiver, cx),
                item => {
                    let sender = state.sender.take();
                    drop(state);
                    wake(sender);
                    Poll::Ready(item)
                }
            }
        })
        .await
    }

    /// The next one, if it is there.
    pub(crate) fn try_recv(&mut self) -> Option<T> {
        let mut state = self.0.state();
        let item = state.items.pop_front()?;
        let sender = state.sender.take();
        drop(state);
        wake(sender);
        Some(item)
    }

    /// Nothing more goes in; what is in is still to be taken out.
    pub(crate) fn close(&mut self) {
        let mut state = self.0.state();
        state.is_open = false;
        let sender = state.sender.take();
        drop(state);
        wake(sender);
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.is_open = false;
        let receiver = state.receiver.take();
        drop(state);
        wake(receiver);
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.close();
        // Not left to the sender, which may stay for long; and not dropped under the lock.
        let rest = mem::take(&mut self.0.state().items);
        drop(rest);
    }
}

impl<T> Queue<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no code panics while it holds this lock")
    }
}

fn wait<T>(waiting: &mut Option<Waker>, cx: &Context<'_>) -> Poll<T> {
    match waiting {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *waiting = Some(cx.waker().clone()),
    }
    Poll::Pending
}

fn wake(waiting: Option<Waker>) {
    if let Some(waker) = waiting {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_put_in_comes_out_in_order() {
        let (sender, mut receiver) = bounded(2);
        assert_eq!((sender.try_send(1), sender.try_send(2)), (Ok(()), Ok(())));
        assert_eq!(sender.try_send(3), Err(Refused::Full(3)));
        assert_eq!(
            (receiver.recv().await, receiver.try_recv(), receiver.try_recv()),
            (Some(1), Some(2), None)
        );
    }

    #[tokio::test]
    async fn who_waits_for_an_item_is_woken() {
        let (sender, mut receiver) = bounded(1);
        let receiving = tokio::spawn(async move { (receiver.recv().await, receiver.recv().await) });
        tokio::task::yield_now().await;
        sender.try_send("item").unwrap();
        tokio::task::yield_now().await;
        drop(sender);
        assert_eq!(receiving.await.unwrap(), (Some("item"), None));
    }

    #[tokio::test]
    async fn who_waits_for_room_is_woken() {
        let (mut sender, mut receiver) = bounded(1);
        let sending = tokio::spawn(async move {
            for item in 1..=3 {
                sender.send(item).await.unwrap();
            }
            sender.send(4).await
        });
        tokio::task::yield_now().await;
        assert_eq!((receiver.recv().await, receiver.recv().await), (Some(1), Some(2)));
        tokio::task::yield_now().await;
        assert_eq!(receiver.try_recv(), Some(3));
        tokio::task::yield_now().await;
        drop(receiver);
        assert_eq!(sending.await.unwrap(), Ok(()));
    }

    #[tokio::test]
    async fn who_waits_for_room_that_never_comes_is_told() {
        let (mut sender, mut receiver) = bounded(1);
        sender.try_send(1).unwrap();
        let sending = tokio::spawn(async move { (sender.send(2).await, sender.is_closed()) });
        tokio::task::yield_now().await;
        receiver.close();
        assert_eq!(sending.await.unwrap(), (Err(2), true));
        // What is in stays.
        assert_eq!((receiver.recv().await, receiver.recv().await), (Some(1), None));
    }

    #[test]
    fn what_nobody_takes_out_is_dropped() {
        let (sender, receiver) = bounded(2);
        let item = Arc::new(());
        sender.try_send(item.clone()).unwrap();
        drop(receiver);
        assert_eq!(Arc::strong_count(&item), 1);
        assert_eq!(sender.try_send(item.clone()), Err(Refused::Closed(item)));
    }
}
