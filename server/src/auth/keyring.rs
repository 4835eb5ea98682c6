//! The keys in force, which change while the server runs: files are looked at again, a URL is fetched again.

use super::fetch;
use crate::config::{KeySet, Trust};
use arc_swap::ArcSwap;
use axum::http::Uri;
use dunlin_auth::{Key, KeyError, Keys, Source};
use metrics::{counter, gauge};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::{Instant, MissedTickBehavior, interval, sleep_until, timeout},
};

/// The keys in force.
pub(crate) struct Keyring {
    trust: Trust,
    keys: ArcSwap<Keys>,
    /// Somebody has shown a token of an unknown key.
    wanted: Notify,
    /// How often a key set was looked at: at first, whenever a web server's is fetched, and because of that.
    looked: watch::Sender<u64>,
}

/// Why keys cannot be had. Says nothing of what a file holds.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A file cannot be read.
    #[error("{key}: {}: {error}", path.display())]
    File {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// It holds no key.
    #[error("{key}: {}: {error}", path.display())]
    Key {
        /// The configuration key.
        key: &'static str,
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: KeyError,
    },
}

/// How long a key set is good unless its web server says otherwise, and the bounds on what it may say.
const GOOD_FOR: Duration = Duration::from_secs(300);
const GOOD_FOR_AT_LEAST: Duration = Duration::from_secs(60);
const GOOD_FOR_AT_MOST: Duration = Duration::from_secs(24 * 3600);

/// Between two fetches that unknown keys are the reason for: who makes up key names costs no more than this.
const COOL_DOWN: Duration = Duration::from_secs(10);

/// The first pause after a fetch that failed, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// How long a client with an unknown key waits for a look.
const PATIENCE: Duration = Duration::from_secs(6);

impl Keyring {
    /// Reads the keys that are on this machine.
    pub(crate) fn open(trust: Trust) -> Result<Self, Vec<Fault>> {
        let keys = local(&trust)?;
        gauge!("dunlin_auth_keys").set(keys.len() as f64);
        let keys = ArcSwap::from_pointee(keys);
        Ok(Self { trust, keys, wanted: Notify::new(), looked: watch::Sender::new(0) })
    }

    pub(crate) fn trust(&self) -> &Trust {
        &self.trust
    }

    /// The keys of this moment.
    pub(super) fn keys(&self) -> Arc<Keys> {
        self.keys.load_full()
    }

    /// Has somebody look whether there are new keys, unless that was done just now; and waits for it, but not for long.
    pub(super) async fn look_again(&self) {
        if self.trust.jwks.is_none() {
            return;
        }
        let mut looked = self.looked.subscribe();
        // The first look is under way from the start, and is no reason for another one.
        if *looked.borrow_and_update() > 0 {
            self.wanted.notify_one();
        }
        // Without an answer the keys are what they are.
        let _ = timeout(PATIENCE, looked.changed()).await;
    }

    /// Keeps the keys up to date for as long as it is polled.
    pub(crate) async fn keep(self: Arc<Self>) {
        let mut second = interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut remote = match &self.trust.jwks {
            Some(KeySet::Url(uri)) => Some(Remote::new(uri.clone())),
            _ => None,
        };
        let mut complaint = None;
        if remote.is_none() {
            // Files were read before the server began.
            self.looked.send_replace(1);
        }
        loop {
            let due = remote.as_ref().map(|remote| remote.due);
            tokio::select! {
                _ = second.tick() => {}
                () = until(due) => if let Some(remote) = &mut remote {
                    remote.fetch().await;
                    self.take(Some(remote), &mut complaint);
                    self.looked.send_modify(|times| *times += 1);
                },
                () = self.wanted.notified() => {
                    if let Some(remote) = remote.as_mut().filter(|remote| remote.may_be_asked()) {
                        remote.asked = Some(Instant::now());
                        remote.fetch().await;
                    }
                    self.take(remote.as_ref(), &mut complaint);
                    self.looked.send_modify(|times| *times += 1);
                }
            }
            self.take(remote.as_ref(), &mut complaint);
        }
    }

    /// Puts into force what there is. Where files are wrong, what was in force stays.
    fn take(&self, remote: Option<&Remote>, complaint: &mut Option<String>) {
        let keys = match local(&self.trust) {
            Ok(keys) => keys,
            Err(faults) => {
                let said = faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ");
                if complaint.as_ref() != Some(&said) {
                    tracing::warn!(error = said, "the keys in force stay, the new ones cannot be used");
                    *complaint = Some(said);
                }
                return;
            }
        };
        *complaint = None;
        let keys = match remote {
            Some(remote) => keys.and(&remote.keys),
            None => keys,
        };
        gauge!("dunlin_auth_keys").set(keys.len() as f64);
        self.keys.store(Arc::new(keys));
    }
}

/// A key set on a web server.
struct Remote {
    uri: Uri,
    tls: Arc<rustls::ClientConfig>,
    /// What was fetched last: it stays in force while the web server does not answer.
    keys: Keys,
    due: Instant,
    /// When an unknown key was the reason to fetch.
    asked: Option<Instant>,
    failures: u32,
}

impl Remote {
    fn new(uri: Uri) -> Self {
        Self { uri, tls: fetch::tls(), keys: Keys::none(), due: Instant::now(), asked: None, failures: 0 }
    }

    /// Whether an unknown key is reason enough to fetch now.
    fn may_be_asked(&self) -> bool {
        self.failures == 0 && self.asked.is_none_or(|at| at.elapsed() >= COOL_DOWN)
    }

    async fn fetch(&mut self) {
        let fetched = match fetch::get(&self.uri, &self.tls).await {
            Ok(fetched) => {
                let keys = Keys::set(&fetched.body, Source::Public).map_err(|error| error.to_string());
                keys.map(|keys| (keys, fetched.max_age))
            }
            Err(error) => Err(error.to_string()),
        };
        let pause = match fetched {
            Ok((keys, max_age)) => {
                tracing::debug!(keys = keys.len(), "key set fetched");
                counter!("dunlin_jwks_fetches_total", "result" => "ok").increment(1);
                (self.keys, self.failures) = (keys, 0);
                max_age.unwrap_or(GOOD_FOR).clamp(GOOD_FOR_AT_LEAST, GOOD_FOR_AT_MOST)
            }
            Err(error) => {
                counter!("dunlin_jwks_fetches_total", "result" => "failed").increment(1);
                tracing::warn!(error, kept = self.keys.len(), "auth.jwks cannot be fetched");
                self.failures = self.failures.saturating_add(1);
                let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(LONGEST_PAUSE);
                // Not all servers of a cluster at once.
                pause.mul_f64(rand::random_range(0.5..=1.0))
            }
        };
        self.due = Instant::now() + pause;
    }
}

/// The keys that are on this machine, or all that is wrong with them.
fn local(trust: &Trust) -> Result<Keys, Vec<Fault>> {
    let mut keys = trust.secret.clone().map(Keys::from).unwrap_or_default();
    let mut faults = Vec::new();
    if let Some(path) = &trust.public_key {
        match read("auth.public_key", path, |pem| Key::pem(pem).map(Keys::from)) {
            Ok(key) => keys = keys.and(&key),
            Err(fault) => faults.push(fault),
        }
    }
    if let Some(KeySet::File(path)) = &trust.jwks {
        match read("auth.jwks", path, |json| Keys::set(json, Source::Private)) {
            Ok(set) => keys = keys.and(&set),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(keys) } else { Err(faults) }
}

fn read(
    key: &'static str,
    path: &Path,
    parse: impl FnOnce(&[u8]) -> Result<Keys, KeyError>,
) -> Result<Keys, Fault> {
    let bytes = std::fs::read(path).map_err(|error| Fault::File { key, path: path.into(), error })?;
    parse(&bytes).map_err(|error| Fault::Key { key, path: path.into(), error })
}

/// Says what is wrong with the keys on this machine; a URL is not asked.
pub(crate) fn faults(trust: &Trust) -> Vec<Fault> {
    local(trust).err().unwrap_or_default()
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}
