//! Properties of the four decoders, for arbitrary frames and for arbitrary bytes.

mod frames;

use bytes::Bytes;
use dunlin_proto::{
    Code, Position,
    codec::PREFIX,
    frame::{
        DecodeError, Refusal,
        channel::{self, Event, Join, Joined, Push, Start},
        control::{self, Hello},
    },
    limits,
};
use proptest::{collection::vec, prelude::*};

/// The same properties for each decoder: its name, its type, and a strategy for its frames.
macro_rules! properties {
    ($($name:ident, $frame:ty, $any:expr;)*) => { $(mod $name {
        use super::*;
        use frames::element;

        proptest! {
            #[test]
            fn what_is_encoded_decodes_to_the_same(frame in $any) {
                prop_assert_eq!(<$frame>::decode(&body(&frame.encode())), Ok(frame));
            }

            #[test]
            fn a_frame_cut_short_is_an_error(frame in $any, cut in any::<prop::sample::Index>()) {
                let body = body(&frame.encode());
                let cut = body.slice(..cut.index(body.len()));
                prop_assert!(<$frame>::decode(&cut).is_err());
            }

            #[test]
            fn elements_of_a_newer_version_are_ignored(frame in $any, more in vec(element(), 1..4)) {
                let body = lengthened(&body(&frame.encode()), &more);
                prop_assert_eq!(<$frame>::decode(&body), Ok(frame));
            }

            #[test]
            fn bytes_after_the_array_are_an_error(frame in $any, more in vec(any::<u8>(), 1..9)) {
                let body = [&body(&frame.encode())[..], &more].concat().into();
                prop_assert!(matches!(<$frame>::decode(&body), Err(DecodeError::Malformed(_))));
            }

            #[test]
            fn arbitrary_bytes_never_panic(bytes in vec(any::<u8>(), 0..300)) {
                let _ = <$frame>::decode(&bytes.into());
            }

            #[test]
            fn a_changed_byte_never_panics(frame in $any, at in any::<prop::sample::Index>(), byte: u8) {
                let mut body = body(&frame.encode()).to_vec();
                let at = at.index(body.len());
                body[at] = byte;
                let _ = <$frame>::decode(&body.into());
            }
        }
    })* };
}

properties! {
    control_from_client, control::FromClient, frames::control_from_client();
    control_from_server, control::FromServer, frames::control_from_server();
    channel_from_client, channel::FromClient, frames::channel_from_client();
    channel_from_server, channel::FromServer, frames::channel_from_server();
}

#[test]
fn optional_fields_may_be_missing_at_the_end() {
    fn check<F: PartialEq + std::fmt::Debug>(
        decode: impl Fn(&Bytes) -> Result<F, DecodeError>,
        frame: F,
        encoded: &Bytes,
        nils: usize,
    ) {
        let mut short = body(encoded).to_vec();
        for _ in 0..nils {
            assert_eq!(short.pop(), Some(NIL), "{frame:?}");
            short[0] -= 1;
        }
        assert_eq!(decode(&short.into()), Ok(frame));
    }
    let hello = Hello { versions: vec![1], agent: "a".into(), client: [0; 16], resume: None, token: None };
    let push = Push { reference: 1, event: "e".into(), payload: Bytes::new(), key: None };
    let event = Event { offset: 1, at: 0, event: "e".into(), payload: Bytes::new(), key: None };
    let refusal = Refusal::new(Code::FORBIDDEN);
    let go_away = control::FromServer::GoAway { code: Code::GOING_AWAY, within_ms: 1, url: None };
    let frame = control::FromClient::Hello(hello);
    check(control::FromClient::decode, frame.clone(), &frame.encode(), 2);
    for (frame, nils) in [
        (control::FromServer::Refused(refusal.clone()), 1),
        (control::FromServer::Refreshed { expires_in_ms: None }, 1),
        (control::FromServer::Goodbye(refusal.clone()), 1),
        (go_away, 1),
    ] {
        check(control::FromServer::decode, frame.clone(), &frame.encode(), nils);
    }
    let frame = channel::FromClient::Push(push);
    check(channel::FromClient::decode, frame.clone(), &frame.encode(), 1);
    for (frame, nils) in [
        (channel::FromServer::Refused(refusal.clone()), 1),
        (channel::FromServer::Closed(refusal), 1),
        (channel::FromServer::Event(event), 1),
    ] {
        check(channel::FromServer::decode, frame.clone(), &frame.encode(), nils);
    }
}

#[test]
fn optional_fields_have_defaults() {
    let join = Ok(channel::FromClient::Join(Join::new("a".parse().unwrap())));
    for bytes in [&b"\x92\x10\xa1a"[..], b"\x95\x10\xa1a\xc0\xc0\xc0", b"\x96\x10\xa1a\xc0\xc0\xc0\xc0"] {
        assert_eq!(channel::FromClient::decode(&Bytes::copy_from_slice(bytes)), join);
    }
    let joined = Joined {
        position: Position::new(1, 2),
        start: Start::Live,
        applied: 3,
        reply: Bytes::new(),
        head: None,
        delivery: None,
    };
    for bytes in [
        &b"\x94\x11\x92\x01\x02\x00\x03"[..],
        b"\x95\x11\x92\x01\x02\x00\x03\xc0",
        b"\x96\x11\x92\x01\x02\x00\x03\xc0\xc0",
    ] {
        let decoded = channel::FromServer::decode(&Bytes::copy_from_slice(bytes));
        assert_eq!(decoded, Ok(channel::FromServer::Joined(joined.clone())));
    }
    let reply = channel::FromServer::Reply { reference: 1, code: Code::OK, payload: Bytes::new() };
    for bytes in [&b"\x93\x13\x01\x00"[..], b"\x94\x13\x01\x00\xc0"] {
        assert_eq!(channel::FromServer::decode(&Bytes::copy_from_slice(bytes)), Ok(reply.clone()));
    }
}

#[test]
fn integers_may_have_any_width() {
    let ping = Ok(control::FromClient::Ping { n: 7 });
    let widths: [&[u8]; 9] = [
        b"\x07",
        b"\xcc\x07",
        b"\xcd\0\x07",
        b"\xce\0\0\0\x07",
        b"\xcf\0\0\0\0\0\0\0\x07",
        b"\xd0\x07",
        b"\xd1\0\x07",
        b"\xd2\0\0\0\x07",
        b"\xd3\0\0\0\0\0\0\0\x07",
    ];
    for n in widths {
        assert_eq!(control::FromClient::decode(&[b"\x92\x08", n].concat().into()), ping);
        assert_eq!(control::FromClient::decode(&[b"\xdc\0\x02\xcd\0\x08", n].concat().into()), ping);
    }
}

#[test]
fn what_is_out_of_range_or_of_another_type_is_refused() {
    let code = |bytes: &[u8]| channel::FromClient::decode(&Bytes::copy_from_slice(bytes)).unwrap_err().code();
    assert_eq!(code(b""), Code::MALFORMED);
    assert_eq!(code(b"\x90"), Code::MALFORMED, "no kind");
    assert_eq!(code(b"\x81\x10\xa1a"), Code::MALFORMED, "a map");
    assert_eq!(code(b"\x92\xff\xa1a"), Code::MALFORMED, "a negative kind");
    assert_eq!(code(b"\x92\x10\xc4\x01a"), Code::MALFORMED, "bin for str");
    assert_eq!(code(b"\x92\x10\xa1\xff"), Code::MALFORMED, "not UTF-8");
    assert_eq!(code(b"\x94\x12\x01\xa1e\xa1p"), Code::MALFORMED, "str for bin");
    assert_eq!(code(b"\x93\x10\xa1a\x93\x01\x02\x03"), Code::MALFORMED, "a position of three");
    assert_eq!(code(b"\x91\x14"), Code::UNEXPECTED_FRAME, "an event from a client");
    assert_eq!(code(b"\x91\x01"), Code::UNEXPECTED_FRAME, "a frame of the control stream");
    assert_eq!(code(b"\x92\x10\xa1*"), Code::ILLEGAL_TOPIC);
    assert_eq!(code(b"\x94\x10\xa1a\xc0\x04"), Code::ILLEGAL_VALUE, "no such delivery");
    assert_eq!(
        code(b"\x98\x10\xa1a\xc0\xc0\xc0\xc0\xc0\xce\xff\xff\xff\xff"),
        Code::ILLEGAL_VALUE,
        "an interval of weeks"
    );
    assert_eq!(code(b"\x93\x1b\xc0\xce\xff\xff\xff\xff"), Code::ILLEGAL_VALUE, "the same, adjusted");
    assert_eq!(code(b"\x92\x1b\xcd\x01\0"), Code::ILLEGAL_VALUE, "priority 256, adjusted");
    assert_eq!(code(b"\x95\x10\xa1a\xc0\xc0\xcd\x01\0"), Code::ILLEGAL_VALUE, "priority 256");
    assert_eq!(code(b"\x94\x12\0\xa1e\xc4\0"), Code::ILLEGAL_VALUE, "reference 0");
    assert_eq!(code(b"\x94\x12\x01\xa0\xc4\0"), Code::ILLEGAL_VALUE, "an event without a name");
    assert_eq!(code(b"\x94\x12\xcf\0\x20\0\0\0\0\0\0\xa1e\xc4\0"), Code::ILLEGAL_VALUE, "2^53");
}

#[test]
fn fields_over_their_limit_are_refused() {
    let push = |event: usize, key: usize| {
        let push = Push {
            reference: 1,
            event: "e".repeat(event).into(),
            payload: Bytes::new(),
            key: Some("k".repeat(key).into()),
        };
        channel::FromClient::decode(&body(&channel::FromClient::Push(push).encode()))
    };
    assert!(push(limits::MAX_EVENT_LEN, limits::MAX_KEY_LEN).is_ok());
    assert_eq!(push(limits::MAX_EVENT_LEN + 1, 0), Err(DecodeError::Value("event")));
    assert_eq!(push(1, limits::MAX_KEY_LEN + 1), Err(DecodeError::Value("key")));

    let hello = |versions: u32, agent: usize, resume: usize, token: usize| {
        let hello = Hello {
            versions: (0..versions).collect(),
            agent: "a".repeat(agent),
            client: [0; 16],
            resume: Some(vec![0; resume].into()),
            token: Some("t".repeat(token)),
        };
        control::FromClient::decode(&body(&control::FromClient::Hello(hello).encode()))
    };
    let (versions, text, token) = (limits::MAX_VERSIONS, limits::MAX_TEXT_LEN, limits::MAX_TOKEN_LEN);
    assert!(hello(versions, text, token, token).is_ok());
    assert_eq!(hello(versions + 1, 0, 0, 0), Err(DecodeError::Value("versions")));
    assert_eq!(hello(0, text + 1, 0, 0), Err(DecodeError::Value("agent")));
    assert_eq!(hello(0, 0, token + 1, 0), Err(DecodeError::Value("resume")));
    assert_eq!(hello(0, 0, 0, token + 1), Err(DecodeError::Value("token")));

    let client_id = b"\x96\x01\x91\x01\xa0\xc4\x0f123456789012345\xc0\xc0";
    let decoded = control::FromClient::decode(&Bytes::from_static(client_id));
    assert_eq!(decoded, Err(DecodeError::Value("client")), "15 bytes");

    let refusal = |len: usize| {
        let refusal = Refusal { code: Code::REJECTED, message: "m".repeat(len), retry_after_ms: None };
        channel::FromServer::decode(&body(&channel::FromServer::Closed(refusal).encode()))
    };
    assert!(refusal(text).is_ok());
    assert_eq!(refusal(text + 1), Err(DecodeError::Value("message")));
}

const NIL: u8 = 0xc0;

/// The frame without its length prefix.
fn body(encoded: &Bytes) -> Bytes {
    encoded.slice(PREFIX..)
}

/// The array with more elements at its end. Frames are short enough for the count to fit into their first byte.
fn lengthened(body: &[u8], more: &[Vec<u8>]) -> Bytes {
    let mut longer = [body, &more.concat()].concat();
    longer[0] += u8::try_from(more.len()).expect("a few");
    assert!((0x91..=0x9f).contains(&longer[0]));
    longer.into()
}
