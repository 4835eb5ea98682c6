//! rmqtt as its own `rmqttd` runs it, without the plugins: `rmqtt-broker PORT CERTIFICATE KEY`, over TLS at the
//! TCP port and over QUIC at the UDP port.

use std::env::args;

use anyhow::Context;
use rmqtt::{context::ServerContext, net::Builder, server::MqttServer};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let [port, certificate, key] = args()
        .skip(1)
        .collect::<Vec<_>>()
        .try_into()
        .ok()
        .context("usage: rmqtt-broker PORT CERTIFICATE KEY")?;
    let listener = |name: &str| {
        anyhow::Ok(
            Builder::new()
                .name(name)
                .laddr(format!("127.0.0.1:{port}").parse()?)
                .nodelay(true)
                // What is not delivered at once waits, as in the other brokers here, instead of being dropped.
                .max_mqueue_len(1_000_000)
                .tls_cert(Some(certificate.clone()))
                .tls_key(Some(key.clone())),
        )
    };
    let context = ServerContext::new().build().await;
    MqttServer::new(context)
        .listener_by_id(listener("tls")?.bind()?.tls()?, 1)
        .listener_by_id(listener("quic")?.bind_quic()?, 2)
        .build()
        .run()
        .await?;
    Ok(())
}
