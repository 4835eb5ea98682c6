//! A channel: its two halves, its place among the others, and who still needs it.

use bytes::Bytes;

use super::{
    Event, Violation,
    message::{self, Body},
    recv::RecvHalf,
    schedule::Place,
    send::SendHalf,
};

#[derive(Debug)]
pub(super) struct Channel {
    pub(super) send: SendHalf,
    pub(super) recv: RecvHalf,
    pub(super) priority: u16,
    pub(super) place: Place,
    /// Halves that the application still holds, or will hold once it accepts.
    pub(super) held: u8,
    /// Both halves are over: it makes room for another.
    pub(super) over: bool,
}

impl Channel {
    pub(super) fn new(window: u32) -> Self {
        Self {
            send: SendHalf::new(),
            recv: RecvHalf::new(window),
            priority: 0,
            place: Place::default(),
            held: 2,
            over: false,
        }
    }

    pub(super) fn receive(&mut self, number: u32, body: Body<'_>) -> Result<Option<Event>, Violation> {
        Ok(match body {
            Body::Data(data) => {
                self.recv.peer_sends(data)?;
                Some(Event::Readable(number))
            }
            Body::Fin(data) => {
                self.recv.peer_sends(data)?;
                self.recv.peer_finishes();
                Some(Event::Readable(number))
            }
            Body::Reset(code) => {
                self.recv.peer_resets(code);
                Some(Event::Readable(number))
            }
            Body::Stop(code) => self.send.peer_stops(code).then_some(Event::Writable(number)),
            Body::Window(more) => {
                self.send.peer_grants(more)?;
                None
            }
            Body::Streams(_) => None,
        })
    }

    /// What opens a channel: any message but WINDOW, an empty one if there is nothing to say.
    pub(super) fn first_message(&mut self, number: u32) -> Bytes {
        self.recv
            .next_stop(number)
            .or_else(|| self.send.next_reset(number))
            .or_else(|| self.send.next_data(number))
            .unwrap_or_else(|| message::data(number, Vec::new()))
    }

    pub(super) fn next_message(&mut self, number: u32) -> Option<Bytes> {
        self.recv
            .next_stop(number)
            .or_else(|| self.send.next_reset(number))
            .or_else(|| self.recv.next_window(number))
            .or_else(|| self.send.next_data(number))
    }
}
