//! The streams of a session among those of its connection: each begins with a header.

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt, stream::FuturesUnordered};
use quinn::{ReadError, ReadExactError, RecvStream, SendStream, VarInt};
use tokio::{join, select, sync::mpsc, time::timeout};

use super::{
    Link,
    codes::{BUFFERED_STREAM_REJECTED, H3_REQUEST_REJECTED, to_http3},
    varint,
};

pub(super) type Stream = (SendStream, RecvStream);

/// What a bidirectional stream of a session begins with, before the session's number (draft-ietf-webtrans-http3, 4.3).
const BIDIRECTIONAL: u64 = 0x41;

/// The same for a unidirectional one (draft-ietf-webtrans-http3, 4.2).
const UNIDIRECTIONAL: u64 = 0x54;

/// The header of a bidirectional stream.
pub(super) fn header(session: u64) -> Bytes {
    let mut header = Vec::with_capacity(2 * varint::MAX_LEN);
    varint::put(&mut header, BIDIRECTIONAL);
    varint::put(&mut header, session);
    header.into()
}

/// Takes what the client opens, until the connection ends; headers that take longer than `patience` end their streams.
///
/// What the connection's stream credit allows is all that can wait here, for a stream gives its place back only when
/// it has ended.
pub(super) async fn receive(link: &Link, arrived: &mpsc::Sender<Stream>, patience: Duration) {
    join!(bidirectional(link, arrived, patience), unidirectional(link, patience));
}

async fn bidirectional(link: &Link, arrived: &mpsc::Sender<Stream>, patience: Duration) {
    let quinn = &link.quic.quinn;
    // The first one may mean something to the application (with Dunlin it carries the `Hello`), so it goes first.
    loop {
        let Ok(stream) = quinn.accept_bi().await else { return };
        if let Some(first) = begin(stream, link.id, patience).await {
            // Fails when nobody is there to take streams; then the session ends.
            let _ = arrived.send(first).await;
            break;
        }
    }
    let mut beginning = FuturesUnordered::new();
    loop {
        select! {
            stream = quinn.accept_bi() => match stream {
                Ok(stream) => beginning.push(begin(stream, link.id, patience)),
                Err(_) => return,
            },
            (Ok(place), Some(begun)) = async { (arrived.reserve().await, beginning.next().await) },
                if !beginning.is_empty() =>
            {
                if let Some(stream) = begun {
                    place.send(stream);
                }
            }
        }
    }
}

/// Reads the header of a stream, which is returned if it belongs to the session and refused if not.
async fn begin((mut send, mut recv): Stream, session: u64, patience: Duration) -> Option<Stream> {
    let header = async {
        Ok::<_, ReadExactError>(match varint::read(&mut recv).await? {
            BIDIRECTIONAL if varint::read(&mut recv).await? == session => None,
            BIDIRECTIONAL => Some(BUFFERED_STREAM_REJECTED),
            // A request, or another stream that HTTP/3 has no name for.
            _ => Some(H3_REQUEST_REJECTED),
        })
    };
    let refused = match timeout(patience, header).await {
        Ok(Ok(refused)) => refused,
        // A reset overtakes the header. Whoever reads the stream is told; for the first one that may mean a lot.
        Ok(Err(ReadExactError::ReadError(ReadError::Reset(_)))) => None,
        Ok(Err(_)) => Some(H3_REQUEST_REJECTED),
        Err(_) => Some(BUFFERED_STREAM_REJECTED),
    };
    if let Some(code) = refused {
        refuse(&mut send, &mut recv, code);
        return None;
    }
    Some((send, recv))
}

fn refuse(send: &mut SendStream, recv: &mut RecvStream, code: VarInt) {
    // They fail for what has ended by itself.
    let _ = send.reset(code);
    let _ = recv.stop(code);
}

/// Sessions have no use for such streams. HTTP/3 has: what belongs to it is read and dropped, for its streams must not
/// be stopped.
async fn unidirectional(link: &Link, patience: Duration) {
    let mut dropping = FuturesUnordered::new();
    loop {
        select! {
            stream = link.quic.quinn.accept_uni() => match stream {
                Ok(stream) => dropping.push(discard(stream, patience)),
                Err(_) => return,
            },
            Some(()) = dropping.next(), if !dropping.is_empty() => {}
        }
    }
}

async fn discard(mut stream: RecvStream, patience: Duration) {
    match timeout(patience, varint::read(&mut stream)).await {
        Ok(Ok(UNIDIRECTIONAL)) | Err(_) => {
            // Fails if it has ended.
            let _ = stream.stop(to_http3(0));
        }
        Ok(Ok(_)) => while let Ok(Some(_)) = stream.read_chunk(usize::MAX, false).await {},
        Ok(Err(_)) => {}
    }
}
