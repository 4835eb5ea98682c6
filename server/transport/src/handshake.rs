//! Handshakes under way: counted, limited in time, and told to whoever waits for their end.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use quinn::ZeroRttAccepted;
use tokio::{
    select,
    sync::watch,
    time::{Instant, sleep_until},
};

use crate::EarlyData;

/// How a handshake ended, once it has; the sender goes away without a value when it fails.
pub(crate) type Outcome = watch::Receiver<Option<EarlyData>>;

/// A handshake that is over, without early data.
pub(crate) fn complete() -> Outcome {
    watch::channel(Some(EarlyData::NotUsed)).1
}

/// How many handshakes an endpoint has under way.
#[derive(Debug, Clone, Default)]
pub(crate) struct Counter(Arc<AtomicUsize>);

/// One handshake under way, until dropped.
#[derive(Debug)]
pub(crate) struct UnderWay(Counter);

impl Counter {
    pub(crate) fn begin(&self) -> UnderWay {
        self.0.fetch_add(1, Ordering::Relaxed);
        UnderWay(self.clone())
    }

    pub(crate) fn under_way(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Waits for the server's end of a handshake; closes the connection if it is under way at `deadline`.
///
/// The task ends with the handshake, or when nobody holds the connection any more.
pub(crate) fn serve(
    connection: quinn::Connection,
    complete: ZeroRttAccepted,
    under_way: UnderWay,
    deadline: Instant,
) -> Outcome {
    let (outcome, receiver) = watch::channel(None);
    tokio::spawn(async move {
        select! {
            // quinn's answer means nothing on a server.
            _ = complete => tell(&outcome, &connection, EarlyData::NotUsed),
            () = outcome.closed() => {}
            () = sleep_until(deadline) => connection.close(0u32.into(), b"the handshake took too long"),
        }
        drop(under_way);
    });
    receiver
}

/// Waits for what the server says to early data; the task ends as above.
pub(crate) fn dial(connection: quinn::Connection, accepted: ZeroRttAccepted) -> Outcome {
    let (outcome, receiver) = watch::channel(None);
    tokio::spawn(async move {
        let accepted = select! {
            accepted = accepted => accepted,
            () = outcome.closed() => return,
        };
        let ended = if accepted { EarlyData::Accepted } else { EarlyData::Rejected };
        tell(&outcome, &connection, ended);
    });
    receiver
}

fn tell(outcome: &watch::Sender<Option<EarlyData>>, connection: &quinn::Connection, ended: EarlyData) {
    if connection.close_reason().is_none() {
        outcome.send_replace(Some(ended));
    }
}
