//! Something that is so or not, which tasks wait for: a tenth of the size of a watch channel.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use tokio::sync::Notify;

/// Off at first.
#[derive(Debug, Default)]
pub(crate) struct Flag {
    is_on: AtomicBool,
    changed: Notify,
}

impl Flag {
    pub(crate) fn is_on(&self) -> bool {
        self.is_on.load(SeqCst)
    }

    pub(crate) fn set(&self, on: bool) {
        if self.is_on.swap(on, SeqCst) != on {
            self.changed.notify_waiters();
        }
    }

    /// Returns once it is no longer, or not, as it was. Cancel-safe.
    pub(crate) async fn changed_from(&self, was: bool) {
        loop {
            // From here on nobody changes it unheard.
            let changed = self.changed.notified();
            if self.is_on() != was {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    #[tokio::test]
    async fn all_who_wait_hear_of_each_change() {
        let flag = Arc::<Flag>::default();
        let waiting = [(); 2].map(|()| {
            let flag = flag.clone();
            tokio::spawn(async move { flag.changed_from(false).await })
        });
        tokio::task::yield_now().await;
        flag.set(false);
        assert!(!waiting[0].is_finished());
        flag.set(true);
        for waiting in waiting {
            waiting.await.unwrap();
        }
        // Who comes late has nothing to wait for.
        flag.changed_from(false).await;
        assert!(flag.is_on());
    }
}
