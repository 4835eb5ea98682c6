//! The floor under every datagram: one `sendto` for each delivery, sealed with AES-128-GCM as QUIC seals, and nothing else. No
//! handshake, no acknowledgements, nothing that is lost comes again.

use std::{
    io,
    net::{SocketAddr, UdpSocket},
};

use anyhow::{Context, Result};
use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use socket2::{Domain, Socket, Type};

/// Whoever sends this and a topic, which is one byte, reads it from then on.
pub(crate) const READ: u8 = b'S';

/// What comes before a topic and a message to be passed on.
pub(crate) const PUBLISH: u8 = b'P';

/// The answer to [`READ`].
pub(crate) const READS: &[u8] = b"A";

/// The counter before each sealed datagram.
const COUNTER: usize = 8;

/// The key of the client at this port: one for each, as every connection has one.
pub(crate) fn key(port: u16) -> LessSafeKey {
    let mut bytes = [7; 16];
    bytes[..2].copy_from_slice(&port.to_be_bytes());
    LessSafeKey::new(UnboundKey::new(&aead::AES_128_GCM, &bytes).expect("a key of the right length"))
}

/// A UDP socket on loopback with buffers of this size, or of what the kernel gives.
pub(crate) fn socket(address: SocketAddr, buffer: usize) -> io::Result<UdpSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, None)?;
    // With CAP_NET_ADMIN beyond the system's limit, as Dunlin asks for it.
    if rustix::net::sockopt::set_socket_recv_buffer_size_force(&socket, buffer).is_err() {
        socket.set_recv_buffer_size(buffer)?;
    }
    socket.set_send_buffer_size(buffer)?;
    socket.bind(&address.into())?;
    Ok(socket.into())
}

/// Opens a datagram in place.
pub(crate) fn open<'a>(key: &LessSafeKey, datagram: &'a mut [u8]) -> Result<&'a [u8]> {
    let (counter, sealed) = datagram.split_first_chunk_mut::<COUNTER>().context("a datagram is too short")?;
    let opened = key.open_in_place(nonce(*counter), Aad::from(*counter), sealed);
    Ok(opened.ok().context("a datagram is not what was sealed")?)
}

fn nonce(counter: [u8; COUNTER]) -> Nonce {
    let mut nonce = [0; aead::NONCE_LEN];
    nonce[aead::NONCE_LEN - COUNTER..].copy_from_slice(&counter);
    Nonce::assume_unique_for_key(nonce)
}

struct Reader {
    topic: u8,
    address: SocketAddr,
    key: LessSafeKey,
    sent: u64,
}

impl Reader {
    fn send(&mut self, socket: &UdpSocket, message: &[u8], datagram: &mut Vec<u8>) -> io::Result<()> {
        self.sent += 1;
        let counter = self.sent.to_be_bytes();
        datagram.clear();
        datagram.extend_from_slice(&counter);
        datagram.extend_from_slice(message);
        let tag = self
            .key
            .seal_in_place_separate_tag(nonce(counter), Aad::from(counter), &mut datagram[COUNTER..])
            .expect("a message is short");
        datagram.extend_from_slice(tag.as_ref());
        socket.send_to(datagram, self.address).map(drop)
    }
}

/// Serves until it is killed.
pub(crate) fn serve(address: SocketAddr, buffer: usize) -> Result<()> {
    let socket = socket(address, buffer)?;
    let mut readers: Vec<Reader> = Vec::new();
    let (mut received, mut datagram) = ([0; 2048], Vec::new());
    loop {
        let (len, from) = socket.recv_from(&mut received)?;
        match &received[..len] {
            [PUBLISH, topic, message @ ..] => {
                for reader in readers.iter_mut().filter(|reader| reader.topic == *topic) {
                    // A reader that is gone shows as a refusal of the next thing that is sent.
                    let _ = reader.send(&socket, message, &mut datagram);
                }
            }
            [READ, topic] => {
                let mut reader = Reader { topic: *topic, address: from, key: key(from.port()), sent: 0 };
                let _ = reader.send(&socket, READS, &mut datagram);
                readers.push(reader);
            }
            _ => {}
        }
    }
}
