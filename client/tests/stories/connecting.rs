use std::time::Duration;

use dunlin_client::{Client, Code, ConnectError, State, Transport};
use dunlin_proto::frame::{
    Refusal,
    control::{FromClient, FromServer},
};
use tokio::{join, time::Instant};

use crate::peer::{online, server};

#[tokio::test(start_paused = true)]
async fn hello_introduces_the_client_and_a_welcome_puts_it_online() {
    let (server, builder) = server();
    let (client, peer) = join!(builder.agent("app/1").token("secret").connect(), server.welcome());
    let client = client.unwrap();
    assert_eq!(peer.hello.agent, "app/1");
    assert_eq!(peer.hello.token.as_deref(), Some("secret"));
    assert_eq!(peer.hello.resume, None);
    let online = State::Online { session: "s".into(), resumed: false, transport: Transport::Memory };
    assert_eq!(*client.state().borrow(), online);
    assert_eq!(client.connection().unwrap().agent, "script");
}

#[tokio::test(start_paused = true)]
async fn a_final_no_is_an_error_with_its_code() {
    let (server, builder) = server();
    let refuse = async {
        let mut peer = server.hello().await;
        peer.say(FromServer::Refused(Refusal::new(Code::FORBIDDEN))).await;
        peer
    };
    let (error, _peer) = join!(builder.connect(), refuse);
    assert_eq!(error.unwrap_err().code(), Some(Code::FORBIDDEN));
}

#[tokio::test(start_paused = true)]
async fn a_no_that_names_a_time_is_tried_again_after_it() {
    let (server, builder) = server();
    let script = async {
        let mut peer = server.hello().await;
        let told = Instant::now();
        let refusal = Refusal { retry_after_ms: Some(3000), ..Refusal::new(Code::FORBIDDEN) };
        peer.say(FromServer::Refused(refusal)).await;
        let again = server.welcome().await;
        assert!((Duration::from_secs(3)..=Duration::from_secs(6)).contains(&told.elapsed()));
        assert_eq!(again.hello.client, peer.hello.client);
        again
    };
    let (client, _peer) = join!(builder.connect(), script);
    client.unwrap();
}

#[tokio::test(start_paused = true)]
async fn without_a_server_connecting_fails_in_time_and_says_where() {
    let (server, builder) = server();
    server.stop();
    let start = Instant::now();
    let error = builder.connect_timeout(Duration::from_secs(4)).connect().await.unwrap_err();
    assert_eq!(start.elapsed(), Duration::from_secs(4));
    let ConnectError::Unreachable { url, problem, .. } = error else { panic!("{error}") };
    assert_eq!(url, "dunlin://127.0.0.1:4433");
    assert!(problem.contains("takes no connections"), "{problem}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_was_opened_goes_on_trying_and_says_when_it_is_offline() {
    let (server, builder) = server();
    server.stop();
    let client = builder.open();
    let mut state = client.state();
    assert_eq!(*state.borrow(), State::Connecting);
    state.wait_for(|state| matches!(state, State::Offline { .. })).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_given_up_and_dialled_again() {
    let (server, peer, client) = online().await;
    // It reads nothing and says nothing, and no error ever comes.
    let again = server.welcome().await;
    assert_eq!(again.hello.resume.as_deref(), Some(&b"ticket"[..]));
    let mut state = client.state();
    state.wait_for(|state| matches!(state, State::Online { resumed: true, .. })).await.unwrap();
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_by_number() {
    let (_server, mut peer, client) = online().await;
    let pong = async {
        let FromClient::Ping { n } = peer.hear().await else { panic!("not a ping") };
        tokio::time::sleep(Duration::from_millis(30)).await;
        peer.say(FromServer::Pong { n }).await;
    };
    let (time, ()) = join!(client.ping(), pong);
    assert_eq!(time.unwrap(), Duration::from_millis(30));
}

#[tokio::test(start_paused = true)]
async fn a_pause_is_said_again_on_each_connection_until_it_ends() {
    let (server, mut peer, client) = online().await;
    client.pause();
    assert_eq!(peer.hear().await, FromClient::Pause);
    peer.connection.close(Code::INTERNAL.0, "");
    let mut peer = server.welcome().await;
    assert_eq!(peer.hear().await, FromClient::Pause);
    client.resume();
    assert_eq!(peer.hear().await, FromClient::Resume);
}

#[tokio::test(start_paused = true)]
async fn closing_says_goodbye() {
    let (_server, mut peer, client) = online().await;
    let state = client.state();
    let goodbye = async {
        assert!(matches!(peer.hear().await, FromClient::Goodbye { code: Code::OK, .. }));
        peer.connection.close(Code::OK.0, "");
    };
    join!(client.close(), goodbye);
    assert!(matches!(&*state.borrow(), State::Closed(closed) if closed.code.is_none()));
}

#[tokio::test(start_paused = true)]
async fn the_last_handle_says_goodbye_too() {
    let (_server, mut peer, client) = online().await;
    let clone = client.clone();
    drop(client);
    clone.pause();
    assert_eq!(peer.hear().await, FromClient::Pause);
    drop(clone);
    assert!(matches!(peer.hear().await, FromClient::Goodbye { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_can_do_nothing_more() {
    let (_server, mut peer, client) = online().await;
    peer.say(FromServer::Goodbye(Refusal::new(Code::SESSION_MOVED))).await;
    let mut state = client.state();
    let state = state.wait_for(|state| matches!(state, State::Closed(_))).await.unwrap().clone();
    let State::Closed(closed) = state else { unreachable!() };
    assert_eq!(closed.code, Some(Code::SESSION_MOVED));
    assert_eq!(client.ping().await, Err(closed.clone()));
    assert!(client.join("a", Default::default()).await.is_err());
    assert_eq!(client.connection(), None);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_ended_is_not_resumed() {
    let (server, mut peer, _client) = online().await;
    peer.say(FromServer::Goodbye(Refusal::new(Code::SESSION_ENDED))).await;
    assert_eq!(server.hello().await.hello.resume, None);
}

#[tokio::test(start_paused = true)]
async fn who_is_sent_away_leaves_within_the_time_and_resumes() {
    let (server, mut peer, _client) = online().await;
    let told = Instant::now();
    peer.say(FromServer::GoAway { code: Code::GOING_AWAY, within_ms: 2000, url: None }).await;
    assert_eq!(server.hello().await.hello.resume.as_deref(), Some(&b"ticket"[..]));
    assert!(told.elapsed() <= Duration::from_millis(2200));
    assert!(peer.connection.close_reason().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_wrong_url_is_told_at_once() {
    let error = Client::connect("http://example.org").await.unwrap_err();
    assert!(matches!(error, ConnectError::Url(_)));
}
