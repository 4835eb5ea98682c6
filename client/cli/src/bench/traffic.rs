//! Messages on their way from one publisher to many readers, and what is counted of them.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use dunlin_client::Code;
use dunlin_proto::frame::channel::{Delivery, FromClient, FromServer, Join, Push};
use dunlin_transport::SendStream;
use tokio::{
    sync::{Notify, Semaphore},
    time::{Instant, sleep},
};

use super::{
    alarm::Alarm,
    payload::{EVENT, Stamp},
    peer::{Peer, PeerError, Receiver, topic},
    ramp::{self, Failures},
    schedule::Schedule,
    sequence::Verdict,
    stop::Stop,
    target::Target,
    times::Times,
    window::Window,
};
use crate::exit::{Exit, Failure};

/// What all ends of the traffic share.
#[derive(Debug)]
pub(super) struct Traffic {
    began: Instant,
    readers: u64,
    published: AtomicU64,
    /// Of the whole run, each message once for each reader.
    arrived: AtomicU64,
    window: Mutex<Window>,
    /// Rings when the window has moved.
    progress: Notify,
    tally: Mutex<Tally>,
}

/// What was counted since the measurement began.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    pub(super) delivered: u64,
    pub(super) duplicates: u64,
    pub(super) out_of_order: u64,
    pub(super) times: Times,
    pub(super) failures: Failures,
}

impl Traffic {
    pub(super) fn new(readers: usize) -> Arc<Self> {
        Arc::new(Self {
            began: Instant::now(),
            readers: readers as u64,
            published: AtomicU64::new(0),
            arrived: AtomicU64::new(0),
            window: Mutex::default(),
            progress: Notify::new(),
            tally: Mutex::default(),
        })
    }

    /// Nanoseconds of this traffic's clock.
    pub(super) fn nanos(&self, at: Instant) -> u64 {
        u64::try_from(at.saturating_duration_since(self.began).as_nanos()).unwrap_or(u64::MAX)
    }

    /// Counts a message that one reader has read.
    pub(super) fn arrive(&self, stamp: Stamp, verdict: Verdict) {
        let took = self.nanos(Instant::now()).saturating_sub(stamp.due);
        let mut tally = self.tally();
        match verdict {
            Verdict::Repeated => {
                tally.duplicates += 1;
                return;
            }
            Verdict::Late => tally.out_of_order += 1,
            Verdict::Next | Verdict::Ahead(_) => {}
        }
        tally.delivered += 1;
        tally.times.add_nanos(took);
        drop(tally);
        self.arrived.fetch_add(1, Relaxed);
        if self.window().arrive(stamp.number, self.readers) {
            self.progress.notify_one();
        }
    }

    pub(super) fn fail(&self, error: &PeerError) {
        ramp::count(&mut self.tally().failures, error);
        self.progress.notify_one();
    }

    /// Forgets what was counted so far, except failures: the measurement begins.
    pub(super) fn begin(&self) {
        let mut tally = self.tally();
        let failures = std::mem::take(&mut tally.failures);
        *tally = Tally { failures, ..Tally::default() };
    }

    pub(super) fn tallied(&self) -> Tally {
        self.tally().clone()
    }

    /// Messages that are on their way, one for each reader.
    pub(super) fn missing(&self) -> u64 {
        (self.published.load(Relaxed) * self.readers).saturating_sub(self.arrived.load(Relaxed))
    }

    /// Waits until all readers have read all but the newest `window` - 1 messages; false if nothing arrives any more.
    pub(super) async fn room(&self, window: u64, patience: Duration) -> bool {
        let mut seen = self.arrived.load(Relaxed);
        while self.window().len() >= window {
            if tokio::time::timeout(patience, self.progress.notified()).await.is_err() {
                let now = self.arrived.load(Relaxed);
                if now == seen {
                    return false;
                }
                seen = now;
            }
        }
        true
    }

    /// Waits until everything has arrived, or nothing has for so long.
    pub(super) async fn settle(&self, patience: Duration) {
        let mut seen = (self.arrived.load(Relaxed), Instant::now());
        while self.missing() > 0 && seen.1.elapsed() < patience {
            sleep(Duration::from_millis(2)).await;
            let arrived = self.arrived.load(Relaxed);
            if arrived != seen.0 {
                seen = (arrived, Instant::now());
            }
        }
    }

    fn window(&self) -> std::sync::MutexGuard<'_, Window> {
        self.window.lock().expect("counting does not panic")
    }

    fn tally(&self) -> std::sync::MutexGuard<'_, Tally> {
        self.tally.lock().expect("counting does not panic")
    }
}

/// Who pushes the messages.
#[derive(Debug)]
pub(super) struct Publisher {
    peer: Peer,
    send: SendStream,
    size: usize,
    next: u64,
    /// How many pushes the server takes without having answered.
    room: Arc<Semaphore>,
    traffic: Arc<Traffic>,
    alarm: Alarm,
    replies: tokio::task::AbortHandle,
}

impl Publisher {
    /// Brings in one that joins the topic without reading it.
    pub(super) async fn open(
        target: &Target,
        name: &str,
        size: usize,
        traffic: &Arc<Traffic>,
    ) -> Result<Self, Failure> {
        let publisher = Self::join(target, name, size, traffic.clone()).await;
        publisher.map_err(|error| cannot_publish(name, &error))
    }

    async fn join(
        target: &Target,
        name: &str,
        size: usize,
        traffic: Arc<Traffic>,
    ) -> Result<Self, PeerError> {
        let peer = target.connect(0, None).await?;
        let join = Join { delivery: Some(Delivery::None), ..Join::new(topic(name)) };
        let (stream, _) = peer.join(join, target.timeout()).await?;
        let room = Arc::new(Semaphore::new(peer.welcome.limits.pushes as usize));
        let replies = tokio::spawn(take_replies(stream.recv, room.clone(), traffic.clone())).abort_handle();
        Ok(Self { peer, send: stream.send, size, next: 0, room, traffic, alarm: Alarm::new()?, replies })
    }

    /// Pushes the next message, which was due at this moment.
    pub(super) async fn publish(&mut self, due: Instant) -> Result<(), PeerError> {
        let closed = |_| PeerError::Ended("nothing can be published any more".into());
        self.room.acquire().await.map_err(closed)?.forget();
        let stamp = Stamp { number: self.next, due: self.traffic.nanos(due) };
        self.next += 1;
        let payload = stamp.encode(self.size);
        let push = Push { reference: self.next, event: EVENT.into(), payload, key: None };
        self.traffic.published.fetch_add(1, Relaxed);
        self.traffic.window().publish();
        Ok(self.send.write(FromClient::Push(push).encode()).await?)
    }

    /// Publishes what is due from the beginning until the end, each message stamped with the moment at which it was due, whether or
    /// not the server keeps up. True if that was all of it; a failure is counted.
    pub(super) async fn open_loop(
        &mut self,
        schedule: Schedule,
        (began, end): (Instant, Instant),
        stop: &Stop,
    ) -> bool {
        let first = self.next;
        loop {
            let due = began + schedule.due(self.next - first);
            if due >= end {
                return true;
            }
            let publish = async {
                self.alarm.wait_until(due).await;
                self.publish(due).await
            };
            let published = tokio::select! {
                published = publish => published,
                () = stop.wait() => return false,
            };
            if let Err(error) = published {
                self.traffic.fail(&error);
                return false;
            }
        }
    }

    pub(super) async fn leave(self) {
        self.replies.abort();
        self.peer.leave().await;
    }
}

/// What a benchmark ends with that nobody publishes for.
pub(super) fn cannot_publish(name: &str, error: &PeerError) -> Failure {
    Failure::new(Exit::Failed, format!("nobody can publish to {name}: {error}"))
}

async fn take_replies(mut recv: Receiver, room: Arc<Semaphore>, traffic: Arc<Traffic>) {
    let error = loop {
        let frame = match recv.frame().await {
            Ok(frame) => frame,
            Err(error) => break error,
        };
        match FromServer::decode(&frame) {
            Ok(FromServer::Reply { code, .. }) => {
                if code != Code::OK {
                    traffic.fail(&PeerError::Refused(code));
                }
                room.add_permits(1);
            }
            Ok(FromServer::Closed(refusal)) => break refusal.into(),
            Ok(_) => {}
            Err(error) => break error.into(),
        }
    };
    room.close();
    traffic.fail(&error);
}
