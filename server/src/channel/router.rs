//! Which channel serves which topic.

use super::{
    Channel,
    allowance::Allowance,
    facts::Facts,
    membership::{self, Attach},
};
use crate::queue;
use dunlin_proto::{Pattern, Topic};
use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

/// Topic patterns and the channels behind them.
#[derive(Default)]
pub(crate) struct Router(Vec<(Pattern, Route)>);

/// Makes the task of one membership.
type Route = Box<dyn Fn(Box<Opening>) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync>;

/// What a membership begins with.
pub(crate) struct Opening {
    pub(crate) facts: Facts,
    pub(crate) mailbox: queue::Receiver<Box<Attach>>,
    pub(crate) linger: Duration,
    pub(crate) allowance: Allowance,
    pub(crate) first: Box<Attach>,
}

impl Router {
    /// Serves what no other pattern matches.
    pub(crate) fn fall_back<C: Channel>(&mut self, new: impl Fn() -> C + Send + Sync + 'static) {
        self.add("*".parse().expect("a legal pattern"), new);
        self.0.rotate_right(1);
    }

    /// Serves the topics of a pattern with channels that `new` makes, one for each membership.
    pub(crate) fn add<C: Channel>(&mut self, pattern: Pattern, new: impl Fn() -> C + Send + Sync + 'static) {
        let new = Arc::new(new);
        let route = move |opening| -> Pin<Box<dyn Future<Output = ()> + Send>> {
            let new = new.clone();
            Box::pin(membership::run(move || new(), opening))
        };
        self.0.push((pattern, Box::new(route)));
    }

    /// The task of a membership in the topic; `None` if no pattern matches.
    pub(crate) fn route(&self, topic: &Topic) -> Option<&Route> {
        let matching = self.0.iter().filter(|(pattern, _)| pattern.matches(topic));
        // Of equally close patterns, the one added last.
        matching.max_by_key(|(pattern, _)| pattern.specificity()).map(|(_, route)| route)
    }
}
