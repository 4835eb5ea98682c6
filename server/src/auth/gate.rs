//! The gate: every `Hello` and every `Refresh` passes here.

use super::{
    Pass,
    keyring::Keyring,
    revocations::{Full, Revocations, Revoke},
};
use crate::{clock, config::Auth, webhook::Allowed};
use dunlin_auth::{Rejected, fingerprint, verify};
use dunlin_proto::{Code, frame::Refusal};
use metrics::{counter, gauge};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

/// Decides who may connect, and what they may do.
pub(crate) struct Gate {
    /// `None` where everybody may.
    keyring: Option<Arc<Keyring>>,
    revocations: Mutex<Revocations>,
}

impl Gate {
    pub(crate) fn new(auth: &Auth, keyring: Option<Arc<Keyring>>) -> Self {
        let longest = match auth {
            Auth::On(trust) => trust.policy.longest + 2 * trust.policy.leeway,
            Auth::Off | Auth::Development => Duration::ZERO,
        };
        Self { keyring, revocations: Mutex::new(Revocations::new(longest)) }
    }

    /// Takes a token, or nothing where nothing is asked for, for a pass. `is_observer` says that the server's own figures
    /// are open to this client, whose token is then not one of ours.
    pub(crate) async fn admit(&self, token: Option<&str>, is_observer: bool) -> Result<Pass, Refusal> {
        let Some(keyring) = &self.keyring else { return Ok(Pass::everybody()) };
        let Some(token) = token.filter(|_| !is_observer) else {
            return if is_observer {
                Ok(Pass::observer())
            } else {
                counter!("dunlin_tokens_refused_total", "reason" => "missing").increment(1);
                Err(Refusal::because(Code::TOKEN_REQUIRED, "this server asks for a token"))
            };
        };
        let mut judged = judge(keyring, token);
        if matches!(judged, Err(Rejected::UnknownKey)) {
            keyring.look_again().await;
            judged = judge(keyring, token);
        }
        let judged =
            judged.and_then(|pass| if self.has_revoked(&pass) { Err(Rejected::Revoked) } else { Ok(pass) });
        match judged {
            Ok(pass) => {
                counter!("dunlin_tokens_accepted_total").increment(1);
                Ok(pass)
            }
            Err(rejected) if rejected == Rejected::UnknownKey && keyring.keys().is_empty() => {
                counter!("dunlin_tokens_refused_total", "reason" => "no_keys").increment(1);
                Err(Refusal::because(
                    Code::UNAVAILABLE,
                    "the keys that tokens are checked with are not there yet",
                ))
            }
            Err(rejected) => {
                counter!("dunlin_tokens_refused_total", "reason" => rejected.name()).increment(1);
                tracing::debug!(%rejected, "a token was refused");
                Err(Refusal::because(rejected.code(), rejected.public()))
            }
        }
    }

    /// Takes a pass for one with what a backend has granted. Where a token names a user, that stands.
    pub(crate) fn grant(&self, pass: Pass, allowed: Allowed) -> Result<Pass, Refusal> {
        if let (Some(user), Some(granted)) = (pass.user(), &allowed.user)
            && *user != **granted
        {
            return Err(Refusal::because(Code::FORBIDDEN, "the token is another user's"));
        }
        Ok(pass.grant_more(allowed, clock::now_ms() / 1000))
    }

    /// Takes a pass for one with what a backend has granted to the one before it, which cannot be asked again.
    pub(crate) fn keep(pass: Pass, held: &Pass) -> Pass {
        pass.keep_granted(held, clock::now_ms() / 1000)
    }

    /// Whether the token of a pass was revoked.
    pub(crate) fn has_revoked(&self, pass: &Pass) -> bool {
        self.keyring.is_some() && self.revocations.lock().expect(UNPOISONED).cover(pass)
    }

    /// Remembers what is revoked; of a session, the token that it has presented last.
    pub(crate) fn revoke(&self, what: &Revoke, token: Option<[u8; 32]>) -> Result<(), Full> {
        let kind = match what {
            Revoke::User(_) => "user",
            Revoke::Session(_) => "session",
            Revoke::Token(_) => "token",
        };
        counter!("dunlin_revocations_total", "of" => kind).increment(1);
        if self.keyring.is_none() {
            return Ok(());
        }
        let mut revocations = self.revocations.lock().expect(UNPOISONED);
        let now = clock::now_ms() / 1000;
        match what {
            Revoke::User(user) => revocations.user(user, now)?,
            Revoke::Token(id) => revocations.id(id, now)?,
            Revoke::Session(_) => {
                if let Some(token) = token {
                    revocations.token(token, now)?;
                }
            }
        }
        gauge!("dunlin_revocations").set(revocations.len() as f64);
        Ok(())
    }

    /// Forgets what can no longer come.
    pub(crate) fn sweep(&self) {
        let mut revocations = self.revocations.lock().expect(UNPOISONED);
        if revocations.len() > 0 {
            revocations.sweep(clock::now_ms() / 1000);
            gauge!("dunlin_revocations").set(revocations.len() as f64);
        }
    }

    /// How long the token of a pass is still good; `None` for ever.
    pub(crate) fn left(pass: &Pass) -> Option<Duration> {
        let expires = Duration::from_secs(pass.expires()?);
        Some(expires.saturating_sub(Duration::from_millis(clock::now_ms())))
    }

    /// When a session with this pass ends: somewhat after its token has expired.
    pub(crate) fn ends_in(&self, pass: &Pass) -> Option<Duration> {
        let leeway = self.keyring.as_ref().map_or(Duration::ZERO, |keyring| keyring.trust().policy.leeway);
        let end = Duration::from_secs(pass.expires()?).saturating_add(leeway);
        Some(end.saturating_sub(Duration::from_millis(clock::now_ms())))
    }
}

fn judge(keyring: &Keyring, token: &str) -> Result<Pass, Rejected> {
    let claims = verify(token, &keyring.keys(), &keyring.trust().policy, clock::now_ms() / 1000)?;
    Ok(Pass::of(claims, fingerprint(token)))
}

const UNPOISONED: &str = "no code panics while it holds this lock";
