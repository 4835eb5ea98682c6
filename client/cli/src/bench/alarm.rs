//! Waiting for a moment to a tenth of a millisecond. The runtime's timers have a grain of a whole one, which would show in each
//! latency.

use std::{
    io,
    sync::{
        Arc,
        mpsc::{self, RecvTimeoutError},
    },
    thread,
};

use tokio::{sync::Notify, time::Instant};

/// A thread that sleeps until the moment that it was given last, and rings.
#[derive(Debug)]
pub(super) struct Alarm {
    moments: mpsc::Sender<Instant>,
    rings: Arc<Notify>,
}

impl Alarm {
    pub(super) fn new() -> io::Result<Self> {
        let (moments, asked) = mpsc::channel::<Instant>();
        let rings = Arc::new(Notify::new());
        let ring = rings.clone();
        thread::Builder::new().name("alarm".into()).spawn(move || {
            // Ends with the alarm.
            while let Ok(mut moment) = asked.recv() {
                loop {
                    match asked.recv_timeout(moment.saturating_duration_since(Instant::now())) {
                        // The one before was given up.
                        Ok(newer) => moment = newer,
                        Err(RecvTimeoutError::Timeout) => break ring.notify_one(),
                        Err(RecvTimeoutError::Disconnected) => return,
                    }
                }
            }
        })?;
        Ok(Self { moments, rings })
    }

    /// Waits until then; at once if that has passed.
    pub(super) async fn wait_until(&mut self, moment: Instant) {
        if moment > Instant::now() && self.moments.send(moment).is_ok() {
            // It may have rung for a moment that is not waited for any more.
            while Instant::now() < moment {
                self.rings.notified().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test]
    async fn it_waits_as_long_as_asked_whatever_was_given_up() {
        let mut alarm = Alarm::new().unwrap();
        let began = Instant::now();
        alarm.wait_until(began).await;
        let given_up = alarm.wait_until(began + Duration::from_secs(3600));
        assert!(tokio::time::timeout(Duration::ZERO, given_up).await.is_err());
        let moment = began + Duration::from_millis(20);
        alarm.wait_until(moment).await;
        assert!(Instant::now() >= moment);
    }
}
