//! The first frames of a connection: `Hello`, and the answer to it.

use super::Shared;
use crate::{
    frames::{FrameError, Frames, Room},
    tally::Tally,
};
use dunlin_proto::{
    Code,
    frame::{
        Refusal,
        control::{FromClient, FromServer, Hello},
    },
    limits, version,
};
use dunlin_transport::{Connection, SendStream};
use std::time::Duration;

/// The control stream of a connection whose `Hello` can be accepted.
pub(crate) struct Greeted {
    pub(crate) send: SendStream,
    pub(crate) frames: Frames,
    pub(crate) hello: Hello,
    pub(crate) version: u32,
}

/// Reads the `Hello`. Refuses what is not one, closes the connection and returns `None`.
pub(crate) async fn greet(shared: &Shared, connection: &Connection) -> Option<Box<Greeted>> {
    let deadline = shared.bounds.deadline;
    let (mut send, recv) = match tokio::time::timeout(deadline, connection.accept_bi()).await {
        Ok(Ok(stream)) => stream,
        Ok(Err(_)) => return None,
        Err(_) => {
            close(&shared.tally, connection, &Refusal::because(Code::DEADLINE, "no Hello"));
            return None;
        }
    };
    // Ahead of every channel: 0 to 255 are theirs.
    send.set_priority(256);
    let mut frames =
        Frames::new(recv, limits::MAX_CONTROL_FRAME, deadline, Room::for_frames(limits::MAX_CONTROL_FRAME));
    match read(&mut frames).await {
        Ok((hello, version)) => Some(Box::new(Greeted { send, frames, hello, version })),
        Err(Some(refusal)) => {
            refuse(&shared.tally, connection, send, refusal).await;
            None
        }
        Err(None) => {
            // Or it was the connection that ended, and not just its first stream.
            if connection.close_reason().is_none() {
                let refusal = Refusal::because(Code::HELLO_EXPECTED, "the control stream ended before Hello");
                close(&shared.tally, connection, &refusal);
            }
            None
        }
    }
}

async fn read(frames: &mut Frames) -> Result<(Hello, u32), Option<Refusal>> {
    let refuse = |code, text: &str| Err(Some(Refusal::because(code, text)));
    let frame = match frames.first().await {
        Ok(Some(frame)) => frame,
        Ok(None) => return refuse(Code::HELLO_EXPECTED, "the control stream ended before Hello"),
        Err(error @ FrameError::Stream(_)) => {
            tracing::debug!(%error, "gone before Hello");
            return Err(None);
        }
        Err(error) => return refuse(error.code().unwrap_or(Code::MALFORMED), &error.to_string()),
    };
    match FromClient::decode(&frame) {
        Ok(FromClient::Hello(hello)) => match version::agree(&hello.versions) {
            Some(version) => Ok((hello, version)),
            None => refuse(Code::UNSUPPORTED_VERSION, "this server speaks version 1"),
        },
        Ok(_) => refuse(Code::HELLO_EXPECTED, "the first frame must be Hello"),
        Err(error) if error.code() == Code::UNEXPECTED_FRAME => {
            refuse(Code::HELLO_EXPECTED, "the first frame must be Hello")
        }
        Err(error) => refuse(error.code(), &error.to_string()),
    }
}

/// Says no on the control stream, gives the words a moment to arrive, and closes the connection.
pub(crate) async fn refuse(tally: &Tally, connection: &Connection, mut send: SendStream, refusal: Refusal) {
    let frame = FromServer::Refused(refusal.clone()).encode();
    farewell(&mut send, frame).await;
    close(tally, connection, &refusal);
}

/// Sends the last frame of a control stream and waits for it to arrive, within reason.
pub(crate) async fn farewell(send: &mut SendStream, frame: bytes::Bytes) {
    const PATIENCE: Duration = Duration::from_millis(500);
    let said = async {
        if send.write(frame).await.is_ok() {
            send.finish();
            let _ = send.stopped().await;
        }
    };
    let _ = tokio::time::timeout(PATIENCE, said).await;
}

/// Closes the connection with the refusal's code.
pub(crate) fn close(tally: &Tally, connection: &Connection, refusal: &Refusal) {
    tally.refused(refusal.code);
    tracing::info!(peer = %connection.remote_address(), code = %refusal.code, reason = refusal.message, "refused");
    connection.close(refusal.code.0, &refusal.message);
}
