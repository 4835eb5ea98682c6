//! Where a server is, as its URL says.

use std::{fmt, str::FromStr};

use dunlin_transport::Kind as Transport;
use url::{Host, Url};

/// The port of a URL that names none, of UDP and of TCP with TLS: a Dunlin server's, also behind `https://` and `wss://`.
pub const DEFAULT_PORT: u16 = 4433;

/// The port of a `ws://` URL that names none: a Dunlin server's plain HTTP.
pub const DEFAULT_PLAIN_PORT: u16 = 4480;

/// The paths that a URL may have; more is no session.
const PATHS: [&str; 3] = ["", "/", dunlin_transport::PATH];

/// A server, written `dunlin://HOST[:PORT]`, or with one of the other [schemes](Scheme).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// How to talk to it.
    pub scheme: Scheme,
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The port, of UDP or TCP.
    pub port: u16,
}

/// What the beginning of a URL says about the way to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `dunlin://`: native QUIC, and WebSocket over TLS on the same port where UDP does not get through.
    Dunlin,
    /// `https://`: WebTransport, with the same way out.
    Https,
    /// `wss://`: WebSocket over TLS and nothing else.
    Wss,
    /// `ws://`: WebSocket over bare TCP. Everybody on the way can read and change what is said, tokens included: for
    /// development, and for networks where every machine is trusted.
    Ws,
}

/// Why a text is not the URL of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL at all.
    #[error("{0:?} is not a URL ({1}); write dunlin://HOST[:PORT]")]
    Syntax(String, url::ParseError),
    /// A scheme that is none of Dunlin's.
    #[error("{0}:// is not a scheme of Dunlin; write dunlin://, https://, wss:// or ws://, then HOST[:PORT]")]
    Scheme(String),
    /// No host after the scheme.
    #[error("the URL names no host; write dunlin://HOST[:PORT]")]
    NoHost,
    /// A path at which no session is.
    #[error("no session is at the path {0:?}: leave it out, or write /dunlin (topics are joined later)")]
    Path(String),
    /// A query, a fragment or a user: nothing reads them, and a token must not stand in a URL.
    #[error("a server's URL ends after host and port: a token is given apart, a topic is joined later")]
    TooMuch,
    /// Only this was to carry connections, and it is not to be had at such an address.
    #[error("{0} is not to be had at {1}:// addresses")]
    NotThere(Transport, Scheme),
}

impl Address {
    /// Whether the host is this machine, by its usual name or by a loopback address.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match Host::parse(&self.host) {
            Ok(Host::Domain(name)) => name == "localhost",
            Ok(Host::Ipv4(ip)) => ip.is_loopback(),
            _ => self.host.parse::<std::net::Ipv6Addr>().is_ok_and(|ip| ip.is_loopback()),
        }
    }
}

impl FromStr for Scheme {
    type Err = UrlError;
    fn from_str(text: &str) -> Result<Self, UrlError> {
        match text.to_ascii_lowercase().as_str() {
            "dunlin" => Ok(Self::Dunlin),
            "https" => Ok(Self::Https),
            "wss" => Ok(Self::Wss),
            "ws" => Ok(Self::Ws),
            other => Err(UrlError::Scheme(other.into())),
        }
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Dunlin => "dunlin",
            Self::Https => "https",
            Self::Wss => "wss",
            Self::Ws => "ws",
        })
    }
}

impl FromStr for Address {
    type Err = UrlError;
    fn from_str(text: &str) -> Result<Self, UrlError> {
        let syntax = |error| UrlError::Syntax(text.into(), error);
        let Some((scheme, rest)) = text.trim().split_once("://") else {
            return Err(syntax(Url::parse(text).err().unwrap_or(url::ParseError::RelativeUrlWithoutBase)));
        };
        let scheme: Scheme = scheme.parse()?;
        // Of https and its like the parser drops a port that is usual elsewhere (443), which is not the usual one here.
        let url = Url::parse(&format!("dunlin://{rest}")).map_err(syntax)?;
        let host = match url.host() {
            None | Some(Host::Domain("")) => return Err(UrlError::NoHost),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            // Of an unknown scheme the parser leaves IPv4 addresses and names as they are written.
            Some(host) => host.to_string().to_ascii_lowercase(),
        };
        if url.query().is_some()
            || url.fragment().is_some()
            || !url.username().is_empty()
            || url.password().is_some()
        {
            return Err(UrlError::TooMuch);
        }
        if !PATHS.contains(&url.path()) {
            return Err(UrlError::Path(url.path().into()));
        }
        let default = if scheme == Scheme::Ws { DEFAULT_PLAIN_PORT } else { DEFAULT_PORT };
        Ok(Self { scheme, host, port: url.port().unwrap_or(default) })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { scheme, host, port } = self;
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{port}")
        } else {
            write!(f, "{scheme}://{host}:{port}")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_port() {
        for (text, canonical) in [
            ("dunlin://Example.org", "dunlin://example.org:4433"),
            ("dunlin://example.org:7/", "dunlin://example.org:7"),
            ("dunlin://127.0.0.1:1", "dunlin://127.0.0.1:1"),
            ("dunlin://[::1]", "dunlin://[::1]:4433"),
            ("HTTPS://example.org/dunlin", "https://example.org:4433"),
            ("https://example.org:443", "https://example.org:443"),
            ("wss://example.org", "wss://example.org:4433"),
            ("wss://[::1]:443/", "wss://[::1]:443"),
            ("ws://example.org", "ws://example.org:4480"),
            ("ws://example.org:80/dunlin", "ws://example.org:80"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(address));
        }
    }

    #[test]
    fn loopback_is_recognised_however_it_is_written() {
        let is_loopback = |text: &str| text.parse::<Address>().unwrap().is_loopback();
        assert!(["dunlin://localhost", "wss://127.0.0.2", "https://[::1]"].into_iter().all(is_loopback));
        assert!(!is_loopback("dunlin://example.org") && !is_loopback("dunlin://10.0.0.1"));
    }

    #[test]
    fn other_texts_say_what_to_write() {
        let why = |text: &str| text.parse::<Address>().unwrap_err();
        assert!(matches!(why("example.org"), UrlError::Syntax(..)));
        assert!(matches!(why("dunlin://h:port"), UrlError::Syntax(..)));
        assert_eq!(why("ftp://example.org"), UrlError::Scheme("ftp".into()));
        assert_eq!(why("http://example.org"), UrlError::Scheme("http".into()));
        assert_eq!(why("dunlin://"), UrlError::NoHost);
        for text in ["dunlin://h?token=x", "wss://user@h", "dunlin://h#x", "https://h/dunlin?token=x"] {
            assert_eq!(why(text), UrlError::TooMuch, "{text}");
        }
        for (text, path) in
            [("dunlin://h/room", "/room"), ("wss://h/dunlin/", "/dunlin/"), ("https://h//", "//")]
        {
            assert_eq!(why(text), UrlError::Path(path.into()), "{text}");
        }
    }
}
