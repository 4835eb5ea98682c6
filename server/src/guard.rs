//! Who may see what the server tells about itself.

use crate::config::Console;
use dunlin_proto::{Code, frame::Refusal};
use std::net::IpAddr;

/// What a session may see of the console's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// All of them.
    Granted,
    /// Nothing without the right token.
    TokenRequired,
    /// Nothing: the client is on another machine.
    Forbidden,
    /// There is no console.
    Off,
}

impl Access {
    /// What a client gets that came from this address and presented this token.
    pub(crate) fn of(console: &Console, peer: IpAddr, token: Option<&str>) -> Self {
        match (console, token) {
            (Console::Off, _) => Self::Off,
            (Console::Token(secret), Some(token)) if secret.is(token) => Self::Granted,
            (Console::Token(_), _) => Self::TokenRequired,
            (Console::Local, _) if peer.to_canonical().is_loopback() => Self::Granted,
            (Console::Local, _) => Self::Forbidden,
        }
    }

    /// Refuses a join unless access is granted.
    pub(crate) fn check(self) -> Result<(), Refusal> {
        match self {
            Self::Granted => Ok(()),
            Self::TokenRequired => {
                Err(Refusal::because(Code::TOKEN_REQUIRED, "these figures need the token of console.token"))
            }
            Self::Forbidden => {
                Err(Refusal::because(Code::FORBIDDEN, "these figures are for this machine only"))
            }
            Self::Off => Err(Refusal::because(Code::NO_CHANNEL, "the console is off")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Token;

    #[test]
    fn without_a_token_the_machine_is_the_bound() {
        let from = |address: &str| Access::of(&Console::Local, address.parse().unwrap(), Some("any"));
        assert_eq!(from("127.0.0.1"), Access::Granted);
        assert_eq!(from("::1"), Access::Granted);
        assert_eq!(from("::ffff:127.0.0.1"), Access::Granted);
        assert_eq!(from("192.0.2.1").check().unwrap_err().code, Code::FORBIDDEN);
    }

    #[test]
    fn with_a_token_the_address_does_not_matter() {
        let secret = "a secret of some length";
        let console = Console::Token(Token::new(secret).unwrap());
        let with = |address: &str, token| Access::of(&console, address.parse().unwrap(), token);
        assert_eq!(with("192.0.2.1", Some(secret)), Access::Granted);
        assert_eq!(with("127.0.0.1", Some("another")), Access::TokenRequired);
        assert_eq!(with("127.0.0.1", None).check().unwrap_err().code, Code::TOKEN_REQUIRED);
    }

    #[test]
    fn what_is_off_is_not_there() {
        let off = Access::of(&Console::Off, "127.0.0.1".parse().unwrap(), None);
        assert_eq!(off.check().unwrap_err().code, Code::NO_CHANNEL);
    }
}
