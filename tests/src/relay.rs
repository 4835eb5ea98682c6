//! A piece of network between client and server that can fail.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};
use tokio::{net::UdpSocket, sync::watch};
use tokio_util::task::AbortOnDropHandle;

/// Passes datagrams on between clients and one server, as a NAT does, while the way is open.
pub struct Relay {
    address: SocketAddr,
    open: watch::Sender<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Relay {
    /// A relay in front of this server.
    ///
    /// # Panics
    /// If there is no socket.
    pub async fn start(server: SocketAddr) -> Self {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let address = front.local_addr().expect("a bound socket has an address");
        let (open, way) = watch::channel(true);
        let task = tokio::spawn(pass(Arc::new(front), server, way));
        Self { address, open, _task: AbortOnDropHandle::new(task) }
    }

    /// Where clients find the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Loses every datagram from now on, without a word, as a dead network does.
    pub fn cut(&self) {
        self.open.send_replace(false);
    }

    /// Passes datagrams on again.
    pub fn mend(&self) {
        self.open.send_replace(true);
    }
}

async fn pass(front: Arc<UdpSocket>, server: SocketAddr, way: watch::Receiver<bool>) {
    let mut backs: HashMap<SocketAddr, (Arc<UdpSocket>, AbortOnDropHandle<()>)> = HashMap::new();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok((len, client)) = front.recv_from(&mut buffer).await else { continue };
        if !*way.borrow() {
            continue;
        }
        if let std::collections::hash_map::Entry::Vacant(new) = backs.entry(client) {
            let back = Arc::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket"));
            let down = tokio::spawn(pass_down(back.clone(), front.clone(), client, way.clone()));
            new.insert((back, AbortOnDropHandle::new(down)));
        }
        // A datagram that cannot be sent is a lost one.
        let _ = backs[&client].0.send_to(&buffer[..len], server).await;
    }
}

async fn pass_down(
    back: Arc<UdpSocket>,
    front: Arc<UdpSocket>,
    client: SocketAddr,
    way: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(len) = back.recv(&mut buffer).await else { continue };
        if *way.borrow() {
            let _ = front.send_to(&buffer[..len], client).await;
        }
    }
}
