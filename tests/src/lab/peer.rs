//! A process in a namespace that writes lines, and what it has written.

use std::{process::Stdio, time::Duration};

use anyhow::{Context, Result, bail};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWriteExt, BufReader},
    process::{Child, ChildStdin, Command},
    sync::watch,
    time::timeout,
};
use tokio_util::task::AbortOnDropHandle;

use super::{
    namespace::Namespace,
    trace::{Record, What},
};

/// A running process; killed when dropped.
#[derive(Debug)]
pub(super) struct Peer {
    child: Child,
    stdin: Option<ChildStdin>,
    records: watch::Receiver<Records>,
    _reader: AbortOnDropHandle<()>,
}

#[derive(Debug, Default)]
struct Records {
    so_far: Vec<Record>,
    /// Nothing more will come.
    ended: bool,
}

/// Where a process writes what is to be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Writes {
    /// Records, to standard output.
    Records,
    /// A log, to standard error.
    Log,
}

impl Peer {
    /// Starts a command line, split at spaces, in a namespace.
    pub(super) fn start(namespace: &Namespace, line: &str, writes: Writes) -> Result<Self> {
        let line = namespace.inside(line);
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().context("an empty command line")?);
        command.args(words).kill_on_drop(true).stdin(Stdio::piped());
        match writes {
            Writes::Records => command.stdout(Stdio::piped()),
            Writes::Log => command.stdout(Stdio::null()).stderr(Stdio::piped()),
        };
        let mut child = command.spawn().with_context(|| format!("cannot run: {line}"))?;
        let output: Box<dyn AsyncRead + Send + Unpin> = match writes {
            Writes::Records => Box::new(child.stdout.take().context("its output")?),
            Writes::Log => Box::new(child.stderr.take().context("its output")?),
        };
        let (sender, records) = watch::channel(Records::default());
        let reader = AbortOnDropHandle::new(tokio::spawn(read(output, sender, writes)));
        Ok(Self { stdin: child.stdin.take(), child, records, _reader: reader })
    }

    /// Gives an order.
    pub(super) async fn say(&mut self, order: &str) -> Result<()> {
        let stdin = self.stdin.as_mut().context("standard input")?;
        stdin.write_all(format!("{order}\n").as_bytes()).await.context("a process of the lab has ended")
    }

    /// Waits until its records satisfy a condition, which is asked again whenever there are more. False when the time is
    /// over.
    pub(super) async fn until(
        &self,
        patience: Duration,
        mut enough: impl FnMut(&[Record]) -> bool,
    ) -> Result<bool> {
        let mut records = self.records.clone();
        let satisfied = records.wait_for(|records| enough(&records.so_far) || records.ended);
        let Ok(satisfied) = timeout(patience, satisfied).await else { return Ok(false) };
        let satisfied = satisfied.context("the reader of a process has ended")?;
        if satisfied.ended && !enough(&satisfied.so_far) {
            bail!("a process of the lab has ended; what it said last: {:?}", satisfied.so_far.last());
        }
        Ok(true)
    }

    /// All records so far, in the order of time: tasks write theirs down side by side.
    pub(super) fn records(&self) -> Vec<Record> {
        let mut records = self.records.borrow().so_far.clone();
        records.sort_by_key(|record| record.at);
        records
    }

    /// Ends it at once, as `kill -9` does.
    pub(super) async fn kill(mut self) -> Result<Vec<Record>> {
        self.child.kill().await.context("a process of the lab had ended")?;
        Ok(self.records())
    }
}

async fn read(output: Box<dyn AsyncRead + Send + Unpin>, records: watch::Sender<Records>, writes: Writes) {
    let mut lines = BufReader::new(output).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let record = match writes {
            Writes::Records => serde_json::from_str(&line).unwrap_or_else(|_| log(line)),
            Writes::Log => log(line),
        };
        records.send_modify(|records| records.so_far.push(record));
    }
    records.send_modify(|records| records.ended = true);
}

fn log(line: String) -> Record {
    Record { at: super::clock::now(), client: 0, what: What::Log { line } }
}
