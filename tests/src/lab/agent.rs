//! A client with a diary: the program that runs in the lab's namespaces, as traveller and as station.
//!
//! It joins topics, says that it is ready, and then does what its standard input says: `go` to begin pushing, `stop` to
//! end it and wait for the answers. The end of the input ends it.

use std::{collections::HashMap, path::PathBuf, sync::Arc, time::Duration};

use anyhow::{Result, bail};
use bytes::{BufMut, Bytes, BytesMut};
use dunlin_client::{
    Channel, Client, Congestion, Delivery, JoinOptions, Message, PushHandle, Sender, State, Trust,
};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    sync::watch,
    task::JoinSet,
    time::{MissedTickBehavior, interval, timeout},
};

use super::{
    clock,
    trace::{Trace, What},
};

/// How long to wait for the answers to the last pushes.
const PATIENCE: Duration = Duration::from_secs(5);

/// How often a connection is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// What an agent does.
#[derive(Debug, Clone, clap::Args)]
pub struct Settings {
    /// The server
    #[arg(long)]
    pub url: String,
    /// The server's certificate
    #[arg(long)]
    pub ca: PathBuf,
    /// How many clients to be
    #[arg(long, default_value_t = 1)]
    pub clients: u32,
    /// Topics to read
    #[arg(long, value_delimiter = ',')]
    pub read: Vec<String>,
    /// Topics to push to in turn; `{client}` stands for the client's number
    #[arg(long, value_delimiter = ',')]
    pub write: Vec<String>,
    /// Pushes a second by each client, over all its topics
    #[arg(long, default_value_t = 0)]
    pub rate: u32,
    /// Bytes in each push
    #[arg(long, default_value_t = 200)]
    pub size: usize,
    /// The client library's setting, in milliseconds
    #[arg(long, default_value_t = 25_000)]
    pub keep_alive: u64,
    /// The client library's setting
    #[arg(long, default_value_t)]
    pub congestion: Congestion,
    /// The client library's setting, in bytes
    #[arg(long)]
    pub initial_window: Option<u64>,
}

/// What the standard input has said so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Order {
    Wait,
    Go,
    Stop,
}

/// Runs until the end of standard input.
///
/// # Errors
/// No connection, or a join is refused.
pub async fn run(settings: Settings) -> Result<()> {
    let trace = Trace::to_stdout();
    let (order, orders) = watch::channel(Order::Wait);
    let (ready, mut readies) = tokio::sync::mpsc::channel(1);
    let settings = Arc::new(settings);
    let mut clients = JoinSet::new();
    for number in 0..settings.clients {
        let client =
            Agent { number, settings: settings.clone(), trace: trace.clone(), orders: orders.clone() };
        clients.spawn(client.run(ready.clone()));
    }
    drop(ready);
    let all_ready = async {
        for _ in 0..settings.clients {
            // A client that fails says so by itself.
            if readies.recv().await.is_none() {
                std::future::pending::<()>().await;
            }
        }
        trace.record(0, What::Ready);
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        while let Some(line) = lines.next_line().await? {
            order.send_replace(match line.as_str() {
                "go" => Order::Go,
                "stop" => Order::Stop,
                other => bail!("no such order: {other:?}"),
            });
        }
        Ok(())
    };
    let failed = async {
        let mut unanswered = 0;
        while let Some(client) = clients.join_next().await {
            unanswered += client??;
        }
        trace.record(0, What::Finished { unanswered });
        Ok::<(), anyhow::Error>(())
    };
    // Whoever has finished goes on reading until the input ends.
    tokio::pin!(all_ready);
    tokio::select! {
        over = &mut all_ready => over,
        done = failed => { done?; all_ready.await }
    }
}

/// One client of an agent.
struct Agent {
    number: u32,
    settings: Arc<Settings>,
    trace: Trace,
    orders: watch::Receiver<Order>,
}

impl Agent {
    /// Joins, pushes, and returns how many pushes have no answer. Readers go on.
    async fn run(mut self, ready: tokio::sync::mpsc::Sender<()>) -> Result<u64> {
        let builder = Client::builder(&self.settings.url)?
            .trust(Trust::CaFile(self.settings.ca.clone()))
            .keep_alive(Duration::from_millis(self.settings.keep_alive))
            .congestion(self.settings.congestion)
            .any_network(true)
            .agent("dunlin-lab");
        let client = match self.settings.initial_window {
            Some(bytes) => builder.initial_window(bytes).open(),
            None => builder.open(),
        };
        tokio::spawn(watch_states(client.clone(), self.number, self.trace.clone()));
        tokio::spawn(watch_changes(client.clone(), self.number, self.trace.clone()));
        tokio::spawn(look_at_path(client.clone(), self.number, self.trace.clone()));
        for topic in &self.settings.read {
            let channel = client.join(topic, JoinOptions::default()).await?;
            tokio::spawn(read(channel, self.number, self.trace.clone()));
        }
        let mut channels = Vec::new();
        for topic in &self.settings.write {
            let topic = topic.replace("{client}", &self.number.to_string());
            let options = JoinOptions { delivery: Some(Delivery::None), ..JoinOptions::default() };
            let mut channel = client.join(&topic, options).await?;
            channels.push(channel.sender());
            // Its messages say nothing, but must be taken.
            tokio::spawn(async move { while channel.next().await.is_some() {} });
        }
        let _ = ready.send(()).await;
        drop(ready);
        self.push(&channels).await
    }

    async fn push(&mut self, channels: &[Sender]) -> Result<u64> {
        self.orders.wait_for(|order| *order >= Order::Go).await?;
        let mut answers = JoinSet::new();
        if self.settings.rate > 0 {
            let mut ticks = interval(Duration::from_secs(1) / self.settings.rate);
            // What a busy machine delays is made up for.
            ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
            let mut numbers: HashMap<_, u64> = HashMap::new();
            for sender in channels.iter().cycle() {
                tokio::select! {
                    _ = ticks.tick() => {}
                    _ = self.orders.wait_for(|order| *order == Order::Stop) => break,
                }
                let topic = sender.topic().as_str().to_owned();
                let number = numbers.entry(sender.topic()).or_default();
                *number += 1;
                let number = *number;
                self.trace.record(self.number, What::Pushed { topic: topic.clone(), number });
                let handle = sender.send("e", payload(number, self.settings.size), None).await?;
                answers.spawn(note_answer(handle, topic, number, self.number, self.trace.clone()));
            }
        }
        self.orders.wait_for(|order| *order == Order::Stop).await?;
        let _ = timeout(PATIENCE, async { while answers.join_next().await.is_some() {} }).await;
        Ok(answers.len() as u64)
    }
}

async fn note_answer(handle: PushHandle, topic: String, number: u64, client: u32, trace: Trace) {
    let error = handle.await.err().map(|error| error.to_string());
    trace.record(client, What::Answered { topic, number, error });
}

/// Its number, when it is pushed, and padding.
fn payload(number: u64, size: usize) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u64(number);
    bytes.put_u64(clock::now());
    bytes.resize(size.max(16), 0);
    bytes.freeze()
}

async fn read(mut channel: Channel, client: u32, trace: Trace) {
    let topic = channel.topic().as_str().to_owned();
    while let Some(message) = channel.next().await {
        let topic = topic.clone();
        trace.record(
            client,
            match message {
                Message::Event(event) => {
                    let word = |at: usize| {
                        event
                            .payload
                            .get(at..at + 8)
                            .map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().expect("eight bytes")))
                    };
                    let position = (event.position.epoch, event.position.offset);
                    What::Received { topic, number: word(0), sent: word(8), position }
                }
                Message::Gap { from, to } => {
                    What::Gap { topic, epoch: from.epoch, from: from.offset, to: to.offset }
                }
                Message::Joined(joined) => What::Joined {
                    topic,
                    again: joined.again,
                    start: format!("{:?}", joined.start),
                    position: (joined.position.epoch, joined.position.offset),
                    previous: joined.previous.map(|at| (at.epoch, at.offset)),
                    away_ms: u64::try_from(joined.away.as_millis()).unwrap_or(u64::MAX),
                },
                Message::Restarted(at) => What::Restarted { topic, position: (at.epoch, at.offset) },
                Message::Direct { .. } | Message::Presence(_) => continue,
            },
        );
    }
}

async fn watch_states(client: Client, number: u32, trace: Trace) {
    let mut states = client.state();
    loop {
        let state = states.borrow_and_update().clone();
        let (mut session, mut resumed, mut over, mut problem) = (None, None, None, client.problem());
        let name = match state {
            State::Connecting => "connecting",
            State::Online { session: name, resumed: again, transport } => {
                (session, resumed, over, problem) =
                    (Some(name), Some(again), Some(transport.to_string()), None);
                "online"
            }
            State::Recovering { .. } => "recovering",
            State::Offline { .. } => "offline",
            State::Paused => "paused",
            State::Closed(_) => "closed",
        };
        trace.record(number, What::State { state: name.into(), session, resumed, over, problem });
        if states.changed().await.is_err() {
            return;
        }
    }
}

async fn watch_changes(client: Client, number: u32, trace: Trace) {
    let mut changes = client.changes();
    while let Some(change) = changes.next().await {
        let what = What::Change {
            rung: format!("{:?}", change.rung),
            cause: format!("{:?}", change.cause),
            gap_ms: u64::try_from(change.gap.as_millis()).unwrap_or(u64::MAX),
            recovered: change.recovered,
            lost: change.lost,
            from: change.from,
            to: change.to,
        };
        trace.record(number, what);
    }
}

async fn look_at_path(client: Client, number: u32, trace: Trace) {
    let mut ticks = interval(LOOK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut before = None;
    loop {
        ticks.tick().await;
        let Some(now) = client.connection() else { continue };
        let path = What::Path {
            transport: now.transport.to_string(),
            remote: now.remote,
            rtt: u64::try_from(now.rtt.as_micros()).unwrap_or(u64::MAX),
            lost: now.lost_packets,
            sent: now.sent_packets,
            received_bytes: now.received_bytes,
            early_data: now.early_data,
        };
        if before.as_ref() != Some(&path) {
            trace.record(number, path.clone());
            before = Some(path);
        }
    }
}
