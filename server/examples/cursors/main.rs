//! A board in the browser on which everybody sees everybody's cursor.
//!
//! Build the browser client once, `(cd client/web && npm ci && npm run build)`, then `cargo run --example cursors -p dunlin-server` and open
//! `http://127.0.0.1:8080/` in several windows. Another address is an argument: `-- 127.0.0.1:9000`, or port 0 for a free one.
//!
//! A cursor that moves is news: datagrams where there are any, and the newest of each key otherwise. Who is here, in which colour and where
//! the cursor came to rest is how things stand: presence, which newcomers are told at once, and which mends what got lost of the last move.

use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{Html, IntoResponse, Response},
    routing::get,
};
use bytes::Bytes;
use dunlin_proto::{Code, frame::Refusal};
use dunlin_server::{
    Config, Server,
    channel::{Channel, Context, Outgoing, Push, Timer},
    config::Sources,
};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};
use tokio::net::TcpListener;

/// Somebody at a board.
#[derive(Default)]
struct Board {
    /// From `join` on.
    guest: Option<Guest>,
    /// Runs until the cursor counts as resting.
    rests: Option<Timer>,
}

/// How a guest is shown.
#[derive(Deserialize, Serialize)]
struct Guest {
    name: String,
    /// `#rrggbb`
    colour: String,
    /// Says the server, not the guest.
    #[serde(skip_deserializing, skip_serializing_if = "Option::is_none")]
    rest: Option<Rest>,
}

/// Where a cursor rests.
#[derive(Serialize)]
struct Rest {
    at: (f64, f64),
    /// Of the event that brought it there: a page that has seen a later one knows better.
    offset: u64,
}

/// A cursor that has not moved for so long rests. Everybody is told, so not each short stop counts.
const REST: Duration = Duration::from_millis(300);

impl Guest {
    /// What a page shows of others must not be longer, nor anything else, than it expects.
    fn check(&self) -> Result<(), Refusal> {
        let digits = self.colour.strip_prefix('#').unwrap_or_default();
        let is_colour = digits.len() == 6 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if is_colour && (1..=24).contains(&self.name.chars().count()) {
            Ok(())
        } else {
            Err(Refusal::because(Code::REJECTED, "a name has 1 to 24 characters, a colour is #rrggbb"))
        }
    }
}

/// What was checked, and nothing that came along with it: a byte too many, and the others' pages could not read it.
fn written(value: &impl Serialize) -> Result<Vec<u8>, Refusal> {
    rmp_serde::to_vec_named(value).map_err(|_| Refusal::new(Code::INTERNAL))
}

impl Channel for Board {
    type Info = Rest;

    async fn join(&mut self, context: &Context<Rest>, params: Option<Bytes>) -> Result<Bytes, Refusal> {
        let params = params.ok_or(Refusal::because(Code::REJECTED, "say who you are"))?;
        let guest: Guest = rmp_serde::from_slice(&params)
            .map_err(|_| Refusal::because(Code::REJECTED, "a guest has a name and a colour"))?;
        guest.check()?;
        // One for each window, also if two have the same name.
        context.track(context.session().name(), written(&guest)?)?;
        self.guest = Some(guest);
        Ok(context.session().name().to_owned().into())
    }

    async fn handle_in(&mut self, context: &Context<Rest>, push: Push) -> Result<Bytes, Refusal> {
        let place = rmp_serde::from_slice::<(f64, f64)>(&push.payload).ok().filter(|_| &*push.event == "at");
        match place {
            Some(at @ (x, y)) if (0.0..=1.0).contains(&x) && (0.0..=1.0).contains(&y) => {
                // Whose cursor it is says the server: nobody moves another's.
                let moved = Outgoing::new("at", written(&at)?).key(context.session().name());
                let offset = context.broadcast_from(moved).await?.position.offset;
                if let Some(sooner) = self.rests.take() {
                    context.cancel(sooner);
                }
                self.rests = Some(context.schedule(REST, Rest { at, offset })?);
                Ok(Bytes::new())
            }
            _ => Err(Refusal::because(Code::REJECTED, "push `at` with [x, y], each from 0 to 1")),
        }
    }

    async fn handle_info(&mut self, context: &Context<Rest>, rest: Rest) -> Result<(), Refusal> {
        if let Some(guest) = &mut self.guest {
            guest.rest = Some(rest);
            context.update(context.session().name(), written(guest)?)?;
        }
        Ok(())
    }
}

/// Where the scripts of each package are once the browser client is built.
const SCRIPTS: [(&str, &str); 2] = [
    ("client", concat!(env!("CARGO_MANIFEST_DIR"), "/../client/web/dist")),
    ("msgpack", concat!(env!("CARGO_MANIFEST_DIR"), "/../client/web/node_modules/@msgpack/msgpack/dist.esm")),
];

/// A file of the browser client or of its codec.
async fn script(Path((package, file)): Path<(String, String)>) -> Response {
    let Some((_, folder)) = SCRIPTS.iter().find(|(name, _)| *name == package) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    if file.split('/').any(|part| part.is_empty() || part.starts_with('.')) {
        return StatusCode::NOT_FOUND.into_response();
    }
    // A file of some kilobytes: nobody waits for it.
    match std::fs::read(PathBuf::from(folder).join(&file)) {
        Ok(text) => ([(header::CONTENT_TYPE, "text/javascript")], text).into_response(),
        Err(_) => StatusCode::NOT_FOUND.into_response(),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let at = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    if SCRIPTS.iter().any(|(_, folder)| !PathBuf::from(folder).is_dir()) {
        return Err("build the browser client first: (cd client/web && npm ci && npm run build)".into());
    }
    let mut sources = Sources::default();
    // Where everybody is now, and not where they were.
    sources.flag("namespace.board:*.delivery", "latest,datagram".into());
    sources.environment(std::env::vars());
    let config = Config::check(&sources)?;
    let server = Server::builder(config).channel("board:*".parse()?, Board::default).start().await?;
    let http = server.http_address().ok_or("the page finds the server by `http`, which is off")?;
    let page = include_str!("index.html").replace("HTTP_PORT", &http.port().to_string());
    let pages =
        Router::new().route("/", get(async move || Html(page))).route("/{package}/{*file}", get(script));
    let listener = TcpListener::bind(&at).await.map_err(|error| format!("no board at {at}: {error}"))?;
    println!("the board is at http://{}/; open it twice", listener.local_addr()?);
    tokio::select! {
        ended = axum::serve(listener, pages) => ended?,
        ended = tokio::signal::ctrl_c() => ended?,
    }
    server.shut_down().await;
    Ok(())
}
