//! The user's wish to end a benchmark early, with what was measured until then.

use tokio::sync::watch;

use crate::interrupt::interrupted;

/// Whether to stop; clones hear the same.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Stops at Ctrl-C; a second one ends the process, for the first may have come while nobody can answer.
    pub(super) fn at_interrupt() -> Self {
        let (stop, stopped) = watch::channel(false);
        tokio::spawn(async move {
            interrupted().await;
            stop.send_replace(true);
            interrupted().await;
            std::process::exit(i32::from(crate::exit::Exit::Interrupted as u8));
        });
        Self(stopped)
    }

    pub(super) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when it is time to stop.
    pub(super) async fn wait(&self) {
        let mut stopped = self.0.clone();
        // The task above holds the other end as long as the runtime lives.
        let _ = stopped.wait_for(|stop| *stop).await;
    }
}
