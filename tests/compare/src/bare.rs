//! Bare quinn: connections, a stream each and a broadcast channel, with the settings that Dunlin gives quinn. No protocol, no
//! sessions, no history. What Dunlin takes beyond it is Dunlin's.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use anyhow::{Context, Result, bail};
use bytes::{Bytes, BytesMut};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::broadcast;

use crate::sealed;

/// The application protocol.
pub(crate) const ALPN: &[u8] = b"bare";

/// The second frame of those who read; the first is the topic.
pub(crate) const READ: &[u8] = b"S";

/// Messages that a reader may be behind.
const BACKLOG: usize = 64 * 1024;

/// Frames written at once.
const BATCH: usize = 256;

/// A frame: its length in two bytes, and its body.
pub(crate) fn frame(body: &[u8]) -> Bytes {
    let len = u16::try_from(body.len()).expect("bodies are short");
    [&len.to_be_bytes()[..], body].concat().into()
}

/// Takes the next frame's body, if it is whole.
pub(crate) fn take(buffer: &mut BytesMut) -> Option<Bytes> {
    let len = usize::from(u16::from_be_bytes(*buffer.first_chunk()?));
    if buffer.len() < 2 + len {
        return None;
    }
    let mut frame = buffer.split_to(2 + len).freeze();
    Some(frame.split_off(2))
}

/// Serves until it is killed.
pub(crate) async fn serve(
    address: SocketAddr,
    buffer: usize,
    certificate: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<()> {
    let mut tls = rustls::ServerConfig::builder_with_provider(dunlin_transport::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(certificate, key)?;
    tls.alpn_protocols = vec![ALPN.to_vec()];
    tls.send_tls13_tickets = 0;
    let crypto = quinn::crypto::rustls::QuicServerConfig::try_from(tls)?;
    let mut config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let mut transport = quinn::TransportConfig::default();
    transport.max_concurrent_bidi_streams(2u32.into()).max_concurrent_uni_streams(0u32.into());
    config.transport_config(Arc::new(transport));
    let endpoint = quinn::Endpoint::new(
        quinn::EndpointConfig::default(),
        Some(config),
        sealed::socket(address, buffer)?,
        Arc::new(quinn::TokioRuntime),
    )?;
    let topics = Topics::default();
    while let Some(incoming) = endpoint.accept().await {
        let topics = topics.clone();
        tokio::spawn(async move {
            // Whoever is gone is gone.
            let _ = attend(incoming, topics).await;
        });
    }
    Ok(())
}

type Topics = Arc<Mutex<HashMap<Bytes, broadcast::Sender<Bytes>>>>;

async fn attend(incoming: quinn::Incoming, topics: Topics) -> Result<()> {
    let connection = incoming.await?;
    let (mut send, mut recv) = connection.accept_bi().await?;
    let mut buffer = BytesMut::new();
    // As many round trips as a welcome and a join: each frame is answered by itself.
    let topic = next(&mut recv, &mut buffer).await?;
    send.write_chunk(frame(&topic)).await?;
    let role = next(&mut recv, &mut buffer).await?;
    send.write_chunk(frame(&role)).await?;
    let messages = {
        let mut topics = topics.lock().expect("nothing that locks it panics");
        topics.entry(topic).or_insert_with(|| broadcast::channel(BACKLOG).0).clone()
    };
    if role != READ {
        loop {
            // Without readers there is nobody to tell.
            let _ = messages.send(frame(&next(&mut recv, &mut buffer).await?));
        }
    }
    let mut messages = messages.subscribe();
    loop {
        let mut batch = vec![messages.recv().await?];
        while batch.len() < BATCH
            && let Ok(message) = messages.try_recv()
        {
            batch.push(message);
        }
        send.write_all_chunks(&mut batch).await?;
    }
}

async fn next(recv: &mut quinn::RecvStream, buffer: &mut BytesMut) -> Result<Bytes> {
    loop {
        if let Some(body) = take(buffer) {
            return Ok(body);
        }
        let Some(chunk) = recv.read_chunk(usize::MAX, true).await.context("a stream")? else {
            bail!("the client has ended the stream");
        };
        buffer.extend_from_slice(&chunk.bytes);
    }
}
