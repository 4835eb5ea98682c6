//! Many events on their way at once: one for each line, in order, until all are acknowledged or one fails.

use std::{collections::VecDeque, io::IsTerminal as _, pin::pin, time::Duration};

use dunlin_client::{Channel, Client, PushError, PushHandle};
use indicatif::{ProgressBar, ProgressStyle};
use tokio::io::AsyncBufRead;

use super::Args;
use crate::{
    connect,
    exit::{Exit, Failure},
    input::{Line, Lines},
    interrupt::interrupted,
    say, states,
};

/// Bytes on their way from which on no more lines are read: enough for any network, and a bound on memory where
/// payloads are large.
const MAX_BYTES: usize = 16 * 1024 * 1024;

/// Publishes line by line.
pub(super) async fn run<R: AsyncBufRead + Unpin>(
    client: &Client,
    channel: Channel,
    args: &Args,
    lines: Lines<R>,
) -> Result<Exit, Failure> {
    let progress = progress();
    let mut flight = Flight::new(client);
    let flown = fly(client, channel, args, lines, &mut flight, &progress).await;
    progress.finish_and_clear();
    let plural = if flight.acknowledged == 1 { "" } else { "s" };
    say::remark(format!("published {} event{plural} to {}", flight.acknowledged, args.topic));
    flown
}

async fn fly<R: AsyncBufRead + Unpin>(
    client: &Client,
    mut channel: Channel,
    args: &Args,
    mut lines: Lines<R>,
    flight: &mut Flight,
    progress: &ProgressBar,
) -> Result<Exit, Failure> {
    let mut stop = pin!(interrupted());
    let mut offline = pin!(states::offline(client));
    // Why no more lines are read, once that is so: the input's end, or a line that cannot be sent.
    let mut landing = None;
    while landing.is_none() || !flight.is_empty() {
        tokio::select! {
            (number, answer) = flight.oldest(), if !flight.is_empty() => match answer {
                Ok(()) => progress.set_position(flight.acknowledged),
                Err(error) => return Err(at_line(number, &error.to_string())),
            },
            line = lines.next(), if landing.is_none() && flight.has_room() => match line {
                Ok(Some(line)) => landing = flight.send(&channel, args, &line).await.err().map(Err),
                Ok(None) => landing = Some(Ok(Exit::Done)),
                Err(error) => landing = Some(Err(Failure::from(error))),
            },
            // Nothing but rejoins comes to a member that only pushes. Its end fails whatever is on its way.
            message = channel.next() => if message.is_none() && flight.is_empty() {
                return Err(connect::ended(&args.topic, channel.closed().as_ref()));
            },
            () = &mut offline => return Err(flight.lost()),
            () = &mut stop => return Err(Failure::interrupted()),
        }
    }
    let ended = landing.unwrap_or(Ok(Exit::Done));
    ended.map_err(|failure| Failure { exit: Exit::Unacknowledged, ..failure })
}

fn at_line(number: u64, problem: &str) -> Failure {
    Failure::new(Exit::Unacknowledged, format!("line {number}: {problem}"))
}

/// The events on their way, oldest first.
struct Flight {
    /// Most events on their way: as many as the server takes.
    window: usize,
    /// Line, length of its payload, and the answer to come.
    events: VecDeque<(u64, usize, PushHandle)>,
    bytes: usize,
    acknowledged: u64,
}

impl Flight {
    fn new(client: &Client) -> Self {
        let limits = client.connection().map(|connection| connection.limits).unwrap_or_default();
        Self { window: limits.pushes.max(1) as usize, events: VecDeque::new(), bytes: 0, acknowledged: 0 }
    }

    fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    fn has_room(&self) -> bool {
        self.events.len() < self.window && self.bytes < MAX_BYTES
    }

    async fn send(&mut self, channel: &Channel, args: &Args, line: &Line) -> Result<(), Failure> {
        let payload = args.form.payload_of_line(&line.bytes).map_err(|why| at_line(line.number, &why))?;
        let len = payload.len();
        let sent = channel.sender().send(&args.event, payload, args.key.as_deref()).await;
        let handle = sent.map_err(|error| at_line(line.number, &error.to_string()))?;
        self.events.push_back((line.number, len, handle));
        self.bytes += len;
        Ok(())
    }

    /// Waits for the answer to the oldest event, and gives its line. Safe to cancel.
    async fn oldest(&mut self) -> (u64, Result<(), PushError>) {
        let Some((number, len, handle)) = self.events.front_mut() else {
            return std::future::pending().await;
        };
        let (number, len, answer) = (*number, *len, handle.await);
        self.events.pop_front();
        self.bytes -= len;
        self.acknowledged += u64::from(answer.is_ok());
        (number, answer.map(drop))
    }

    fn lost(&self) -> Failure {
        let problem = "not acknowledged: no server can be reached any more";
        match self.events.front() {
            Some((number, ..)) => at_line(*number, problem),
            None => Failure::new(Exit::Unacknowledged, problem),
        }
    }
}

/// How it goes, for a user who sees nothing else: not while lines are typed, and not in a script.
fn progress() -> ProgressBar {
    if std::io::stdin().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{spinner} {human_pos} published in {elapsed}");
    // On standard error, and hidden where that is no terminal.
    let bar = ProgressBar::new_spinner().with_style(style.expect("the template is well formed"));
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
