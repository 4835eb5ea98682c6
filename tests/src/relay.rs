//! A piece of network between clients and a server that can fail: all of it, or UDP alone, or TCP alone.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpSocket, TcpStream, UdpSocket},
    sync::watch,
    task::JoinSet,
    time::Instant,
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
    state: watch::Sender<State>,
    _task: AbortOnDropHandle<()>,
}

/// What happens to what arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Open,
    Blocked,
    /// Passes so many bytes down in a second; what comes faster waits in the sockets, and is lost when they are full.
    Narrow(u32),
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

    /// Passes so many bytes in a second down to clients from now on.
    pub fn narrow(&self, bytes_per_second: u32) {
        for protocol in [Protocol::Udp, Protocol::Tcp] {
            self.way(protocol).state.send_replace(State::Narrow(bytes_per_second));
        }
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
        self.way(protocol).state.send_replace(State::Blocked);
    }

    /// Passes it on again.
    pub fn unblock(&self, protocol: Protocol) {
        self.way(protocol).state.send_replace(State::Open);
    }

    fn way(&self, protocol: Protocol) -> &Way {
        match protocol {
            Protocol::Udp => &self.udp,
            Protocol::Tcp => &self.tcp,
        }
    }
}

impl Way {
    fn open<T: Future<Output = ()> + Send + 'static>(task: impl FnOnce(Passage) -> T) -> Self {
        let (state, passage) = watch::channel(State::Open);
        Self {
            state,
            _task: AbortOnDropHandle::new(tokio::spawn(task(Passage {
                state: passage,
                taken: Instant::now(),
            }))),
        }
    }
}

/// A way as those see it who pass something on.
#[derive(Clone)]
struct Passage {
    state: watch::Receiver<State>,
    /// Until when the way down is taken.
    taken: Instant,
}

impl Passage {
    fn is_blocked(&self) -> bool {
        *self.state.borrow() == State::Blocked
    }

    async fn unblocked(&mut self) {
        let _ = self.state.wait_for(|state| *state != State::Blocked).await;
    }

    /// Takes the time that so many bytes take on the way down.
    async fn take(&mut self, bytes: usize) {
        let State::Narrow(bytes_per_second) = *self.state.borrow() else { return };
        let time = Duration::from_secs_f64(bytes as f64 / f64::from(bytes_per_second));
        // A timer rings late by a millisecond, which the next ones make up for.
        self.taken = self.taken.max(Instant::now() - Duration::from_millis(5)) + time;
        tokio::time::sleep_until(self.taken).await;
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

#[derive(PartialEq, Eq)]
enum Direction {
    Up,
    Down,
}

async fn pass_datagrams(front: Arc<UdpSocket>, server: SocketAddr, table: Arc<Table>, way: Passage) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok((len, client)) = front.recv_from(&mut buffer).await else { continue };
        if way.is_blocked() {
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

async fn pass_down(back: Arc<UdpSocket>, front: Arc<UdpSocket>, client: SocketAddr, mut way: Passage) {
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let Ok(len) = back.recv(&mut buffer).await else { continue };
        way.take(len).await;
        if !way.is_blocked() {
            let _ = front.send_to(&buffer[..len], client).await;
        }
    }
}

async fn pass_connections(listener: TcpListener, server: SocketAddr, way: Passage) {
    let mut connections = JoinSet::new();
    loop {
        let Ok((client, _)) = listener.accept().await else { continue };
        connections.spawn(pass_connection(client, server, way.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Until one side has ended; then the other is told in the same way.
async fn pass_connection(client: TcpStream, server: SocketAddr, mut way: Passage) {
    way.unblocked().await;
    let Ok(server) = connect(server).await else { return };
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        () = pass_bytes(from_client, to_server, way.clone(), Direction::Up) => {}
        () = pass_bytes(from_server, to_client, way, Direction::Down) => {}
    }
}

/// Connects with as little room for what waits as a network has.
async fn connect(server: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(64 * 1024)?;
    socket.connect(server).await
}

async fn pass_bytes(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut way: Passage,
    direction: Direction,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(len @ 1..) = from.read(&mut buffer).await {
        if direction == Direction::Down {
            way.take(len).await;
        }
        way.unblocked().await;
        if to.write_all(&buffer[..len]).await.is_err() {
            return;
        }
    }
}
