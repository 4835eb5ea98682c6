//! Who is compared: how each is started, and what it does that others don't.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use crate::wire::Wire;

/// Who is compared, and the floors under all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Server {
    Dunlin,
    Nats,
    Centrifuge,
    Mosquitto,
    Redis,
    SocketIo,
    Rmqtt,
    Bare,
    Sealed,
}

/// A server by one of its transports.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer {
    /// What the command line and the results call it.
    pub(crate) key: &'static str,
    pub(crate) name: &'static str,
    pub(crate) server: Server,
    pub(crate) wire: Wire,
    pub(crate) transport: &'static str,
    /// What it does besides passing messages on, as it is run here.
    pub(crate) does: &'static str,
}

impl Peer {
    /// Whether it is Dunlin, in whatever way.
    pub(crate) fn is_ours(&self) -> bool {
        self.server == Server::Dunlin
    }

    /// Whether it stands for what the machine and the transport cost, and is no server for anybody.
    pub(crate) fn is_floor(&self) -> bool {
        matches!(self.server, Server::Bare | Server::Sealed)
    }
}

/// In the order of the report.
pub(crate) const ALL: &[Peer] = &[
    Peer {
        key: "dunlin",
        name: "Dunlin",
        server: Server::Dunlin,
        wire: Wire::DunlinQuic,
        transport: "QUIC",
        does: "history, exact resume, each push answered, sessions that outlive connections",
    },
    Peer {
        key: "dunlin-webtransport",
        name: "Dunlin",
        server: Server::Dunlin,
        wire: Wire::DunlinWebtransport,
        transport: "WebTransport",
        does: "the same",
    },
    Peer {
        key: "dunlin-websocket",
        name: "Dunlin",
        server: Server::Dunlin,
        wire: Wire::DunlinWebsocket,
        transport: "WebSocket, TLS",
        does: "the same",
    },
    Peer {
        key: "nats",
        name: "NATS",
        server: Server::Nats,
        wire: Wire::Nats,
        transport: "TLS",
        does: "core NATS: no history, no answers to publishers",
    },
    Peer {
        key: "centrifuge",
        name: "Centrifuge",
        server: Server::Centrifuge,
        wire: Wire::Centrifuge,
        transport: "WebSocket, TLS",
        does: "history of 500, recovery, presence, each publication answered; the library of 2021 in Debian, not today's Centrifugo",
    },
    Peer {
        key: "mosquitto",
        name: "Mosquitto",
        server: Server::Mosquitto,
        wire: Wire::MqttTls,
        transport: "TLS",
        does: "MQTT 3.1.1, quality of service 0: no history, no answers",
    },
    Peer {
        key: "redis",
        name: "Redis",
        server: Server::Redis,
        wire: Wire::Redis,
        transport: "TLS",
        does: "pub/sub: no history; publishers hear how many read",
    },
    Peer {
        key: "socketio",
        name: "Socket.IO",
        server: Server::SocketIo,
        wire: Wire::Socketio,
        transport: "WebSocket, TLS",
        does: "rooms, text: no history, no answers",
    },
    Peer {
        key: "rmqtt",
        name: "rmqtt",
        server: Server::Rmqtt,
        wire: Wire::MqttTls,
        transport: "TLS",
        does: "MQTT 3.1.1, quality of service 0: no history, no answers",
    },
    Peer {
        key: "rmqtt-quic",
        name: "rmqtt",
        server: Server::Rmqtt,
        wire: Wire::MqttQuic,
        transport: "QUIC",
        does: "the same, on the QUIC implementation that Dunlin has (quinn)",
    },
    Peer {
        key: "bare-quinn",
        name: "bare quinn",
        server: Server::Bare,
        wire: Wire::Bare,
        transport: "QUIC",
        does: "a floor: streams and a broadcast channel, no protocol",
    },
    Peer {
        key: "sealed-udp",
        name: "sealed UDP",
        server: Server::Sealed,
        wire: Wire::Sealed,
        transport: "UDP",
        does: "a floor: AES-128-GCM and sendto, nothing that is lost comes again, no handshake",
    },
];

/// Those that cannot be had from public package registries without more, and why.
pub(crate) const ABSENT: &[(&str, &str)] = &[
    ("Centrifugo", "no package of crates.io, npm, PyPI or Debian; its library Centrifuge stands in"),
    ("Phoenix", "Debian has Elixir, but neither Phoenix nor its dependencies"),
    ("soketi", "its npm package depends on a Git repository outside the registry"),
    ("EMQX, Mercure", "no package in any of these registries"),
    (
        "MoQ relays, Zenoh",
        "they build from crates.io, but were left out: beside rmqtt they took more time and memory for each connection",
    ),
];

/// What a server is started with.
pub(crate) struct Place<'a> {
    /// A directory of its own.
    pub(crate) dir: &'a Path,
    pub(crate) certificate: &'a Path,
    pub(crate) key: &'a Path,
    /// Over TCP and UDP.
    pub(crate) port: u16,
}

impl Server {
    /// Its program; an error says how to get it.
    fn program(self) -> Result<PathBuf> {
        let built = |path: &str, how: &'static str| {
            let path = root().join(path);
            path.exists().then_some(path).context(how)
        };
        let installed = |name: &str| {
            let dirs = ["/usr/local/bin", "/usr/sbin", "/usr/bin"];
            let mut paths = dirs.iter().map(|dir| Path::new(dir).join(name));
            paths.find(|path| path.exists()).with_context(|| format!("{name} is not installed"))
        };
        match self {
            Self::Dunlin => built("target/release/dunlin-server", "Dunlin is not built"),
            Self::Nats => built("target/peers/nats/bin/nats-server", "tests/bench install nats"),
            Self::Centrifuge => built("target/peers/centrifuge", "tests/bench install centrifuge"),
            Self::Rmqtt => built("target/peers/rmqtt/release/rmqtt-broker", "tests/bench install rmqtt"),
            Self::SocketIo => {
                built("tests/compare/brokers/socketio/node_modules", "tests/bench install socketio")?;
                installed("node")
            }
            Self::Mosquitto => installed("mosquitto").context("tests/bench install mosquitto"),
            Self::Redis => installed("redis-server").context("tests/bench install redis"),
            Self::Bare | Self::Sealed => Ok(std::env::current_exe()?),
        }
    }

    /// Its version, or why it cannot be had.
    pub(crate) fn version(self) -> Result<String> {
        let program = self.program()?;
        let says = |argument: &str| {
            let output = Command::new(&program).arg(argument).output()?;
            let text = [output.stdout, output.stderr].concat();
            let text = String::from_utf8_lossy(&text).into_owned();
            anyhow::Ok(text.lines().next().unwrap_or_default().trim().to_owned())
        };
        let lock = |path: &str, before: &str| {
            let text = fs::read_to_string(root().join(path))?;
            let after = text.split_once(before).with_context(|| format!("{before} in {path}"))?.1;
            anyhow::Ok(after.split('"').find(|part| part.starts_with(|c: char| c.is_ascii_digit())))
                .map(|version| version.unwrap_or_default().to_owned())
        };
        match self {
            Self::Dunlin => says("--version"),
            Self::Nats => says("--version"),
            Self::Mosquitto => says("-h"),
            Self::Redis => {
                says("--version").map(|text| text.split_whitespace().take(3).collect::<Vec<_>>().join(" "))
            }
            Self::Centrifuge => Ok("Centrifuge 0.15.0 of Debian".into()),
            Self::SocketIo => {
                let lock = lock(
                    "tests/compare/brokers/socketio/package-lock.json",
                    "\"node_modules/socket.io\": {",
                )?;
                Ok(format!("Socket.IO {lock}, Node.js {}", says("--version")?))
            }
            Self::Rmqtt => {
                Ok(format!("rmqtt {}", lock("tests/compare/brokers/rmqtt/Cargo.lock", "name = \"rmqtt\"\n")?))
            }
            Self::Bare | Self::Sealed => Ok("of this repository".into()),
        }
    }

    /// What starts it.
    pub(crate) fn command(self, place: &Place<'_>) -> Result<Command> {
        let Place { dir, certificate, key, port } = place;
        let (cert, key) = (certificate.display(), key.display());
        let config = |name: &str, text: String| {
            let path = dir.join(name);
            fs::write(&path, text).map(|()| path)
        };
        let mut command = Command::new("taskset");
        command.args(["--cpu-list", "0"]).arg(self.program()?).current_dir(dir);
        match self {
            Self::Dunlin => command.args([
                format!("--listen=127.0.0.1:{port}"),
                "--http=off".into(),
                format!("--data-dir={}", dir.display()),
                format!("--set=tls.cert={cert}"),
                format!("--set=tls.key={key}"),
                // All of the load comes from one address.
                "--set=limits.sessions_per_address=100000".into(),
            ]),
            Self::Nats => command.arg("-c").arg(config(
                "nats.conf",
                format!(
                    "listen: \"127.0.0.1:{port}\"\nmax_connections: 100000\nmax_pending: 1GB\n\
                     write_deadline: \"60s\"\ntls {{ cert_file: \"{cert}\", key_file: \"{key}\" }}\n"
                ),
            )?),
            Self::Mosquitto => command.arg("-c").arg(config(
                "mosquitto.conf",
                format!(
                    "user root\nper_listener_settings false\nallow_anonymous true\nset_tcp_nodelay true\n\
                     max_queued_messages 0\nmax_queued_bytes 0\nlistener {port} 127.0.0.1\n\
                     certfile {cert}\nkeyfile {key}\n"
                ),
            )?),
            Self::Redis => command.arg(config(
                "redis.conf",
                format!(
                    "bind 127.0.0.1\nport 0\ntls-port {port}\ntls-cert-file {cert}\ntls-key-file {key}\n\
                     tls-ca-cert-file {cert}\ntls-auth-clients no\nsave \"\"\nappendonly no\nmaxclients 19000\n\
                     client-output-buffer-limit pubsub 0 0 0\n"
                ),
            )?),
            Self::Centrifuge | Self::Rmqtt => {
                command.args([port.to_string(), cert.to_string(), key.to_string()])
            }
            Self::SocketIo => command.arg(root().join("tests/compare/brokers/socketio/server.js")).args([
                port.to_string(),
                cert.to_string(),
                key.to_string(),
            ]),
            Self::Bare | Self::Sealed => command.args([
                "floor".to_owned(),
                if self == Self::Bare { "quinn" } else { "udp" }.into(),
                format!("127.0.0.1:{port}"),
                cert.to_string(),
                key.to_string(),
            ]),
        };
        Ok(command)
    }
}

/// The repository.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
