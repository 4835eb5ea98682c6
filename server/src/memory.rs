//! What many sessions have left behind is given back to the system.

use std::time::Duration;

use dunlin_server::Server;
use tokio::{task::spawn_blocking, time::interval};

/// How often it is looked.
const LOOK: Duration = Duration::from_secs(10);

/// How many must have gone: what fewer leave is not worth a walk over the heap.
const MANY: usize = 1000;

/// Watches for as long as it is polled.
pub(crate) async fn give_back(server: &Server) {
    let mut look = interval(LOOK);
    let mut crowd = Crowd::default();
    loop {
        look.tick().await;
        if crowd.has_gone(server.sessions()) {
            let gave = spawn_blocking(dunlin_trim::give_back).await.unwrap_or(false);
            tracing::debug!(gave, "gave memory back to the system");
        }
    }
}

/// How many there were.
#[derive(Debug, Default)]
struct Crowd {
    /// Most since the last time.
    most: usize,
    /// Whether it was so at the last look: connections take some seconds to go.
    gone: bool,
}

impl Crowd {
    /// Whether at least half of them have gone, and stay away.
    fn has_gone(&mut self, now: usize) -> bool {
        self.most = self.most.max(now);
        let before = std::mem::replace(&mut self.gone, now + MANY <= self.most && now <= self.most / 2);
        let both = before && self.gone;
        if both {
            *self = Self { most: now, gone: false };
        }
        both
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn once_when_half_of_many_have_gone_for_good() {
        let mut crowd = Crowd::default();
        let seen = |numbers: &[usize], crowd: &mut Crowd| -> Vec<_> {
            numbers.iter().map(|now| crowd.has_gone(*now)).collect()
        };
        // A storm is over by the next look.
        assert_eq!(seen(&[5000, 10, 5000, 3000, 3000], &mut crowd), [false; 5]);
        assert_eq!(seen(&[2500, 2000, 2000, 2000], &mut crowd), [false, true, false, false]);
        // A few are not worth it.
        let mut crowd = Crowd::default();
        assert_eq!(seen(&[999, 0, 0], &mut crowd), [false; 3]);
    }
}
