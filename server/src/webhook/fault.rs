//! Why a backend has not decided.

/// Why there is no decision. Says nothing of where the backend is or what it answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Fault {
    /// It did not answer in time.
    #[error("no answer in time")]
    Silence,
    /// It cannot be reached, or broke off.
    #[error("no connection")]
    Connection,
    /// Its status says that it failed, or sends elsewhere.
    #[error("the status is none of an answer")]
    Status,
    /// The answer is longer than it may be, not JSON, or says what cannot be.
    #[error("the answer is none")]
    Garbage,
    /// What it wants to be told with each request of a session is longer than that may be.
    #[error("the data of a connect are longer than 4 KiB")]
    Data,
    /// It has failed lately, and is left alone.
    #[error("the backend has failed lately")]
    Open,
    /// Too many decisions wait already.
    #[error("too many requests wait")]
    Busy,
}

impl Fault {
    /// The name in metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Silence => "silence",
            Self::Connection => "connection",
            Self::Status => "status",
            Self::Garbage => "garbage",
            Self::Data => "data",
            Self::Open => "open",
            Self::Busy => "busy",
        }
    }
}
