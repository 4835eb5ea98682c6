//! Live location: couriers push where they are, maps show the newest place of each.
//!
//! `cargo run --example location -p dunlin-server`, then in another terminal
//! `while sleep 0.1; do date +%s; done | dunlin pub city:berlin --event at --key ada -`, and in others maps, each as it likes:
//!
//! - `dunlin sub city:berlin`: the newest place of each courier. Who reads slowly, or comes back after a while, gets none of those before.
//! - `dunlin sub city:berlin --delivery latest --interval 2s --last 100`: a list that is looked at now and then; it begins with where everybody was last.
//! - `dunlin sub city:berlin --delivery datagram`: a map that is zoomed in. Each place comes at once or not at all, and one that is lost on the
//!   way holds up no other.

use bytes::Bytes;
use dunlin_proto::{Code, frame::Refusal};
use dunlin_server::{
    Config, Server,
    channel::{Channel, Context, Outgoing, Push},
    config::Sources,
};
use std::time::Duration;
use tokio::time::Instant;

/// A courier on the map of one city, or somebody who looks at it.
#[derive(Default)]
struct City {
    /// When this courier has said where it is, last.
    seen: Option<Instant>,
}

/// Time to look whether the courier still says something.
struct Look;

/// A place is worth telling at most this often.
const PACE: Duration = Duration::from_millis(200);

/// A courier that says nothing for so long is lost, which the map should show.
const LOST: Duration = Duration::from_secs(30);

impl Channel for City {
    type Info = Look;

    async fn join(&mut self, _: &Context<Look>, _: Option<Bytes>) -> Result<Bytes, Refusal> {
        Ok(Bytes::new())
    }

    async fn handle_in(&mut self, context: &Context<Look>, push: Push) -> Result<Bytes, Refusal> {
        let Some(courier) = push.key.clone().filter(|_| &*push.event == "at") else {
            return Err(Refusal::because(Code::REJECTED, "push `at` with the courier as its key"));
        };
        let now = Instant::now();
        match self.seen.replace(now) {
            // A phone that says too much costs every map's battery: what is left out is old the next time anyway.
            Some(last) if now - last < PACE => {
                self.seen = Some(last);
                return Ok("skipped".into());
            }
            Some(_) => {}
            None => {
                context.track(&courier, "courier")?;
                context.schedule(LOST, Look)?;
            }
        }
        // The key makes it one place for each courier, for all who asked for the latest only.
        context.broadcast_from(Outgoing::new("at", push.payload).key(&courier)).await?;
        Ok(Bytes::new())
    }

    async fn handle_info(&mut self, context: &Context<Look>, _: Look) -> Result<(), Refusal> {
        match self.seen.map(|seen| seen.elapsed()) {
            Some(silence) if silence < LOST => drop(context.schedule(LOST - silence, Look)?),
            _ => {
                self.seen = None;
                context.push("where are you?", "")?;
            }
        }
        Ok(())
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sources = Sources::default();
    // Who wants every place that ever was is not looking at a map.
    sources.flag("namespace.city:*.delivery", "latest,datagram".into());
    // Who opens the map of a quiet city sees the last thing that moved there.
    sources.flag("namespace.city:*.retain", "10m".into());
    sources.environment(std::env::vars());
    let config = Config::check(&sources)?;
    let server = Server::builder(config).channel("city:*".parse()?, City::default).start().await?;
    println!("maps on dunlin://{}; try `dunlin sub city:berlin --delivery datagram`", server.address());
    tokio::signal::ctrl_c().await?;
    server.shut_down().await;
    Ok(())
}
