//! `dunlin chat`: a room in the terminal, line by line.

mod screen;

use std::{collections::VecDeque, io, pin::pin};

use dunlin_client::{Channel, Client, Event, JoinOptions, Message, Position, PushError, PushHandle, Reply};
use jiff::ZonedDateTime;
use serde_json::{Value, json};

use self::screen::Screen;
use crate::{
    connect::{self, Server},
    exit::{Exit, Failure},
    input::Lines,
    interrupt::interrupted,
    payload,
    states::{States, trouble},
    sub::{is_seamless, joined_as, parse_since},
    text::{printable, time_of_day},
};

/// The name of the events that are lines of the chat.
const EVENT: &str = "message";

/// Most lines without an answer: then no more are read, so that a long input waits with its writer.
const MAX_PENDING: usize = 64;

/// Longest line that is sent, in bytes.
const MAX_LINE: usize = 16 * 1024;

/// Opens a chat room: each line is sent as an event `message` with {"from": NAME, "text": LINE}
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dunlin chat room:1 --name ann
  echo 'deployed' | dunlin chat room:ops --name ci

Ctrl-D or Ctrl-C leaves.")]
pub(crate) struct Args {
    /// The topic, such as room:42
    topic: String,
    /// Who you are
    #[arg(long, env = "USER", hide_env = true, default_value = "somebody")]
    name: String,
    /// What to show first: `oldest` for all that history holds, `now` for nothing, or what follows EPOCH:OFFSET
    #[arg(long, value_name = "POSITION", default_value = "oldest", value_parser = parse_start)]
    since: Start,
}

/// Where the room's history is shown from.
#[derive(Debug, Clone, Copy)]
enum Start {
    Now,
    Since(Position),
}

fn parse_start(text: &str) -> Result<Start, String> {
    if text == "now" { Ok(Start::Now) } else { parse_since(text).map(Start::Since) }
}

/// Runs the command until the input ends and all of it is sent, the user leaves, or the server ends it.
pub(crate) async fn run(server: &Server, args: Args) -> Result<Exit, Failure> {
    let client = server.connect().await?;
    let ended = talk(&client, args).await;
    connect::goodbye(client).await;
    ended
}

async fn talk(client: &Client, args: Args) -> Result<Exit, Failure> {
    let since = match args.since {
        Start::Now => None,
        Start::Since(position) => Some(position),
    };
    let options = JoinOptions { since, ..JoinOptions::default() };
    let channel = connect::join(client, &args.topic, options).await?;
    let screen = Screen::open(&args.name)?;
    let room = Room { name: args.name, channel, screen, pending: VecDeque::new() };
    room.run(client).await
}

struct Room {
    name: String,
    channel: Channel,
    screen: Screen,
    /// Lines without an answer yet, oldest first.
    pending: VecDeque<PushHandle>,
}

impl Room {
    async fn run(mut self, client: &Client) -> Result<Exit, Failure> {
        let mut lines = Lines::of_stdin(MAX_LINE);
        let mut states = States::of(client);
        let mut stop = pin!(interrupted());
        let mut reading = true;
        while reading || !self.pending.is_empty() {
            tokio::select! {
                message = self.channel.next() => match message {
                    Some(message) => self.hear(&message)?,
                    None => {
                        let closed = self.channel.closed();
                        return Err(connect::ended(self.channel.topic().as_str(), closed.as_ref()));
                    }
                },
                line = lines.next(), if reading && self.pending.len() < MAX_PENDING => match line? {
                    Some(line) => self.say(&String::from_utf8_lossy(&line.bytes)).await?,
                    None => reading = false,
                },
                answer = oldest(&mut self.pending), if !self.pending.is_empty() => if let Err(error) = answer {
                    self.screen.remark(&format!("not sent: {error}"))?;
                },
                state = states.next() => if let Some(trouble) = trouble(&state) {
                    self.screen.remark(trouble)?;
                },
                () = &mut stop => break,
            }
        }
        self.screen.close()?;
        Ok(Exit::Done)
    }

    async fn say(&mut self, text: &str) -> Result<(), Failure> {
        self.screen.entered(text)?;
        if text.trim().is_empty() {
            return Ok(());
        }
        let payload = payload::from_json(&json!({ "from": self.name, "text": text }));
        match self.channel.sender().send(EVENT, payload, None).await {
            Ok(handle) => self.pending.push_back(handle),
            Err(error) => self.screen.remark(&format!("not sent: {error}"))?,
        }
        Ok(())
    }

    fn hear(&mut self, message: &Message) -> io::Result<()> {
        match message {
            Message::Event(event) => {
                self.screen.show(&Said::read(event), &time_of_day(event.at, &ZonedDateTime::now()))
            }
            Message::Joined(joined) if joined.again && !is_seamless(joined) => {
                self.screen.remark(&joined_as(joined))
            }
            Message::Gap { from, to } => {
                let missing = to.offset - from.offset + 1;
                self.screen.remark(&format!("{missing} lines are missing here"))
            }
            Message::Restarted(_) => self.screen.remark("the room's history started over"),
            Message::Joined(_) | Message::Direct { .. } | Message::Presence(_) => Ok(()),
        }
    }
}

/// The answer to the oldest line. Safe to cancel.
async fn oldest(pending: &mut VecDeque<PushHandle>) -> Result<Reply, PushError> {
    let Some(handle) = pending.front_mut() else { return std::future::pending().await };
    let answer = handle.await;
    pending.pop_front();
    answer
}

/// What somebody said, safe for a terminal.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    /// The speaker, or the name of an event that is no line of a chat.
    by: String,
    text: String,
}

impl Said {
    fn read(event: &Event) -> Self {
        let data = payload::to_json(&event.payload).unwrap_or_default();
        let part = |name: &str| data.get(name).and_then(Value::as_str);
        let (by, text) = match (&*event.event, part("from"), part("text")) {
            (EVENT, Some(from), Some(text)) => (from, text.into()),
            (other, ..) => (other, data.to_string()),
        };
        Self { by: printable(by).into(), text: printable(&text).into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(event: &str, data: &Value) -> Said {
        Said::read(&Event {
            topic: "room".parse().unwrap(),
            position: Position::new(1, 1),
            at: 0,
            event: event.into(),
            payload: payload::from_json(data).into(),
            key: None,
        })
    }

    #[test]
    fn lines_of_the_chat_and_other_events_are_told_apart() {
        let expect = |by: &str, text: &str| Said { by: by.into(), text: text.into() };
        assert_eq!(said(EVENT, &json!({ "from": "ann", "text": "hi" })), expect("ann", "hi"));
        assert_eq!(said("typing", &json!({ "from": "ann" })), expect("typing", r#"{"from":"ann"}"#));
        assert_eq!(said(EVENT, &json!("plain")), expect("message", r#""plain""#));
    }

    #[test]
    fn nobody_can_steer_the_terminal() {
        let said = said(EVENT, &json!({ "from": "\x1b[2J", "text": "\r\x07" }));
        assert!(!said.by.contains('\x1b') && !said.text.contains(char::is_control));
    }
}
