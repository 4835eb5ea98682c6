//! Where a server is, as its URL says.

use std::{fmt, str::FromStr};

use url::{Host, Url};

/// The port of a URL that names none.
pub const DEFAULT_PORT: u16 = 4433;

/// A server that is reached over native QUIC, written `dunlin://HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A name or an IP address, without brackets.
    pub host: String,
    /// The UDP port.
    pub port: u16,
}

/// Why a text is not the URL of a server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL at all.
    #[error("{0:?} is not a URL ({1}); write dunlin://HOST[:PORT]")]
    Syntax(String, url::ParseError),
    /// A scheme for another transport, which this version does not dial.
    #[error("{0}:// cannot be dialled by this version yet; write dunlin://HOST[:PORT] for native QUIC")]
    NotYet(String),
    /// A scheme that is none of Dunlin's.
    #[error("{0}:// is not a scheme of Dunlin; write dunlin://HOST[:PORT]")]
    Scheme(String),
    /// No host after the scheme.
    #[error("the URL names no host; write dunlin://HOST[:PORT]")]
    NoHost,
    /// A path, a query or a user: nothing reads them, and a token must not stand in a URL.
    #[error("a server's URL ends after host and port: a token is given apart, a topic is joined later")]
    TooMuch,
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

impl FromStr for Address {
    type Err = UrlError;
    fn from_str(text: &str) -> Result<Self, UrlError> {
        let url = Url::parse(text).map_err(|error| UrlError::Syntax(text.into(), error))?;
        match url.scheme() {
            "dunlin" => {}
            "https" | "wss" => return Err(UrlError::NotYet(url.scheme().into())),
            other => return Err(UrlError::Scheme(other.into())),
        }
        let host = match url.host() {
            None | Some(Host::Domain("")) => return Err(UrlError::NoHost),
            Some(Host::Ipv6(ip)) => ip.to_string(),
            // Of an unknown scheme the parser leaves IPv4 addresses and names as they are written.
            Some(host) => host.to_string().to_ascii_lowercase(),
        };
        let bare = matches!(url.path(), "" | "/") && url.query().is_none() && url.fragment().is_none();
        if !bare || !url.username().is_empty() || url.password().is_some() {
            return Err(UrlError::TooMuch);
        }
        Ok(Self { host, port: url.port().unwrap_or(DEFAULT_PORT) })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "dunlin://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "dunlin://{}:{}", self.host, self.port)
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
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!(address.to_string(), canonical);
            assert_eq!(canonical.parse(), Ok(address));
        }
    }

    #[test]
    fn loopback_is_recognised_however_it_is_written() {
        let is_loopback = |text: &str| text.parse::<Address>().unwrap().is_loopback();
        assert!(["dunlin://localhost", "dunlin://127.0.0.2", "dunlin://[::1]"].into_iter().all(is_loopback));
        assert!(!is_loopback("dunlin://example.org") && !is_loopback("dunlin://10.0.0.1"));
    }

    #[test]
    fn other_texts_say_what_to_write() {
        let why = |text: &str| text.parse::<Address>().unwrap_err();
        assert!(matches!(why("example.org"), UrlError::Syntax(..)));
        assert_eq!(why("https://example.org"), UrlError::NotYet("https".into()));
        assert_eq!(why("wss://example.org"), UrlError::NotYet("wss".into()));
        assert_eq!(why("ftp://example.org"), UrlError::Scheme("ftp".into()));
        assert_eq!(why("dunlin://"), UrlError::NoHost);
        for text in ["dunlin://h/room", "dunlin://h?token=x", "dunlin://user@h", "dunlin://h#x"] {
            assert_eq!(why(text), UrlError::TooMuch, "{text}");
        }
    }
}
