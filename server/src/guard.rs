//! Who may see what the server tells about itself.

use crate::config::Console;
use dunlin_proto::{Code, frame::Refusal};
use dunlin_transport::Connection;

/// What a session may see of the console's figures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// All of them.
    Granted,
    /// Nothing without the right token.
    TokenRequired,
    /// Nothing: the client is on another machine, or a page from elsewhere.
    Forbidden,
    /// There is no console.
    Off,
}

/// Where a client is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// On this machine, and no page from elsewhere.
    Local,
    Remote,
}

impl From<&Connection> for Place {
    fn from(connection: &Connection) -> Self {
        if connection.is_local() { Self::Local } else { Self::Remote }
    }
}

impl Access {
    /// What a client gets that is there and presented this token.
    pub(crate) fn of(console: &Console, place: Place, token: Option<&str>) -> Self {
        match (console, token) {
            (Console::Off, _) => Self::Off,
            (Console::Token(secret), Some(token)) if secret.is(token) => Self::Granted,
            (Console::Token(_), _) => Self::TokenRequired,
            (Console::Local, _) => match place {
                Place::Local => Self::Granted,
                Place::Remote => Self::Forbidden,
            },
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
        let from = |place| Access::of(&Console::Local, place, Some("any"));
        assert_eq!(from(Place::Local), Access::Granted);
        assert_eq!(from(Place::Remote).check().unwrap_err().code, Code::FORBIDDEN);
    }

    #[test]
    fn with_a_token_the_place_does_not_matter() {
        let secret = "a secret of some length";
        let console = Console::Token(Token::new(secret).unwrap());
        let with = |place, token| Access::of(&console, place, token);
        assert_eq!(with(Place::Remote, Some(secret)), Access::Granted);
        assert_eq!(with(Place::Local, Some("another")), Access::TokenRequired);
        assert_eq!(with(Place::Local, None).check().unwrap_err().code, Code::TOKEN_REQUIRED);
    }

    #[test]
    fn what_is_off_is_not_there() {
        let off = Access::of(&Console::Off, Place::Local, None);
        assert_eq!(off.check().unwrap_err().code, Code::NO_CHANNEL);
    }
}
