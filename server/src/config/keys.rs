//! The table of keys: name, default, legal values, meaning.

use super::key::{GIB, HOUR, KIB, Key, MIB, SECOND, text};

macro_rules! ranged {
    ($name:literal, $default:literal, $range:expr, $legal:literal, $doc:literal) => {
        Key { name: $name, default: $default, legal: $legal, range: $range, secret: false, doc: $doc }
    };
}

/// Every key, in the order in which `--print-config` shows them.
pub const KEYS: &[Key] = &[
    text("listen", "127.0.0.1:4433", "an address and port, such as 0.0.0.0:4433", "UDP address for clients."),
    text(
        "http",
        "127.0.0.1:4480",
        "an address and port, or off",
        "Plain HTTP for /healthz, /metrics, the console and plain WebSocket; keep it on loopback.",
    ),
    text(
        "tcp",
        "",
        "an address and port, or off",
        "HTTP and WebSocket over TLS, for networks that block UDP; the address of `listen` if not set.",
    ),
    text(
        "origins",
        "",
        "a list of origins such as https://app.example, https://*.app.example or *",
        "Web pages that may connect, comma separated; always welcome are pages of the same host.",
    ),
    text(
        "data_dir",
        "",
        "a path",
        "Keeps the development certificate and the keys that must outlive a restart.",
    ),
    ranged!(
        "drain",
        "10s",
        0..=HOUR,
        "a time from 0s to 1h",
        "On SIGTERM, clients are sent elsewhere over this time; then they are cut off."
    ),
    text("tls.cert", "", "a path", "PEM file with the certificate chain; read again when it changes."),
    text("tls.key", "", "a path", "PEM file with the private key."),
    text(
        "tls.names",
        "",
        "a list of names",
        "More names and addresses for the development certificate, comma separated.",
    ),
    text(
        "auth.mode",
        "auto",
        "auto, on or off",
        "Whether clients need a token; auto: where there are keys. Without keys everybody may do everything, which needs \"off\" to \
         listen beyond this machine.",
    ),
    Key {
        secret: true,
        ..text(
            "auth.secret",
            "",
            "a secret of at least 32 bytes, as text or as base64:…",
            "Checks tokens signed with it: HS256, HS384, HS512.",
        )
    },
    text(
        "auth.public_key",
        "",
        "a path",
        "PEM file with the public key that checks tokens: RS256, ES256 or EdDSA; read again when it changes.",
    ),
    text(
        "auth.jwks",
        "",
        "a path or an https:// URL (http:// on this machine)",
        "JSON Web Key Set (RFC 7517) that checks tokens; a file is read again when it changes, a URL every few minutes.",
    ),
    text("auth.issuer", "", "a text", "Who must have issued a token (iss)."),
    text(
        "auth.audience",
        "",
        "a list of texts",
        "Whom a token may be meant for (aud), comma separated; without it, tokens for somebody in particular are refused.",
    ),
    ranged!(
        "auth.leeway",
        "30s",
        0..=600 * SECOND,
        "a time from 0s to 10m",
        "How far the issuer's clock may be off; a session ends this long after its token has expired."
    ),
    ranged!(
        "auth.longest",
        "7days",
        60 * SECOND..=400 * 24 * HOUR,
        "a time from 1m to 400days",
        "Tokens that expire later than this from now are refused; revocations are remembered for so long."
    ),
    text(
        "api.mode",
        "auto",
        "auto, on or off",
        "The HTTP API for backends, at /v1; auto: for those who have a key, and without any key in development mode on `http` for \
         this machine.",
    ),
    text(
        "console.mode",
        "auto",
        "auto, on or off",
        "The page at / and the topics $server/…; auto: with a development certificate and `http` on loopback only, for this \
         machine (set a token if a proxy on it lets others in).",
    ),
    Key {
        secret: true,
        ..text(
            "console.token",
            "",
            "a secret of at least 16 characters",
            "Who wants to see the console's figures must have this token; needed for mode = \"on\".",
        )
    },
    ranged!(
        "session.linger",
        "2m",
        0..=24 * HOUR,
        "a time from 0s to 24h",
        "How long a session waits for a client that lost its connection. Costs some 5 KiB a channel, and up to 32 KiB more for \
         the replies that each keeps."
    ),
    ranged!(
        "session.parked",
        "10000",
        0..=10_000_000,
        "a whole number from 0 to 10000000",
        "Most sessions that wait; beyond, the one that has waited longest ends. One with five channels costs 25 KiB, or 120 KiB \
         with as many replies as they keep of the built-in channel."
    ),
    ranged!(
        "limits.sessions",
        "100000",
        1..=10_000_000,
        "a whole number from 1 to 10000000",
        "Most connections in all; each costs about 40 KiB."
    ),
    ranged!(
        "limits.sessions_per_address",
        "10000",
        1..=10_000_000,
        "a whole number from 1 to 10000000",
        "Most connections from one IPv4 address or IPv6 /64 network; TCP connections without a session count by themselves."
    ),
    ranged!(
        "limits.channels",
        "100",
        1..=10_000,
        "a whole number from 1 to 10000",
        "Most channels a session has joined at once; each may hold one unfinished frame."
    ),
    ranged!(
        "limits.payload",
        "1MiB",
        KIB..=16 * MIB,
        "a size from 1KiB to 16MiB",
        "Longest payload of one event."
    ),
    ranged!(
        "limits.pushes",
        "256",
        1..=65_536,
        "a whole number from 1 to 65536",
        "Most pushes without a reply in one channel; as many replies are kept for a client that comes back."
    ),
    ranged!(
        "limits.deadline",
        "10s",
        100..=HOUR,
        "a time from 100ms to 1h",
        "A frame or a handshake that has begun must be complete within this time."
    ),
    ranged!(
        "rate.connections",
        "0",
        0..=1_000_000,
        "a whole number from 0 to 1000000",
        "Most connections begun in a second from one IPv4 address or IPv6 /64 network; 0 for no bound."
    ),
    ranged!(
        "rate.joins",
        "0",
        0..=1_000_000,
        "a whole number from 0 to 1000000",
        "Most joins and new tokens of a session in a second; 0 for no bound."
    ),
    ranged!(
        "rate.pushes",
        "0",
        0..=1_000_000,
        "a whole number from 0 to 1000000",
        "Most pushes of a session in a second, in all its topics; 0 for no bound."
    ),
    ranged!(
        "rate.publishes",
        "0",
        0..=1_000_000,
        "a whole number from 0 to 1000000",
        "Most pushes to one topic in a second, of all sessions; 0 for no bound."
    ),
    ranged!(
        "channels.timeout",
        "10s",
        10..=HOUR,
        "a time from 10ms to 1h",
        "A channel of which one callback takes longer than this is ended."
    ),
    ranged!(
        "channels.mailbox",
        "256",
        1..=1_000_000,
        "a whole number from 1 to 1000000",
        "Most messages of the application that wait for one channel, and most timers of it; a channel that is sent more is ended."
    ),
    text(
        "presence.mode",
        "full",
        "off, counts or full",
        "The most that members are told of who is in their topic, if they ask when they join. The built-in channel shows those who ask.",
    ),
    text(
        "presence.away",
        "off",
        "a time from 0s to 24h, or off",
        "A member whose client is paused or gone for this long is shown as away.",
    ),
    ranged!(
        "presence.interval",
        "100ms",
        10..=HOUR,
        "a time from 10ms to 1h",
        "What changes in a topic is told at most this often; each time costs a write for each member who has asked."
    ),
    ranged!(
        "presence.list",
        "10000",
        0..=1_000_000,
        "a whole number from 0 to 1000000",
        "Topics with more entries than this tell how many there are, and not who. Who joins gets the whole list: some 50 bytes for each \
         entry and its data."
    ),
    ranged!(
        "presence.entries",
        "100000",
        1..=10_000_000,
        "a whole number from 1 to 10000000",
        "Most entries in one topic."
    ),
    ranged!(
        "presence.devices",
        "32",
        1..=100_000,
        "a whole number from 1 to 100000",
        "Most entries of one user in one topic."
    ),
    ranged!(
        "presence.data",
        "1KiB",
        0..=8 * KIB,
        "a size from 0B to 8KiB",
        "Most bytes that an entry says of itself."
    ),
    ranged!(
        "presence.total",
        "1000000",
        1..=100_000_000,
        "a whole number from 1 to 100000000",
        "Most entries in all topics; each costs some 500 bytes, its name and its data."
    ),
    ranged!(
        "history.count",
        "1000",
        0..=10_000_000,
        "a whole number from 0 to 10000000",
        "Most events kept in a topic."
    ),
    ranged!("history.bytes", "4MiB", 0..=64 * GIB, "a size from 0B to 64GiB", "Most bytes kept in a topic."),
    ranged!(
        "history.age",
        "5m",
        0..=7 * 24 * HOUR,
        "a time from 0s to 7days",
        "How long a topic keeps an event."
    ),
    ranged!(
        "history.memory",
        "256MiB",
        MIB..=4096 * GIB,
        "a size from 1MiB to 4TiB",
        "Most bytes in all topics; beyond, the largest topics give up their oldest events."
    ),
    ranged!(
        "history.topics",
        "100000",
        1..=100_000_000,
        "a whole number from 1 to 100000000",
        "Most topics at once."
    ),
    text(
        "webhook.url",
        "",
        "a URL of https, or of http on this machine, without a password",
        "The backend that decides about connects, joins and pushes, and is told of the rest; docs/webhooks.md. Off if not set.",
    ),
    Key {
        secret: true,
        ..text(
            "webhook.secret",
            "",
            "one secret, or two with a comma: base64 of 24 to 64 bytes, with whsec_ before it or without",
            "Signs what the backend is sent (Standard Webhooks). With two, both sign: so the secret is changed.",
        )
    },
    text(
        "webhook.events",
        "connect,join,push,leave,end,presence",
        "a list of connect, join, push, leave, end and presence",
        "Which the backend decides (connect, join, push), and which it is told (leave, end, presence).",
    ),
    text(
        "webhook.topics",
        "*",
        "a list of topic patterns such as room:*",
        "The topics of which it decides about joins and pushes, and is told who leaves and who is there.",
    ),
    ranged!(
        "webhook.timeout",
        "3s",
        10..=60 * SECOND,
        "a time from 10ms to 1m",
        "How long a decision may take, repeated requests included; less than channels.timeout and limits.deadline."
    ),
    ranged!(
        "webhook.retries",
        "2",
        0..=10,
        "a whole number from 0 to 10",
        "How often a request that failed is repeated, if there is time."
    ),
    ranged!(
        "webhook.concurrency",
        "64",
        1..=10_000,
        "a whole number from 1 to 10000",
        "Most decisions that are asked for at once."
    ),
    ranged!(
        "webhook.queue",
        "1000",
        0..=1_000_000,
        "a whole number from 0 to 1000000",
        "Most decisions that wait for their turn; for those beyond the backend is down."
    ),
    ranged!(
        "webhook.notices",
        "10000",
        1..=1_000_000,
        "a whole number from 1 to 1000000",
        "Most notices that wait, 16 MiB at most; newer ones are dropped."
    ),
    text(
        "webhook.down",
        "deny",
        "deny, allow or token",
        "What is decided while the backend does not answer: nothing is allowed, everything, or what the client's token allows.",
    ),
    text(
        "webhook.ca",
        "",
        "a path",
        "PEM file with the authorities that vouch for the backend, in place of the system's.",
    ),
    ranged!(
        "transport.idle_timeout",
        "1m",
        SECOND..=HOUR,
        "a time from 1s to 1h",
        "A connection on which nothing arrives for this long is given up; clients send at least every 25 s."
    ),
    ranged!(
        "transport.socket_buffer",
        "32MiB",
        64 * KIB..=GIB,
        "a size from 64KiB to 1GiB",
        "Kernel buffers asked for the UDP socket; too small, and storms of handshakes lose packets."
    ),
    ranged!(
        "transport.retry_above",
        "256",
        0..=1_000_000,
        "a whole number from 0 to 1000000",
        "With more handshakes than this under way, new addresses must prove themselves first (RFC 9000, 8.1.2)."
    ),
    text(
        "transport.congestion",
        "bbr",
        "cubic, bbr or newreno",
        "How the server decides how much to send over QUIC. bbr is not slowed down by packets that get lost on the way, and may \
         take more than its share of a full link; cubic is fair, and at 2 % loss a message in six is late.",
    ),
    ranged!(
        "transport.initial_window",
        "32kB",
        2400..=64 * MIB,
        "a size from 2400B to 64MiB",
        "What may be under way on a new path before the first of it is acknowledged; more catches up sooner after an outage, and \
         may flood a slow network."
    ),
    text("log.level", "info", "a level or directives such as info,dunlin_server=debug", "What is logged."),
    text(
        "log.format",
        "auto",
        "auto, human or json",
        "How it is logged; auto is human on a terminal, json elsewhere.",
    ),
];

/// The key of this name.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
