//! The task that moves messages between a socket and its multiplexer.

use std::{
    future::poll_fn,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt},
    task::consume_budget,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        error::ProtocolError,
        protocol::{CloseFrame, WebSocketConfig},
    },
};

use super::{Farewell, MAX_CODE, STATUS_OF_CODE_0, Shared, mux};
use crate::ConnectionError;

/// How long to wait for a peer to take our close and to answer it.
const FAREWELL: Duration = Duration::from_secs(2);

/// What is gathered before it is written to the socket, and the most that waits to be written: that, one message, and
/// the pongs that a peer asks for.
const WRITE_BUFFER: usize = 16 * 1024;
const MAX_WRITE_BUFFER: usize = 128 * 1024;

/// Filled from the socket at once; each connection holds as much.
const READ_BUFFER: usize = 8 * 1024;

/// Messages that are taken from the socket before others on this thread have their turn, and before something is sent: a
/// peer that sends more than can be handled would keep both waiting.
const TURN: usize = 32;

/// Status codes of RFC 6455, 7.4.1.
const PROTOCOL_ERROR: u16 = 1002;
const UNSUPPORTED: u16 = 1003;
const TOO_BIG: u16 = 1009;

/// How a socket must be configured.
pub(super) fn config() -> WebSocketConfig {
    WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(WRITE_BUFFER)
        .max_write_buffer_size(MAX_WRITE_BUFFER)
        .max_message_size(Some(mux::MAX_MESSAGE))
        .max_frame_size(Some(mux::MAX_MESSAGE))
}

/// The times that a connection keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// A peer that is silent for this long is given up.
    pub(super) idle: Duration,
    /// It is pinged this often.
    pub(super) ping: Duration,
}

/// Moves messages until the connection ends, and parts from the peer.
pub(super) async fn run<S>(socket: WebSocketStream<S>, shared: Arc<Shared>, times: Times)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut driver = Driver { socket, shared, heard: Instant::now(), ping: Ping::default() };
    let farewell = driver.drive(times).await;
    // A peer that does not take its leave is left without.
    let _ = timeout(FAREWELL, part(driver.socket, farewell)).await;
}

struct Driver<S> {
    socket: WebSocketStream<S>,
    shared: Arc<Shared>,
    /// When something last arrived.
    heard: Instant,
    ping: Ping,
}

/// The pings of this side; only the last counts.
#[derive(Default)]
struct Ping {
    due: bool,
    number: u64,
    sent: Option<Instant>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Driver<S> {
    /// Returns the words to part with, if there are any.
    async fn drive(&mut self, times: Times) -> Option<Farewell> {
        let shared = Arc::clone(&self.shared);
        let mut next_ping = Instant::now();
        loop {
            let idle_at = self.heard + times.idle;
            tokio::select! {
                ended = poll_fn(|cx| self.poll_exchange(cx)) => {
                    shared.end(ended.error);
                    return ended.farewell;
                }
                () = shared.closing.notified() => return shared.lock().farewell.take(),
                () = sleep_until(next_ping) => {
                    next_ping = Instant::now() + times.ping;
                    self.ping.due = true;
                }
                () = sleep_until(idle_at) => {
                    if self.heard + times.idle <= Instant::now() {
                        shared.end(ConnectionError::TimedOut);
                        return None;
                    }
                }
            }
        }
    }

    /// Moves what can be moved, both ways, and is ready at the end.
    fn poll_exchange(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        if let Poll::Ready(ended) = self.poll_receive(cx) {
            return Poll::Ready(ended);
        }
        match self.poll_transmit(cx) {
            Poll::Ready(Err(error)) => Poll::Ready(lost(&error)),
            Poll::Ready(Ok(())) | Poll::Pending => Poll::Pending,
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        for _ in 0..TURN {
            let message = match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Poll::Ready(failed(&error)),
                None => return Poll::Ready(lost(&"the end of the socket")),
            };
            self.heard = Instant::now();
            let mut state = self.shared.lock();
            state.received += message.len() as u64;
            let result = match &message {
                Message::Binary(bytes) => state.mux.receive(bytes),
                Message::Text(_) => return Poll::Ready(mistake(UNSUPPORTED, "a text message")),
                Message::Close(close) => return Poll::Ready(closed(close.as_ref())),
                Message::Pong(payload) => {
                    if let Some(rtt) = self.ping.answered(payload, self.heard) {
                        state.rtt = smooth(state.rtt, rtt);
                    }
                    Ok(())
                }
                Message::Ping(_) | Message::Frame(_) => Ok(()),
            };
            self.shared.announce(state);
            if let Err(violation) = result {
                return Poll::Ready(mistake(PROTOCOL_ERROR, &violation.to_string()));
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Takes from the multiplexer only what the socket takes, so that what comes last can still go first.
    fn poll_transmit(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        // From here on nothing new is missed.
        self.shared.outgoing.register(cx.waker());
        let mut socket = Pin::new(&mut self.socket);
        loop {
            ready!(socket.as_mut().poll_ready(cx))?;
            let message = if let Some(ping) = self.ping.next() {
                Message::Ping(ping)
            } else {
                let mut state = self.shared.lock();
                // Streams that are let go of after a close would say that they were reset, before it.
                let message = if state.ended.is_none() { state.mux.transmit() } else { None };
                state.sent += message.as_ref().map_or(0, Bytes::len) as u64;
                self.shared.announce(state);
                match message {
                    Some(message) => Message::Binary(message),
                    None => break,
                }
            };
            socket.as_mut().start_send(message)?;
        }
        socket.poll_flush(cx)
    }
}

impl Ping {
    fn next(&mut self) -> Option<Bytes> {
        self.due.then(|| {
            self.due = false;
            self.number += 1;
            self.sent = Some(Instant::now());
            Bytes::copy_from_slice(&self.number.to_be_bytes())
        })
    }

    fn answered(&mut self, payload: &[u8], now: Instant) -> Option<Duration> {
        let ours = payload == self.number.to_be_bytes();
        self.sent.take_if(|_| ours).map(|sent| now - sent)
    }
}

/// As RFC 6298, 2: the first measure counts in full, each later one for an eighth.
fn smooth(before: Duration, measured: Duration) -> Duration {
    if before.is_zero() { measured } else { (before * 7 + measured) / 8 }
}

/// How a connection ended that this side did not close.
struct Ended {
    error: ConnectionError,
    /// What the peer is told, if it listens.
    farewell: Option<Farewell>,
}

fn lost(how: &dyn ToString) -> Ended {
    Ended { error: ConnectionError::Transport(how.to_string()), farewell: None }
}

/// A mistake of the peer, which it is told.
fn mistake(status: u16, what: &str) -> Ended {
    metrics::counter!("dunlin_websocket_violations_total", "status" => status.to_string()).increment(1);
    let farewell = Some(Farewell { status, reason: what.to_owned() });
    Ended { error: ConnectionError::Transport(format!("the peer broke the protocol: {what}")), farewell }
}

fn failed(error: &Error) -> Ended {
    match error {
        Error::Capacity(_) => mistake(TOO_BIG, "a message is too long"),
        Error::Utf8(_) => mistake(UNSUPPORTED, "a text message"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => lost(error),
        Error::Protocol(violation) => mistake(PROTOCOL_ERROR, &violation.to_string()),
        _ => lost(error),
    }
}

fn closed(close: Option<&CloseFrame>) -> Ended {
    let Some(close) = close else { return lost(&"closed without a status") };
    let status = u16::from(close.code);
    match status.checked_sub(STATUS_OF_CODE_0) {
        Some(code @ 0..=MAX_CODE) => Ended {
            error: ConnectionError::Closed { code: code.into(), reason: close.reason.to_string() },
            farewell: None,
        },
        _ => lost(&format!("closed with status {status}: {}", close.reason)),
    }
}

/// Closes, waits until the peer has done the same, and only then lets go: a socket that is dropped with something
/// unread is reset, which can take away what the peer has not read yet.
async fn part<S>(mut socket: WebSocketStream<S>, farewell: Option<Farewell>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    if let Some(Farewell { status, reason }) = farewell {
        let close = CloseFrame { code: status.into(), reason: reason.into() };
        // Fails on a socket that is broken, as does all that follows.
        let _ = socket.send(Message::Close(Some(close))).await;
    }
    // The library answers the peer's close as it is read on.
    while let Some(Ok(_)) = socket.next().await {
        // It may be a flood, and others on this thread have their turns.
        consume_budget().await;
    }
    let mut socket = socket.into_inner();
    let _ = socket.shutdown().await;
    let _ = tokio::io::copy(&mut socket, &mut tokio::io::sink()).await;
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::*;
    use crate::{origins::Page, websocket::mux::Mux};

    #[tokio::test]
    async fn a_peer_that_floods_instead_of_parting_takes_turns_too() {
        const EMPTY_MESSAGE: &[u8] = &[0x82, 0x80, 0, 0, 0, 0];
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        far.write_all(&EMPTY_MESSAGE.repeat(64 * 1024 / EMPTY_MESSAGE.len())).await.unwrap();
        let socket = WebSocketStream::from_raw_socket(near, Role::Server, Some(config())).await;
        let mut parting = pin!(part(socket, None));
        assert!(poll_fn(|cx| Poll::Ready(parting.as_mut().poll(cx).is_pending())).await);
        assert!(far.write_all(&[0; 32 * 1024]).now_or_never().is_none(), "it was not all read at once");
    }

    #[tokio::test]
    async fn whoever_has_closed_says_nothing_of_its_streams() {
        let (near, _far) = tokio::io::duplex(64 * 1024);
        let socket = WebSocketStream::from_raw_socket(near, Role::Server, Some(config())).await;
        let mux = Mux::new(mux::Role::Server, mux::INITIAL_WINDOW, mux::INITIAL_STREAMS + 1);
        assert!(mux.has_output());
        let shared = Arc::new(Shared::new(([127, 0, 0, 1], 0).into(), Page::Here, mux));
        shared.close(7, "");
        let mut driver = Driver { socket, shared, heard: Instant::now(), ping: Ping::default() };
        assert!(poll_fn(|cx| Poll::Ready(driver.poll_exchange(cx).is_pending())).await);
        assert_eq!(driver.shared.lock().sent, 0);
    }

    #[tokio::test]
    async fn a_peer_that_floods_takes_turns_with_others() {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let mut peer = WebSocketStream::from_raw_socket(far, Role::Client, None).await;
        let empty_data = Bytes::from_static(&[0; 5]);
        for _ in 0..10 * TURN {
            peer.feed(Message::Binary(empty_data.clone())).await.unwrap();
        }
        peer.flush().await.unwrap();
        let socket = WebSocketStream::from_raw_socket(near, Role::Server, Some(config())).await;
        let mux = Mux::new(mux::Role::Server, mux::INITIAL_WINDOW, mux::INITIAL_STREAMS + 1);
        let shared = Arc::new(Shared::new(([127, 0, 0, 1], 0).into(), Page::Here, mux));
        let mut driver = Driver { socket, shared, heard: Instant::now(), ping: Ping::default() };
        assert!(poll_fn(|cx| Poll::Ready(driver.poll_exchange(cx).is_pending())).await);
        assert_eq!(driver.shared.lock().received, (TURN * empty_data.len()) as u64);
        assert!(matches!(peer.next().await, Some(Ok(Message::Binary(_)))), "STREAMS, in the same turn");
    }
}
