//! Strategies for arbitrary frames.

use bytes::Bytes;
use dunlin_proto::{
    Code, Limits, Position, Topic,
    frame::{
        Refusal,
        channel::{self, Adjust, Delivery, Event, Join, Joined, Push, Start},
        control::{self, Hello, Welcome},
        presence,
    },
    limits, position,
};
use proptest::{collection::vec, option, prelude::*};

/// One MessagePack value of any type, also of those that no frame uses.
pub(crate) fn element() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![
        b"\xc0".to_vec(),
        b"\xc3".to_vec(),
        b"\xff".to_vec(),
        b"\xa1x".to_vec(),
        b"\xc4\x01x".to_vec(),
        b"\x92\x01\x02".to_vec(),
        b"\x81\x01\x02".to_vec(),
        b"\xca\0\0\0\0".to_vec(),
        b"\xd4\x01\x02".to_vec(),
    ])
}

fn number() -> impl Strategy<Value = u64> {
    prop_oneof![0..200u64, 0..=position::MAX, Just(position::MAX)]
}

/// Text of at most this many bytes, with characters of all lengths.
fn text(max: usize) -> impl Strategy<Value = String> {
    vec(any::<char>(), 0..=max / 4).prop_map(String::from_iter)
}

fn name(max: usize) -> impl Strategy<Value = Box<str>> {
    text(max - 4).prop_map(|text| format!("e{text}").into())
}

fn data() -> impl Strategy<Value = Bytes> {
    vec(any::<u8>(), 0..300).prop_map(Bytes::from)
}

fn code() -> impl Strategy<Value = Code> {
    any::<u32>().prop_map(Code)
}

fn place() -> impl Strategy<Value = Position> {
    (number(), number()).prop_map(|(epoch, offset)| Position::new(epoch, offset))
}

fn any_topic() -> impl Strategy<Value = Topic> {
    "[a-z0-9$._-]{1,8}([:/][A-Z~@+=,!]{1,8}){0,3}"
        .prop_map(|name| name.parse().expect("the expression matches legal names only"))
}

fn refusal() -> impl Strategy<Value = Refusal> {
    (code(), text(limits::MAX_TEXT_LEN), option::of(number()))
        .prop_map(|(code, message, retry_after_ms)| Refusal { code, message, retry_after_ms })
}

pub(crate) fn control_from_client() -> impl Strategy<Value = control::FromClient> {
    use control::FromClient as F;
    let hello =
        (vec(any::<u32>(), 0..=16), text(512), any::<[u8; 16]>(), option::of(data()), option::of(text(600)));
    prop_oneof![
        hello.prop_map(|(versions, agent, client, resume, token)| F::Hello(Hello {
            versions,
            agent,
            client,
            resume,
            token
        })),
        text(600).prop_map(|token| F::Refresh { token }),
        Just(F::Pause),
        Just(F::Resume),
        number().prop_map(|n| F::Ping { n }),
        (code(), text(512)).prop_map(|(code, message)| F::Goodbye { code, message }),
    ]
}

pub(crate) fn control_from_server() -> impl Strategy<Value = control::FromServer> {
    use control::FromServer as F;
    let bounds = (any::<u32>(), any::<u32>(), any::<u32>()).prop_map(|(payload, channels, pushes)| Limits {
        payload: payload as usize,
        channels,
        pushes,
    });
    let times = (number(), number(), option::of(number()));
    let welcome = (any::<u32>(), text(512), data(), any::<bool>(), times, bounds, text(512));
    prop_oneof![
        welcome.prop_map(|(version, session, resume, resumed, times, limits, agent)| {
            let (linger_ms, idle_ms, expires_in_ms) = times;
            F::Welcome(Welcome {
                version,
                session,
                resume,
                resumed,
                linger_ms,
                idle_ms,
                limits,
                agent,
                expires_in_ms,
            })
        }),
        refusal().prop_map(F::Refused),
        option::of(number()).prop_map(|expires_in_ms| F::Refreshed { expires_in_ms }),
        number().prop_map(|n| F::Pong { n }),
        (code(), number(), option::of(text(512))).prop_map(|(code, within_ms, url)| F::GoAway {
            code,
            within_ms,
            url
        }),
        refusal().prop_map(F::Goodbye),
    ]
}

fn delivery() -> impl Strategy<Value = Option<Delivery>> {
    option::of(prop::sample::select(Delivery::ALL.to_vec()))
}

pub(crate) fn channel_from_client() -> impl Strategy<Value = channel::FromClient> {
    use channel::FromClient as F;
    let presence =
        prop::sample::select(vec![presence::Ask::None, presence::Ask::Full, presence::Ask::Counts]);
    let times = (option::of(0..=limits::MAX_INTERVAL_MS), option::of(0..=limits::MAX_DEADLINE_MS));
    // The last field is always there, or what comes after would take its place.
    let more = (option::of(0..=limits::MAX_REWIND), any::<u32>());
    let join = (any_topic(), option::of(place()), delivery(), any::<u8>(), option::of(data()), presence);
    prop_oneof![
        (join, times.clone(), more).prop_map(|(join, times, more)| {
            let (topic, since, delivery, priority, params, presence) = join;
            let ((interval_ms, deadline_ms), (rewind, flow)) = (times, more);
            let flow = Some(flow);
            F::Join(Join {
                topic,
                since,
                delivery,
                priority,
                params,
                presence,
                interval_ms,
                deadline_ms,
                rewind,
                flow,
            })
        }),
        (option::of(any::<u8>()), times).prop_map(|(priority, (interval_ms, deadline_ms))| {
            F::Adjust(Adjust { priority, interval_ms, deadline_ms })
        }),
        (1..=position::MAX, name(128), data(), option::of(name(128)))
            .prop_map(|(reference, event, payload, key)| F::Push(Push { reference, event, payload, key })),
    ]
}

fn head() -> impl Strategy<Value = presence::Head> {
    (number(), number(), number()).prop_map(|(version, keys, entries)| presence::Head {
        version,
        keys,
        entries,
    })
}

fn entry() -> impl Strategy<Value = presence::Entry> {
    (name(128), number(), data(), any::<bool>()).prop_map(|(key, id, data, away)| presence::Entry {
        key,
        id,
        data,
        away,
    })
}

fn leave() -> impl Strategy<Value = presence::Leave> {
    (name(128), number()).prop_map(|(key, id)| presence::Leave { key, id })
}

pub(crate) fn channel_from_server() -> impl Strategy<Value = channel::FromServer> {
    use channel::FromServer as F;
    let start = prop::sample::select(vec![Start::Live, Start::Recovered, Start::Lost]);
    prop_oneof![
        (place(), start, number(), data(), option::of(number()), delivery()).prop_map(
            |(position, start, applied, reply, head, delivery)| F::Joined(Joined {
                position,
                start,
                applied,
                reply,
                head,
                delivery
            })
        ),
        refusal().prop_map(F::Refused),
        (number(), number(), name(128), data(), option::of(name(128))).prop_map(
            |(offset, at, event, payload, key)| F::Event(Event { offset, at, event, payload, key })
        ),
        (number(), number()).prop_map(|(from, to)| F::Gap { from, to }),
        place().prop_map(F::Restarted),
        (number(), code(), data()).prop_map(|(reference, code, payload)| F::Reply {
            reference,
            code,
            payload
        }),
        (name(128), data()).prop_map(|(event, payload)| F::Direct { event, payload }),
        refusal().prop_map(F::Closed),
        (head(), number(), option::of(vec(entry(), 0..5)))
            .prop_map(|(head, left, list)| F::PresenceState(presence::State { head, left, list })),
        (head(), vec(entry(), 0..4), vec(entry(), 0..4), vec(leave(), 0..4)).prop_map(
            |(head, joins, updates, leaves)| F::PresenceDiff(presence::Diff { head, joins, updates, leaves })
        ),
    ]
}
