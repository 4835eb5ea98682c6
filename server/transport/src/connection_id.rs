//! Connection IDs that this server knows as its own, even those of a process before it.

use std::time::Duration;

use quinn_proto::{ConnectionId, ConnectionIdGenerator, InvalidCid};
use ring::hmac;

const NONCE: usize = 4;
const TAG: usize = 4;
const LEN: usize = NONCE + TAG;

/// Makes IDs of eight bytes: random ones, and as many that only a holder of the key can compute.
///
/// quinn answers a packet of an unknown connection with a stateless reset only if the ID could be ours. Its own
/// generator hashes without cryptography, which gives its key away to anyone who sees a few IDs.
#[derive(Clone, Debug)]
pub(crate) struct Generator {
    key: hmac::Key,
}

impl Generator {
    pub(crate) fn new(key: &[u8]) -> Self {
        Self { key: hmac::Key::new(hmac::HMAC_SHA256, key) }
    }

    fn tag(&self, nonce: &[u8]) -> [u8; TAG] {
        let tag = hmac::sign(&self.key, nonce);
        *tag.as_ref().first_chunk().expect("SHA-256 is longer than the tag")
    }
}

impl ConnectionIdGenerator for Generator {
    fn generate_cid(&mut self) -> ConnectionId {
        let nonce: [u8; NONCE] = rand::random();
        let mut id = [0; LEN];
        id[..NONCE].copy_from_slice(&nonce);
        id[NONCE..].copy_from_slice(&self.tag(&nonce));
        ConnectionId::new(&id)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        let (nonce, tag) = id.split_at_checked(NONCE).ok_or(InvalidCid)?;
        if self.tag(nonce) == tag { Ok(()) } else { Err(InvalidCid) }
    }

    fn cid_len(&self) -> usize {
        LEN
    }

    fn cid_lifetime(&self) -> Option<Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_of_a_process_before_are_known_and_others_are_not() {
        let id = Generator::new(&[1; 32]).generate_cid();
        assert_eq!(id.len(), LEN);
        assert!(Generator::new(&[1; 32]).validate(&id).is_ok());
        assert!(Generator::new(&[2; 32]).validate(&id).is_err());
        for short in [&[][..], &id[..NONCE], &id[..LEN - 1]] {
            assert!(Generator::new(&[1; 32]).validate(&ConnectionId::new(short)).is_err());
        }
    }
}
