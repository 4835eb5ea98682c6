//! Configuration: defaults, one TOML file, `DUNLIN_…` variables and flags, later ones winning, checked as a whole.
//!
//! Every source is first reduced to text by key (`source.rs`), then one table (`keys.rs`) says what is legal. So all
//! mistakes are found together, and each names its key, its source and the legal range.

mod api;
mod auth;
mod channels;
mod check;
mod console;
mod family;
mod key;
mod keys;
mod namespace;
mod presence;
mod source;
mod webhook;

pub use api::{Api, ApiKey, Scope};
pub use auth::{Auth, KeySet, Trust};
pub use channels::Channels;
use check::Check;
pub use console::{Console, Token};
use dunlin_hub as hub;
use dunlin_proto::limits::Limits;
use dunlin_transport::{Congestion, Origins};
pub use family::{FAMILIES, Family};
pub use key::Key;
pub use keys::KEYS;
pub use namespace::{Namespace, Namespaces, Who};
pub use presence::{Mode, Presence};
pub use source::{Source, Sources};
use std::{fmt, net::SocketAddr, path::PathBuf, str::FromStr, time::Duration};
pub use webhook::{Asked, Down, Secret, Webhook};

/// A checked configuration. [`KEYS`] documents each value.
#[derive(Debug, Clone)]
pub struct Config {
    /// UDP address for clients.
    pub listen: SocketAddr,
    /// Plain HTTP for health, metrics, the console and plain WebSocket; `None` if off.
    pub http: Option<SocketAddr>,
    /// HTTP and WebSocket over TLS.
    pub tcp: Tcp,
    /// Web pages that may connect.
    pub origins: Origins,
    /// Who may connect, and who vouches for them.
    pub auth: Auth,
    /// Who may use the backend API.
    pub api: Api,
    /// How much may come in a second.
    pub rates: Rates,
    /// Who may see the console.
    pub console: Console,
    /// Where keys and the development certificate are kept.
    pub data_dir: PathBuf,
    /// Where the certificate comes from.
    pub certificate: dunlin_certs::Source,
    /// How sessions and connections are bounded.
    pub session: Session,
    /// How channels are bounded.
    pub channels: Channels,
    /// Who may know who is in a topic.
    pub presence: Presence,
    /// What holds for the topics of some patterns.
    pub namespaces: Namespaces,
    /// The backend that decides and is told; `None` if there is none.
    pub webhook: Option<Box<Webhook>>,
    /// How topic logs are bounded.
    pub hub: hub::Config,
    /// A connection on which nothing arrives for this long is closed.
    pub idle_timeout: Duration,
    /// Kernel buffer asked for the UDP socket, in bytes, in each direction.
    pub socket_buffer: usize,
    /// Handshakes under way from which on new addresses must prove themselves (QUIC Retry).
    pub retry_above: usize,
    /// How the server decides how much to send over QUIC.
    pub congestion: Congestion,
    /// Bytes under way on a new path before the first of it is acknowledged.
    pub initial_window: u64,
    /// How long a drain may take.
    pub drain: Duration,
    /// Log level or directives (`tracing` syntax).
    pub log: String,
    /// How log lines look.
    pub log_format: LogFormat,
}

/// Where HTTP and WebSocket over TLS are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tcp {
    /// On the address and port of UDP, also if the system chooses the port.
    Beside,
    /// On an address of its own.
    At(SocketAddr),
    /// Nowhere.
    Off,
}

/// Bounds on what comes in a second, with a burst of as many; 0 is no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rates {
    /// Connections from one IPv4 address or IPv6 /64 network.
    pub connections: u32,
    /// Joins, and new tokens, of one session.
    pub joins: u32,
    /// Pushes of one session.
    pub pushes: u32,
    /// Pushes to one topic.
    pub publishes: u32,
}

/// Bounds on sessions.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    /// How long a session waits for its client.
    pub linger: Duration,
    /// Most sessions that wait; beyond, the one that has waited longest ends.
    pub parked: usize,
    /// Most connections in all.
    pub total: usize,
    /// Most connections from one IPv4 address or IPv6 /64 network.
    pub per_address: usize,
    /// What each client is told in `Welcome`.
    pub limits: Limits,
    /// A frame or a handshake that has begun must be complete within this time.
    pub deadline: Duration,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people on a terminal, JSON otherwise.
    Auto,
    /// For people.
    Human,
    /// One JSON object a line.
    Json,
}

/// One thing that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The key in question.
    pub key: String,
    /// Where the value came from.
    pub source: Source,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}): {}", self.key, self.source, self.text)
    }
}

/// All that is wrong with a configuration.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct Mistakes(pub Vec<Mistake>);

impl Config {
    /// Checks the values that the sources gave.
    ///
    /// # Errors
    /// Every mistake, not just the first.
    pub fn check(sources: &Sources) -> Result<Self, Mistakes> {
        let mut check = Check { sources, mistakes: sources.unknown() };
        let data_dir: PathBuf = check.parse("data_dir");
        let certificate = check.certificate(data_dir.clone());
        let http = check.http();
        let (listen, tcp) = (check.parse("listen"), check.tcp());
        let retention = hub::Retention {
            count: check.count("history.count"),
            bytes: check.bytes("history.bytes"),
            age: check.duration("history.age"),
            ..hub::Retention::default()
        };
        let presence = check.presence();
        let payload = check.bytes("limits.payload");
        let publishes = check.count("rate.publishes");
        let namespaces =
            check.namespaces(Namespace { payload, publishes, ..Namespace::new(retention, presence.mode) });
        let auth = check.auth(listen, tcp, http);
        let config = Self {
            api: check.api(&auth, http),
            listen,
            http,
            tcp,
            auth,
            rates: Rates {
                connections: check.count("rate.connections"),
                joins: check.count("rate.joins"),
                pushes: check.count("rate.pushes"),
                publishes,
            },
            origins: check.parse("origins"),
            console: check.console(&certificate, http),
            data_dir,
            certificate,
            session: Session {
                linger: check.duration("session.linger"),
                parked: check.count("session.parked"),
                total: check.count("limits.sessions"),
                per_address: check.count("limits.sessions_per_address"),
                limits: Limits {
                    payload,
                    channels: check.count("limits.channels"),
                    pushes: check.count("limits.pushes"),
                },
                deadline: check.duration("limits.deadline"),
            },
            channels: check.channels(),
            presence,
            webhook: check.webhook(),
            hub: hub::Config {
                retention,
                retentions: namespaces.retentions(),
                memory: check.bytes("history.memory"),
                topics: check.count("history.topics"),
                ..hub::Config::default()
            },
            namespaces,
            idle_timeout: check.duration("transport.idle_timeout"),
            socket_buffer: check.bytes("transport.socket_buffer"),
            retry_above: check.count("transport.retry_above"),
            congestion: check.parse("transport.congestion"),
            initial_window: check.bytes("transport.initial_window"),
            drain: check.duration("drain"),
            log: check.parse("log.level"),
            log_format: check.parse("log.format"),
        };
        if check.mistakes.is_empty() { Ok(config) } else { Err(Mistakes(check.mistakes)) }
    }
}

impl Config {
    /// What is wrong with the files that the configuration names: all that can be known without listening.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if let dunlin_certs::Source::Files { .. } = &self.certificate
            && let Err(error) =
                dunlin_certs::Live::open(self.certificate.clone(), std::time::SystemTime::now())
        {
            faults.push(error.to_string());
        }
        if let Auth::On(trust) = &self.auth {
            faults.extend(crate::auth::keyring::faults(trust).iter().map(ToString::to_string));
        }
        if let Some(webhook) = &self.webhook
            && let Err(error) = crate::webhook::Webhooks::open(webhook)
        {
            faults.push(error.to_string());
        }
        faults
    }
}

impl FromStr for LogFormat {
    type Err = ();
    fn from_str(s: &str) -> Result<Self, ()> {
        match s {
            "auto" => Ok(Self::Auto),
            "human" => Ok(Self::Human),
            "json" => Ok(Self::Json),
            _ => Err(()),
        }
    }
}

impl Check<'_> {
    fn http(&mut self) -> Option<SocketAddr> {
        self.read("http", |text| if text == "off" { Some(None) } else { text.parse().ok().map(Some) })
    }

    fn tcp(&mut self) -> Tcp {
        self.read("tcp", |text| match text {
            "" => Some(Tcp::Beside),
            "off" => Some(Tcp::Off),
            address => address.parse().ok().map(Tcp::At),
        })
    }

    fn certificate(&mut self, data_dir: PathBuf) -> dunlin_certs::Source {
        let path = |text: &str| Some(PathBuf::from(text));
        match (self.optional("tls.cert", path), self.optional("tls.key", path)) {
            (Some(cert), Some(key)) => dunlin_certs::Source::Files { cert, key },
            (None, None) => {
                dunlin_certs::Source::Development { dir: data_dir, names: self.list("tls.names") }
            }
            (cert, _) => {
                let (given, missing) =
                    if cert.is_some() { ("tls.cert", "tls.key") } else { ("tls.key", "tls.cert") };
                self.mistake(given, &format!("needs {missing} beside it"));
                dunlin_certs::Source::Development { dir: data_dir, names: Vec::new() }
            }
        }
    }
}

/// Whether a dotted name is a key, in the table of keys or in one of the tables with names.
#[must_use]
pub fn is_known(name: &str) -> bool {
    keys::find(name).is_some() || FAMILIES.iter().any(|family| family.split(name).is_some())
}

/// The configuration of these flags, or its mistakes in words; for tests.
#[cfg(test)]
fn checked(values: &[(&str, &str)]) -> Result<Config, String> {
    let mut sources = Sources::default();
    for (key, value) in values {
        sources.flag(key, (*value).into());
    }
    Config::check(&sources).map_err(|mistakes| mistakes.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(toml: &str, environment: &[(&str, &str)]) -> Result<Config, Mistakes> {
        let mut sources = Sources::default();
        sources.file("test.toml".into(), toml).unwrap();
        sources.environment(environment.iter().map(|(k, v)| ((*k).into(), (*v).into())));
        Config::check(&sources)
    }

    #[test]
    fn the_defaults_are_legal() {
        let config = check("", &[]).unwrap();
        assert_eq!(config.listen, "127.0.0.1:4433".parse().unwrap());
        assert_eq!(config.session.limits, Limits::default());
    }

    #[test]
    fn later_sources_win() {
        let toml = "[session]\nlinger = \"1m\"\n[limits]\nchannels = 5";
        let config = check(toml, &[("DUNLIN_SESSION_LINGER", "3m")]).unwrap();
        assert_eq!(config.session.linger, Duration::from_secs(180));
        assert_eq!(config.session.limits.channels, 5);
    }

    #[test]
    fn every_mistake_is_reported_with_key_source_and_range() {
        let toml = "listen = 7\nlisen = \"x\"\n[limits]\nchannels = 0\n[tls]\ncert = \"a.pem\"";
        let Mistakes(mistakes) = check(toml, &[("DUNLIN_SESSION_LINGER", "soon")]).unwrap_err();
        let text: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
        let all = text.join("\n");
        assert_eq!(mistakes.len(), 5, "{all}");
        assert!(all.contains("lisen (test.toml): no such key; did you mean `listen`?"), "{all}");
        assert!(all.contains("listen (test.toml): \"7\" is not an address and port"), "{all}");
        assert!(
            all.contains("limits.channels (test.toml): \"0\" is not a whole number from 1 to 10000"),
            "{all}"
        );
        assert!(all.contains("session.linger (DUNLIN_SESSION_LINGER): \"soon\" is not a time"), "{all}");
        assert!(all.contains("tls.cert (test.toml): needs tls.key beside it"), "{all}");
    }

    #[test]
    fn tcp_is_beside_udp_unless_told_otherwise() {
        let tcp =
            |toml: &str| check(toml, &[]).map(|config| config.tcp).map_err(|mistakes| mistakes.to_string());
        assert_eq!(tcp("").unwrap(), Tcp::Beside);
        assert_eq!(tcp("tcp = \"off\"").unwrap(), Tcp::Off);
        assert_eq!(
            tcp("tcp = \"0.0.0.0:443\"\n[auth]\nmode = \"off\"").unwrap(),
            Tcp::At("0.0.0.0:443".parse().unwrap())
        );
        assert!(tcp("tcp = \"no\"").unwrap_err().contains("\"no\" is not an address and port, or off"));
    }

    #[test]
    fn congestion_control_is_chosen_by_name_and_its_window_by_size() {
        let chosen = |toml: &str| {
            check(toml, &[])
                .map(|config| (config.congestion, config.initial_window))
                .map_err(|m| m.to_string())
        };
        assert_eq!(chosen("").unwrap(), (Congestion::Bbr, 32_000));
        let toml = "[transport]\ncongestion = \"newreno\"\ninitial_window = \"100kB\"";
        assert_eq!(chosen(toml).unwrap(), (Congestion::NewReno, 100_000));
        let wrong = chosen("[transport]\ncongestion = \"vegas\"\ninitial_window = \"1kB\"").unwrap_err();
        assert!(wrong.contains("\"vegas\" is not cubic, bbr or newreno"), "{wrong}");
        assert!(wrong.contains("\"1kB\" is not a size from 2400B to 64MiB"), "{wrong}");
    }

    #[test]
    fn origins_are_checked() {
        let origins = |toml: &str| {
            check(toml, &[]).map(|config| config.origins).map_err(|mistakes| mistakes.to_string())
        };
        assert!(origins("origins = [\"https://app.example\", \"*\"]").unwrap().allow(Some("null"), "rt"));
        assert!(origins("origins = \"app.example\"").unwrap_err().contains("is not a list of origins"));
    }

    #[test]
    fn a_strange_variable_is_no_mistake() {
        let mut sources = Sources::default();
        sources.environment([("DUNLIN_PORT".into(), "tcp://10.0.0.1:4433".into())].into_iter());
        assert!(Config::check(&sources).is_ok());
        assert_eq!(sources.strange(), ["DUNLIN_PORT"]);
    }

    #[test]
    fn what_print_config_shows_is_a_file_that_gives_the_same() {
        let mut sources = Sources::default();
        sources.flag("limits.payload", "64 KiB".into());
        let shown = sources.to_toml();
        let mut again = Sources::default();
        again.file("shown.toml".into(), &shown).unwrap();
        assert_eq!(Config::check(&again).unwrap().session.limits.payload, 64 * 1024, "{shown}");
    }
}
