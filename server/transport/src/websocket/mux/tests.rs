//! Two multiplexers back to back under random use, single violations, and random bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;

fn client() -> Mux {
    Mux::new(Role::Client, INITIAL_WINDOW, 0)
}

fn server() -> Mux {
    Mux::new(Role::Server, INITIAL_WINDOW, INITIAL_STREAMS)
}

impl Mux {
    /// Bytes that wait to be read.
    fn held(&self) -> usize {
        self.channels.values().map(|channel| channel.recv.held()).sum()
    }
}

/// Brings all that one side has to say to the other.
fn deliver(from: &mut Mux, to: &mut Mux) {
    while let Some(message) = from.transmit() {
        to.receive(&message).unwrap();
    }
}

fn message(channel: u32, kind: u8, body: &[u8]) -> Vec<u8> {
    [&channel.to_be_bytes()[..], &[kind], body].concat()
}

/// A server on which channel 0 is open.
fn opened() -> Mux {
    let mut server = server();
    server.receive(&message(0, 0, b"")).unwrap();
    server
}

#[test]
fn every_violation_is_found() {
    let full = vec![0; message::MAX_BODY];
    for (messages, violation) in [
        (vec![message(2, 0, b"")], Violation::NotOpened(2)),
        (vec![message(1, 4, &[0; 4])], Violation::NotOpened(1)),
        ((1..=16).map(|n| message(n, 0, b"")).collect(), Violation::NotOpened(16)),
        (vec![message(0, 0, &full), message(0, 0, b"x")], Violation::Overrun),
        (vec![message(0, 0, b"x"), message(0, 1, &full)], Violation::Overrun),
        (vec![message(0, 1, b""), message(0, 0, b"")], Violation::AfterEnd),
        (vec![message(0, 1, b""), message(0, 1, b"")], Violation::AfterEnd),
        (vec![message(0, 2, &[0; 4]), message(0, 0, b"x")], Violation::AfterEnd),
        (vec![message(0, 4, &[0xff; 4])], Violation::WindowOverflow),
        (vec![message(0, 5, &[1; 4])], Violation::Streams),
        (vec![message(0, 6, b"")], Violation::UnknownKind(6)),
        (vec![message(0, 2, b"")], Violation::Size),
        (vec![vec![0]], Violation::Short),
    ] {
        let mut server = opened();
        let (last, before) = messages.split_last().unwrap();
        for message in before {
            assert_eq!(server.receive(message), Ok(()), "before {violation}");
        }
        assert_eq!(server.receive(last), Err(violation));
    }
    assert_eq!(client().receive(&message(0, 0, b"")), Err(Violation::NotOpened(0)), "servers open nothing");
    assert_eq!(client().receive(&message(1, 5, &[1; 4])), Err(Violation::Streams));
}

#[test]
fn a_channel_that_is_not_read_holds_its_window_and_stops_no_other() {
    let (mut client, mut server) = (client(), server());
    let (slow, quick) = (client.open().unwrap(), client.open().unwrap());
    let endless = Bytes::from(vec![7; 1024 * 1024]);
    let mut read = 0;
    for _ in 0..100 {
        for channel in [slow, quick] {
            client.write(channel, &mut [endless.clone()]).unwrap();
        }
        deliver(&mut client, &mut server);
        while let Some(Ok(Some(bytes))) = server.read(quick, usize::MAX) {
            read += bytes.len();
        }
        deliver(&mut server, &mut client);
    }
    assert!(read >= 100 * INITIAL_WINDOW as usize / 2, "{read} bytes came through");
    assert_eq!(server.held(), INITIAL_WINDOW as usize);
    assert_eq!(client.channels[&slow].send.queued(), send::QUEUE);
}

#[test]
fn channels_take_turns_and_a_higher_priority_goes_first() {
    let mut client = client();
    let channels: Vec<_> = (0..3).map(|_| client.open().unwrap()).collect();
    client.set_priority(channels[2], 1);
    // What opens a channel comes in order, whatever its priority.
    client.write(channels[2], &mut [Bytes::from_static(b"!")]).unwrap();
    while client.transmit().is_some() {}
    for &channel in &channels {
        client.write(channel, &mut [Bytes::from(vec![0; 32 * 1024])]).unwrap();
    }
    let mut turns = Vec::new();
    while let Some(message) = client.transmit() {
        assert!(message.len() <= message::HEADER + 16 * 1024);
        turns.push(message[3]);
    }
    assert_eq!(turns, [2, 2, 0, 1, 0, 1]);
}

#[test]
fn a_priority_counts_for_what_waits() {
    let mut client = client();
    let channels: Vec<_> = (0..3).map(|_| client.open().unwrap()).collect();
    for &channel in &channels {
        client.write(channel, &mut [Bytes::from(vec![0; 40 * 1024])]).unwrap();
    }
    let mut turns = Vec::new();
    while let Some(message) = client.transmit() {
        turns.push(message[3]);
        if turns.len() == 3 {
            client.set_priority(channels[2], 1);
        }
    }
    assert_eq!(turns, [0, 1, 2, 2, 2, 0, 1, 0, 1]);
}

#[test]
fn a_larger_window_is_announced_once_the_channel_is_open() {
    let window = 4 * INITIAL_WINDOW;
    let mut client = Mux::new(Role::Client, window, 0);
    let mut server = server();
    let channel = client.open().unwrap();
    assert_eq!(client.transmit(), None, "a channel that was not used is not shown");
    client.finish(channel);
    deliver(&mut client, &mut server);
    server.accept().unwrap();
    let big = Bytes::from(vec![1; window as usize + 1]);
    let mut rest = [big];
    while !server.write(channel, &mut rest).unwrap() && server.channels[&channel].send.wants_data() {
        deliver(&mut server, &mut client);
    }
    assert_eq!(client.held(), window as usize);
}

#[test]
fn what_crosses_with_the_end_is_ignored() {
    let (mut client, mut server) = (client(), server());
    let channel = client.open().unwrap();
    client.finish(channel);
    deliver(&mut client, &mut server);
    server.accept().unwrap();
    server.finish(channel);
    assert_eq!(server.read(channel, 1), Some(Ok(None)));
    deliver(&mut server, &mut client);
    server.release_send(channel);
    server.release_recv(channel);
    assert!(server.channels.is_empty());
    for (kind, body) in [(0, &b"late"[..]), (1, b""), (2, &[0; 4]), (3, &[0; 4]), (4, &[0; 4])] {
        assert_eq!(server.receive(&message(channel, kind, body)), Ok(()));
    }
    assert!(server.channels.is_empty(), "nothing is opened twice");
}

/// One side's use of one channel.
#[derive(Debug, Default)]
struct Use {
    written: usize,
    read: usize,
    /// What the reader knows at last: the end, or a code.
    end: Option<Result<(), u32>>,
    /// The writer ended it: properly, or with a code.
    ended: Option<Result<(), u32>>,
    stopped: bool,
    send_released: bool,
    recv_released: bool,
}

#[derive(Debug, Clone, Copy)]
enum Op {
    Open,
    Accept,
    Write(usize, usize),
    Read(usize, usize),
    Finish(usize),
    Reset(usize, u32),
    Stop(usize, u32),
    Priority(usize, u16),
    Transmit(usize),
    Deliver(usize),
    Grant(u32),
}

fn op() -> impl Strategy<Value = Op> {
    let channel = 0..24_usize;
    prop_oneof![
        3 => Just(Op::Open),
        3 => Just(Op::Accept),
        6 => (channel.clone(), 0..200_000_usize).prop_map(|(c, n)| Op::Write(c, n)),
        6 => (channel.clone(), 1..100_000_usize).prop_map(|(c, n)| Op::Read(c, n)),
        1 => channel.clone().prop_map(Op::Finish),
        1 => (channel.clone(), any::<u32>()).prop_map(|(c, code)| Op::Reset(c, code)),
        1 => (channel.clone(), any::<u32>()).prop_map(|(c, code)| Op::Stop(c, code)),
        1 => (channel, 0..=2_u16).prop_map(|(c, p)| Op::Priority(c, p)),
        8 => (1..8_usize).prop_map(Op::Transmit),
        8 => (1..8_usize).prop_map(Op::Deliver),
        1 => (0..40_u32).prop_map(Op::Grant),
    ]
}

/// A multiplexer, what its application did, and what is on the way to it.
struct Side {
    mux: Mux,
    uses: BTreeMap<u32, Use>,
    wire: VecDeque<Bytes>,
}

fn byte(at: usize) -> u8 {
    u8::try_from(at % 251).unwrap()
}

impl Side {
    fn new(mux: Mux) -> Self {
        Self { mux, uses: BTreeMap::new(), wire: VecDeque::new() }
    }

    fn act(&mut self, op: Op, peer: &mut Self) {
        match op {
            Op::Open => {
                if let Some(channel) = self.mux.open() {
                    self.uses.insert(channel, Use::default());
                }
            }
            Op::Accept => {
                if let Some(channel) = self.mux.accept() {
                    assert!(self.uses.keys().all(|&before| before < channel), "out of order");
                    self.uses.insert(channel, Use::default());
                }
            }
            Op::Write(channel, bytes) => self.write(channel, bytes),
            Op::Read(channel, most) => {
                if let Some(channel) = self.nth(channel, |usage| !usage.recv_released) {
                    self.read(channel, most);
                }
            }
            Op::Finish(channel) => {
                if let Some(channel) = self.nth(channel, |usage| !usage.send_released) {
                    self.mux.finish(channel);
                    self.uses.get_mut(&channel).unwrap().ended.get_or_insert(Ok(()));
                }
            }
            Op::Reset(channel, code) => {
                if let Some(channel) = self.nth(channel, |usage| !usage.send_released) {
                    self.mux.reset(channel, code);
                    let ended = &mut self.uses.get_mut(&channel).unwrap().ended;
                    // The first reset counts.
                    *ended = ended.filter(Result::is_err).or(Some(Err(code)));
                }
            }
            Op::Stop(channel, code) => {
                if let Some(channel) = self.nth(channel, |usage| !usage.recv_released) {
                    self.mux.stop(channel, code);
                    self.uses.get_mut(&channel).unwrap().stopped = true;
                }
            }
            Op::Priority(channel, priority) => {
                if let Some(channel) = self.nth(channel, |usage| !usage.send_released) {
                    self.mux.set_priority(channel, priority);
                }
            }
            Op::Transmit(messages) => {
                for _ in 0..messages {
                    peer.wire.extend(self.mux.transmit());
                }
            }
            Op::Deliver(messages) => {
                for _ in 0..messages.min(self.wire.len()) {
                    let message = self.wire.pop_front().unwrap();
                    assert_eq!(self.mux.receive(&message), Ok(()), "a well-behaved peer");
                }
                let most = self.mux.window as usize * self.mux.channels.len();
                assert!(self.mux.held() <= most, "more than the windows is held");
            }
            Op::Grant(at_once) => self.mux.grant(at_once),
        }
    }

    fn nth(&self, n: usize, usable: impl Fn(&Use) -> bool) -> Option<u32> {
        let (&channel, usage) = self.uses.iter().nth(n)?;
        usable(usage).then_some(channel)
    }

    fn write(&mut self, channel: usize, bytes: usize) {
        let Some(channel) = self.nth(channel, |usage| !usage.send_released) else { return };
        let usage = self.uses.get_mut(&channel).unwrap();
        let mut chunks = [(usage.written..usage.written + bytes).map(byte).collect::<Bytes>()];
        if self.mux.write(channel, &mut chunks).is_ok() {
            usage.written += bytes - chunks[0].len();
        }
        assert!(self.mux.channels[&channel].send.queued() <= send::QUEUE);
    }

    /// Whether there was anything.
    fn read(&mut self, channel: u32, most: usize) -> bool {
        let usage = self.uses.get_mut(&channel).unwrap();
        match self.mux.read(channel, most) {
            None => return false,
            Some(Ok(Some(bytes))) => {
                assert!(!bytes.is_empty() && bytes.len() <= most);
                for (at, &got) in bytes.iter().enumerate() {
                    assert_eq!(got, byte(usage.read + at), "at {} of channel {channel}", usage.read + at);
                }
                usage.read += bytes.len();
                return true;
            }
            Some(Ok(None)) => usage.end = Some(Ok(())),
            Some(Err(code)) => usage.end = Some(Err(code)),
        }
        false
    }

    /// Finishes what is open, and reads what comes.
    fn finish_all(&mut self) {
        let channels: Vec<_> = self.uses.keys().copied().collect();
        for channel in channels {
            let usage = self.uses.get_mut(&channel).unwrap();
            usage.ended.get_or_insert(Ok(()));
            self.mux.finish(channel);
            while self.read(channel, usize::MAX) {}
        }
    }

    fn release_all(&mut self) {
        for &channel in self.uses.keys() {
            self.mux.release_send(channel);
            self.mux.release_recv(channel);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    #[test]
    fn bytes_arrive_whole_and_in_order_whatever_is_done(
        ops in prop::collection::vec((any::<bool>(), op()), 1..300),
        client_window in 0..300_000_u32,
        server_window in 0..300_000_u32,
    ) {
        let mut client = Side::new(Mux::new(Role::Client, client_window, 0));
        let mut server = Side::new(Mux::new(Role::Server, server_window, 0));
        for (by_client, op) in ops {
            if by_client { client.act(op, &mut server) } else { server.act(op, &mut client) }
        }
        // In the end all is sent, delivered, accepted and read.
        for _ in 0..2_000 {
            client.finish_all();
            server.finish_all();
            client.act(Op::Transmit(64), &mut server);
            server.act(Op::Deliver(64), &mut client);
            server.act(Op::Accept, &mut client);
            server.act(Op::Transmit(64), &mut client);
            client.act(Op::Deliver(64), &mut server);
            if client.wire.is_empty() && server.wire.is_empty() && client.uses.len() == server.uses.len() {
                break;
            }
        }
        for _ in 0..100 {
            client.finish_all();
            server.finish_all();
            client.act(Op::Transmit(64), &mut server);
            server.act(Op::Deliver(64), &mut client);
            server.act(Op::Transmit(64), &mut client);
            client.act(Op::Deliver(64), &mut server);
        }
        for (writer, reader) in [(&client, &server), (&server, &client)] {
            for (channel, written) in &writer.uses {
                let read = &reader.uses[channel];
                match (written.ended, read.stopped) {
                    (_, true) => prop_assert!(read.read <= written.written),
                    (Some(Ok(())), false) => {
                        prop_assert_eq!(read.end, Some(Ok(())));
                        prop_assert_eq!(read.read, written.written);
                    }
                    // A reset after the end may come too late.
                    (ended, false) => prop_assert!(read.end == ended || read.read == written.written),
                }
            }
        }
        client.release_all();
        server.release_all();
        for _ in 0..10 {
            client.act(Op::Transmit(64), &mut server);
            server.act(Op::Deliver(64), &mut client);
            server.act(Op::Transmit(64), &mut client);
            client.act(Op::Deliver(64), &mut server);
        }
        prop_assert!(client.mux.channels.is_empty() && server.mux.channels.is_empty(), "nothing is left behind");
        prop_assert!(server.mux.granted >= client.mux.next.max(INITIAL_STREAMS));
    }

    #[test]
    fn whatever_arrives_is_bounded_and_never_panics(
        messages in prop::collection::vec(
            (0..40_u32, 0..7_u8, prop_oneof![
                prop::collection::vec(any::<u8>(), 0..6),
                (0..70_000_usize).prop_map(|n| vec![0; n]),
            ]),
            1..200,
        ),
        is_server in any::<bool>(),
    ) {
        let mut mux = if is_server { server() } else { client() };
        for _ in 0..4 {
            if let Some(channel) = mux.open() {
                mux.write(channel, &mut [Bytes::from_static(b"words")]).unwrap();
            }
        }
        while mux.transmit().is_some() {}
        for (channel, kind, body) in messages {
            if mux.receive(&message(channel, kind, &body)).is_err() {
                // The connection ends here.
                return Ok(());
            }
            while mux.transmit().is_some() {}
            while mux.event().is_some() {}
            prop_assert!(mux.channels.len() <= INITIAL_STREAMS as usize);
            prop_assert!(mux.held() <= mux.channels.len() * INITIAL_WINDOW as usize);
        }
    }
}
