//! What happened, as lines of JSON.

use std::{
    io::{BufWriter, Write},
    net::SocketAddr,
    sync::mpsc,
};

use serde::{Deserialize, Serialize};

use super::{Uplink, clock};

/// Something that happened, and when.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// By [`clock::now`].
    pub at: u64,
    /// Which of an agent's clients.
    #[serde(default)]
    pub client: u32,
    /// What.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum What {
    /// All clients of the agent have joined all their topics.
    Ready,
    /// A client's state changed.
    State {
        /// Its name, as `online`.
        state: String,
        /// Public name of the session, when online.
        session: Option<String>,
        /// Whether that is an earlier session, when online.
        resumed: Option<bool>,
        /// The transport, when online.
        over: Option<String>,
        /// Why the connection was lost, when it was.
        problem: Option<String>,
    },
    /// How a channel was joined.
    Joined {
        /// The topic.
        topic: String,
        /// Not the first time.
        again: bool,
        /// `Live`, `Recovered` or `Lost`.
        start: String,
        /// Epoch and offset after which events follow.
        position: (u64, u64),
        /// Epoch and offset that were asked for.
        previous: Option<(u64, u64)>,
        /// How long there was no server, as the client tells it.
        away_ms: u64,
    },
    /// An event arrived.
    Received {
        /// The topic.
        topic: String,
        /// Its number, counted by its publisher in this topic from 1.
        number: u64,
        /// When it was pushed.
        sent: u64,
        /// Epoch and offset.
        position: (u64, u64),
    },
    /// The client was told that events are missing.
    Gap {
        /// The topic.
        topic: String,
        /// Of all of them.
        epoch: u64,
        /// The first offset.
        from: u64,
        /// The last offset.
        to: u64,
    },
    /// A topic's log started over.
    Restarted {
        /// The topic.
        topic: String,
        /// Epoch and offset after which events follow.
        position: (u64, u64),
    },
    /// The client came through an interruption.
    Change {
        /// By which rung.
        rung: String,
        /// Why there was one.
        cause: String,
        /// As the client measured it, in milliseconds.
        gap_ms: u64,
        /// Events that followed late.
        recovered: u64,
        /// Events that are missing, if that can be counted.
        lost: Option<u64>,
        /// The client's address before.
        from: Option<SocketAddr>,
        /// The client's address after.
        to: Option<SocketAddr>,
    },
    /// A push was handed to the client library.
    Pushed {
        /// The topic.
        topic: String,
        /// Its number in this topic, from 1.
        number: u64,
    },
    /// A push was answered.
    Answered {
        /// The topic.
        topic: String,
        /// Its number in this topic.
        number: u64,
        /// What went wrong, if something did.
        error: Option<String>,
    },
    /// A look at the connection in use.
    Path {
        /// What carries it.
        transport: String,
        /// The server's address.
        remote: Option<SocketAddr>,
        /// Round trip, as the transport estimates it, in microseconds.
        rtt: u64,
        /// Packets taken for lost so far.
        lost: u64,
        /// Packets sent so far.
        sent: u64,
        /// Bytes received so far.
        received_bytes: u64,
        /// Whether its first flight was 0-RTT data that was accepted.
        early_data: bool,
    },
    /// An agent has pushed its last, and waited for the answers.
    Finished {
        /// Pushes without an answer.
        unanswered: u64,
    },
    /// The story's next event.
    Mark {
        /// In the story's words.
        name: String,
    },
    /// A line of the server's log.
    Log {
        /// As it was written.
        line: String,
    },
    /// A packet on a link.
    Packet {
        /// Which.
        link: Uplink,
        /// Whether it travels from the client.
        up: bool,
        /// UDP is 17, TCP 6.
        protocol: u8,
        /// In bytes, with all headers.
        len: u16,
        /// What became of it.
        fate: Fate,
    },
}

/// What became of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It arrived at this time.
    Arrived,
    /// The link lost it, as it was told to.
    Lost,
    /// The interface at the other end is down.
    Down,
}

/// Where an agent writes its records: a thread of its own, so that a slow reader delays no client.
#[derive(Debug, Clone)]
pub struct Trace(mpsc::Sender<Record>);

impl Trace {
    /// Writes to standard output, a line for each record, for as long as the process lives.
    #[must_use]
    pub fn to_stdout() -> Self {
        let (sender, records) = mpsc::channel::<Record>();
        std::thread::spawn(move || {
            let mut out = BufWriter::new(std::io::stdout().lock());
            while let Ok(record) = records.recv() {
                let mut next = Some(record);
                while let Some(record) = next {
                    let line = serde_json::to_string(&record).expect("records are JSON");
                    // Without a reader the lab is gone, and soon this process.
                    let _ = writeln!(out, "{line}");
                    next = records.try_recv().ok();
                }
                let _ = out.flush();
            }
        });
        Self(sender)
    }

    /// Writes down what just happened to a client.
    pub fn record(&self, client: u32, what: What) {
        let _ = self.0.send(Record { at: clock::now(), client, what });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_survive_the_way_through_text() {
        let received = What::Received { topic: "down:1".into(), number: 7, sent: 4, position: (u64::MAX, 7) };
        let record = Record { at: 5, client: 3, what: received };
        let text = serde_json::to_string(&record).unwrap();
        assert_eq!(serde_json::from_str::<Record>(&text).unwrap(), record, "{text}");
    }
}
