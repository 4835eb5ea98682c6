//! A piece of network between clients and a server that can fail: all of it, or UDP alone, or TCP alone.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream, UdpSocket},
    sync::watch,
    task::JoinSet,
};
use tokio_util::task::AbortOnDropHandle;

/// Passes datagrams and bytes on between clients and one server, as a NAT does, on the same port of UDP and TCP.
pub struct Relay {
    address: SocketAddr,
    table: Arc<Table>,
    udp: Way,
    tcp: Way,
}

/// What a relay passes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// Datagrams: while they are blocked they are lost.
    Udp,
    /// Bytes of connections: while they are blocked they wait, as TCP would send them again.
    Tcp,
}

/// Which client's datagrams leave by which socket: what a NAT may forget.
struct Table {
    /// The address that new sockets have.
    from: Mutex<Ipv4Addr>,
    backs: Mutex<HashMap<SocketAddr, Back>>,
}

/// A socket towards the server, and the task that passes on what it gets.
struct Back {
    socket: Arc<UdpSocket>,
    _task: AbortOnDropHandle<()>,
}

struct Way {
    open: watch::Sender<bool>,
    _task: AbortOnDropHandle<()>,
}

impl Relay {
    /// A relay in front of this server.
    ///
    /// # Panics
    /// If there is no socket.
    pub async fn start(server: SocketAddr) -> Self {
        let (front, listener) = sockets().await;
        let address = front.local_addr().expect("a bound socket has an address");
        let table = Arc::new(Table { from: Mutex::new(Ipv4Addr::LOCALHOST), backs: Mutex::default() });
        let udp = Way::open(|way| pass_datagrams(Arc::new(front), server, table.clone(), way));
        let tcp = Way::open(|way| pass_connections(listener, server, way));
        Self { address, table, udp, tcp }
    }

    /// Where clients find the server.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Passes nothing on from now on, without a word, as a dead network does.
    pub fn cut(&self) {
        self.block(Protocol::Udp);
        self.block(Protocol::Tcp);
    }

    /// Passes everything on again.
    pub fn mend(&self) {
        self.unblock(Protocol::Udp);
        self.unblock(Protocol::Tcp);
    }

    /// Forgets which client had which port, as a NAT does: what clients send from now on comes from other ports of this
    /// loopback address, and what the server sends to the old ones goes nowhere.
    ///
    /// # Panics
    /// If the test has panicked elsewhere.
    pub fn rebind(&self, from: Ipv4Addr) {
        *self.table.from.lock().expect("no panic before") = from;
        self.table.backs.lock().expect("no panic before").clear();
    }

    /// Passes nothing of one protocol on, as a firewall does that drops what it does not like.
    pub fn block(&self, protocol: Protocol) {
        self.way(protocol).open.send_replace(false);
    }

    /// Passes it on again.
    pub fn unblock(&self, protocol: Protocol) {
        self.way(protocol).open.send_replace(true);
    }

    fn way(&self, protocol: Protocol) -> &Way {
        match protocol {
            Protocol::Udp => &self.udp,
            Protocol::Tcp => &self.tcp,
        }
    }
}

impl Way {
    fn open<T: Future<Output = ()> + Send + 'static>(task: impl FnOnce(watch::Receiver<bool>) -> T) -> Self {
        let (open, way) = watch::channel(true);
        Self { open, _task: AbortOnDropHandle::new(tokio::spawn(task(way))) }
    }
}

/// A port that is free for UDP and for TCP.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let front = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a socket");
        let address = front.local_addr().expect("a bound socket has an address");
        if let Ok(listener) = TcpListener::bind(address).await {
            return (front, listener);
        }
    }
}

async fn pass_datagrams(
    front: Arc<UdpSocket>,
    server: SocketAddr,
    table: Arc<Table>,
    way: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok((len, client)) = front.recv_from(&mut buffer).await else { continue };
        if !*way.borrow() {
            continue;
        }
        let back = table.back(client, |back| pass_down(back, front.clone(), client, way.clone()));
        // A datagram that cannot be sent is a lost one.
        let _ = back.send_to(&buffer[..len], server).await;
    }
}

impl Table {
    /// The socket of this client, a new one if there is none.
    fn back<T>(&self, client: SocketAddr, down: impl FnOnce(Arc<UdpSocket>) -> T) -> Arc<UdpSocket>
    where
        T: Future<Output = ()> + Send + 'static,
    {
        let mut backs = self.backs.lock().expect("no panic before");
        let back = backs.entry(client).or_insert_with(|| {
            let from = *self.from.lock().expect("no panic before");
            let socket = std::net::UdpSocket::bind((from, 0)).expect("a socket");
            socket.set_nonblocking(true).expect("a socket that need not block");
            let socket = Arc::new(UdpSocket::from_std(socket).expect("a socket"));
            Back { _task: AbortOnDropHandle::new(tokio::spawn(down(socket.clone()))), socket }
        });
        back.socket.clone()
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

async fn pass_connections(listener: TcpListener, server: SocketAddr, way: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        connections.spawn(pass_connection(client, server, way.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Until one side has ended; then the other is told in the same way.
async fn pass_connection(client: TcpStream, server: SocketAddr, mut way: watch::Receiver<bool>) {
    let _ = way.wait_for(|open| *open).await;
    let Ok(server) = TcpStream::connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass_bytes(from_client, to_server, way.clone()) => {}
        () = pass_bytes(from_server, to_client, way) => {}
    }
}

async fn pass_bytes(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut way: watch::Receiver<bool>,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        let _ = way.wait_for(|open| *open).await;
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
}
