//! `dunlin presence`: shows who is in a topic.

use std::{pin::pin, time::Duration};

use console::style;
use dunlin_client::{Ask, Channel, Client, Delivery, JoinOptions, Message, PresenceDiff, PresenceEntry};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::{
    connect::{self, Server},
    exit::{Exit, Failure},
    interrupt::interrupted,
    payload, say,
    text::printable,
};

/// How long a server may take to say who is there.
const PATIENCE: Duration = Duration::from_secs(5);

/// Shows who is in a topic
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dunlin presence room:42
  dunlin presence room:42 --watch
  dunlin presence room:42 --json | jq -r '.entries[].key'

What is shown is what the application tracks. The built-in channel shows those who ask who is there, under their users \
or the names of their sessions. This command only watches, and is not shown.

With --json, each line is an object with a `type`:
  presence  topic, users, devices, entries (each with key, id, data, away)
  change    topic, users, devices, joins, updates, leaves; with --watch only")]
pub(crate) struct Args {
    /// The topic, such as room:42
    topic: String,
    /// Ask only how many there are
    #[arg(long)]
    counts: bool,
    /// Go on, and show what changes
    #[arg(short, long)]
    watch: bool,
    /// Print JSON, for programs
    #[arg(long)]
    json: bool,
}

/// Runs the command until the list is shown, or with `--watch` until the user ends it.
pub(crate) async fn run(server: &Server, args: &Args) -> Result<Exit, Failure> {
    let client = server.connect().await?;
    let ended = show(&client, args).await;
    connect::goodbye(client).await;
    ended
}

async fn show(client: &Client, args: &Args) -> Result<Exit, Failure> {
    let presence = if args.counts { Ask::Counts } else { Ask::Full };
    let options = JoinOptions { delivery: Some(Delivery::None), presence, ..JoinOptions::default() };
    let mut channel = connect::join(client, &args.topic, options).await?;
    let mut stop = pin!(interrupted());
    let first = tokio::select! {
        first = timeout(PATIENCE, change(&mut channel)) => first,
        () = &mut stop => return Err(Failure::interrupted()),
    };
    match first {
        Ok(Some(_)) => say_list(args, &channel)?,
        Ok(None) => return Err(connect::ended(&args.topic, channel.closed().as_ref())),
        Err(_) => {
            return Err(Failure::new(
                Exit::Failed,
                format!("{}: the server does not tell who is there", args.topic),
            )
            .hint("presence.mode in the server's configuration allows it"));
        }
    }
    if !args.watch {
        return Ok(Exit::Done);
    }
    loop {
        let diff = tokio::select! {
            diff = change(&mut channel) => diff,
            () = &mut stop => return Ok(Exit::Done),
        };
        let Some(diff) = diff else {
            return Err(connect::ended(&args.topic, channel.closed().as_ref()));
        };
        say_change(args, &diff)?;
    }
}

/// The next change; `None` when the channel has ended.
async fn change(channel: &mut Channel) -> Option<PresenceDiff> {
    loop {
        if let Message::Presence(diff) = channel.next().await? {
            return Some(diff);
        }
    }
}

fn say_list(args: &Args, channel: &Channel) -> std::io::Result<()> {
    let list = channel.presence();
    if args.json {
        let entries: Vec<_> = list.entries().map(object).collect();
        return say::line(json!({
            "type": "presence", "topic": args.topic, "users": list.users(), "devices": list.devices(), "entries": entries,
        }));
    }
    for entry in list.entries() {
        say::line(row(" ", entry))?;
    }
    say::remark(counted(&args.topic, list.users(), list.devices()));
    Ok(())
}

fn say_change(args: &Args, diff: &PresenceDiff) -> std::io::Result<()> {
    let PresenceDiff { joins, updates, leaves, users, devices } = diff;
    if args.json {
        let [joins, updates, leaves] =
            [joins, updates, leaves].map(|list| list.iter().map(object).collect::<Vec<_>>());
        return say::line(json!({
            "type": "change", "topic": args.topic, "users": users, "devices": devices,
            "joins": joins, "updates": updates, "leaves": leaves,
        }));
    }
    for (mark, list) in [("+", joins), ("~", updates), ("-", leaves)] {
        for entry in list {
            say::line(row(mark, entry))?;
        }
    }
    if args.counts || joins.is_empty() && updates.is_empty() && leaves.is_empty() {
        say::remark(counted(&args.topic, *users, *devices));
    }
    Ok(())
}

fn counted(topic: &str, users: u64, devices: u64) -> String {
    let some = |n: u64, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    format!("{topic}: {} with {}", some(users, "user"), some(devices, "device"))
}

/// One entry as a row for people.
fn row(mark: &str, entry: &PresenceEntry) -> String {
    let data = if entry.data.is_empty() {
        String::new()
    } else {
        payload::to_json(&entry.data).map_or_else(|| payload::base64(&entry.data), |data| data.to_string())
    };
    let away = if entry.away { "away" } else { "here" };
    let (key, data) = (printable(&entry.key), printable(&data).into_owned());
    format!("{mark} {:<32} {} {data}", style(key).bold(), style(away).dim()).trim_end().into()
}

/// One entry as an object for programs.
fn object(entry: &PresenceEntry) -> Value {
    let data = if entry.data.is_empty() { None } else { payload::to_json(&entry.data) };
    let mut object = json!({ "key": entry.key, "id": entry.id, "data": data, "away": entry.away });
    if data.is_none() && !entry.data.is_empty() {
        object["base64"] = payload::base64(&entry.data).into();
    }
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(data: &'static [u8], away: bool) -> PresenceEntry {
        PresenceEntry { key: "ada".into(), id: 7, data: data.into(), away }
    }

    #[test]
    fn entries_are_shown() {
        console::set_colors_enabled(false);
        assert_eq!(row(" ", &entry(b"", false)), "  ada                              here");
        assert_eq!(row("~", &entry(b"\xa5phone", true)), "~ ada                              away \"phone\"");
        assert_eq!(
            object(&entry(b"\xa5phone", true)).to_string(),
            r#"{"key":"ada","id":7,"data":"phone","away":true}"#
        );
        assert_eq!(
            object(&entry(b"\xc1\xff", false)).to_string(),
            r#"{"key":"ada","id":7,"data":null,"away":false,"base64":"wf8="}"#
        );
    }
}
