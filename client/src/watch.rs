//! Notices that this device's network has changed: links, addresses or routes.
//!
//! It says that something has changed, not what: whoever asks looks at the [route](crate::local_route), which costs less than
//! to understand the messages of each system, and is what counts.

use std::{
    future::pending,
    io,
    sync::{Arc, Mutex, Once, PoisonError, Weak},
};

use tokio::sync::watch;

#[cfg(unix)]
mod burst;
#[cfg(test)]
mod tests;
#[cfg(unix)]
mod unix;
#[cfg(windows)]
mod windows;

#[cfg(unix)]
use unix as system;
#[cfg(windows)]
use windows as system;

/// Hears of changes from when it was started on. All of a process share one watcher, which ends with the last of them.
#[derive(Debug, Clone)]
pub(crate) struct Watch(Option<Subscription>);

#[derive(Debug, Clone)]
struct Subscription {
    changes: watch::Receiver<()>,
    _watcher: Arc<Watcher>,
}

/// A thread that listens to the system. It is not a task, for the runtime that started it could end or stand still
/// while clients in others rely on it.
#[derive(Debug)]
struct Watcher {
    changes: watch::Receiver<()>,
    _thread: system::Thread,
}

static WATCHER: Mutex<Weak<Watcher>> = Mutex::new(Weak::new());

impl Watch {
    /// Starts to watch. Where that is impossible (Android since version 11, some sandboxes) it says so once in the log, at
    /// debug level, and never hears of a change: there the host must tell.
    pub(crate) fn start() -> Self {
        Self::try_start().unwrap_or_else(|error| {
            static SAID: Once = Once::new();
            SAID.call_once(|| tracing::debug!(%error, "changes of the network cannot be watched here"));
            Self(None)
        })
    }

    fn try_start() -> io::Result<Self> {
        // Nothing panics while it is locked.
        let mut shared = WATCHER.lock().unwrap_or_else(PoisonError::into_inner);
        let watcher = match shared.upgrade() {
            Some(watcher) => watcher,
            None => Arc::new(Watcher::start()?),
        };
        *shared = Arc::downgrade(&watcher);
        let mut changes = watcher.changes.clone();
        changes.mark_unchanged();
        Ok(Self(Some(Subscription { changes, _watcher: watcher })))
    }

    /// Waits for a change since the start or the last call; many at once are one. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        if let Some(Subscription { changes, .. }) = &mut self.0
            && changes.changed().await.is_ok()
        {
            return;
        }
        pending::<()>().await;
    }
}

impl Watcher {
    fn start() -> io::Result<Self> {
        let (sender, changes) = watch::channel(());
        Ok(Self { changes, _thread: system::Thread::start(sender)? })
    }
}
