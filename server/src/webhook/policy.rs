//! What is decided while the backend does not answer. Pure.

use crate::config::Down;
use dunlin_proto::{Code, frame::Refusal};

/// Whether something is allowed then. `has_token` says that the client has presented a token which was accepted; what it does
/// not allow is refused elsewhere.
pub(super) fn when_down(down: Down, has_token: bool) -> Result<(), Refusal> {
    match (down, has_token) {
        (Down::Allow, _) | (Down::Token, true) => Ok(()),
        (Down::Deny, _) | (Down::Token, false) => {
            Err(Refusal::because(Code::UNAVAILABLE, "the application does not answer"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_says_who_gets_in() {
        let table = [
            (Down::Deny, true, false),
            (Down::Deny, false, false),
            (Down::Allow, true, true),
            (Down::Allow, false, true),
            (Down::Token, true, true),
            (Down::Token, false, false),
        ];
        for (down, has_token, allowed) in table {
            let decided = when_down(down, has_token);
            assert_eq!(decided.is_ok(), allowed, "{down:?} {has_token}");
            assert!(decided.err().is_none_or(|refusal| refusal.code == Code::UNAVAILABLE));
        }
    }
}
