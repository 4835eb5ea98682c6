//! The control stream: the client's first bidirectional stream, open as long as the connection.

use super::{DecodeError, Refusal, kind, read::Reader, write::frame};
use crate::{
    code::Code,
    limits::{self, Limits},
};
use bytes::Bytes;

/// A random identity that a client keeps as long as it runs: it makes a repeated push recognisable even when the
/// session that carried it first is gone.
pub type ClientId = [u8; 16];

/// Opens a connection: the first frame on the control stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hello {
    /// Versions the client speaks, at most [`limits::MAX_VERSIONS`].
    pub versions: Vec<u32>,
    /// Name and version of the client library, for logs.
    pub agent: String,
    /// Chosen at random when the client starts.
    pub client: ClientId,
    /// The ticket of the last `Welcome`, to resume that session.
    pub resume: Option<Bytes>,
    /// A token, where the server asks for one.
    pub token: Option<String>,
}

/// What clients send on the control stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromClient {
    /// Opens the connection.
    Hello(Hello),
    /// A new token for this session, before the old one expires.
    Refresh {
        /// The token.
        token: String,
    },
    /// Topics are to go quiet: no events until `Resume`. The session stays.
    Pause,
    /// Ends a pause: events flow on from where each channel stopped.
    Resume,
    /// Asks for a `Pong` with the same number.
    Ping {
        /// Any number.
        n: u64,
    },
    /// The client ends the session for good: it is not parked.
    Goodbye {
        /// Why.
        code: Code,
        /// For people.
        message: String,
    },
}

/// Accepts a `Hello`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Welcome {
    /// The version spoken from here on.
    pub version: u32,
    /// Public name of the session, for logs.
    pub session: String,
    /// Secret ticket with which the session can be resumed on another connection.
    pub resume: Bytes,
    /// Whether the session asked for was found and resumed; otherwise it is a new one.
    pub resumed: bool,
    /// How long the session waits for its client after the connection is lost, in milliseconds.
    pub linger_ms: u64,
    /// The server closes a connection on which nothing arrives for this long, in milliseconds.
    pub idle_ms: u64,
    /// Bounds for this session.
    pub limits: Limits,
    /// Name and version of the server, for logs.
    pub agent: String,
    /// When the token that was presented expires, in milliseconds from now; `None` if never, or if there was none.
    pub expires_in_ms: Option<u64>,
}

/// What servers send on the control stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FromServer {
    /// Accepts the `Hello`.
    Welcome(Welcome),
    /// Refuses the `Hello`; the connection is closed with the same code.
    Refused(Refusal),
    /// The new token is in force.
    Refreshed {
        /// When it expires, in milliseconds from now; `None` if never.
        expires_in_ms: Option<u64>,
    },
    /// The answer to a `Ping`.
    Pong {
        /// The number of the `Ping`.
        n: u64,
    },
    /// The server wants this client elsewhere.
    GoAway {
        /// Why.
        code: Code,
        /// The client should leave at a random moment within this time, in milliseconds; then it is cut off.
        within_ms: u64,
        /// Where to go; `None` for the same address.
        url: Option<String>,
    },
    /// The server ends the session for good.
    Goodbye(Refusal),
}

impl FromClient {
    /// Reads one frame, without its length prefix.
    ///
    /// # Errors
    /// Anything but a legal frame of this side of this stream.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (kind, mut r) = Reader::open(bytes)?;
        let value = match kind {
            kind::HELLO => Self::Hello(Hello {
                versions: r.array("versions", |array, len| {
                    if len > limits::MAX_VERSIONS {
                        return Err(DecodeError::Value("versions"));
                    }
                    (0..len).map(|_| array.uint32("versions")).collect()
                })?,
                agent: r.text("agent", limits::MAX_TEXT_LEN)?.into(),
                client: r.binary("client")?[..].try_into().map_err(|_| DecodeError::Value("client"))?,
                resume: r.optional(|r| bounded(r.binary("resume")?, "resume"))?,
                token: r.optional(|r| r.text("token", limits::MAX_TOKEN_LEN).map(Into::into))?,
            }),
            kind::REFRESH => Self::Refresh { token: r.text("token", limits::MAX_TOKEN_LEN)?.into() },
            kind::PAUSE => Self::Pause,
            kind::RESUME => Self::Resume,
            kind::PING => Self::Ping { n: r.uint("n")? },
            kind::GOODBYE => {
                Self::Goodbye { code: r.code()?, message: r.text("message", limits::MAX_TEXT_LEN)?.into() }
            }
            other => return Err(DecodeError::Unexpected(other)),
        };
        r.close(value)
    }

    /// Writes the frame with its length prefix.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Hello(hello) => frame(kind::HELLO, 5, 0, |w| {
                w.array(hello.versions.len());
                for version in &hello.versions {
                    w.uint((*version).into());
                }
                w.text(&hello.agent).binary(&hello.client);
                w.optional_binary(hello.resume.as_deref()).optional_text(hello.token.as_deref());
            }),
            Self::Refresh { token } => frame(kind::REFRESH, 1, token.len(), |w| {
                w.text(token);
            }),
            Self::Pause => frame(kind::PAUSE, 0, 0, |_| {}),
            Self::Resume => frame(kind::RESUME, 0, 0, |_| {}),
            Self::Ping { n } => frame(kind::PING, 1, 0, |w| {
                w.uint(*n);
            }),
            Self::Goodbye { code, message } => frame(kind::GOODBYE, 2, message.len(), |w| {
                w.uint(code.0.into()).text(message);
            }),
        }
    }
}

impl FromServer {
    /// Reads one frame, without its length prefix.
    ///
    /// # Errors
    /// Anything but a legal frame of this side of this stream.
    pub fn decode(bytes: &Bytes) -> Result<Self, DecodeError> {
        let (kind, mut r) = Reader::open(bytes)?;
        let value = match kind {
            kind::WELCOME => Self::Welcome(Welcome {
                version: r.uint32("version")?,
                session: r.text("session", limits::MAX_TEXT_LEN)?.into(),
                resume: bounded(r.binary("resume")?, "resume")?,
                resumed: r.boolean("resumed")?,
                linger_ms: r.uint("linger_ms")?,
                idle_ms: r.uint("idle_ms")?,
                limits: r.array("limits", |array, _| {
                    Ok(Limits {
                        payload: array.uint32("limits")? as usize,
                        channels: array.uint32("limits")?,
                        pushes: array.uint32("limits")?,
                    })
                })?,
                agent: r.text("agent", limits::MAX_TEXT_LEN)?.into(),
                expires_in_ms: r.optional(|r| r.uint("expires_in_ms"))?,
            }),
            kind::REFUSED => Self::Refused(r.refusal()?),
            kind::REFRESHED => Self::Refreshed { expires_in_ms: r.optional(|r| r.uint("expires_in_ms"))? },
            kind::PONG => Self::Pong { n: r.uint("n")? },
            kind::GO_AWAY => Self::GoAway {
                code: r.code()?,
                within_ms: r.uint("within_ms")?,
                url: r.optional(|r| r.text("url", limits::MAX_TEXT_LEN).map(Into::into))?,
            },
            kind::GOODBYE => Self::Goodbye(r.refusal()?),
            other => return Err(DecodeError::Unexpected(other)),
        };
        r.close(value)
    }

    /// Writes the frame with its length prefix.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        match self {
            Self::Welcome(welcome) => frame(kind::WELCOME, 9, 128, |w| {
                w.uint(welcome.version.into()).text(&welcome.session).binary(&welcome.resume);
                w.boolean(welcome.resumed).uint(welcome.linger_ms).uint(welcome.idle_ms);
                w.array(3).uint(welcome.limits.payload as u64);
                w.uint(welcome.limits.channels.into()).uint(welcome.limits.pushes.into());
                w.text(&welcome.agent).optional_uint(welcome.expires_in_ms);
            }),
            Self::Refused(refusal) => frame(kind::REFUSED, 3, refusal.message.len(), |w| {
                w.refusal(refusal);
            }),
            Self::Refreshed { expires_in_ms } => frame(kind::REFRESHED, 1, 0, |w| {
                w.optional_uint(*expires_in_ms);
            }),
            Self::Pong { n } => frame(kind::PONG, 1, 0, |w| {
                w.uint(*n);
            }),
            Self::GoAway { code, within_ms, url } => frame(kind::GO_AWAY, 3, 0, |w| {
                w.uint(code.0.into()).uint(*within_ms).optional_text(url.as_deref());
            }),
            Self::Goodbye(refusal) => frame(kind::GOODBYE, 3, refusal.message.len(), |w| {
                w.refusal(refusal);
            }),
        }
    }
}

fn bounded(data: Bytes, name: &'static str) -> Result<Bytes, DecodeError> {
    if data.len() > limits::MAX_TOKEN_LEN { Err(DecodeError::Value(name)) } else { Ok(data) }
}
