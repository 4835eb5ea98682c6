//! What is spoken on a link: as little of each protocol as a subscriber and a publisher need, for the load must cost less than the
//! server that it measures.

mod bare;
mod centrifuge;
mod dunlin;
mod mqtt;
mod nats;
mod redis;
mod sealed;
mod socketio;
mod websocket;

use std::net::SocketAddr;

use anyhow::Result;
use bytes::{Bytes, BytesMut};
use clap::ValueEnum;

use crate::{
    link::{Carrier, Link, Maker},
    payload::SIZE,
};

/// A protocol over what carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Wire {
    /// Dunlin over QUIC.
    DunlinQuic,
    /// Dunlin over WebTransport.
    DunlinWebtransport,
    /// Dunlin over WebSocket and TLS.
    DunlinWebsocket,
    /// MQTT 3.1.1 over TLS.
    MqttTls,
    /// MQTT 3.1.1 over QUIC.
    MqttQuic,
    /// NATS over TLS.
    Nats,
    /// RESP over TLS.
    Redis,
    /// Centrifuge's protocol in Protocol Buffers, over WebSocket and TLS.
    Centrifuge,
    /// Engine.IO 4 and Socket.IO over WebSocket and TLS.
    Socketio,
    /// Frames over QUIC: [`crate::bare`].
    Bare,
    /// Sealed datagrams: [`crate::sealed`].
    Sealed,
}

/// What a server says.
pub(crate) enum Message {
    /// A message that somebody published.
    Published(Bytes),
    /// The answer to something that this client published.
    Answer,
    /// Anything else.
    Other,
}

impl Wire {
    /// How links of this kind are made.
    pub(crate) fn maker(self, certificate: &rustls::pki_types::CertificateDer<'static>) -> Result<Maker> {
        let (alpn, dunlin) = match self {
            Self::MqttQuic => (Some(&b"mqtt"[..]), None),
            Self::Bare => (Some(crate::bare::ALPN), None),
            Self::DunlinQuic => (None, Some(Carrier::Quic)),
            Self::DunlinWebtransport => (None, Some(Carrier::WebTransport)),
            Self::DunlinWebsocket => (None, Some(Carrier::WebSocket)),
            _ => (None, None),
        };
        Maker::new(certificate, alpn, dunlin)
    }

    /// Connects client `number`, who reads this topic or publishes to it, until the server has confirmed it.
    pub(crate) async fn enter(
        self,
        maker: &Maker,
        address: SocketAddr,
        number: usize,
        topic: &str,
        reads: bool,
    ) -> Result<Link> {
        match self {
            Self::DunlinQuic | Self::DunlinWebtransport | Self::DunlinWebsocket => {
                dunlin::enter(&maker.dunlin(address, number).await?, topic, reads).await
            }
            Self::MqttTls => {
                let link = maker.tls(maker.tcp(address).await?).await?;
                mqtt::enter(link, number, topic, reads).await
            }
            Self::MqttQuic => mqtt::enter(maker.quic(address, number).await?, number, topic, reads).await,
            Self::Nats => nats::enter(maker, maker.tcp(address).await?, topic, reads).await,
            Self::Redis => redis::enter(maker.tls(maker.tcp(address).await?).await?, topic, reads).await,
            Self::Centrifuge => {
                centrifuge::enter(maker.tls(maker.tcp(address).await?).await?, topic, reads).await
            }
            Self::Socketio => {
                socketio::enter(maker.tls(maker.tcp(address).await?).await?, topic, reads).await
            }
            Self::Bare => bare::enter(maker.quic(address, number).await?, topic, reads).await,
            Self::Sealed => sealed::enter(maker.udp(address).await?, topic, reads).await,
        }
    }

    /// What publishes a message; `number` counts from 0.
    pub(crate) fn publish(self, topic: &str, number: u64, payload: [u8; SIZE]) -> Vec<u8> {
        match self {
            Self::DunlinQuic | Self::DunlinWebtransport | Self::DunlinWebsocket => {
                dunlin::publish(number, payload)
            }
            Self::MqttTls | Self::MqttQuic => mqtt::publish(topic, payload),
            Self::Nats => nats::publish(topic, payload),
            Self::Redis => redis::publish(topic, payload),
            Self::Centrifuge => centrifuge::publish(topic, number, payload),
            Self::Socketio => socketio::publish(topic, payload),
            Self::Bare => bare::publish(payload),
            Self::Sealed => sealed::publish(topic, payload),
        }
    }

    /// Takes everything that the server has said and that is whole.
    pub(crate) fn each(self, buffer: &mut BytesMut, mut with: impl FnMut(Message)) -> Result<()> {
        let next = match self {
            Self::DunlinQuic | Self::DunlinWebtransport | Self::DunlinWebsocket => dunlin::next,
            Self::MqttTls | Self::MqttQuic => mqtt::next,
            Self::Nats => nats::next,
            Self::Redis => redis::next,
            Self::Centrifuge => return centrifuge::each(buffer, with),
            Self::Socketio => socketio::next,
            Self::Bare => bare::next,
            Self::Sealed => sealed::next,
        };
        while let Some(message) = next(buffer)? {
            with(message);
        }
        Ok(())
    }

    /// How many messages may be published whose answer has not come; `None` where there is no limit.
    pub(crate) fn unanswered(self) -> Option<usize> {
        match self {
            Self::DunlinQuic | Self::DunlinWebtransport | Self::DunlinWebsocket => Some(dunlin::UNANSWERED),
            _ => None,
        }
    }
}
