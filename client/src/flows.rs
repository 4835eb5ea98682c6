//! Events in datagrams, on their way from a connection to the memberships that want them.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use dunlin_proto::{datagram, frame::channel::Event};
use dunlin_transport::Connection;
use tokio::sync::broadcast;
use tokio_util::task::AbortOnDropHandle;

/// Events that wait for a membership; beyond, the oldest go.
const WAITING: usize = 64;

/// The flows of one connection. Cheap to clone; with the last clone the reading ends.
#[derive(Debug, Clone, Default)]
pub(crate) struct Flows(Arc<Mutex<Open>>);

#[derive(Debug, Default)]
struct Open {
    last: u32,
    flows: HashMap<u32, broadcast::Sender<Event>>,
    /// Reads the connection's datagrams, once anybody wants them.
    reader: Option<AbortOnDropHandle<()>>,
}

/// One membership's events.
#[derive(Debug)]
pub(crate) struct Flow {
    pub(crate) number: u32,
    events: broadcast::Receiver<Event>,
    flows: Flows,
}

impl Flows {
    /// Another flow of this connection.
    pub(crate) fn open(&self, connection: &Connection) -> Flow {
        let mut open = self.lock();
        open.last += 1;
        let number = open.last;
        let (sender, events) = broadcast::channel(WAITING);
        open.flows.insert(number, sender);
        if open.reader.is_none() {
            // It must not keep itself alive.
            let (flows, connection) = (Arc::downgrade(&self.0), connection.clone());
            let read = async move {
                while let Ok(datagram) = connection.read_datagram().await {
                    let Some(flows) = flows.upgrade().map(Self) else { return };
                    // What is no event, or nobody's, is ignored.
                    if let Ok((number, event)) = datagram::decode(&datagram)
                        && let Some(sender) = flows.lock().flows.get(&number)
                    {
                        let _ = sender.send(event);
                    }
                }
            };
            open.reader = Some(AbortOnDropHandle::new(tokio::spawn(read)));
        }
        drop(open);
        Flow { number, events, flows: self.clone() }
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        // Nothing panics while it is locked.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Flow {
    /// The next event. Never returns when no more can come. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Event {
        loop {
            match self.events.recv().await {
                Ok(event) => return event,
                // Who reads slowly gets what is fresh.
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.flows.lock().flows.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use dunlin_proto::frame::channel::encode_event;

    #[tokio::test]
    async fn each_flow_has_its_events_and_the_newest_of_them() {
        let (client, server) = dunlin_transport::pair();
        let flows = Flows::default();
        let (mut one, mut two) = (flows.open(&client), flows.open(&client));
        let event = |offset| encode_event(offset, 0, "e", b"", None);
        for nonsense in [&b""[..], b"abc", b"\0\0\0\x01\xc0"] {
            server.send_datagram(Bytes::copy_from_slice(nonsense)).unwrap();
        }
        server.send_datagram(datagram::encode(9, &event(1))).unwrap();
        server.send_datagram(datagram::encode(two.number, &event(2))).unwrap();
        assert_eq!(two.next().await.offset, 2);
        for offset in 3..=100 {
            server.send_datagram(datagram::encode(one.number, &event(offset))).unwrap();
            tokio::task::yield_now().await;
        }
        let first = one.next().await.offset;
        assert!(first > 30, "{first} has waited for too long");
        let number = one.number;
        drop(one);
        assert!(!flows.lock().flows.contains_key(&number));
    }
}
