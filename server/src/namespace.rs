//! What a topic's namespace refuses, whatever the token says.

use crate::config::{Namespace, Who};
use dunlin_proto::{
    Code,
    frame::{Refusal, channel::Delivery},
};

impl Namespace {
    /// Refuses a join that is not for this client, or asks for a delivery that is not allowed. `user` is whom the client's token
    /// names.
    pub(crate) fn check_join(&self, user: Option<&str>, delivery: Delivery) -> Result<(), Refusal> {
        if !self.join.includes(user) {
            return Err(forbidden(match self.join {
                Who::Users => "only users may join this topic, and the token names none",
                Who::All | Who::Nobody => "no client may join this topic",
            }));
        }
        if !self.delivers(delivery) {
            let allowed: Vec<_> = self.deliveries.iter().map(|mode| mode.name()).collect();
            return Err(forbidden(&format!("this topic is delivered as {} only", allowed.join(" or "))));
        }
        Ok(())
    }

    /// Refuses a push that is not for this client to make, or too long. `len` is its payload's length in bytes.
    pub(crate) fn check_push(&self, user: Option<&str>, len: usize) -> Result<(), Refusal> {
        if !self.push.includes(user) {
            return Err(forbidden(match self.push {
                Who::Users => "only users may push to this topic, and the token names none",
                Who::All | Who::Nobody => "this topic takes pushes from the backend only",
            }));
        }
        if len > self.payload {
            let text = format!("a payload in this topic has at most {} bytes", self.payload);
            return Err(Refusal::because(Code::PAYLOAD_TOO_LARGE, &text));
        }
        Ok(())
    }
}

fn forbidden(text: &str) -> Refusal {
    Refusal::because(Code::FORBIDDEN, text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Namespaces;

    fn namespace(change: impl FnOnce(&mut Namespace)) -> Namespace {
        let mut namespace = (**Namespaces::default().of(&"t".parse().unwrap())).clone();
        change(&mut namespace);
        namespace
    }

    fn text(checked: Result<(), Refusal>) -> String {
        checked.map_or_else(|refusal| refusal.message, |()| "ok".into())
    }

    #[test]
    fn who_may_do_what() {
        let all = namespace(|_| {});
        assert_eq!((all.check_join(None, Delivery::Datagram), all.check_push(None, 1)), (Ok(()), Ok(())));
        let users = namespace(|it| (it.join, it.push) = (Who::Users, Who::Users));
        let ada = Some("ada");
        assert_eq!((users.check_join(ada, Delivery::None), users.check_push(ada, 1)), (Ok(()), Ok(())));
        assert!(text(users.check_join(None, Delivery::None)).starts_with("only users may join"));
        assert!(text(users.check_push(None, 1)).starts_with("only users may push"));
        let nobody = namespace(|it| (it.join, it.push) = (Who::Nobody, Who::Nobody));
        assert_eq!(text(nobody.check_join(ada, Delivery::None)), "no client may join this topic");
        assert_eq!(text(nobody.check_push(ada, 1)), "this topic takes pushes from the backend only");
    }

    #[test]
    fn deliveries_that_are_allowed_are_named() {
        let map = namespace(|it| it.deliveries = [Delivery::Latest, Delivery::Datagram].into());
        for (delivery, said) in [
            (Delivery::Reliable, "this topic is delivered as latest or datagram only"),
            (Delivery::Latest, "ok"),
            (Delivery::Datagram, "ok"),
            (Delivery::None, "ok"),
        ] {
            assert_eq!(text(map.check_join(None, delivery)), said);
        }
    }

    #[test]
    fn a_payload_has_its_length() {
        let small = namespace(|it| it.payload = 8);
        assert_eq!(small.check_push(None, 8), Ok(()));
        assert_eq!(small.check_push(None, 9).unwrap_err().code, Code::PAYLOAD_TOO_LARGE);
    }
}
