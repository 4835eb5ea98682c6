//! The task of a session: it owns the HTTP/3 connection from the moment that one is there, and takes leave at the end.

use std::{sync::Arc, time::Duration};

use tokio::{
    join, pin, select,
    sync::{Mutex, mpsc},
    task::JoinSet,
    time::timeout,
};

use super::{
    Connection, End, Link, Session,
    capsule::{Capsules, Malformed},
    codes::H3_NO_ERROR,
    streams,
};
use crate::{
    ConnectionError,
    http3::{Connect, RecvHalf, Side, Upgraded},
    quic,
};

/// Streams that wait to be accepted; those beyond wait with their headers unread.
const ARRIVED: usize = 16;

/// How long the peer may take to leave once it is told that the session is over. A browser on a busy machine that sees
/// the connection's close before it has read the capsule tells its page no code.
const FAREWELL: Duration = Duration::from_secs(3);

/// How long the application may take to let go of the streams of a session that it has closed, and the peer of the connection.
const LETTING_GO: Duration = Duration::from_millis(250);

/// How long the end of the streams stays ahead of the session's, beside two round trips and at most [`LETTING_GO`]: Chromium takes the end
/// of a stream in after it has acknowledged it.
const AHEAD: Duration = Duration::from_millis(50);

/// Makes a session of a request that was answered with yes.
///
/// From here on nobody asks the HTTP/3 connection for anything, and all streams that are opened come here.
pub(crate) fn begin(quic: quic::Connection, http3: Upgraded) -> Connection {
    let link = Arc::new(Link::new(quic, http3.session_id, http3.side));
    if let Side::Server { initial_streams, .. } = http3.side {
        link.grant_streams(initial_streams);
    }
    let (queue, arrived) = mpsc::channel(ARRIVED);
    tokio::spawn(run(link.clone(), http3, queue));
    Connection(Arc::new(Session { link, arrived: Mutex::new(arrived) }))
}

async fn run(link: Arc<Link>, http3: Upgraded, queue: mpsc::Sender<streams::Stream>) {
    let Upgraded { mut send, mut recv, http, requests, mut closing, header_timeout, .. } = http3;
    let quinn = &link.quic.quinn;
    // Beyond the farewell: dropped, it would stop streams of HTTP/3, which Chromium takes for a broken protocol.
    let receive = receive(&link, &queue, requests, header_timeout);
    pin!(receive);
    select! {
        end = listen(&mut recv) => link.end(End::Theirs(end)),
        _ = link.ended() => {}
        Some(close) = async { closing.wait_for(Option::is_some).await.ok().and_then(|close| close.clone()) } => {
            link.close(close);
        }
        _ = quinn.closed() => {}
        () = &mut receive => {}
    }
    if let Some(error) = quinn.close_reason() {
        link.lost(error);
    }
    link.written.close();
    let end = link.end.borrow().clone();
    // Whoever is told of the end finishes its side, and whoever told it closes the connection.
    let farewell = async {
        match end {
            Some(End::Ours(close)) => {
                streams_end(&link).await;
                if send.finish(Some(close.encode())).await.is_ok() {
                    while let Ok(Some(_)) = recv.read().await {}
                    // Chromium closes the connection then, and tells its page no code if it was closed a moment before.
                    let _ = timeout(LETTING_GO, quinn.closed()).await;
                }
            }
            Some(End::Theirs(ConnectionError::Closed { .. })) => {
                if send.finish(None).await.is_ok() {
                    quinn.closed().await;
                }
            }
            Some(End::Theirs(_)) | None => {}
        }
    };
    let _ = timeout(FAREWELL, farewell).await;
    quic::close(quinn, H3_NO_ERROR, b"");
    drop(http);
}

/// Waits for the streams to end, and for the peer to know: they are reset when a session is over (draft-ietf-webtrans-http3, 6), and it is
/// told so after that. In the other order a page in Chromium crashes: up to version 156 at least, it takes what is left of an open stream
/// for an end without FIN, and reports that to a script that is not running.
async fn streams_end(link: &Link) {
    let quinn = &link.quic.quinn;
    if let Side::Client = link.side {
        return;
    }
    let _ = timeout(LETTING_GO, link.written.wait()).await;
    let _ = timeout(AHEAD + (2 * quinn.rtt()).min(LETTING_GO), quinn.closed()).await;
}

/// Takes streams, and turns away requests that had not told in time what they are.
async fn receive(
    link: &Link,
    queue: &mpsc::Sender<streams::Stream>,
    mut requests: JoinSet<Option<Connect>>,
    patience: Duration,
) {
    let late = async {
        while let Some(answered) = requests.join_next().await {
            if let Ok(Some(connect)) = answered {
                connect.reject();
            }
        }
    };
    join!(streams::receive(link, queue, patience), late);
}

/// Waits for what the peer has to say about the session, which is its end.
async fn listen(recv: &mut RecvHalf) -> ConnectionError {
    let mut capsules = Capsules::default();
    loop {
        let piece = match recv.read().await {
            Ok(Some(piece)) => piece,
            Ok(None) => return ConnectionError::Transport("the session ended without a code".into()),
            Err(error) => return ConnectionError::Transport(format!("the session broke off: {error}")),
        };
        match capsules.push(&piece) {
            Ok(None) => {}
            Ok(Some(close)) => return ConnectionError::Closed { code: close.code, reason: close.reason },
            Err(Malformed) => return ConnectionError::Transport("a capsule of impossible size".into()),
        }
    }
}
