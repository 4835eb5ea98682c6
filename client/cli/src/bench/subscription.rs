//! One reader of a topic, who checks what comes and knows where to go on.

use std::{sync::Arc, time::Duration};

use dunlin_client::{Position, Start};
use dunlin_proto::frame::channel::{FromServer, Join};

use super::{
    Common,
    payload::{self, Stamp},
    peer::{Peer, PeerError, Stream, topic},
    ramp::{Ramped, all_leave, ramp},
    sequence::{Sequence, Verdict},
    stop::Stop,
    target::Target,
    traffic::Traffic,
};

/// A membership that is read.
#[derive(Debug)]
pub(super) struct Subscription {
    name: String,
    stream: Stream,
    position: Position,
    sequence: Sequence,
}

/// Brings in so many that join the topic.
pub(super) async fn subscribe(
    target: &Target,
    common: &Common,
    name: &str,
    count: u32,
    stop: &Stop,
) -> Ramped<(Peer, Subscription)> {
    ramp("subscribing", count as usize, common.pace(), stop, |n| {
        let (target, name) = (target.clone(), name.to_owned());
        async move {
            let peer = target.connect(n, None).await?;
            let subscription = Subscription::join(&peer, &name, target.timeout()).await?;
            Ok((peer, subscription))
        }
    })
    .await
}

impl Subscription {
    async fn join(peer: &Peer, name: &str, patience: Duration) -> Result<Self, PeerError> {
        let (stream, joined) = peer.join(Join::new(topic(name)), patience).await?;
        Ok(Self { name: name.into(), stream, position: joined.position, sequence: Sequence::default() })
    }

    /// Joins again from where it is, on this connection or another one, and says whether history reached back so far.
    pub(super) async fn join_again(&mut self, peer: &Peer, patience: Duration) -> Result<Start, PeerError> {
        let join = Join { since: Some(self.position), ..Join::new(topic(&self.name)) };
        let (stream, joined) = peer.join(join, patience).await?;
        self.stream = stream;
        self.position = joined.position;
        Ok(joined.start)
    }

    /// The next message. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Result<(Stamp, Verdict), PeerError> {
        loop {
            let frame = self.stream.recv.frame().await?;
            match FromServer::decode(&frame)? {
                FromServer::Event(event) => {
                    self.position.offset = event.offset;
                    // Whatever else is published in this topic is none of ours.
                    if &*event.event == payload::EVENT
                        && let Some(stamp) = Stamp::decode(&event.payload)
                    {
                        return Ok((stamp, self.sequence.take(stamp.number)));
                    }
                }
                FromServer::Restarted(position) => self.position = position,
                FromServer::Closed(refusal) => return Err(refusal.into()),
                _ => {}
            }
        }
    }

    /// Reads until it is dropped or the stream ends, which is a failure.
    pub(super) async fn read_on(&mut self, traffic: &Traffic) -> PeerError {
        loop {
            match self.next().await {
                Ok((stamp, verdict)) => traffic.arrive(stamp, verdict),
                Err(error) => return error,
            }
        }
    }

    /// Leaves the topic, and waits until the server has finished its side.
    pub(super) async fn leave(&mut self, traffic: &Traffic, patience: Duration) {
        self.stream.send.finish();
        // What was on its way counts.
        let _ = tokio::time::timeout(patience, self.read_on(traffic)).await;
    }
}

/// Readers that run until they are dropped.
#[derive(Debug)]
pub(super) struct Readers {
    tasks: tokio::task::JoinSet<()>,
    gone: tokio::sync::watch::Sender<bool>,
}

impl Readers {
    pub(super) fn start(pairs: Vec<(Peer, Subscription)>, traffic: &Arc<Traffic>) -> Self {
        let (gone, _) = tokio::sync::watch::channel(false);
        let mut tasks = tokio::task::JoinSet::new();
        for (peer, mut subscription) in pairs {
            let (traffic, mut gone) = (traffic.clone(), gone.subscribe());
            tasks.spawn(async move {
                let is_over = async move { drop(gone.wait_for(|gone| *gone).await) };
                tokio::select! {
                    error = subscription.read_on(&traffic) => traffic.fail(&error),
                    () = is_over => peer.leave().await,
                }
            });
        }
        Self { tasks, gone }
    }

    pub(super) async fn leave(self) {
        self.gone.send_replace(true);
        all_leave(self.tasks).await;
    }
}
