//! `dunlin pub`: publishes one event, or one for each line of standard input.

mod data;
mod pipeline;

use std::io::IsTerminal as _;

use dunlin_client::{Channel, Client, Delivery, JoinOptions, PushError, Reply};

use self::data::Form;
use crate::{
    connect::{self, Server},
    exit::{Exit, Failure},
    input::Lines,
    interrupt::interrupted,
    payload, say,
    states::offline,
};

/// Publishes one event, or one for each line of standard input
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dunlin pub room:1 hello
  dunlin pub room:1 '{\"text\": \"hello\"}' --event said
  seq 1000 | dunlin pub numbers -
  dunlin sub a --raw | dunlin pub b -

Data that is JSON is published as that value, anything else as a text.

With `-`, each line is an event, an empty one too. They keep their order, and many are on their way at once. Exit \
code 0 means that every one is acknowledged; the first that fails ends the command. When the connection is lost, it \
goes on as soon as there is another, and gives up after 30 seconds.")]
pub(crate) struct Args {
    /// The topic, such as room:42
    topic: String,
    /// The data, or `-` for the lines of standard input
    data: Option<String>,
    /// The event's name
    #[arg(short, long, value_name = "NAME", default_value = "message")]
    event: String,
    /// The key, of which `sub --latest` wants the newest event only
    #[arg(short, long)]
    key: Option<String>,
    #[command(flatten)]
    form: Form,
}

/// Runs the command until everything is acknowledged, or something is not.
pub(crate) async fn run(server: &Server, args: Args) -> Result<Exit, Failure> {
    let data = match args.data.as_deref() {
        None if std::io::stdin().is_terminal() => {
            return Err(Failure::new(Exit::Usage, "there is nothing to publish")
                .hint("give DATA after the topic, or `-` to type lines that end with Ctrl-D"));
        }
        None | Some("-") => None,
        Some(data) => Some(args.form.payload(data).map_err(|why| Failure::new(Exit::Usage, why))?),
    };
    let client = server.connect().await?;
    let published = publish(&client, &args, data).await;
    connect::goodbye(client).await;
    published
}

async fn publish(client: &Client, args: &Args, data: Option<Vec<u8>>) -> Result<Exit, Failure> {
    let options = JoinOptions { delivery: Some(Delivery::None), ..JoinOptions::default() };
    let channel = connect::join(client, &args.topic, options).await?;
    match data {
        Some(payload) => one(client, &channel, args, payload).await,
        None => pipeline::run(client, channel, args, Lines::of_stdin(longest_line(client))).await,
    }
}

async fn one(client: &Client, channel: &Channel, args: &Args, payload: Vec<u8>) -> Result<Exit, Failure> {
    let push = async {
        let sender = channel.sender();
        sender.send(&args.event, payload, args.key.as_deref()).await?.await
    };
    tokio::select! {
        answer = push => {
            let reply = answer.map_err(|error| unpublished(&args.topic, error))?;
            say::remark(format!("published to {}{}", args.topic, place(&reply)));
            Ok(Exit::Done)
        }
        () = offline(client) => Err(unacknowledged("the event is not acknowledged: the connection is lost")),
        () = interrupted() => Err(Failure::interrupted()),
    }
}

/// Why an event was not published.
fn unpublished(topic: &str, error: PushError) -> Failure {
    match error {
        PushError::Refused { code, message } => connect::refused(topic, code, &message),
        PushError::Closed(closed) => unacknowledged(&connect::ended(topic, Some(&closed)).message),
        error @ (PushError::EventName(_) | PushError::Key(_)) => Failure::new(Exit::Usage, error.to_string()),
        error => Failure::new(Exit::Failed, error.to_string()),
    }
}

fn unacknowledged(message: &str) -> Failure {
    Failure::new(Exit::Unacknowledged, message).hint("whether it was published is not known")
}

/// Where the event is in its topic's log, if the channel's answer says so, as that of the built-in one does.
fn place(reply: &Reply) -> String {
    let answer = payload::to_json(&reply.payload);
    let number = |name: &str| answer.as_ref()?.get(name)?.as_u64();
    match (number("epoch"), number("offset")) {
        (Some(epoch), Some(offset)) => format!(" at {epoch}:{offset}"),
        _ => String::new(),
    }
}

/// A line may be longer than the payload it becomes: in JSON one byte can be written as six (`\u0041`).
fn longest_line(client: &Client) -> usize {
    let limits = client.connection().map(|connection| connection.limits).unwrap_or_default();
    limits.payload.saturating_mul(6)
}
