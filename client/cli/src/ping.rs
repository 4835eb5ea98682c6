//! `dunlin ping`: round trips, and what is known of the connection.

mod report;

use std::{pin::pin, time::Duration};

use dunlin_client::{Client, ConnectionInfo};
use tokio::time::{MissedTickBehavior, interval, timeout};

use self::report::{Report, Times};
use crate::{
    connect::{self, Server},
    exit::{Exit, Failure},
    interrupt::interrupted,
    text::parse_span,
};

/// Measures round trips, and shows the connection
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dunlin ping
  dunlin ping --count 0 --interval 200ms
  dunlin ping --count 1 --json | jq -s '.[0].certificate'

It connects twice, to see whether a client that comes back can send 0-RTT data. The pings are the application's, \
answered by the server's session; the last line is the transport's view.")]
pub(crate) struct Args {
    /// How many pings; 0 until interrupted
    #[arg(short, long, value_name = "N", default_value_t = 4)]
    count: u64,
    /// The time from one ping to the next
    #[arg(short, long, value_name = "TIME", default_value = "1s", value_parser = parse_span)]
    interval: Duration,
    /// Print JSON objects, one a line
    #[arg(long)]
    json: bool,
}

/// Runs the command until its count is reached or the user ends it; fails if no ping was answered.
pub(crate) async fn run(server: &Server, args: &Args) -> Result<Exit, Failure> {
    let (client, first) = connect_twice(server).await?;
    let report = Report { url: &server.url, json: args.json };
    let pinged = match client.connection() {
        Some(second) => {
            report.connection(&first, &second)?;
            ping(&client, server, args, report).await
        }
        None => Err(Failure::new(Exit::Failed, "the connection was lost at once")),
    };
    connect::goodbye(client).await;
    pinged
}

/// A first connection, and a second one with the same settings, which stays: whether it could send 0-RTT data.
async fn connect_twice(server: &Server) -> Result<(Client, ConnectionInfo), Failure> {
    let builder = server.builder()?.shared().map_err(|error| server.explain(error))?;
    let connect = async {
        let client = builder.clone().connect().await?;
        let first = client.connection();
        // The server's ticket follows the handshake; after an answer it is here.
        let _ = timeout(server.timeout, client.ping()).await;
        connect::goodbye(client).await;
        Ok((builder.connect().await?, first))
    };
    let connected = tokio::select! {
        connected = connect => connected.map_err(|error| server.explain(error)),
        () = interrupted() => Err(Failure::interrupted()),
    };
    match connected? {
        (client, Some(first)) => Ok((client, first)),
        (_, None) => Err(Failure::new(Exit::Failed, "the connection was lost at once")),
    }
}

async fn ping(client: &Client, server: &Server, args: &Args, report: Report<'_>) -> Result<Exit, Failure> {
    let mut times = Times::default();
    let mut ticks = interval(args.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut stop = pin!(interrupted());
    let end = if args.count == 0 { u64::MAX } else { args.count };
    for number in 1..=end {
        let answer = tokio::select! {
            answer = async {
                ticks.tick().await;
                timeout(server.timeout, client.ping()).await
            } => answer,
            () = &mut stop => break,
        };
        let time = match answer {
            Ok(Ok(time)) => Some(time),
            Ok(Err(closed)) => return Err(connect::ended("the connection", Some(&closed))),
            Err(_) => None,
        };
        times.add(time);
        report.pong(number, time)?;
    }
    report.summary(&times, client.connection().as_ref())?;
    Ok(if times.any() { Exit::Done } else { Exit::Failed })
}
