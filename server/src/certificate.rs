//! The certificate while the server runs: looked at again and again, announced to local clients, complained about once.

use dunlin_certs::{Live, local};
use std::{sync::Arc, time::SystemTime};

/// A certificate that is kept in force.
pub(crate) struct Watched {
    live: Arc<Live>,
    port: u16,
    /// What the last look complained about: a fault is logged when it appears, not every second.
    complaint: Option<String>,
    /// Where clients of the same user on this machine find a development certificate; gone with the server.
    announcement: Option<local::Announcement>,
}

impl Watched {
    pub(crate) fn new(live: Arc<Live>, port: u16) -> Self {
        let mut watched = Self { live, port, complaint: None, announcement: None };
        watched.tell();
        watched
    }

    /// Takes up what has changed on disk, or renews what is about to end.
    pub(crate) fn look(&mut self) {
        match self.live.refresh(SystemTime::now()) {
            Ok(true) => {
                tracing::info!(sha256 = %self.live.fingerprint(), "new certificate in force");
                self.complaint = None;
                self.tell();
            }
            Ok(false) => self.complaint = None,
            Err(error) => {
                let complaint = error.to_string();
                if self.complaint.as_ref() != Some(&complaint) {
                    tracing::warn!(
                        error = complaint,
                        "the certificate in force stays, the new one cannot be used"
                    );
                    self.complaint = Some(complaint);
                }
            }
        }
    }

    fn tell(&mut self) {
        for problem in self.live.facts().problems(SystemTime::now()) {
            tracing::warn!(%problem, "certificate");
        }
        if self.live.is_development() {
            self.announcement = local::announce(self.port, &self.live.leaf())
                .inspect_err(
                    |error| tracing::warn!(%error, "local clients cannot find the certificate by themselves"),
                )
                .ok();
        }
    }
}
