//! The newest of something that is replaced now and then, and word of it: a quarter of the size of a watch channel.

use std::sync::{Arc, Mutex, MutexGuard};
use tokio::sync::Notify;

/// What is shared.
pub(crate) struct Latest<T> {
    state: Mutex<State<T>>,
    changed: Notify,
}

struct State<T> {
    value: Arc<T>,
    /// How often it was replaced.
    version: u64,
}

/// Sees what is new since it looked last.
pub(crate) struct Follower<T> {
    latest: Arc<Latest<T>>,
    seen: u64,
}

impl<T> Latest<T> {
    pub(crate) fn new(value: T) -> Self {
        Self { state: Mutex::new(State { value: Arc::new(value), version: 0 }), changed: Notify::new() }
    }

    pub(crate) fn get(&self) -> Arc<T> {
        self.state().value.clone()
    }

    pub(crate) fn replace(&self, value: T) {
        let value = Arc::new(value);
        let mut state = self.state();
        state.version += 1;
        let old = std::mem::replace(&mut state.value, value);
        drop(state);
        drop(old);
        self.changed.notify_waiters();
    }

    /// Follows it from now on.
    pub(crate) fn follow(self: &Arc<Self>) -> Follower<T> {
        Follower { seen: self.state().version, latest: self.clone() }
    }

    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().expect("no code panics while it holds this lock")
    }
}

impl<T> Follower<T> {
    pub(crate) fn get(&self) -> Arc<T> {
        self.latest.get()
    }

    /// Whether there is a newer one than was looked at.
    pub(crate) fn is_behind(&self) -> bool {
        self.latest.state().version != self.seen
    }

    /// Looks at the newest.
    pub(crate) fn look(&mut self) -> Arc<T> {
        let state = self.latest.state();
        self.seen = state.version;
        state.value.clone()
    }

    /// Returns once there is a newer one, which counts as looked at. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        loop {
            // From here on nobody replaces it unheard.
            let changed = self.latest.changed.notified();
            if self.is_behind() {
                break;
            }
            changed.await;
        }
        self.look();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_follower_hears_of_what_came_since_it_looked() {
        let latest = Arc::new(Latest::new(1));
        latest.replace(2);
        let mut follower = latest.follow();
        assert!(!follower.is_behind());
        let followed = tokio::spawn(async move {
            follower.changed().await;
            (follower.is_behind(), follower.get())
        });
        tokio::task::yield_now().await;
        latest.replace(3);
        assert_eq!(followed.await.unwrap(), (false, Arc::new(3)));
    }

    #[tokio::test]
    async fn what_was_looked_at_is_not_told_again() {
        let latest = Arc::new(Latest::new(1));
        let mut follower = latest.follow();
        latest.replace(2);
        assert!(follower.is_behind());
        assert_eq!((*follower.look(), follower.is_behind()), (2, false));
        latest.replace(3);
        follower.changed().await;
        assert!(!follower.is_behind());
    }
}
