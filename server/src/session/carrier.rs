//! What carries a session now: a connection, and its right to be here.

use crate::admission::Permit;
use dunlin_proto::Code;
use dunlin_transport::{Connection, Kind};
use std::{net::SocketAddr, time::Duration};

/// A connection that has said hello, with its permit, which goes where its client goes.
pub(crate) struct Carrier {
    connection: Connection,
    permit: Permit,
}

/// How a client is, or was, connected.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) transport: Kind,
    pub(crate) address: SocketAddr,
    /// Round trip time; `None` if it is not known.
    pub(crate) rtt: Option<Duration>,
}

impl Carrier {
    pub(crate) fn new(connection: Connection, permit: Permit) -> Self {
        Self { connection, permit }
    }

    /// Where the client's packets come from now.
    pub(super) fn address(&self) -> SocketAddr {
        self.connection.remote_address()
    }

    pub(super) fn kind(&self) -> Kind {
        self.connection.kind()
    }

    pub(super) fn seen(&self) -> Seen {
        // Zero is what a connection says that has not measured it.
        let rtt = Some(self.connection.stats().rtt).filter(|rtt| !rtt.is_zero());
        Seen { transport: self.kind(), address: self.address(), rtt }
    }

    /// Lets the permit follow the client to this address; where there is no room for it, the connection is closed.
    pub(super) fn follow(&mut self, address: SocketAddr) -> Result<(), Code> {
        self.permit.move_to(address.ip()).inspect_err(|code| {
            self.close(*code, "too many connections from the address that this one moved to");
        })
    }

    pub(super) fn close(&self, code: Code, reason: &str) {
        self.connection.close(code.0, reason);
    }
}
