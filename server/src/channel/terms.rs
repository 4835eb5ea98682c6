//! How a member gets its events: as settled when it joins, and changed as it likes.

use bytes::Bytes;
use dunlin_proto::{
    datagram,
    frame::channel::{Adjust, Delivery, Join},
};
use dunlin_transport::{Connection, SendDatagramError};
use metrics::counter;
use std::time::Duration;

/// What holds on one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Terms {
    /// Which events are delivered.
    pub(crate) mode: Delivery,
    /// Least time between two deliveries of [`Delivery::Latest`].
    pub(crate) interval: Option<Duration>,
    /// An event that has waited for longer is skipped.
    pub(crate) deadline: Option<Duration>,
}

/// The way of one membership's events in datagrams.
pub(crate) struct Datagrams {
    connection: Connection,
    flow: u32,
}

/// How long an event is worth a datagram, if the member says nothing else.
const FRESH: Duration = Duration::from_secs(1);

impl Terms {
    /// What a join gets that asks for this mode, over this connection: datagrams only where there are any.
    pub(crate) fn settle(join: &Join, asked: Delivery, connection: &Connection) -> (Self, Option<Datagrams>) {
        let wanted = (asked == Delivery::Datagram).then_some(join.flow).flatten();
        let flow = wanted.filter(|_| connection.max_datagram_size().is_some());
        let mode = match asked {
            Delivery::Datagram if flow.is_none() => Delivery::Latest,
            mode => mode,
        };
        let terms = Self { mode, interval: span(join.interval_ms), deadline: span(join.deadline_ms) };
        (terms, flow.map(|flow| Datagrams { connection: connection.clone(), flow }))
    }

    /// Takes over what the member wants otherwise.
    pub(crate) fn adjust(&mut self, adjust: Adjust) {
        if adjust.interval_ms.is_some() {
            self.interval = span(adjust.interval_ms);
        }
        if adjust.deadline_ms.is_some() {
            self.deadline = span(adjust.deadline_ms);
        }
    }

    /// How old an event may be.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.deadline.or((self.mode == Delivery::Datagram).then_some(FRESH))
    }

    /// How long nothing is delivered after something was.
    pub(crate) fn pause(&self) -> Option<Duration> {
        self.interval.filter(|_| self.mode == Delivery::Latest)
    }
}

fn span(millis: Option<u32>) -> Option<Duration> {
    millis.filter(|millis| *millis > 0).map(|millis| Duration::from_millis(millis.into()))
}

impl Datagrams {
    /// Sends what fits, and gives back what does not. What finds no room on its way is dropped, there or here.
    pub(crate) fn send(&self, mut frames: Vec<Bytes>) -> Vec<Bytes> {
        frames.retain(|frame| {
            match self.connection.send_datagram(datagram::encode(self.flow, frame)) {
                Ok(()) => counter!("dunlin_datagrams_sent_total").increment(1),
                Err(SendDatagramError::TooLarge) => return true,
                Err(SendDatagramError::Unsupported | SendDatagramError::Connection(_)) => {
                    counter!("dunlin_datagrams_dropped_total").increment(1);
                }
            }
            false
        });
        frames
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TERMS: Terms = Terms { mode: Delivery::Latest, interval: None, deadline: None };

    #[test]
    fn what_is_not_adjusted_stays() {
        let mut terms = TERMS;
        terms.adjust(Adjust { interval_ms: Some(200), ..Adjust::default() });
        terms.adjust(Adjust { deadline_ms: Some(50), priority: Some(1), ..Adjust::default() });
        assert_eq!(terms.pause(), Some(Duration::from_millis(200)));
        assert_eq!(terms.patience(), Some(Duration::from_millis(50)));
        terms.adjust(Adjust { interval_ms: Some(0), deadline_ms: Some(0), ..Adjust::default() });
        assert_eq!(terms, TERMS);
    }

    #[test]
    fn only_latest_pauses_and_only_datagrams_are_old_by_themselves() {
        let terms = Terms { interval: Some(FRESH), ..TERMS };
        assert_eq!((terms.pause(), terms.patience()), (Some(FRESH), None));
        for mode in [Delivery::Reliable, Delivery::Datagram] {
            assert_eq!(Terms { mode, ..terms }.pause(), None);
        }
        assert_eq!(Terms { mode: Delivery::Datagram, ..terms }.patience(), Some(FRESH));
    }
}
