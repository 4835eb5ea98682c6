//! Connections over WebSocket (RFC 6455): streams multiplexed over its messages.

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use rustls::pki_types::CertificateDer;
use tokio::sync::Notify;

use crate::{ConnectionError, Stats, origins::Page};

mod dial;
mod driver;
mod gate;
mod mux;
mod stream;
mod upgrade;

pub(crate) use dial::{Dialer, Scheme};
pub(crate) use gate::{Gate, Incoming};
pub(crate) use stream::{RecvStream, SendStream};
pub(crate) use upgrade::Door;

use mux::{Event, Mux};

/// One end of a connection; streams hold it too, and the connection closes with code 0 when the last is dropped.
#[derive(Clone, Debug)]
pub(crate) struct Handle(Arc<End>);

#[derive(Debug)]
struct End(Arc<Shared>);

/// What handles, streams and the [driver](driver::run) share.
#[derive(Debug)]
struct Shared {
    local: Option<SocketAddr>,
    remote: SocketAddr,
    page: Page,
    certificate: Option<CertificateDer<'static>>,
    state: Mutex<State>,
    /// Something is to be sent: woken is the driver.
    outgoing: AtomicWaker,
    /// A stream was opened or may be, or the connection has ended.
    changed: Notify,
    /// This side wants to close.
    closing: Notify,
}

#[derive(Debug)]
struct State {
    mux: Mux,
    /// Who waits on a half of a channel. A half has one user, so one waker is enough.
    waiting: HashMap<(u32, Half), Waker>,
    ended: Option<ConnectionError>,
    /// How this side wants to close, until the driver knows.
    farewell: Option<Farewell>,
    rtt: Duration,
    received: u64,
    sent: u64,
}

/// The words to part with.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Farewell {
    status: u16,
    reason: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Half {
    Send,
    Recv,
}

/// What is added to a code of the application to make the status of a close.
const STATUS_OF_CODE_0: u16 = 4000;

/// The largest code that a close carries: the statuses from 4000 to 4999 are for private use (RFC 6455, 7.4.2).
const MAX_CODE: u16 = 999;

/// The longest reason of a close in bytes (RFC 6455, 5.5, less the status).
const MAX_REASON: usize = 123;

impl Handle {
    fn new(shared: Arc<Shared>) -> Self {
        Self(Arc::new(End(shared)))
    }

    pub(crate) async fn open_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        self.alive()?;
        let channel = self.wait(Mux::open).await?;
        Ok(self.streams(channel))
    }

    pub(crate) async fn accept_bi(&self) -> Result<(SendStream, RecvStream), ConnectionError> {
        let channel = self.wait(Mux::accept).await?;
        Ok(self.streams(channel))
    }

    pub(crate) fn close(&self, code: u32, reason: &str) {
        self.shared().close(code, reason);
    }

    pub(crate) async fn closed(&self) -> ConnectionError {
        match self.wait(|_| None::<Infallible>).await {
            Ok(never) => match never {},
            Err(error) => error,
        }
    }

    pub(crate) fn close_reason(&self) -> Option<ConnectionError> {
        self.shared().lock().ended.clone()
    }

    pub(crate) fn alive(&self) -> Result<(), ConnectionError> {
        self.close_reason().map_or(Ok(()), Err)
    }

    pub(crate) fn remote_address(&self) -> SocketAddr {
        self.shared().remote
    }

    pub(crate) fn local_address(&self) -> Option<SocketAddr> {
        self.shared().local
    }

    pub(crate) fn page(&self) -> Page {
        self.shared().page
    }

    pub(crate) fn peer_certificate(&self) -> Option<CertificateDer<'static>> {
        self.shared().certificate.clone()
    }

    pub(crate) fn stats(&self) -> Stats {
        let state = self.shared().lock();
        Stats { rtt: state.rtt, received_bytes: state.received, sent_bytes: state.sent, ..Stats::default() }
    }

    pub(crate) fn grant_streams(&self, n: u32) {
        self.act(|mux| mux.grant(n));
    }

    fn shared(&self) -> &Shared {
        &self.0.0
    }

    fn streams(&self, channel: u32) -> (SendStream, RecvStream) {
        (SendStream::new(self.clone(), channel), RecvStream::new(self.clone(), channel))
    }

    /// Does something to the multiplexer, and sends what follows from it.
    fn act<T>(&self, act: impl FnOnce(&mut Mux) -> T) -> T {
        let mut state = self.shared().lock();
        let result = act(&mut state.mux);
        self.shared().send(state);
        result
    }

    /// The application is done with a half of a channel.
    fn release(&self, channel: u32, half: Half) {
        let mut state = self.shared().lock();
        // A read that was given up may still be noted there.
        state.waiting.remove(&(channel, half));
        match half {
            Half::Send => state.mux.release_send(channel),
            Half::Recv => state.mux.release_recv(channel),
        }
        self.shared().send(state);
    }

    /// As [`act`](Self::act); on nothing, has the task woken when there may be something. What is there comes before
    /// the end of the connection.
    fn poll<T>(
        &self,
        channel: u32,
        half: Half,
        cx: &Context<'_>,
        ready: impl FnOnce(&mut Mux) -> Option<T>,
    ) -> Poll<Result<T, ConnectionError>> {
        let mut state = self.shared().lock();
        if let Some(value) = ready(&mut state.mux) {
            self.shared().send(state);
            return Poll::Ready(Ok(value));
        }
        if let Some(ended) = &state.ended {
            return Poll::Ready(Err(ended.clone()));
        }
        state.waiting.insert((channel, half), cx.waker().clone());
        self.shared().send(state);
        Poll::Pending
    }

    /// Waits until the connection has something, and looks again at each change.
    async fn wait<T>(&self, mut ready: impl FnMut(&mut Mux) -> Option<T>) -> Result<T, ConnectionError> {
        loop {
            let mut change = pin!(self.shared().changed.notified());
            // From here on no change is missed.
            change.as_mut().enable();
            {
                let mut state = self.shared().lock();
                if let Some(value) = ready(&mut state.mux) {
                    return Ok(value);
                }
                if let Some(ended) = &state.ended {
                    return Err(ended.clone());
                }
            }
            change.await;
        }
    }
}

impl Shared {
    fn new(remote: SocketAddr, page: Page, mux: Mux) -> Self {
        Self {
            local: None,
            remote,
            page,
            certificate: None,
            state: Mutex::new(State {
                mux,
                waiting: HashMap::new(),
                ended: None,
                farewell: None,
                rtt: Duration::ZERO,
                received: 0,
                sent: 0,
            }),
            outgoing: AtomicWaker::new(),
            changed: Notify::new(),
            closing: Notify::new(),
        }
    }

    fn close(&self, code: u32, reason: &str) {
        let code = u16::try_from(code).unwrap_or(MAX_CODE).min(MAX_CODE);
        let farewell = Farewell {
            status: STATUS_OF_CODE_0 + code,
            reason: reason[..reason.floor_char_boundary(MAX_REASON)].to_owned(),
        };
        if self.end(ConnectionError::LocallyClosed) {
            self.lock().farewell = Some(farewell);
            self.closing.notify_one();
        }
    }

    /// Ends the connection for all who use it; whether it had not ended before.
    fn end(&self, why: ConnectionError) -> bool {
        let mut state = self.lock();
        if state.ended.is_some() {
            return false;
        }
        state.ended = Some(why);
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().for_each(Waker::wake);
        self.changed.notify_waiters();
        true
    }

    /// Has the driver send what there is.
    fn send(&self, state: MutexGuard<'_, State>) {
        let output = state.mux.has_output();
        drop(state);
        if output {
            self.outgoing.wake();
        }
    }

    /// Tells those who wait what the multiplexer has to tell.
    fn announce(&self, mut state: MutexGuard<'_, State>) {
        let mut wakers = Vec::new();
        let mut changed = false;
        while let Some(event) = state.mux.event() {
            match event {
                Event::Readable(channel) => wakers.extend(state.waiting.remove(&(channel, Half::Recv))),
                Event::Writable(channel) => wakers.extend(state.waiting.remove(&(channel, Half::Send))),
                Event::Opened | Event::Credit => changed = true,
            }
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
        if changed {
            self.changed.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.close(0, "");
    }
}
