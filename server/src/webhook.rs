//! Webhooks: a backend in any language decides who connects, who joins and what is published, and is told of the rest.
//!
//! `request.rs` and `answer.rs` are what is said, `http.rs` carries it. A decision is waited for (here), within a time and within
//! bounds, as long as the backend answers (`breaker.rs`); otherwise the policy decides (`policy.rs`). Notices wait in a queue
//! (`notices.rs`). `channel.rs` is the channel that asks, `connect.rs` asks about connections.

mod answer;
mod breaker;
pub(crate) mod channel;
mod connect;
pub(crate) mod farewell;
mod fault;
mod http;
mod notices;
mod payload;
mod policy;
mod request;
mod signature;

use crate::config::{self, Asked};
pub(crate) use answer::Allowed;
use answer::Decision;
use breaker::{Breaker, Change};
use bytes::Bytes;
pub(crate) use connect::Word;
use dunlin_hub::presence::Diff;
use dunlin_proto::{Topic, frame::Refusal};
use fault::Fault;
pub(crate) use http::OpenError;
use metrics::{counter, gauge, histogram};
use notices::Notices;
pub(crate) use request::Who;
use serde_json::{Map, Value};
use std::{
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use tokio::{sync::Semaphore, time::timeout_at};

/// A backend, as the server deals with it.
pub(crate) struct Webhooks {
    config: config::Webhook,
    /// Names this server among others, until it ends.
    node: Box<str>,
    client: http::Client,
    breaker: Mutex<Breaker>,
    places: Semaphore,
    waiting: AtomicUsize,
    notices: Notices,
}

/// Longest pause before the first repetition; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

impl Webhooks {
    /// Prepares to deal with a backend, which need not be there yet.
    pub(crate) fn open(config: &config::Webhook) -> Result<Arc<Self>, OpenError> {
        Ok(Arc::new(Self {
            node: format!("{:016x}", rand::random::<u64>()).into(),
            client: http::Client::open(config)?,
            breaker: Mutex::new(Breaker::new()),
            places: Semaphore::new(config.concurrency),
            waiting: AtomicUsize::new(0),
            notices: Notices::new(config.notices),
            config: config.clone(),
        }))
    }

    /// Tells the backend what waits to be told, for as long as it is polled.
    pub(crate) async fn tell(self: Arc<Self>) {
        self.notices.tell(&self.client, &self.node).await;
    }

    /// Waits until all notices are told, but not for longer than this.
    pub(crate) async fn finish(&self, within: Duration) {
        if tokio::time::timeout(within, self.notices.told()).await.is_err() {
            tracing::warn!(lost = self.notices.len(), "the backend was not told everything");
        }
    }

    /// What has changed among those who are in a topic.
    pub(crate) fn present(&self, topic: &Topic, diff: &Diff) {
        if self.config.wants_of(Asked::Presence, topic) {
            self.notices.offer(request::presence(topic, diff));
        }
    }

    /// Asks for a decision; `None` if there is none and the policy allows it. `has_token` counts then.
    async fn decide(
        &self,
        mut request: Map<String, Value>,
        has_token: bool,
    ) -> Result<Option<Allowed>, Refusal> {
        let kind = request::kind(&request);
        let began = Instant::now();
        let id = format!("msg_{:032x}", rand::random::<u128>());
        request.insert("id".into(), id.as_str().into());
        request.insert("node".into(), (*self.node).into());
        let body = Bytes::from(Value::Object(request).to_string());
        let decided = self.ask(kind, &id, &body).await;
        histogram!("dunlin_webhook_seconds", "type" => kind).record(began.elapsed());
        let outcome = match &decided {
            Ok(Decision::Allow(_)) => "allowed",
            Ok(Decision::Deny(_)) => "denied",
            Err(fault) => fault.name(),
        };
        counter!("dunlin_webhook_requests_total", "type" => kind, "outcome" => outcome).increment(1);
        match decided {
            Ok(Decision::Allow(allowed)) => Ok(Some(*allowed)),
            Ok(Decision::Deny(refusal)) => Err(refusal),
            Err(fault) => {
                tracing::debug!(%fault, kind, "no decision of the backend");
                policy::when_down(self.config.down, has_token).map(|()| None)
            }
        }
    }

    /// A decision, within the time that there is for it.
    async fn ask(&self, kind: &str, id: &str, body: &Bytes) -> Result<Decision, Fault> {
        let end = tokio::time::Instant::now() + self.config.timeout;
        let _place = timeout_at(end, self.place()).await.map_err(|_| Fault::Busy)??;
        let mut longest = FIRST_PAUSE;
        let mut left = self.config.retries;
        loop {
            if !self.breaker().may_ask(Instant::now()) {
                return Err(Fault::Open);
            }
            let answer = timeout_at(end, self.client.post(id, body.clone())).await;
            let decided = answer.unwrap_or(Err(Fault::Silence)).and_then(|answer| answer.read());
            let decided = if kind == "connect" { decided.and_then(Decision::check_connect) } else { decided };
            self.note(decided.as_ref().map(drop).map_err(|fault| *fault));
            let fault = match decided {
                Err(fault) if left > 0 && fault != Fault::Silence => fault,
                decided => return decided,
            };
            left -= 1;
            // Full jitter: those who failed together do not come back together.
            let pause = tokio::time::Instant::now() + longest.mul_f64(rand::random());
            if pause >= end {
                return Err(fault);
            }
            tokio::time::sleep_until(pause).await;
            longest *= 2;
        }
    }

    /// A place among those who ask, or a bounded wait for one.
    async fn place(&self) -> Result<tokio::sync::SemaphorePermit<'_>, Fault> {
        if let Ok(place) = self.places.try_acquire() {
            return Ok(place);
        }
        let Some(_waits) = Waits::begin(&self.waiting, self.config.queue) else { return Err(Fault::Busy) };
        Ok(self.places.acquire().await.expect("the semaphore is never closed"))
    }

    /// Has the breaker know, and tells of changes: once for each, not for each request.
    fn note(&self, decided: Result<(), Fault>) {
        let mut breaker = self.breaker();
        let change = match decided {
            Ok(()) => breaker.succeeded(),
            Err(_) => breaker.failed(Instant::now()),
        };
        gauge!("dunlin_webhook_breaker_open").set(f64::from(u8::from(breaker.is_open())));
        drop(breaker);
        match (change, decided) {
            (Change::Opened, Err(fault)) => {
                tracing::error!(%fault, "the backend fails, and is left alone for a while; webhook.down decides");
            }
            (Change::Closed, _) => tracing::info!("the backend answers again"),
            _ => {}
        }
    }

    fn breaker(&self) -> MutexGuard<'_, Breaker> {
        self.breaker.lock().expect("no code panics while it holds this lock")
    }
}

/// One of those that wait for a place.
struct Waits<'a>(&'a AtomicUsize);

impl<'a> Waits<'a> {
    fn begin(waiting: &'a AtomicUsize, most: usize) -> Option<Self> {
        let before = waiting.fetch_add(1, Relaxed);
        gauge!("dunlin_webhook_waiting").set((before + 1) as f64);
        let waits = Self(waiting);
        (before < most).then_some(waits)
    }
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let before = self.0.fetch_sub(1, Relaxed);
        gauge!("dunlin_webhook_waiting").set((before - 1) as f64);
    }
}
