//! A connection that is yet to become the one in use.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

use dunlin_proto::Code;
use dunlin_transport::{Connection, Dialer};

use crate::{control::Control, local_route, pulse::Pulse};

/// A connection that was dialled. Unless it is [taken into use](Self::into_use), dropping it lets go of it.
#[derive(Debug)]
pub(crate) struct Candidate {
    pub(crate) connection: Connection,
    /// What it was dialled with, and moves with.
    pub(crate) dialer: Arc<Dialer>,
    pub(crate) pulse: Pulse,
    /// This device's address, if it goes through another interface than the one that the system prefers.
    pub(crate) detour: Option<IpAddr>,
    /// Its control stream, if `Hello` has been sent.
    pub(crate) control: Option<Control>,
    is_used: bool,
}

impl Candidate {
    pub(crate) fn new(connection: Connection, dialer: Arc<Dialer>) -> Self {
        Self { connection, dialer, pulse: Pulse::new(), detour: None, control: None, is_used: false }
    }

    /// This device's address, as far as it is known.
    pub(crate) fn local(&self) -> Option<SocketAddr> {
        let local = local_route::address(&self.connection)?;
        Some(self.detour.map_or(local, |ip| SocketAddr::new(ip, local.port())))
    }

    /// It stays open from now on.
    pub(crate) fn into_use(mut self) -> (Connection, Arc<Dialer>, Pulse) {
        self.is_used = true;
        (self.connection.clone(), self.dialer.clone(), self.pulse.clone())
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
