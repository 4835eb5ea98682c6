//! What the backend is told and nobody waits for: a bounded queue, told in order and many at once.

use super::http::Client;
use bytes::Bytes;
use metrics::{counter, gauge};
use serde_json::{Map, Value, json};
use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard},
    time::{Duration, Instant},
};
use tokio::{sync::Notify, time::timeout};

/// Most notices in one request, and about how many bytes.
const BATCH: usize = 100;
const BATCH_BYTES: usize = 256 * 1024;

/// Most bytes that wait.
const MOST_BYTES: usize = 16 << 20;

/// How long one request may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it is tried to tell something.
const AGE: Duration = Duration::from_secs(60);

/// The first pause after a failure at most, and every pause at most.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Notices that wait. When there is no room the newest is dropped: what was told is then a beginning of what happened.
pub(super) struct Notices {
    most: usize,
    queue: Mutex<Queue>,
    arrived: Notify,
    emptied: Notify,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<(Instant, Box<str>)>,
    bytes: usize,
}

impl Notices {
    pub(super) fn new(most: usize) -> Self {
        Self { most, queue: Mutex::default(), arrived: Notify::new(), emptied: Notify::new() }
    }

    /// Adds one, if there is room.
    pub(super) fn offer(&self, notice: Map<String, Value>) {
        let text = Value::Object(notice).to_string();
        let mut queue = self.queue();
        if queue.waiting.len() >= self.most || queue.bytes + text.len() > MOST_BYTES {
            drop(queue);
            return dropped("full", 1);
        }
        queue.bytes += text.len();
        queue.waiting.push_back((Instant::now(), text.into()));
        gauge!("dunlin_webhook_notices").set(queue.waiting.len() as f64);
        drop(queue);
        self.arrived.notify_one();
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.queue().waiting.len()
    }

    /// Waits until there are none.
    pub(super) async fn told(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.len() == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// Tells them, one request after the other, for as long as it is polled.
    pub(super) async fn tell(&self, client: &Client, node: &str) {
        loop {
            let events = self.batch();
            if events.is_empty() {
                self.arrived.notified().await;
                continue;
            }
            let id = format!("msg_{:032x}", rand::random::<u128>());
            let head = json!({"id": id, "type": "notices", "node": node}).to_string();
            let texts: Vec<&str> = events.iter().map(|(_, text)| &**text).collect();
            // Each is JSON already.
            let body = format!("{},\"events\":[{}]}}", &head[..head.len() - 1], texts.join(","));
            let oldest = events[0].0;
            let is_told = deliver(client, &id, &Bytes::from(body), oldest).await;
            let outcome = if is_told { "told" } else { "failed" };
            counter!("dunlin_webhook_requests_total", "type" => "notices", "outcome" => outcome).increment(1);
            if !is_told {
                dropped("age", events.len());
            }
            self.remove(events.len());
        }
    }

    /// The next of them. They stay in the queue, and are counted there, until they are told or given up.
    fn batch(&self) -> Vec<(Instant, Box<str>)> {
        let mut room = BATCH_BYTES;
        let queue = self.queue();
        let fits = queue.waiting.iter().take(BATCH).take_while(|(_, text)| {
            let is_first = room == BATCH_BYTES;
            let had = room;
            room = room.saturating_sub(text.len());
            is_first || text.len() <= had
        });
        fits.cloned().collect()
    }

    fn remove(&self, count: usize) {
        let mut queue = self.queue();
        let bytes: usize = queue.waiting.drain(..count).map(|(_, text)| text.len()).sum();
        queue.bytes -= bytes;
        gauge!("dunlin_webhook_notices").set(queue.waiting.len() as f64);
        drop(queue);
        self.emptied.notify_waiters();
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().expect("no code panics while it holds this lock")
    }
}

/// Sends one batch until it is taken or too old. A client's error (4xx) is final: the same would be said again.
async fn deliver(client: &Client, id: &str, body: &Bytes, oldest: Instant) -> bool {
    let mut longest = PAUSES.0;
    loop {
        let is_final = match timeout(PATIENCE, client.post(id, body.clone())).await {
            Ok(Ok(answer)) if answer.status.is_success() => return true,
            Ok(Ok(answer)) => answer.status.is_client_error() && answer.status.as_u16() != 429,
            Ok(Err(_)) | Err(_) => false,
        };
        if is_final || oldest.elapsed() >= AGE {
            return false;
        }
        tokio::time::sleep(longest.mul_f64(rand::random())).await;
        longest = (longest * 2).min(PAUSES.1);
    }
}

fn dropped(why: &'static str, count: usize) {
    counter!("dunlin_webhook_notices_dropped_total", "why" => why).increment(count as u64);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn notice(len: usize) -> Map<String, Value> {
        Map::from_iter([("x".into(), "x".repeat(len).into())])
    }

    #[test]
    fn beyond_the_bounds_the_newest_are_dropped() {
        let notices = Notices::new(2);
        (0..3).for_each(|len| notices.offer(notice(len)));
        assert_eq!((notices.len(), &*notices.batch()[1].1), (2, r#"{"x":"x"}"#));
        let notices = Notices::new(100);
        (0..3).for_each(|_| notices.offer(notice(MOST_BYTES / 2 - 100)));
        assert_eq!(notices.len(), 2);
        notices.remove(2);
        assert_eq!(notices.queue().bytes, 0);
    }

    #[test]
    fn a_batch_is_bounded_and_never_empty() {
        let notices = Notices::new(1000);
        (0..BATCH + 1).for_each(|_| notices.offer(notice(1)));
        assert_eq!(notices.batch().len(), BATCH);
        notices.remove(BATCH + 1);
        notices.offer(notice(BATCH_BYTES * 2));
        notices.offer(notice(1));
        assert_eq!(notices.batch().len(), 1);
        notices.remove(2);
        (0..3).for_each(|_| notices.offer(notice(BATCH_BYTES / 2)));
        assert_eq!(
            notices.batch().len(),
            2 - 1,
            "the frame counts too, and one after the first does not fit"
        );
    }
}
