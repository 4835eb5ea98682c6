//! Why a token is not accepted.

use crate::capability::IllegalGrant;
use dunlin_proto::Code;

/// Why a token is not accepted. The reasons are for the operator's figures and for whoever holds the token and a key; a
/// client is told [`Rejected::code`] and [`Rejected::public`] only. None of them quotes the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Longer than the protocol allows.
    #[error("it is longer than {} bytes", dunlin_proto::limits::MAX_TOKEN_LEN)]
    TooLong,
    /// Not a JWT at all.
    #[error("it is not a token: {0}")]
    Malformed(&'static str),
    /// `alg: none`.
    #[error("it is not signed (alg: none)")]
    Unsigned,
    /// An algorithm that is not known here.
    #[error("it is signed with an algorithm that is not accepted")]
    UnknownAlgorithm,
    /// Its header demands something that is not known here (`crit`, RFC 7515, 4.1.11).
    #[error("its header demands an extension that is not known")]
    Critical,
    /// It names a key that is not held.
    #[error("no key of its kid is known")]
    UnknownKey,
    /// The keys are for other algorithms: as when a public key is passed off as a shared secret.
    #[error("no key is for its algorithm")]
    WrongAlgorithm,
    /// No key confirms its signature.
    #[error("its signature is wrong")]
    BadSignature,
    /// Its claims are not what they must be.
    #[error("its claims are not readable")]
    Claims,
    /// It says nothing of when it expires.
    #[error("it has no exp")]
    NoExpiry,
    /// It has expired.
    #[error("it has expired")]
    Expired,
    /// It is not valid yet.
    #[error("it is not valid yet (nbf)")]
    NotYetValid,
    /// It lives longer than is accepted.
    #[error("it is valid for longer than is accepted")]
    TooLongLived,
    /// Somebody else has issued it.
    #[error("its issuer (iss) is not the one expected")]
    WrongIssuer,
    /// It is meant for somebody else.
    #[error("its audience (aud) is not this server")]
    WrongAudience,
    /// Its capabilities are illegal.
    #[error("its capabilities are illegal: {0}")]
    Capabilities(#[from] IllegalGrant),
    /// It was revoked.
    #[error("it was revoked")]
    Revoked,
}

impl Rejected {
    /// What the client is told.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            Self::Expired | Self::Revoked => Code::TOKEN_EXPIRED,
            _ => Code::TOKEN_REQUIRED,
        }
    }

    /// What the client is told in words: who has a token that was made up learns nothing from it.
    #[must_use]
    pub fn public(&self) -> &'static str {
        match self {
            Self::Expired => "the token has expired",
            Self::Revoked => "the token was revoked",
            _ => "the token is not accepted",
        }
    }

    /// A name for metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::TooLong => "too_long",
            Self::Malformed(_) => "malformed",
            Self::Unsigned => "unsigned",
            Self::UnknownAlgorithm => "unknown_algorithm",
            Self::Critical => "critical",
            Self::UnknownKey => "unknown_key",
            Self::WrongAlgorithm => "wrong_algorithm",
            Self::BadSignature => "bad_signature",
            Self::Claims => "claims",
            Self::NoExpiry => "no_expiry",
            Self::Expired => "expired",
            Self::NotYetValid => "not_yet_valid",
            Self::TooLongLived => "too_long_lived",
            Self::WrongIssuer => "wrong_issuer",
            Self::WrongAudience => "wrong_audience",
            Self::Capabilities(_) => "capabilities",
            Self::Revoked => "revoked",
        }
    }
}
