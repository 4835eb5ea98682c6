//! What happens in several topics and to their connection, as one queue.

use std::collections::BTreeMap;

use dunlin_client::{
    Change, Changes, Channel, Client, Closed, JoinOptions, Message, Position, State, Topic, Transport,
};
use tokio::{sync::mpsc, task::JoinSet};

use crate::{
    connect,
    exit::Failure,
    states::{self, States},
};

/// Items that wait for a slow terminal or pipe. When as many wait, channels are no longer read, and then the
/// server stops sending on them.
const QUEUE: usize = 256;

/// Something to tell.
#[derive(Debug)]
pub(crate) enum Item {
    /// In a topic.
    Message(Topic, Message),
    /// The end of a membership, and why if that is known.
    Ended(Topic, Option<Closed>),
    /// Of the connection.
    State(State),
    /// The connection has another transport, with the one that it had before.
    Moved(Transport, Transport),
    /// An interruption is over.
    Change(Change),
}

/// Everything that happens, in one row. Its tasks end when it is dropped.
#[derive(Debug)]
pub(crate) struct Feed {
    items: mpsc::Receiver<Item>,
    /// Of the last item given out.
    positions: BTreeMap<Topic, Position>,
    _tasks: JoinSet<()>,
}

impl Feed {
    /// Joins all topics, all in the same round trip.
    pub(crate) async fn open(
        client: &Client,
        topics: &[String],
        options: &JoinOptions,
    ) -> Result<Self, Failure> {
        let (queue, items) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        tasks.spawn(forward_states(States::of(client), queue.clone()));
        tasks.spawn(forward_changes(client.changes(), queue.clone()));
        let mut joins = JoinSet::new();
        for topic in topics {
            let (client, topic, options) = (client.clone(), topic.clone(), options.clone());
            joins.spawn(async move { connect::join(&client, &topic, options).await });
        }
        while let Some(joined) = joins.join_next().await {
            let channel = joined.expect("joining does not panic")?;
            tasks.spawn(forward_messages(channel, queue.clone()));
        }
        Ok(Self { items, positions: BTreeMap::new(), _tasks: tasks })
    }

    /// Adds the next items, as many as there are but not more than `most`; false when none will come. Safe to
    /// cancel.
    pub(crate) async fn next(&mut self, batch: &mut Vec<Item>, most: usize) -> bool {
        let count = self.items.recv_many(batch, most).await;
        for item in batch.iter() {
            if let Item::Message(topic, message) = item
                && let Some(position) = message.position()
            {
                self.positions.insert(topic.clone(), position);
            }
        }
        count > 0
    }

    /// Where each topic's reader is.
    pub(crate) fn positions(&self) -> &BTreeMap<Topic, Position> {
        &self.positions
    }
}

async fn forward_messages(mut channel: Channel, queue: mpsc::Sender<Item>) {
    while let Some(message) = channel.next().await {
        if queue.send(Item::Message(channel.topic().clone(), message)).await.is_err() {
            return;
        }
    }
    // Nobody is left to tell when it fails.
    let _ = queue.send(Item::Ended(channel.topic().clone(), channel.closed())).await;
}

async fn forward_changes(mut changes: Changes, queue: mpsc::Sender<Item>) {
    while let Some(change) = changes.next().await {
        if queue.send(Item::Change(change)).await.is_err() {
            return;
        }
    }
}

async fn forward_states(mut states: States, queue: mpsc::Sender<Item>) {
    let mut last = None;
    loop {
        let state = states.next().await;
        let now = states::transport(&state);
        if queue.send(Item::State(state)).await.is_err() {
            return;
        }
        if let Some(now) = now
            && let Some(before) = last.replace(now).filter(|before| *before != now)
            && queue.send(Item::Moved(now, before)).await.is_err()
        {
            return;
        }
    }
}
