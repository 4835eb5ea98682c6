//! A link between two namespaces: a TUN device in each, and threads that carry packets across with delay and loss.
//!
//! Devices are made in the namespace of this process and then moved, which leaves their file descriptors here. The kernel
//! cuts large segments up before a TUN device, so that TCP and UDP lose packets of the same size.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use rand::{SeedableRng, rngs::StdRng};
use tun_rs::{DeviceBuilder, SyncDevice};

use super::{
    Uplink, clock,
    command::run,
    namespace::Namespace,
    shaper::{Line, QUEUE, Quality},
    trace::{Fate, Record, What},
};

const MTU: u16 = 1500;

/// A link that lives as long as this.
#[derive(Debug)]
pub struct Link {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    uplink: Uplink,
    quality: Mutex<Quality>,
    packets: Mutex<Vec<Record>>,
    over: AtomicBool,
}

/// One end of a link.
#[derive(Debug)]
pub struct End<'a> {
    /// Where the interface goes.
    pub namespace: &'a Namespace,
    /// The interface's name there.
    pub name: &'a str,
    /// Its address with the prefix length.
    pub address: &'a str,
}

/// Packets on their way, with the time they arrive.
#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<VecDeque<(Instant, Vec<u8>)>>,
    more: Condvar,
}

impl Link {
    /// Lays a link from the client's end to the router's, and brings it up. `lab` tells the labs of a process apart.
    ///
    /// # Errors
    /// Not root, or no `/dev/net/tun`.
    pub async fn lay(
        lab: u32,
        uplink: Uplink,
        quality: Quality,
        client: End<'_>,
        router: End<'_>,
    ) -> Result<Self> {
        let shared = Arc::new(Shared {
            uplink,
            quality: Mutex::new(quality),
            packets: Mutex::default(),
            over: AtomicBool::new(false),
        });
        // Made first, so that the threads end if one of the steps below fails.
        let link = Self { shared: shared.clone() };
        let near = device(&format!("dl{:x}.{lab}{}c", std::process::id(), uplink.letter()), &client).await?;
        let far = device(&format!("dl{:x}.{lab}{}r", std::process::id(), uplink.letter()), &router).await?;
        carry(&near, &far, &shared, true);
        carry(&far, &near, &shared, false);
        Ok(link)
    }

    /// Changes the link from now on.
    pub fn set(&self, change: impl FnOnce(&mut Quality)) {
        change(&mut lock(&self.shared.quality));
    }

    /// The packets so far.
    #[must_use]
    pub fn packets(&self) -> Vec<Record> {
        lock(&self.shared.packets).clone()
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        // The threads wait for packets; they see this when their devices go, with their namespaces.
        self.shared.over.store(true, Ordering::Relaxed);
    }
}

async fn device(unique: &str, end: &End<'_>) -> Result<Arc<SyncDevice>> {
    let device = DeviceBuilder::new()
        .name(unique)
        .mtu(MTU)
        .enable(false)
        .build_sync()
        .context("no TUN device can be made here; the lab needs root and /dev/net/tun")?;
    let End { namespace, name, address } = end;
    run(&format!("ip link set {unique} netns {} name {name}", namespace.name())).await?;
    namespace.ip(&format!("addr add {address} dev {name}")).await?;
    namespace.ip(&format!("link set {name} up")).await?;
    Ok(Arc::new(device))
}

/// Carries packets in one direction, on two threads: tokio's timer is too coarse, and a write may block.
fn carry(from: &Arc<SyncDevice>, to: &Arc<SyncDevice>, link: &Arc<Shared>, up: bool) {
    let queue = Arc::new(Queue::default());
    let seed = clock::now() ^ u64::from(up);
    let (device, shared, inbox) = (from.clone(), link.clone(), queue.clone());
    thread::spawn(move || take_up(&device, &shared, &inbox, up, seed));
    let (device, shared) = (to.clone(), link.clone());
    thread::spawn(move || put_down(&device, &shared, &queue, up));
}

fn take_up(device: &SyncDevice, link: &Shared, queue: &Queue, up: bool, seed: u64) {
    let mut line = Line::new(StdRng::seed_from_u64(seed), Instant::now());
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let len = match device.recv(&mut buffer) {
            Ok(len) => len,
            Err(_) if link.over.load(Ordering::Relaxed) => break,
            Err(_) => {
                // The device is being moved, or taken down.
                thread::sleep(Duration::from_millis(1));
                continue;
            }
        };
        let quality = *lock(&link.quality);
        let packet = &buffer[..len];
        let mut waiting = lock(&queue.waiting);
        match line.pass(Instant::now(), len, &quality) {
            Some(due) if waiting.len() < QUEUE => {
                waiting.push_back((due, packet.to_vec()));
                queue.more.notify_one();
            }
            _ => link.note(packet, up, Fate::Lost),
        }
    }
    // An empty packet is the last.
    lock(&queue.waiting).push_back((Instant::now(), Vec::new()));
    queue.more.notify_one();
}

fn put_down(device: &SyncDevice, link: &Shared, queue: &Queue, up: bool) {
    loop {
        let (due, packet) = {
            let waiting = lock(&queue.waiting);
            let empty = |waiting: &mut VecDeque<_>| waiting.is_empty();
            let mut waiting = queue.more.wait_while(waiting, empty).unwrap_or_else(PoisonError::into_inner);
            waiting.pop_front().expect("waited for it")
        };
        if packet.is_empty() {
            return;
        }
        thread::sleep(due.saturating_duration_since(Instant::now()));
        // A device that is down refuses packets: they are lost, as on a real link.
        let fate = if device.send(&packet).is_ok() { Fate::Arrived } else { Fate::Down };
        link.note(&packet, up, fate);
    }
}

impl Shared {
    fn note(&self, packet: &[u8], up: bool, fate: Fate) {
        // IPv4's header names the protocol in its tenth byte (RFC 791, 3.1).
        let protocol = packet.get(9).copied().unwrap_or_default();
        let len = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        let what = What::Packet { link: self.uplink, up, protocol, len, fate };
        lock(&self.packets).push(Record { at: clock::now(), client: 0, what });
    }
}

/// What these locks guard is whole at any time.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
