//! Which ways lead to a server, and in which order they are tried.

use std::fmt;

use dunlin_transport::Kind as Transport;

use crate::address::{Scheme, UrlError};

/// A way to a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Way {
    Quic,
    WebTransport,
    /// Over TLS.
    WebSocket,
    /// Over bare TCP.
    PlainWebSocket,
}

/// The way to try first, and the one to try beside it where the first does not get through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Route {
    pub(crate) first: Way,
    pub(crate) fallback: Option<Way>,
}

impl Route {
    /// The route that a scheme stands for; or just one way, if `only` that is wanted.
    pub(crate) fn of(scheme: Scheme, only: Option<Transport>) -> Result<Self, UrlError> {
        let alone = |first| Self { first, fallback: None };
        Ok(match (only, scheme) {
            (None | Some(Transport::WebSocket), Scheme::Ws) => alone(Way::PlainWebSocket),
            (None, Scheme::Dunlin) => Self { first: Way::Quic, fallback: Some(Way::WebSocket) },
            (None, Scheme::Https) => Self { first: Way::WebTransport, fallback: Some(Way::WebSocket) },
            (None | Some(Transport::WebSocket), _) => alone(Way::WebSocket),
            (Some(Transport::Quic), Scheme::Dunlin | Scheme::Https | Scheme::Wss) => alone(Way::Quic),
            (Some(Transport::WebTransport), Scheme::Dunlin | Scheme::Https | Scheme::Wss) => {
                alone(Way::WebTransport)
            }
            (Some(transport), scheme) => return Err(UrlError::NotThere(transport, scheme)),
        })
    }
}

impl Way {
    /// Whether it goes over UDP, which some networks block.
    pub(crate) fn is_udp(self) -> bool {
        matches!(self, Self::Quic | Self::WebTransport)
    }
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Quic => "QUIC",
            Self::WebTransport => "WebTransport",
            Self::WebSocket | Self::PlainWebSocket => "WebSocket",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_over_udp_has_a_way_out_over_tcp_with_tls() {
        let route = |scheme| Route::of(scheme, None).unwrap();
        assert_eq!(route(Scheme::Dunlin), Route { first: Way::Quic, fallback: Some(Way::WebSocket) });
        assert_eq!(route(Scheme::Https), Route { first: Way::WebTransport, fallback: Some(Way::WebSocket) });
        assert_eq!(route(Scheme::Wss), Route { first: Way::WebSocket, fallback: None });
        assert_eq!(route(Scheme::Ws), Route { first: Way::PlainWebSocket, fallback: None });
    }

    #[test]
    fn one_way_alone_is_had_wherever_it_can_be() {
        for scheme in [Scheme::Dunlin, Scheme::Https, Scheme::Wss] {
            for (only, way) in [
                (Transport::Quic, Way::Quic),
                (Transport::WebTransport, Way::WebTransport),
                (Transport::WebSocket, Way::WebSocket),
            ] {
                assert_eq!(Route::of(scheme, Some(only)), Ok(Route { first: way, fallback: None }));
            }
        }
        let plain = Route { first: Way::PlainWebSocket, fallback: None };
        assert_eq!(Route::of(Scheme::Ws, Some(Transport::WebSocket)), Ok(plain));
    }

    #[test]
    fn tls_is_never_given_up_for_a_way_that_was_asked_for() {
        for only in [Transport::Quic, Transport::WebTransport, Transport::Memory] {
            assert_eq!(Route::of(Scheme::Ws, Some(only)), Err(UrlError::NotThere(only, Scheme::Ws)));
        }
    }
}
