//! A channel's code and what it is called with: each callback within its time, and none after its mailbox was overrun.

use super::{
    Channel, Context, End, Push,
    mailbox::Full,
    subscription::{self, Subscription},
};
use crate::testing::Ended;
use bytes::Bytes;
use dunlin_proto::{Code, Topic, frame::Refusal};
use futures_util::FutureExt;
use metrics::counter;
use std::{panic::AssertUnwindSafe, time::Duration};

/// One membership's channel.
pub(crate) struct Callbacks<C: Channel> {
    channel: C,
    pub(crate) context: Context<C::Info>,
    subscriptions: Vec<Subscription<C::Info>>,
}

/// Why a channel cannot go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Overrun {
    #[error("a callback took longer than it may")]
    Slow,
    #[error("more was sent to the channel than its mailbox holds")]
    Mailbox,
}

impl<C: Channel> Callbacks<C> {
    /// Makes a channel and has it decide about the join: the channel and its reply, or why there is none.
    pub(crate) async fn join(
        new: impl FnOnce() -> C,
        context: Context<C::Info>,
        params: Option<Bytes>,
    ) -> Result<(Self, Bytes), (Context<C::Info>, Refusal)> {
        let joined = async {
            let mut channel = new();
            let reply = channel.join(&context, params).await?;
            Ok((channel, reply))
        };
        let joined = contain(context.topic(), &context.facts.session, timely(&context, joined)).await;
        match joined {
            Ok(Ok(Ok((channel, reply)))) => {
                let mut callbacks = Self { channel, context, subscriptions: Vec::new() };
                callbacks.settle();
                Ok((callbacks, reply))
            }
            Ok(Ok(Err(refusal))) | Err(refusal) => Err((context, refusal)),
            Ok(Err(overrun)) => {
                let refusal = overrun.refusal(&context);
                Err((context, refusal))
            }
        }
    }

    /// Handles a push: the channel's answer.
    pub(crate) async fn handle_in(&mut self, push: Push) -> Result<Result<Bytes, Refusal>, Overrun> {
        let answer = timely(&self.context, self.channel.handle_in(&self.context, push)).await;
        self.settle();
        answer
    }

    /// Handles a message: whether the channel goes on.
    pub(crate) async fn handle_info(&mut self, info: C::Info) -> Result<Result<(), Refusal>, Overrun> {
        let goes_on = timely(&self.context, self.channel.handle_info(&self.context, info)).await;
        self.settle();
        goes_on
    }

    /// The next message from a timer, another topic or the rest of the application. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Result<C::Info, Overrun> {
        tokio::select! {
            sent = self.context.mailbox.next() => sent.map_err(|Full| Overrun::Mailbox),
            info = self.context.timer() => Ok(info),
            info = subscription::next(&mut self.subscriptions) => Ok(info),
        }
    }

    /// Says why it is over. Nothing that goes wrong in there changes anything any more.
    pub(crate) async fn terminate(self, why: End) {
        let Self { channel, context, .. } = self;
        context.mailbox.close();
        let (topic, session) = (context.topic(), &context.facts.session);
        let last = tokio::time::timeout(context.facts.bounds.timeout, channel.terminate(&context, why));
        if let Ok(Err(_)) = contain(topic, session, last).await {
            let _ = Overrun::Slow.refusal(&context);
        }
        if let Some(witness) = &context.facts.witness {
            let ended = Ended { topic: topic.clone(), session: (**session).into(), why };
            // A test that does not ask misses nothing.
            let _ = witness.try_send(ended);
        }
    }

    fn settle(&mut self) {
        self.context.settle(&mut self.subscriptions);
    }
}

/// Runs a callback. It is dropped if it takes too long, or when the mailbox is overrun meanwhile; one that blocks its thread
/// cannot be stopped.
async fn timely<I: Send + 'static, T>(
    context: &Context<I>,
    callback: impl Future<Output = T>,
) -> Result<T, Overrun> {
    let limit: Duration = context.facts.bounds.timeout;
    tokio::select! {
        biased;
        done = callback => Ok(done),
        Full = context.mailbox.overrun() => Err(Overrun::Mailbox),
        () = tokio::time::sleep(limit) => Err(Overrun::Slow),
    }
}

/// Runs code of the channel. If it panics, that is a refusal.
pub(crate) fn contain<T>(
    topic: &Topic,
    session: &str,
    code: impl Future<Output = T>,
) -> impl Future<Output = Result<T, Refusal>> {
    // Not an async function, whose future would have the code's twice.
    AssertUnwindSafe(code).catch_unwind().map(move |ran| {
        ran.map_err(|_| {
            tracing::error!(%topic, session, "a channel panicked");
            counter!("dunlin_channel_panics_total").increment(1);
            Refusal::new(Code::CHANNEL_FAILED)
        })
    })
}

impl Overrun {
    /// What the member is told; logged and counted.
    pub(crate) fn refusal<I: Send + 'static>(self, context: &Context<I>) -> Refusal {
        let why = match self {
            Self::Slow => "slow",
            Self::Mailbox => "mailbox",
        };
        counter!("dunlin_channel_overruns_total", "why" => why).increment(1);
        tracing::error!(topic = %context.topic(), session = &*context.facts.session, "a channel was ended: {self}");
        Refusal::because(Code::CHANNEL_OVERRUN, &self.to_string())
    }
}
