//! `dunlin bench`: what a server takes, and how long it takes for it, measured from outside.
//!
//! The peers here speak raw frames over few sockets, so that the generator of the load costs less than the server. Where
//! it does not, the report says so.

mod alarm;
mod churn;
mod connections;
mod fanout;
mod latency;
mod payload;
mod peer;
mod process;
mod ramp;
mod report;
mod saturation;
mod schedule;
mod sequence;
mod stop;
mod storm;
mod subscription;
mod target;
mod times;
mod traffic;
mod window;

use std::time::Duration;

use crate::{
    connect::Server,
    exit::{Exit, Failure},
    text::parse_span,
};

use self::{ramp::Pace, stop::Stop, target::Target};

/// Measures a server: connections, latency, fan-out, churn, a storm of reconnects
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  dunlin bench connections --count 10000 --hold 30
  dunlin bench latency --rate 500 --idle 1000
  dunlin bench fanout --subscribers 1000 --window 32 --size 128 --json
  dunlin bench storm --count 5000 --server-pid $(pidof dunlin-server)

Latency is measured from the moment at which a message was due, not from when it could be sent. The load takes one core at \
most; when that was too little, the report says `saturated`, and the figures are the generator's and not the server's. On the \
same machine give each a core of its own (taskset).")]
pub(crate) struct Args {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    common: Common,
}

#[derive(Debug, clap::Subcommand)]
enum What {
    Connections(connections::Args),
    Latency(latency::Args),
    Fanout(fanout::Args),
    Churn(churn::Args),
    Storm(storm::Args),
}

/// What all benchmarks take.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Benchmark")]
struct Common {
    /// Print one JSON object
    #[arg(long, global = true)]
    json: bool,
    /// The server's process on this machine, whose processor time and memory are told as well
    #[arg(long, global = true, value_name = "PID")]
    server_pid: Option<u32>,
    /// How many UDP sockets carry the connections; a WebSocket has one of its own
    #[arg(long, global = true, value_name = "N", default_value_t = 4,
          value_parser = clap::value_parser!(u16).range(1..=1024))]
    sockets: u16,
    /// How many handshakes may be on their way at once
    #[arg(long, global = true, value_name = "N", default_value_t = 64,
          value_parser = clap::value_parser!(u32).range(1..))]
    in_flight: u32,
    /// Begin so many handshakes a second at most; 0 is as fast as they are answered
    #[arg(long, global = true, value_name = "PER SECOND", default_value_t = 0)]
    ramp: u32,
    /// The topic, or the beginning of its name where there are several; a random one unless set
    #[arg(long, global = true)]
    topic: Option<String>,
}

impl Common {
    fn pace(&self) -> Pace {
        Pace { in_flight: self.in_flight as usize, per_second: self.ramp }
    }
}

/// How long to measure, and what goes before.
#[derive(Debug, Clone, Copy, clap::Args)]
struct Span {
    /// How long to measure
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_span)]
    duration: Duration,
    /// How long the load runs before that
    #[arg(long, value_name = "TIME", default_value = "1s", value_parser = parse_span)]
    warmup: Duration,
}

/// Runs one benchmark; ends with a failure if anything failed or was lost.
pub(crate) async fn run(server: &Server, args: Args) -> Result<Exit, Failure> {
    let Args { what, common } = args;
    process::raise_file_limit();
    let stop = Stop::at_interrupt();
    let target = Target::open(server, &common).await?;
    let report = match what {
        What::Connections(args) => connections::run(&target, &common, &args, stop).await?,
        What::Latency(args) => latency::run(&target, &common, &args, stop).await?,
        What::Fanout(args) => fanout::run(&target, &common, &args, stop).await?,
        What::Churn(args) => churn::run(&target, &common, &args, stop).await?,
        What::Storm(args) => storm::run(&target, &common, &args, stop).await?,
    };
    report.print(common.json)?;
    Ok(if report.is_clean() { Exit::Done } else { Exit::Failed })
}
