//! Bounds on what may cross the wire.

/// Longest event name in bytes.
pub const MAX_EVENT_LEN: usize = 128;

/// Longest conflation key in bytes.
pub const MAX_KEY_LEN: usize = 128;

/// Longest human-readable text (messages, agent names) in bytes.
pub const MAX_TEXT_LEN: usize = 512;

/// Longest token or resume ticket in bytes.
pub const MAX_TOKEN_LEN: usize = 8 * 1024;

/// Most versions a client may offer.
pub const MAX_VERSIONS: u32 = 16;

/// Longest interval between deliveries that a member may ask for, in milliseconds.
pub const MAX_INTERVAL_MS: u32 = 3_600_000;

/// Longest deadline for an event that a member may ask for, in milliseconds.
pub const MAX_DEADLINE_MS: u32 = 3_600_000;

/// Most events before its join that a member may ask to begin with.
pub const MAX_REWIND: u32 = 100_000;

/// Longest frame on the control stream, in bytes, in both directions.
pub const MAX_CONTROL_FRAME: usize = 16 * 1024;

/// Room in a channel frame for everything that is not payload, in bytes.
pub const FRAME_OVERHEAD: usize = 1024;

/// What the server allows this session, announced in `Welcome`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest payload of a push, in bytes. A channel frame has at most [`FRAME_OVERHEAD`] bytes more.
    pub payload: usize,
    /// Most channels joined at the same time.
    pub channels: u32,
    /// Most pushes without a reply in one channel.
    pub pushes: u32,
}

impl Limits {
    /// Longest frame on a channel stream, in bytes, without its length prefix.
    #[must_use]
    pub const fn frame(&self) -> usize {
        self.payload + FRAME_OVERHEAD
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self { payload: 1024 * 1024, channels: 100, pushes: 256 }
    }
}
