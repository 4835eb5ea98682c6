//! Why a connection is no more, or never came to be, and what follows from that.

use dunlin_proto::{Code, code::Retry, frame::Refusal};
use dunlin_transport::ConnectionError;

use crate::{Closed, address::Address, frames::FrameError, route::Way};

/// The end of a connection or of an attempt at one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// No answer, no network, an error on the way.
    Lost(String),
    /// The server has forgotten the connection: it was restarted and can be dialled.
    Forgotten,
    /// This device was without a network, or is on another one now.
    Offline,
    /// The certificate could not be believed, or cannot be checked at all.
    Untrusted(String),
    /// The server closed the connection or answered no, with a code.
    Refused(Refusal),
    /// The server ended the session.
    Goodbye(Refusal),
    /// The server asked this client to go elsewhere, or to come back.
    Moved(Option<Address>),
}

impl Ending {
    /// The peer breaks the protocol.
    pub(crate) fn broken(what: impl std::fmt::Display) -> Self {
        Self::Lost(format!("the server breaks the protocol: {what}"))
    }

    /// Nothing was heard from the server.
    pub(crate) fn silence() -> Self {
        Self::Lost("no answer to any packet".into())
    }

    /// The end of an attempt by two ways, neither of which got an answer.
    pub(crate) fn both((first, one): (Way, &Self), (second, other): (Way, &Self)) -> Self {
        Self::Lost(format!("{first}: {}; {second}: {}", one.problem(), other.problem()))
    }

    /// Whether this is an answer, so that no other way need be tried: the server has said what it thinks of this client,
    /// or this client is not to believe that it is the server.
    pub(crate) fn is_an_answer(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Goodbye(_) | Self::Untrusted(_))
    }

    /// The same on the way that is fallen back to. A network that blocks QUIC may well answer for the server there, as in
    /// a hotel whose portal has not been passed yet: to be tried again, and no reason to end the client.
    pub(crate) fn on_the_way_out(self) -> Self {
        match self {
            Self::Untrusted(problem) => Self::Lost(problem),
            other => other,
        }
    }

    /// Whether to dial again. `first` says that this client was never welcomed: then a certificate that is not
    /// believed is final, while later it may be in the middle of being replaced.
    pub(crate) fn advice(&self, first: bool) -> Retry {
        match self {
            Self::Untrusted(_) if first => Retry::Never,
            Self::Lost(_) | Self::Forgotten | Self::Offline | Self::Untrusted(_) | Self::Moved(_) => {
                Retry::Now
            }
            Self::Refused(refusal) | Self::Goodbye(refusal) => refusal.retry(),
        }
    }

    /// Whether the session is over, so that there is nothing to resume.
    pub(crate) fn ends_session(&self) -> bool {
        match self {
            Self::Goodbye(_) => true,
            Self::Refused(refusal) => refusal.code == Code::SESSION_ENDED,
            _ => false,
        }
    }

    /// The end of the client, if it is not to dial again.
    pub(crate) fn closed(&self) -> Closed {
        match self {
            Self::Refused(refusal) | Self::Goodbye(refusal) => {
                Closed { code: Some(refusal.code), message: refusal.message.clone() }
            }
            _ => Closed { code: None, message: self.problem() },
        }
    }

    /// In words for people.
    pub(crate) fn problem(&self) -> String {
        match self {
            Self::Lost(problem) | Self::Untrusted(problem) => problem.clone(),
            Self::Forgotten => "the server was restarted".into(),
            Self::Offline => "the network has changed".into(),
            Self::Refused(refusal) | Self::Goodbye(refusal) => {
                format!("{}: {}", refusal.code, refusal.message)
            }
            Self::Moved(_) => "the server sent this client away".into(),
        }
    }
}

impl From<ConnectionError> for Ending {
    fn from(error: ConnectionError) -> Self {
        match error {
            // Code 0 is also what a process leaves behind that just ends: no word of the server's to go by.
            ConnectionError::Closed { code: 0, .. } => Self::Lost("the server closed the connection".into()),
            ConnectionError::Closed { code, reason } => {
                let code = Code(code);
                let refusal =
                    if reason.is_empty() { Refusal::new(code) } else { Refusal::because(code, &reason) };
                Self::Refused(refusal)
            }
            ConnectionError::Reset => Self::Forgotten,
            ConnectionError::TimedOut => Self::silence(),
            ConnectionError::Refused => Self::Lost("the server takes no connections at the moment".into()),
            ConnectionError::Tls(problem) => Self::Untrusted(format!(
                "{}; a server with a certificate of its own needs a CA file or a pinned fingerprint",
                in_words(&problem)
            )),
            ConnectionError::Transport(problem) => Self::Lost(without_number(&problem).into()),
            other => Self::Lost(other.to_string()),
        }
    }
}

/// What the system had to say (`Connection refused (os error 111)`), without the number it has there.
fn without_number(problem: &str) -> &str {
    problem.split_once(" (os error ").map_or(problem, |(words, _)| words)
}

/// What the verifier had to say, out of the `Debug` form in which rustls shows it (`Other(… error: "…" …)`).
fn in_words(problem: &str) -> &str {
    let said = problem.split_once("error: \"").and_then(|(_, rest)| rest.rsplit_once('"'));
    said.map_or(problem, |(words, _)| words)
}

impl From<FrameError> for Ending {
    fn from(error: FrameError) -> Self {
        use dunlin_transport::ReadError;
        match error {
            FrameError::Read(ReadError::Connection(error)) => error.into(),
            FrameError::Read(error) => Self::Lost(format!("the control stream was {error}")),
            FrameError::TooLarge(error) => Self::broken(error),
            FrameError::End => Self::Lost("the server ended the control stream".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn closed_with(code: Code) -> Ending {
        ConnectionError::Closed { code: code.0, reason: String::new() }.into()
    }

    #[test]
    fn the_table_says_whether_to_come_back() {
        assert_eq!(closed_with(Code::FORBIDDEN).advice(false), Retry::Never);
        assert_eq!(closed_with(Code::GOING_AWAY).advice(false), Retry::Now);
        assert_eq!(closed_with(Code::SERVER_FULL).advice(false), Retry::After(Duration::from_secs(5)));
        assert_eq!(closed_with(Code::OK).advice(false), Retry::Now);
    }

    #[test]
    fn the_servers_own_hint_outranks_the_table() {
        let refusal = Refusal { retry_after_ms: Some(70), ..Refusal::new(Code::FORBIDDEN) };
        assert_eq!(Ending::Refused(refusal).advice(true), Retry::After(Duration::from_millis(70)));
    }

    #[test]
    fn a_certificate_is_final_only_before_the_first_welcome() {
        let untrusted = Ending::from(ConnectionError::Tls("unknown issuer".into()));
        assert_eq!(untrusted.advice(true), Retry::Never);
        assert_eq!(untrusted.advice(false), Retry::Now);
    }

    #[test]
    fn when_both_ways_fail_both_are_told() {
        let refused = Ending::Lost("connection refused".into());
        let both = Ending::both((Way::Quic, &Ending::silence()), (Way::WebSocket, &refused));
        assert_eq!(both.problem(), "QUIC: no answer to any packet; WebSocket: connection refused");
    }

    #[test]
    fn a_strangers_certificate_is_an_answer_on_the_first_way_only() {
        let untrusted = Ending::Untrusted("whose?".into());
        assert!(untrusted.is_an_answer());
        let on_the_way_out = untrusted.on_the_way_out();
        assert!(!on_the_way_out.is_an_answer());
        assert_eq!(on_the_way_out.advice(true), Retry::Now);
    }

    #[test]
    fn the_system_is_quoted_without_its_numbers() {
        let refused = std::io::Error::from_raw_os_error(111).to_string();
        let ending = Ending::from(ConnectionError::Transport(refused.clone()));
        assert!(refused.contains("111") && !ending.problem().contains("111"), "{refused}");
    }

    #[test]
    fn a_verifier_is_quoted_without_its_wrapping() {
        let wrapped = "error 46: Other(OtherError(Custom { kind: Other, error: \"not the pinned one\" }))";
        assert_eq!(in_words(wrapped), "not the pinned one");
        assert_eq!(in_words("invalid peer certificate: Expired"), "invalid peer certificate: Expired");
    }

    #[test]
    fn a_ticket_outlives_a_lost_connection_but_not_the_session() {
        assert!(!Ending::Forgotten.ends_session());
        assert!(!closed_with(Code::GOING_AWAY).ends_session());
        assert!(closed_with(Code::SESSION_ENDED).ends_session());
        assert!(Ending::Goodbye(Refusal::new(Code::GOING_AWAY)).ends_session());
    }
}
