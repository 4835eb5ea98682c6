//! A client that talks to itself without a pause, and counts: nothing is lost and nothing comes twice, whatever the network does.
#![allow(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use crate::soon;
use dunlin_client::{
    Builder, Channel, Client, JoinOptions, Message, PushHandle, Sender, Start, State, Transport,
};
use tokio::sync::watch;

/// A client in a topic, with its pushes on their way: what it reads is what it has pushed.
pub struct Talker {
    /// The client.
    pub client: Client,
    channel: Channel,
    stop: watch::Sender<bool>,
    pushing: tokio::task::JoinHandle<u32>,
    next: u32,
}

impl Talker {
    /// Connects, joins, and lets it flow.
    pub async fn start(builder: Builder) -> Self {
        Self::start_in("room:1", builder).await
    }

    /// The same in another topic.
    pub async fn start_in(topic: &str, builder: Builder) -> Self {
        let client = soon("a connection", builder.connect()).await.unwrap();
        let channel = soon("a join", client.join(topic, JoinOptions::default())).await.unwrap();
        let (stop, stopped) = watch::channel(false);
        let pushing = push_on(channel.sender(), stopped);
        let mut talker = Self { client, channel, stop, pushing, next: 0 };
        talker.read(300).await;
        talker
    }

    /// Reads so many events more.
    pub async fn read(&mut self, more: u32) {
        let until = self.next + more;
        read_all(&mut self.channel, &mut self.next, until).await;
    }

    /// Reads on until the client is online over this transport, and a little longer.
    pub async fn read_until_over(&mut self, expected: Transport) {
        let client = self.client.clone();
        let mut online = std::pin::pin!(online_over(&client, expected));
        loop {
            tokio::select! {
                () = &mut online => break,
                () = self.read(1) => {}
            }
        }
        self.read(300).await;
    }

    /// Stops pushing, and sees that everything that was pushed has come, once.
    pub async fn finish(mut self) {
        self.stop.send_replace(true);
        let Self { channel, pushing, next, .. } = &mut self;
        let pushed = async { pushing.await.unwrap() };
        let mut pushed = std::pin::pin!(pushed);
        let count = loop {
            tokio::select! {
                count = &mut pushed => break count,
                () = async { let until = *next + 1; read_all(channel, next, until).await } => {}
            }
        };
        read_all(channel, next, count).await;
        assert_eq!(*next, count);
    }
}

/// Somebody who pushes a number after the other, with many on their way, until told to stop; then gives how many.
fn push_on(sender: Sender, mut stop: watch::Receiver<bool>) -> tokio::task::JoinHandle<u32> {
    tokio::spawn(async move {
        let mut answers: Vec<PushHandle> = Vec::new();
        let mut n = 0_u32;
        while !*stop.borrow_and_update() {
            answers.push(sender.send("n", n.to_be_bytes().to_vec(), None).await.unwrap());
            n += 1;
            if answers.len() == 100 {
                for answer in answers.drain(..50) {
                    answer.await.unwrap();
                }
            }
        }
        for answer in answers {
            answer.await.unwrap();
        }
        n
    })
}

/// Reads until the number before this one, and sees that each comes once and in order.
pub async fn read_all(channel: &mut Channel, next: &mut u32, until: u32) {
    while *next < until {
        match soon("an event", channel.next()).await.expect("the channel is open") {
            Message::Event(event) => {
                assert_eq!(event.payload.as_ref(), next.to_be_bytes());
                *next += 1;
            }
            Message::Joined(joined) => assert_ne!(joined.start, Start::Lost),
            other => panic!("{other:?}"),
        }
    }
}

async fn online_over(client: &Client, expected: Transport) {
    let mut states = client.state();
    let online =
        states.wait_for(|state| matches!(state, State::Online { transport, .. } if *transport == expected));
    soon("another transport", online).await.unwrap();
}
