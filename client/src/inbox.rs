//! Messages on their way to the application.

use std::collections::VecDeque;

use tokio::sync::mpsc;

use crate::message::Message;

/// How many times the buffer may wait in addition while a push waits for its answer.
const OVERFLOW: usize = 16;

/// A bounded queue to the application, and a place for what does not fit in.
///
/// When the queue is full the stream is read no further, and flow control stops the server. But answers to pushes
/// come down the same stream: an application that waits for one does not take messages meanwhile, and would wait
/// forever. So while pushes wait for answers, more may pile up here.
#[derive(Debug)]
pub(crate) struct Inbox {
    queue: mpsc::Sender<Message>,
    waiting: VecDeque<Message>,
}

impl Inbox {
    pub(crate) fn new(buffer: usize) -> (Self, mpsc::Receiver<Message>) {
        let (queue, messages) = mpsc::channel(buffer.max(1));
        (Self { queue, waiting: VecDeque::new() }, messages)
    }

    /// Adds a message. Once the application has dropped the channel, messages go nowhere.
    pub(crate) fn offer(&mut self, message: Message) {
        if !self.waiting.is_empty() {
            self.waiting.push_back(message);
        } else if let Err(mpsc::error::TrySendError::Full(message)) = self.queue.try_send(message) {
            self.waiting.push_back(message);
        }
    }

    /// Whether another frame may be read.
    pub(crate) fn has_room(&self, pushes_wait: bool) -> bool {
        let limit = if pushes_wait { OVERFLOW * self.queue.max_capacity() } else { 1 };
        self.waiting.len() < limit
    }

    /// Waits until the application makes room for a message that waits, if one does. Cancel-safe.
    pub(crate) async fn hand_over(&mut self) {
        if self.waiting.is_empty() {
            return std::future::pending().await;
        }
        match self.queue.reserve().await {
            Ok(place) => {
                let message = self.waiting.pop_front().expect("one waits, as was seen above");
                place.send(message);
            }
            Err(_) => self.waiting.clear(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin_proto::Position;

    fn message(n: u64) -> Message {
        Message::Restarted(Position::new(n, 0))
    }

    #[tokio::test]
    async fn order_is_kept_through_the_overflow() {
        let (mut inbox, mut messages) = Inbox::new(2);
        (0..5).for_each(|n| inbox.offer(message(n)));
        for n in 0..5 {
            assert_eq!(messages.recv().await, Some(message(n)));
            if n < 3 {
                inbox.hand_over().await;
            }
        }
    }

    #[test]
    fn reading_stops_when_the_queue_is_full_and_later_while_pushes_wait() {
        let (mut inbox, _messages) = Inbox::new(2);
        for n in 0..3 {
            assert!(inbox.has_room(false));
            inbox.offer(message(n));
        }
        assert!(!inbox.has_room(false));
        for n in 3..34 {
            assert!(inbox.has_room(true), "{n}");
            inbox.offer(message(n));
        }
        assert!(!inbox.has_room(true));
    }

    #[tokio::test]
    async fn without_a_reader_messages_go_nowhere() {
        let (mut inbox, messages) = Inbox::new(1);
        (0..3).for_each(|n| inbox.offer(message(n)));
        drop(messages);
        inbox.hand_over().await;
        inbox.offer(message(4));
        assert!(inbox.waiting.is_empty());
    }
}
