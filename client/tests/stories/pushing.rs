use bytes::Bytes;
use dunlin_client::{Channel, Client, Code, JoinOptions, Message, PushError, Start};
use dunlin_proto::frame::{Refusal, channel::FromServer};
use tokio::join;

use crate::peer::{Member, Peer, Server, at, online};

async fn joined() -> (Server, Peer, Client, Channel, Member) {
    let (server, peer, client) = online().await;
    let (channel, member) = join!(client.join("a", JoinOptions::default()), peer.joined(Start::Live, at(0)));
    (server, peer, client, channel.unwrap(), member)
}

#[tokio::test(start_paused = true)]
async fn a_push_goes_up_and_its_reply_comes_down() {
    let (_server, _peer, _client, channel, mut member) = joined().await;
    let script = async {
        let push = member.push().await.unwrap();
        assert_eq!((&*push.event, push.payload.as_ref()), ("say", &b"\xa5hello"[..]));
        member.reply(push.reference, Code::OK, "done").await;
    };
    let (reply, ()) = join!(channel.push_value("say", "hello"), script);
    assert_eq!(reply.unwrap().payload, "done");
}

#[tokio::test(start_paused = true)]
async fn the_servers_no_is_an_error_and_an_old_yes_is_none() {
    let (_server, _peer, _client, channel, mut member) = joined().await;
    let (first, second) = (channel.push("e", "1"), channel.push("e", "2"));
    let script = async {
        let [first, second] = member.references().await;
        member.reply(first, Code::REJECTED, "not you").await;
        member.reply(second, Code::ALREADY_APPLIED, "").await;
    };
    let (first, second, ()) = join!(first, second, script);
    let refused = PushError::Refused { code: Code::REJECTED, message: "not you".into() };
    assert_eq!(first, Err(refused));
    assert_eq!(second.unwrap().payload, Bytes::new());
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_fails_here() {
    let (_server, _peer, _client, channel, _member) = joined().await;
    let error = channel.push("e", vec![0; 101]).await.unwrap_err();
    assert_eq!(error, PushError::TooLarge { len: 101, limit: 100 });
    assert_eq!(channel.push("", "").await.unwrap_err(), PushError::EventName(0));
    let key = "k".repeat(129);
    assert_eq!(channel.sender().send("e", "", Some(&key)).await.unwrap_err(), PushError::Key(129));
}

#[tokio::test(start_paused = true)]
async fn no_more_pushes_wait_than_the_server_allows() {
    let (_server, _peer, _client, channel, mut member) = joined().await;
    let sender = channel.sender();
    let mut handles = Vec::new();
    for _ in 0..6 {
        handles.push(sender.send("e", "", None).await.unwrap());
    }
    let mut waiting = member.references::<4>().await.to_vec();
    let window_is_full = async {
        tokio::select! {
            biased;
            push = member.push() => panic!("{push:?} beyond the window"),
            () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
        }
    };
    window_is_full.await;
    for _ in 0..2 {
        member.reply(waiting.remove(0), Code::OK, "").await;
        waiting.push(member.push().await.unwrap().reference);
    }
    for reference in waiting {
        member.reply(reference, Code::OK, "").await;
    }
    for handle in handles {
        handle.await.unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn a_reply_comes_through_when_events_have_filled_the_buffer() {
    let (_server, peer, client) = online().await;
    let options = JoinOptions { buffer: 2, ..JoinOptions::default() };
    let (channel, mut member) = join!(client.join("a", options), peer.joined(Start::Live, at(0)));
    let mut channel = channel.unwrap();
    let script = async {
        let reference = member.push().await.unwrap().reference;
        for offset in 1..=20 {
            member.event(offset).await;
        }
        member.reply(reference, Code::OK, "").await;
    };
    let (reply, ()) = join!(channel.push("e", ""), script);
    reply.unwrap();
    assert!(matches!(channel.next().await, Some(Message::Joined(_))));
    for offset in 1..=20 {
        assert_eq!(channel.next().await.unwrap().position(), Some(at(offset)));
    }
}

#[tokio::test(start_paused = true)]
async fn without_an_answer_a_push_goes_again_under_its_reference_and_in_order() {
    let (server, peer, _client, channel, mut member) = joined().await;
    let sender = channel.sender();
    let first = sender.send("first", "1", None).await.unwrap();
    let second = sender.send("second", "2", Some("k")).await.unwrap();
    let [one, two] = member.references().await;
    member.reply(one, Code::OK, "").await;
    first.await.unwrap();
    peer.connection.close(Code::INTERNAL.0, "");
    let third = sender.send("third", "3", None).await.unwrap();

    let peer = server.welcome().await;
    let mut member = peer.joined(Start::Recovered, at(0)).await;
    let again = member.push().await.unwrap();
    assert_eq!((again.reference, &*again.event, again.key.as_deref()), (two, "second", Some("k")));
    let new = member.push().await.unwrap();
    assert!(new.reference > two && &*new.event == "third");
    member.reply(two, Code::ALREADY_APPLIED, "").await;
    member.reply(new.reference, Code::OK, "").await;
    second.await.unwrap();
    third.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn references_rise_through_leaving_and_joining_again() {
    let (_server, peer, client, channel, mut member) = joined().await;
    let script = async {
        let [reference] = member.references().await;
        member.reply(reference, Code::OK, "").await;
        reference
    };
    let (reply, earlier) = join!(channel.push("e", ""), script);
    reply.unwrap();
    channel.leave().await;
    let (channel, mut member) =
        join!(client.join("a", JoinOptions::default()), peer.joined(Start::Live, at(0)));
    let _pending = channel.unwrap().sender().send("e", "", None).await.unwrap();
    let [later] = member.references().await;
    assert!(later > earlier);
}

#[tokio::test(start_paused = true)]
async fn leaving_waits_for_answers_but_not_forever() {
    let (_server, _peer, _client, channel, mut member) = joined().await;
    let answered = channel.sender().send("e", "", None).await.unwrap();
    let ignored = channel.sender().send("e", "", None).await.unwrap();
    let script = async {
        let [first, _] = member.references().await;
        member.reply(first, Code::OK, "").await;
        assert_eq!(member.push().await, None);
    };
    join!(channel.leave(), script);
    answered.await.unwrap();
    assert!(matches!(ignored.await.unwrap_err(), PushError::Closed(closed) if closed.code.is_none()));
}

#[tokio::test(start_paused = true)]
async fn when_a_channel_ends_waiting_and_later_pushes_are_told_why() {
    let (_server, _peer, _client, channel, mut member) = joined().await;
    let waiting = channel.sender().send("e", "", None).await.unwrap();
    member.push().await.unwrap();
    member.end(FromServer::Closed(Refusal::new(Code::FORBIDDEN))).await;
    let why = |error| matches!(error, PushError::Closed(closed) if closed.code == Some(Code::FORBIDDEN));
    assert!(why(waiting.await.unwrap_err()));
    assert!(why(channel.push("e", "").await.unwrap_err()));
}

#[tokio::test(start_paused = true)]
async fn pushes_wait_for_the_welcome() {
    let (server, peer, _client, channel, member) = joined().await;
    peer.connection.close(Code::INTERNAL.0, "");
    drop(member);
    let _pending = channel.sender().send("e", "", None).await.unwrap();
    let mut peer = server.hello().await;
    let mut member = peer.joined(Start::Recovered, at(0)).await;
    tokio::select! {
        biased;
        push = member.push() => panic!("{push:?} before the welcome"),
        () = tokio::time::sleep(std::time::Duration::from_secs(1)) => {}
    }
    peer.welcome().await;
    member.push().await.unwrap();
}
