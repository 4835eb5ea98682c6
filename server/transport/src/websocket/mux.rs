//! Many streams over one sequence of messages, as `PROTOCOL.md` has it for WebSockets.
//!
//! Pure: messages and calls come in, messages and [events](Event) go out; no socket, no task, no clock. What the peer
//! can make a [`Mux`] hold is a window for each channel it was granted; what the application can make it hold is
//! [a queue](send::QUEUE) for each channel.

use std::collections::{HashMap, VecDeque};

use bytes::Bytes;

mod channel;
mod message;
mod recv;
mod schedule;
mod send;

pub(crate) use send::Unwritable;

use channel::Channel;
use message::Body;
use schedule::Schedule;

/// What either side may send on a channel at first.
pub(crate) const INITIAL_WINDOW: u32 = 65_536;

/// The channels that a client may open at first.
pub(crate) const INITIAL_STREAMS: u32 = 16;

/// The largest message.
pub(crate) const MAX_MESSAGE: usize = message::HEADER + message::MAX_BODY;

/// Which side this is: clients open channels, servers grant them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Client,
    Server,
}

/// What has changed, for whoever waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Event {
    /// There may be something to read from this channel.
    Readable(u32),
    /// There may be room to write to this channel, or its end is known.
    Writable(u32),
    /// A channel can be accepted.
    Opened,
    /// A channel can be opened.
    Credit,
}

/// What a peer must not send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("a message without a whole header")]
    Short,
    #[error("a message of unknown kind {0}")]
    UnknownKind(u8),
    #[error("a message with a body of the wrong size")]
    Size,
    #[error("a channel that was not opened in order, or not granted: {0}")]
    NotOpened(u32),
    #[error("more data than the window")]
    Overrun,
    #[error("data after the end of its stream")]
    AfterEnd,
    #[error("a window beyond 2^32 - 1")]
    WindowOverflow,
    #[error("STREAMS from a client, or not on channel 0")]
    Streams,
}

#[derive(Debug)]
pub(crate) struct Mux {
    role: Role,
    /// What the peer may send on a channel before it is read.
    window: u32,
    channels: HashMap<u32, Channel>,
    /// The number of the next channel to be opened.
    next: u32,
    /// The number of the next channel that the peer will hear of; as `next` on a server.
    shown: u32,
    /// Opened by the peer and not accepted yet.
    arrived: VecDeque<u32>,
    /// How many channels may be opened in all, as far as the client knows.
    granted: u32,
    /// How many may be open at once, and how many have ended; used by servers.
    at_once: u32,
    ended: u32,
    schedule: Schedule,
    events: VecDeque<Event>,
}

impl Mux {
    /// A multiplexer whose peer may send `window` bytes on a channel before they are read, and open `at_once`
    /// channels; both are at least what the protocol begins with.
    pub(crate) fn new(role: Role, window: u32, at_once: u32) -> Self {
        Self {
            role,
            window: window.max(INITIAL_WINDOW),
            channels: HashMap::new(),
            next: 0,
            shown: 0,
            arrived: VecDeque::new(),
            granted: INITIAL_STREAMS,
            at_once: at_once.max(INITIAL_STREAMS),
            ended: 0,
            schedule: Schedule::default(),
            events: VecDeque::new(),
        }
    }

    /// Opens a channel, unless the server grants no more.
    pub(crate) fn open(&mut self) -> Option<u32> {
        if self.role == Role::Server || self.next >= self.granted {
            return None;
        }
        Some(self.add())
    }

    /// The next channel that the peer opened.
    pub(crate) fn accept(&mut self) -> Option<u32> {
        self.arrived.pop_front()
    }

    /// How many channels the peer may hold open at once, from now on.
    pub(crate) fn grant(&mut self, at_once: u32) {
        self.at_once = at_once;
    }

    /// Takes as much as there is room for out of the chunks; whether nothing is left in them.
    pub(crate) fn write(&mut self, channel: u32, chunks: &mut [Bytes]) -> Result<bool, Unwritable> {
        self.with(channel, |channel| channel.send.write(chunks))
    }

    pub(crate) fn finish(&mut self, channel: u32) {
        self.with(channel, |channel| channel.send.finish());
    }

    pub(crate) fn reset(&mut self, channel: u32, code: u32) {
        self.with(channel, |channel| channel.send.reset(code));
    }

    /// The code if the peer has stopped the channel, nothing if its end was sent first.
    pub(crate) fn stopped(&mut self, channel: u32) -> Option<Option<u32>> {
        self.with(channel, |channel| channel.send.stopped())
    }

    pub(crate) fn set_priority(&mut self, channel: u32, priority: u16) {
        self.with(channel, |channel| channel.priority = priority);
        self.schedule.set_priority(channel, priority);
    }

    /// The next bytes, the end, or the code of a reset; `None` while there is nothing.
    pub(crate) fn read(&mut self, channel: u32, max: usize) -> Option<Result<Option<Bytes>, u32>> {
        self.with(channel, |channel| channel.recv.read(max))
    }

    pub(crate) fn stop(&mut self, channel: u32, code: u32) {
        self.with(channel, |channel| channel.recv.stop(code));
    }

    /// The application will not write any more: what it has not finished is reset.
    pub(crate) fn release_send(&mut self, channel: u32) {
        self.with(channel, |channel| {
            channel.held -= 1;
            if channel.send.is_open() {
                channel.send.reset(0);
            }
        });
    }

    /// The application will not read any more: what has not ended is stopped.
    pub(crate) fn release_recv(&mut self, channel: u32) {
        self.with(channel, |channel| {
            channel.held -= 1;
            channel.recv.stop(0);
        });
    }

    /// Takes what the peer sent.
    pub(crate) fn receive(&mut self, message: &[u8]) -> Result<(), Violation> {
        let (number, body) = message::decode(message)?;
        if let Body::Streams(in_all) = body {
            return self.receive_streams(number, in_all);
        }
        if number >= self.shown {
            let opens = !matches!(body, Body::Window(_));
            if self.role == Role::Client || number > self.shown || number >= self.granted || !opens {
                return Err(Violation::NotOpened(number));
            }
            self.shown += 1;
            self.add();
            self.arrived.push_back(number);
            self.events.push_back(Event::Opened);
        }
        if !self.channels.contains_key(&number) {
            // It has crossed with the end.
            return Ok(());
        }
        let event = self.with(number, |channel| channel.receive(number, body))?;
        self.events.extend(event);
        Ok(())
    }

    fn receive_streams(&mut self, channel: u32, in_all: u32) -> Result<(), Violation> {
        if self.role == Role::Server || channel != 0 {
            return Err(Violation::Streams);
        }
        if in_all > self.granted {
            self.granted = in_all;
            self.events.push_back(Event::Credit);
        }
        Ok(())
    }

    /// The next message to send.
    pub(crate) fn transmit(&mut self) -> Option<Bytes> {
        if let Some(in_all) = self.streams_due() {
            self.granted = in_all;
            return Some(message::streams(in_all));
        }
        loop {
            let next = self.schedule.peek()?;
            // Channels are opened in order: those before it that nothing was sent on yet come first.
            let number = if self.role == Role::Client { next.min(self.shown) } else { next };
            if number == next
                && let Some(turn) = self.schedule.pop()
                && let Some(channel) = self.channels.get_mut(&number)
            {
                channel.place.leave(turn);
            }
            let opens = number == self.shown;
            self.shown += u32::from(opens);
            let Some(channel) = self.channels.get_mut(&number) else { continue };
            let message =
                if opens { Some(channel.first_message(number)) } else { channel.next_message(number) };
            if channel.send.has_ended() || channel.send.has_room() {
                self.events.push_back(Event::Writable(number));
            }
            self.settle(number);
            if message.is_some() {
                return message;
            }
        }
    }

    /// Whether there is a message to send. It may turn out that there is none.
    pub(crate) fn has_output(&self) -> bool {
        self.streams_due().is_some() || self.schedule.peek().is_some()
    }

    /// How many channels there may be in all, if the client does not know yet.
    fn streams_due(&self) -> Option<u32> {
        let in_all = self.at_once.saturating_add(self.ended);
        (self.role == Role::Server && in_all > self.granted).then_some(in_all)
    }

    pub(crate) fn event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    fn add(&mut self) -> u32 {
        let number = self.next;
        self.next += 1;
        self.channels.insert(number, Channel::new(self.window));
        number
    }

    /// Does something to a channel, and then what follows from it.
    fn with<T>(&mut self, number: u32, act: impl FnOnce(&mut Channel) -> T) -> T {
        let channel = self.channels.get_mut(&number).expect("a channel stays until both halves are released");
        let result = act(channel);
        self.settle(number);
        result
    }

    /// Schedules what a channel wants to send, and forgets it when nobody needs it.
    fn settle(&mut self, number: u32) {
        let Some(channel) = self.channels.get_mut(&number) else { return };
        if channel.send.has_ended() && channel.recv.is_over() && !channel.over {
            channel.over = true;
            self.ended = self.ended.saturating_add(1);
        }
        if channel.over && channel.held == 0 {
            self.channels.remove(&number);
            return;
        }
        // Room is no use of a channel: it waits for one.
        let grants = number < self.shown && channel.recv.wants_window();
        if grants || channel.recv.wants_stop() || channel.send.wants_reset() {
            self.schedule.add_urgent(number, &mut channel.place);
        }
        if channel.send.wants_data() {
            self.schedule.add_data(number, channel.priority, &mut channel.place);
        }
    }
}

#[cfg(test)]
mod tests;
