//! `dunlin sub`: prints what happens in topics.

mod feed;
mod human;
mod object;
mod wander;

use std::{io, pin::pin, time::Duration};

use dunlin_client::{Client, Delivery, JoinOptions, Joined, Message, Position, State};
use jiff::ZonedDateTime;
use tokio::io::{AsyncWriteExt as _, stdout};

pub(crate) use self::human::{is_seamless, joined_as};
use self::{
    feed::{Feed, Item},
    wander::Wander,
};
use crate::{
    connect::{self, Server},
    exit::{Exit, Failure},
    interrupt::interrupted,
    payload, say,
    text::parse_span,
};

/// Most items that are written with one system call.
const BATCH: usize = 256;

/// Subscribes to topics and prints their events
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dunlin sub room:1 room:2
  dunlin sub room:1 --since oldest --count 10
  dunlin sub couriers --delivery latest --interval 1s --last 100
  dunlin sub cursors --delivery datagram
  dunlin sub room:1 --json | jq -c 'select(.type == \"event\") | .data'
  dunlin sub room:1 --wander 2s   # what a change of networks costs; publish to room:1 meanwhile

With --json, each line is an object with a `type`:
  event      topic, epoch, offset, event, data, at (ms since 1970), key (if any)
  joined     topic, epoch, offset: the events after it follow; delivery: how they come from now on
  recovered  as joined, and nothing since the position asked for is missing
  lost       as joined, with that position as since, and missed (a number or null)
  gap        topic, epoch, from, to: these offsets are missing, inclusive
  restarted  topic, epoch, offset: the topic's log started over
  direct     topic, event, data: for this member alone
  closed     topic, code, name, message
  state      state: connecting, online (with session, resumed, transport), recovering, offline,
             paused or closed
  moved      transport, before: what carries the connection has changed
  change     an interruption is over: rung (migrated, resumed or resync), cause, gap_ms, recovered, lost (null if it
             cannot be counted), from and to (this device's addresses), transport

In data, bytes are {\"base64\": …} and extensions {\"ext\": TYPE, \"base64\": …}. A payload that is not MessagePack \
has data null, and stands in base64.")]
pub(crate) struct Args {
    /// The topics, such as room:42
    #[arg(required = true, value_name = "TOPIC")]
    topics: Vec<String>,
    /// Where to begin: `oldest` for all that history holds, or the EPOCH:OFFSET of the last event seen
    #[arg(long, value_name = "POSITION", value_parser = parse_since)]
    since: Option<Position>,
    /// Which events to deliver: every one, the newest of each key, or each at once or not at all; the topic's default unless given
    #[arg(long, value_name = "MODE")]
    delivery: Option<Mode>,
    /// The same as --delivery latest
    #[arg(long, conflicts_with = "delivery")]
    latest: bool,
    /// What has changed at most this often; needs latest
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    interval: Option<Duration>,
    /// Skip what could not be delivered in time
    #[arg(long, value_name = "TIME", value_parser = parse_span)]
    deadline: Option<Duration>,
    /// Begin with the last events there are, so many of them
    #[arg(long, value_name = "N", conflicts_with = "since", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    last: Option<u32>,
    /// Which topics go first where there is no room for all, the highest first
    #[arg(long, value_name = "0-255", default_value_t = JoinOptions::default().priority)]
    priority: u8,
    /// End after this many events
    #[arg(short = 'n', long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// Move to another socket this often, as when networks change, and tell how each move went
    #[arg(long, value_name = "TIME", value_parser = parse_pace)]
    wander: Option<Duration>,
    /// Print one JSON object a line, for programs
    #[arg(long)]
    json: bool,
    /// Print only the data of each event: a text as it is, other values as JSON, other bytes as they are
    #[arg(long, conflicts_with = "json")]
    raw: bool,
}

/// A way to have events delivered.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Mode {
    /// Every event, in order
    Reliable,
    /// The newest event of each key
    Latest,
    /// Each event at once, in a datagram, or not at all
    Datagram,
}

impl Args {
    fn mode(&self) -> Option<Delivery> {
        match self.delivery {
            _ if self.latest => Some(Delivery::Latest),
            None => None,
            Some(Mode::Reliable) => Some(Delivery::Reliable),
            Some(Mode::Latest) => Some(Delivery::Latest),
            Some(Mode::Datagram) => Some(Delivery::Datagram),
        }
    }
}

/// Reads `oldest` or `EPOCH:OFFSET`.
pub(crate) fn parse_since(text: &str) -> Result<Position, String> {
    match text {
        "oldest" => Ok(Position::OLDEST),
        _ => text.parse().map_err(|_| "write EPOCH:OFFSET or `oldest`".into()),
    }
}

/// Reads a span that is long enough for a move.
fn parse_pace(text: &str) -> Result<Duration, String> {
    const SHORTEST: Duration = Duration::from_millis(20);
    parse_span(text).and_then(|pace| if pace < SHORTEST { Err("20ms is the least".into()) } else { Ok(pace) })
}

/// How many events a join that could not go on from its position has missed, if that can be known: positions of
/// different lives of a log cannot be compared.
fn missed(joined: &Joined) -> Option<u64> {
    let since = joined.previous.filter(|since| since.epoch == joined.position.epoch)?;
    joined.position.offset.checked_sub(since.offset)
}

/// Runs the command until its count is reached, the user ends it, or the server does.
pub(crate) async fn run(server: &Server, args: Args) -> Result<Exit, Failure> {
    if args.topics.len() > 1 && args.since.is_some_and(|since| since != Position::OLDEST) {
        return Err(Failure::new(Exit::Usage, "a position belongs to one topic, and several are named")
            .hint("use `--since oldest`, or one command for each topic"));
    }
    if args.interval.is_some() && args.mode() != Some(Delivery::Latest) {
        return Err(Failure::new(Exit::Usage, "--interval is for the newest event of each key")
            .hint("add `--delivery latest`"));
    }
    let client = server.connect().await?;
    let ended = tell(&client, &args).await;
    connect::goodbye(client).await;
    ended
}

async fn tell(client: &Client, args: &Args) -> Result<Exit, Failure> {
    let options = JoinOptions {
        since: args.since,
        delivery: args.mode(),
        interval: args.interval,
        deadline: args.deadline,
        rewind: args.last.unwrap_or(0),
        priority: args.priority,
        ..JoinOptions::default()
    };
    let mut feed = Feed::open(client, &args.topics, &options).await?;
    let mut left = args.count.unwrap_or(u64::MAX);
    let mut wander = args.wander.map(|every| Wander::new(client.clone(), every));
    let mut stop = pin!(interrupted());
    let mut batch = Vec::with_capacity(BATCH);
    while left > 0 {
        batch.clear();
        tokio::select! {
            more = feed.next(&mut batch, BATCH) => if !more {
                return Ok(Exit::Done);
            },
            () = hop(&mut wander) => continue,
            () = &mut stop => return Ok(stopped(args, &feed, wander.as_ref())),
        }
        let mut lines = Vec::new();
        let mut failure = None;
        for item in &batch {
            left -= u64::from(matches!(item, Item::Message(_, Message::Event(_))));
            args.write(item, &mut lines);
            if let (Item::Change(change), Some(wander)) = (item, &mut wander) {
                wander.note(change);
            }
            failure = failure.or_else(|| fatal(item));
            if left == 0 {
                break;
            }
        }
        tokio::select! {
            printed = print(&lines) => printed?,
            () = &mut stop => return Ok(stopped(args, &feed, wander.as_ref())),
        }
        if let Some(failure) = failure {
            return Err(failure);
        }
    }
    Ok(Exit::Done)
}

/// Moves on when it is time, if the client is to wander.
async fn hop(wander: &mut Option<Wander>) {
    match wander {
        Some(wander) => wander.hop().await,
        None => std::future::pending().await,
    }
}

/// Writes to standard output, but not through `std::io`: a reader that has paused (`| less`) would stop the
/// connection's signs of life.
async fn print(lines: &[u8]) -> io::Result<()> {
    let mut out = stdout();
    out.write_all(lines).await?;
    out.flush().await
}

/// The end of one topic ends the command, so that a script does not wait for events that cannot come.
fn fatal(item: &Item) -> Option<Failure> {
    match item {
        Item::Ended(topic, closed) => Some(connect::ended(topic.as_str(), closed.as_ref())),
        Item::State(State::Closed(closed)) => Some(connect::ended("the connection", Some(closed))),
        _ => None,
    }
}

/// The end by Ctrl-C, which is how most subscriptions end.
fn stopped(args: &Args, feed: &Feed, wander: Option<&Wander>) -> Exit {
    if !args.json && !args.raw {
        if let Some(wander) = wander {
            say::remark(wander.summary());
        }
        for (topic, position) in feed.positions() {
            say::remark(format!("{topic}: go on later with --since {position}"));
        }
    }
    if args.count.is_some() { Exit::Interrupted } else { Exit::Done }
}

impl Args {
    /// Adds the item's line, in the form asked for. Remarks for people go to standard error.
    fn write(&self, item: &Item, lines: &mut Vec<u8>) {
        let line = match item {
            _ if self.json => Some(object::of(item).to_string().into_bytes()),
            Item::Message(_, Message::Event(event)) if self.raw => {
                Some(payload::raw(&event.payload).into_owned())
            }
            Item::Message(_, Message::Direct { .. }) if self.raw => None,
            _ => human::line(item, &ZonedDateTime::now()).map(String::into_bytes),
        };
        if let Some(line) = line {
            lines.extend_from_slice(&line);
            lines.push(b'\n');
        } else if let Some(remark) = human::remark(item) {
            say::remark(remark);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read() {
        assert_eq!(parse_since("oldest"), Ok(Position::OLDEST));
        assert_eq!(parse_since("7:42"), Ok(Position::new(7, 42)));
        assert!(parse_since("42").is_err() && parse_since("newest").is_err());
    }
}
