//! A connection that is yet to become the one in use.

use dunlin_proto::Code;
use dunlin_transport::Connection;

use crate::control::Control;

/// A connection that was dialled. Unless it is [taken into use](Self::into_use), dropping it lets go of it.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) connection: Connection,
    /// Its control stream, if `Hello` has been sent.
    pub(crate) control: Option<Control>,
    is_used: bool,
}

impl Candidate {
    pub(crate) fn new(connection: Connection) -> Self {
        Self { connection, control: None, is_used: false }
    }

    /// It stays open from now on.
    pub(crate) fn into_use(mut self) -> Connection {
        self.is_used = true;
        self.connection.clone()
    }
}

impl Drop for Candidate {
    fn drop(&mut self) {
        if !self.is_used {
            abandon(&self.connection);
        }
    }
}

/// Lets go of a connection to go on with another one. Code 0, which a connection that is just dropped would close with,
/// says that this client has finished, and ends the session.
pub(crate) fn abandon(connection: &Connection) {
    connection.close(Code::GOING_AWAY.0, "going on with another connection");
}
