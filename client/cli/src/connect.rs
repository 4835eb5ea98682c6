//! Which server to talk to, how to get there, and how failures on the way are told.

use std::{
    io,
    path::{Path, PathBuf},
    time::Duration,
};

use dunlin_client::{
    Backoff, Builder, Channel, Client, Closed, Code, ConnectError, Fingerprint, JoinError, JoinOptions,
    Transport, Trust,
    address::{Address, Scheme},
};

use crate::{
    exit::{Exit, Failure},
    interrupt::interrupted,
    text::{parse_span, printable},
};

/// Longest pause between two attempts: somebody may be watching, and there is no battery to spare.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// A person watches and wants to know soon that the server is gone.
const KEEP_ALIVE: Duration = Duration::from_secs(1);

/// The options about the server, which every command takes.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Server")]
pub(crate) struct Server {
    /// Where the server is: `dunlin://HOST[:PORT]` is native QUIC, `https://` WebTransport, `wss://` WebSocket, `ws://`
    /// WebSocket without TLS (for development)
    #[arg(
        long,
        global = true,
        env = "DUNLIN_URL",
        default_value = "dunlin://localhost:4433",
        value_hint = clap::ValueHint::Url
    )]
    pub(crate) url: Address,
    /// What carries the connection, on the host and port of the URL
    #[arg(long, global = true, value_enum, default_value_t)]
    transport: Choice,
    /// Trust the authorities in this PEM file and no others
    #[arg(long, global = true, value_name = "FILE", conflicts_with = "pin")]
    ca: Option<PathBuf>,
    /// Trust exactly the certificate with this hash, in hex or base64
    #[arg(long, global = true, value_name = "SHA256")]
    pin: Option<Fingerprint>,
    /// Present the token in this file; it is read again when the server wants a new one. Or set DUNLIN_TOKEN
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Try this machine's other networks too when nothing comes by the one that the system prefers; that passes a VPN by
    #[arg(long, global = true)]
    any_network: bool,
    /// How often a quiet connection is checked for life; 1s unless set, and 25s for `bench`, as in clients of the library
    #[arg(long, global = true, value_name = "TIME", value_parser = parse_span)]
    pub(crate) keep_alive: Option<Duration>,
    /// How long to wait for the server to answer
    #[arg(long, global = true, value_name = "TIME", default_value = "5s", value_parser = parse_span)]
    pub(crate) timeout: Duration,
}

/// What is to carry the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
enum Choice {
    /// What the URL says; WebSocket where UDP does not get through
    #[default]
    Auto,
    /// Native QUIC and nothing else
    Quic,
    /// WebTransport and nothing else
    #[value(name = "webtransport")]
    WebTransport,
    /// WebSocket and nothing else
    #[value(name = "websocket")]
    WebSocket,
}

impl Choice {
    /// The one transport that is wanted.
    fn only(self) -> Option<Transport> {
        match self {
            Self::Auto => None,
            Self::Quic => Some(Transport::Quic),
            Self::WebTransport => Some(Transport::WebTransport),
            Self::WebSocket => Some(Transport::WebSocket),
        }
    }
}

impl Server {
    /// Connects and waits for the server's welcome.
    pub(crate) async fn connect(&self) -> Result<Client, Failure> {
        tokio::select! {
            connected = self.builder()?.connect() => connected.map_err(|error| self.explain(error)),
            () = interrupted() => Err(Failure::interrupted()),
        }
    }

    /// A client's settings, as the options say.
    pub(crate) fn builder(&self) -> Result<Builder, Failure> {
        let trust = match (&self.ca, self.pin) {
            (Some(file), _) => {
                dunlin_certs::inspect::pem_file(file)
                    .map_err(|error| Failure::new(Exit::Usage, format!("--ca: {error}")))?;
                Trust::CaFile(file.clone())
            }
            (None, Some(fingerprint)) => Trust::Pinned(fingerprint),
            (None, None) => Trust::Auto,
        };
        let wrong = |error: dunlin_client::address::UrlError| Failure::new(Exit::Usage, error.to_string());
        let mut builder = Client::builder(&self.url.to_string()).map_err(wrong)?;
        if let Some(only) = self.transport.only() {
            builder = builder.only(only).map_err(|error| wrong(error).hint("see --transport and --url"))?;
        }
        if let Some(file) = self.token_file.clone() {
            let read = move || read_token(&file);
            self.token()?;
            builder = builder.token_callback(move || std::future::ready(read()));
        } else if let Some(token) = self.token()? {
            builder = builder.token(token);
        }
        Ok(builder
            .trust(trust)
            .keep_alive(self.keep_alive.unwrap_or(KEEP_ALIVE))
            .any_network(self.any_network)
            .connect_timeout(self.timeout)
            .backoff(Backoff { cap: MAX_PAUSE, ..Backoff::default() })
            .agent(concat!("dunlin-cli/", env!("CARGO_PKG_VERSION"))))
    }

    /// The token to present, as it is now.
    pub(crate) fn token(&self) -> Result<Option<String>, Failure> {
        match &self.token_file {
            Some(file) => read_token(file)
                .map(Some)
                .map_err(|error| Failure::new(Exit::Usage, format!("--token-file: {error}"))),
            None => Ok(std::env::var("DUNLIN_TOKEN").ok()),
        }
    }

    /// Why there is no connection, with what to do about it.
    pub(crate) fn explain(&self, error: ConnectError) -> Failure {
        match error {
            ConnectError::Url(error) => Failure::new(Exit::Usage, error.to_string()),
            ConnectError::Closed(Closed { code: Some(code), message }) => {
                refused(&self.url.to_string(), code, &message)
            }
            // Of the ends that no server named, only the certificate's check comes before the first welcome.
            ConnectError::Closed(Closed { code: None, message }) => {
                Failure::new(Exit::Untrusted, format!("cannot trust {}: {message}", self.url)).hint(
                    "name the authority's file with --ca FILE, or the certificate's hash with --pin SHA256 (on the \
                     server's machine, `dunlin certs show` shows it)",
                )
            }
            ConnectError::Unreachable { problem, .. } => {
                let port = self.url.port;
                let hint = match self.protocols() {
                    _ if self.url.is_loopback() => "is the server running? `cargo run --release` starts one".into(),
                    protocols => format!("is the server running, and does the network let {protocols} port {port} through?"),
                };
                Failure::new(Exit::Unreachable, format!("cannot reach {}: {problem}", self.url)).hint(hint)
            }
        }
    }
}

impl Server {
    /// What the network has to let through.
    fn protocols(&self) -> &'static str {
        match (self.transport, self.url.scheme) {
            (Choice::Quic | Choice::WebTransport, _) => "UDP",
            (Choice::Auto, Scheme::Dunlin | Scheme::Https) => "UDP or TCP",
            (Choice::WebSocket, _) | (_, Scheme::Wss | Scheme::Ws) => "TCP",
        }
    }
}

/// Joins a topic.
pub(crate) async fn join(client: &Client, topic: &str, options: JoinOptions) -> Result<Channel, Failure> {
    tokio::select! {
        joined = client.join(topic, options) => joined.map_err(|error| not_joined(topic, error)),
        () = interrupted() => Err(Failure::interrupted()),
    }
}

fn not_joined(topic: &str, error: JoinError) -> Failure {
    match error {
        JoinError::Refused { code, message } => refused(topic, code, &message),
        JoinError::Closed(closed) => ended(topic, Some(&closed)),
        JoinError::Topic(error) => Failure::new(Exit::Usage, format!("{topic:?} is no topic: {error}"))
            .hint("a topic is segments of letters and digits, such as room:42/typing"),
        JoinError::AlreadyJoined(_) => Failure::new(Exit::Usage, format!("{topic} is named twice")),
    }
}

/// The end of a membership, or of the client, that nobody here asked for.
pub(crate) fn ended(what: &str, closed: Option<&Closed>) -> Failure {
    match closed {
        Some(Closed { code: Some(code), message }) => refused(what, *code, message),
        Some(closed) => Failure::new(Exit::Failed, format!("{what}: {closed}")),
        None => Failure::new(Exit::Failed, format!("{what} has ended")),
    }
}

/// A server's "no" to something.
pub(crate) fn refused(what: &str, code: Code, message: &str) -> Failure {
    let failure = Failure::new(Exit::Refused, format!("{what}: {code}: {}", printable(message)));
    match code {
        Code::TOKEN_REQUIRED | Code::TOKEN_EXPIRED => failure
            .hint("present one with --token-file FILE or DUNLIN_TOKEN; `dunlin token show` explains it"),
        Code::NO_CHANNEL => failure.hint("the server's configuration says which topics it serves"),
        Code::UNSUPPORTED_VERSION => {
            failure.hint("client and server are of different versions; update the older")
        }
        _ => failure,
    }
}

fn read_token(file: &Path) -> io::Result<String> {
    std::fs::read_to_string(file).map(|token| token.trim().to_owned())
}

/// Says goodbye to the server; a second Ctrl-C ends that as well.
pub(crate) async fn goodbye(client: Client) {
    tokio::select! {
        () = client.close() => {}
        () = interrupted() => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        server: Server,
    }

    fn server() -> Server {
        Cli::parse_from(["dunlin", "--url", "dunlin://example.org:7"]).server
    }

    #[test]
    fn failures_have_the_exit_code_of_their_kind() {
        let closed = |code| ConnectError::Closed(Closed { code, message: "because".into() });
        let silent =
            ConnectError::Unreachable { url: "x".into(), after: Duration::ZERO, problem: "silence".into() };
        for (error, exit, message) in [
            (closed(Some(Code::SERVER_FULL)), Exit::Refused, "SERVER_FULL (202): because"),
            (closed(None), Exit::Untrusted, "cannot trust dunlin://example.org:7: because"),
            (silent, Exit::Unreachable, "cannot reach dunlin://example.org:7: silence"),
        ] {
            let failure = server().explain(error);
            assert_eq!(failure.exit, exit);
            assert!(failure.message.ends_with(message), "{}", failure.message);
        }
    }

    #[test]
    fn a_transport_is_refused_where_it_cannot_be() {
        let parse = |arguments: &[&str]| Cli::parse_from([&["dunlin"], arguments].concat()).server;
        let plain = parse(&["--url", "ws://h", "--transport", "quic"]).builder().unwrap_err();
        assert_eq!((plain.exit, &*plain.message), (Exit::Usage, "quic is not to be had at ws:// addresses"));
        for transport in ["auto", "quic", "webtransport", "websocket"] {
            for url in ["dunlin://h", "https://h", "wss://h"] {
                assert!(parse(&["--url", url, "--transport", transport]).builder().is_ok());
            }
        }
    }

    #[test]
    fn a_servers_words_cannot_steer_the_terminal() {
        assert!(!refused("room", Code::REJECTED, "\x1b[2J").message.contains('\x1b'));
    }
}
