//! Who may do what, and for how long: stories about tokens.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use bytes::Bytes;
use dunlin_auth::{Algorithm, SigningKey, sign};
use dunlin_client::{
    Ask, Client, Code, Delivery, JoinError, JoinOptions, Message, Position, PushError, Start, State,
};
use dunlin_proto::frame::{
    Refusal,
    channel::{self, Push},
    control::{FromClient, FromServer, Hello},
};
use dunlin_server::{
    auth::{Revoke, Right},
    channel::{Channel, Context},
};
use dunlin_tests::{
    over_every_transport,
    raw::{self, Stream, close_code, greet, hello, join, joined, push},
    server::{Over, Running},
    soon,
    token::{self, SECRET, claims, now, token},
};
use serde_json::{Value, json};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};
use tokio::sync::watch;

over_every_transport!(
    a_token_opens_what_it_allows_and_nothing_else,
    tokens_that_are_no_good_are_refused_with_a_code,
    a_token_is_renewed_before_it_expires_and_nobody_notices,
    a_token_that_cannot_be_renewed_ends_the_client_with_a_code,
    a_client_that_finds_a_new_token_late_resumes_its_session,
    what_is_revoked_ends_at_once,
    a_narrower_token_ends_what_it_does_not_allow,
    a_session_is_its_users_own,
    what_is_too_much_is_refused_and_nobody_else_notices,
);

const AUTH: (&str, &str) = ("auth.secret", SECRET);
const STRICT: (&str, &str) = ("auth.leeway", "0s");

async fn client(server: &Running, token: &str) -> Client {
    soon("a welcome", server.builder().token(token).connect()).await.unwrap()
}

async fn refused(client: &Client, topic: &str, options: JoinOptions) -> Code {
    match soon("a refusal", client.join(topic, options)).await {
        Err(JoinError::Refused { code, message }) => {
            assert!(!message.contains("eyJ"), "{message}");
            code
        }
        other => panic!("{other:?}"),
    }
}

fn push_code(error: &PushError) -> Option<Code> {
    match error {
        PushError::Refused { code, .. } => Some(*code),
        _ => None,
    }
}

async fn a_token_opens_what_it_allows_and_nothing_else(over: Over) {
    let server = Running::start(over, &[AUTH]).await;
    let reader = client(
        &server,
        &token(&json!({"sub": "ada", "dunlin": [
            {"topics": "room:*", "may": ["join"], "delivery": ["reliable"]},
            {"topics": "in:*", "may": ["push"], "limits": {"payload": 8}},
        ]})),
    )
    .await;
    let writer = client(&server, &token::of("bob")).await;
    let mut hears = soon("a join", reader.join("room:1", JoinOptions::default())).await.unwrap();
    let says = soon("a join", writer.join("room:1", JoinOptions::default())).await.unwrap();

    let error = soon("a reply", hears.push("said", "hi")).await.unwrap_err();
    assert_eq!(push_code(&error), Some(Code::FORBIDDEN), "{error}");
    let oldest = JoinOptions { since: Some(Position::OLDEST), ..JoinOptions::default() };
    let latest = JoinOptions { delivery: Some(Delivery::Latest), ..JoinOptions::default() };
    let silent = JoinOptions { delivery: Some(Delivery::None), ..JoinOptions::default() };
    let curious = JoinOptions { presence: Ask::Counts, ..JoinOptions::default() };
    for (topic, options) in [
        ("room:2", oldest),
        ("room:2", latest),
        ("room:2", curious),
        ("in:1", JoinOptions::default()),
        ("x", silent.clone()),
    ] {
        assert_eq!(refused(&reader, topic, options).await, Code::FORBIDDEN, "{topic}");
    }
    let only_says = soon("a join", reader.join("in:1", silent)).await.unwrap();
    soon("a reply", only_says.push("e", "12345678")).await.unwrap();
    let error = soon("a reply", only_says.push("e", "123456789")).await.unwrap_err();
    assert_eq!(push_code(&error), Some(Code::PAYLOAD_TOO_LARGE), "{error}");

    // Nobody else has noticed, and the membership goes on.
    soon("a reply", says.push("said", "hello")).await.unwrap();
    loop {
        match soon("an event", hears.next()).await.unwrap() {
            Message::Event(event) => break assert_eq!(event.payload, "hello"),
            other => assert!(matches!(other, Message::Joined(_)), "{other:?}"),
        }
    }
}

async fn tokens_that_are_no_good_are_refused_with_a_code(over: Over) {
    let public = concat!(env!("CARGO_MANIFEST_DIR"), "/../server/auth/tests/keys/rsa.pub.pem");
    let settings =
        [AUTH, STRICT, ("auth.public_key", public), ("auth.audience", "dunlin"), ("auth.issuer", "us")];
    let server = Running::start(over, &settings).await;
    let good = json!({"iss": "us", "aud": "dunlin", "sub": "ada"});
    let with = |changes: Value| {
        let mut all = good.clone();
        all.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        token(&all)
    };
    let signed = |secret: &str| {
        sign(&claims(&good), &SigningKey::secret(secret, Algorithm::Hs256).unwrap(), None).unwrap()
    };
    let unsigned = {
        let signed = with(json!({}));
        // {"alg":"none"}
        format!("eyJhbGciOiJub25lIn0.{}.", signed.split('.').nth(1).unwrap())
    };
    let (_control, welcome) =
        greet(&server.dial().await, Hello { token: Some(with(json!({}))), ..hello() }).await;
    assert!((3_500_000..=3_600_000).contains(&welcome.expires_in_ms.unwrap()), "{welcome:?}");
    for (what, token, code) in [
        ("none", None, Code::TOKEN_REQUIRED),
        ("forged", Some(signed("what only some villain and nobody else knows")), Code::TOKEN_REQUIRED),
        ("confused", Some(signed(&std::fs::read_to_string(public).unwrap())), Code::TOKEN_REQUIRED),
        ("unsigned", Some(unsigned), Code::TOKEN_REQUIRED),
        ("expired", Some(with(json!({"exp": now() - 1}))), Code::TOKEN_EXPIRED),
        ("early", Some(with(json!({"nbf": now() + 60}))), Code::TOKEN_REQUIRED),
        ("for others", Some(with(json!({"aud": "them"}))), Code::TOKEN_REQUIRED),
        ("by others", Some(with(json!({"iss": "them"}))), Code::TOKEN_REQUIRED),
        ("for ever", Some(with(json!({"exp": 9_000_000_000_u64}))), Code::TOKEN_REQUIRED),
        (
            "too wide",
            Some(with(json!({"dunlin": [{"topics": "$server/*", "may": ["join"]}]}))),
            Code::TOKEN_REQUIRED,
        ),
        ("no token", Some("open sesame".into()), Code::TOKEN_REQUIRED),
        ("giant", Some("a".repeat(8193)), Code::ILLEGAL_VALUE),
    ] {
        let connection = server.dial().await;
        let mut control = Stream::open(&connection).await;
        control.send(FromClient::Hello(Hello { token: token.clone(), ..hello() }).encode()).await;
        match control.control().await {
            Some(FromServer::Refused(refusal)) => {
                assert_eq!(refusal.code, code, "{what}");
                let told = refusal.message;
                assert!(
                    token.is_none_or(|token| !told.contains(&token[..8])) && !told.contains("iss"),
                    "{told}"
                );
            }
            other => panic!("{what}: {other:?}"),
        }
        assert_eq!(close_code(&connection).await, code.0, "{what}");
    }
}

/// Gives out tokens of a second or two.
fn issuer(
    lifetime: u64,
    count: &Arc<AtomicU32>,
    told: &watch::Sender<u32>,
) -> impl Fn() -> Found + Send + Sync + use<> {
    let (count, told) = (count.clone(), told.clone());
    move || {
        let n = count.fetch_add(1, SeqCst) + 1;
        told.send_replace(n);
        std::future::ready(Ok(short(lifetime)))
    }
}

type Found = std::future::Ready<Result<String, String>>;

fn short(lifetime: u64) -> String {
    token(
        &json!({"sub": "ada", "exp": now() + lifetime, "dunlin": [{"topics": "*", "may": ["join", "push"]}]}),
    )
}

async fn a_token_is_renewed_before_it_expires_and_nobody_notices(over: Over) {
    let server = Running::start(over, &[AUTH, STRICT]).await;
    let (count, told) = (Arc::default(), watch::Sender::new(0));
    let builder = server.builder().token_callback(issuer(3, &count, &told));
    let client = soon("a welcome", builder.connect()).await.unwrap();
    let channel = soon("a join", client.join("room:1", JoinOptions::default())).await.unwrap();
    let online = client.state().borrow().clone();
    // The third one is asked for when the first has long expired.
    soon("renewals", told.subscribe().wait_for(|n| *n >= 3)).await.unwrap();
    soon("a reply", channel.push("e", "still here")).await.unwrap();
    assert_eq!(*client.state().borrow(), online);
    let connections = client.connection().unwrap().connections;
    let all = [connections.quic, connections.webtransport, connections.websocket, connections.memory];
    assert_eq!(all.iter().sum::<u64>(), 1);
}

async fn a_token_that_cannot_be_renewed_ends_the_client_with_a_code(over: Over) {
    let server = Running::start(over, &[AUTH, STRICT]).await;
    let client = client(&server, &short(2)).await;
    let mut state = client.state();
    match soon("the end", state.wait_for(|state| matches!(state, State::Closed(_)))).await.unwrap().clone() {
        State::Closed(closed) => assert_eq!(closed.code, Some(Code::TOKEN_EXPIRED), "{closed}"),
        other => panic!("{other:?}"),
    }
    assert!(server.counter("dunlin_refusals_total", "TOKEN_EXPIRED").await.unwrap() >= 1.0);
}

async fn a_client_that_finds_a_new_token_late_resumes_its_session(over: Over) {
    let server = Running::start(over, &[AUTH, STRICT]).await;
    let count = AtomicU32::new(0);
    let builder = server.builder().token_callback(move || {
        std::future::ready(match count.fetch_add(1, SeqCst) {
            0 => Ok(short(2)),
            // The one that would have come in time.
            1 => Err("the issuer is away"),
            _ => Ok(short(60)),
        })
    });
    let client = soon("a welcome", builder.connect()).await.unwrap();
    let mut channel = soon("a join", client.join("room:1", JoinOptions::default())).await.unwrap();
    loop {
        match soon("the next join", channel.next()).await {
            Some(Message::Joined(joined)) if joined.again => {
                // Without the right to history: what a member missed is its own.
                assert_eq!(joined.start, Start::Recovered);
                break;
            }
            Some(_) => {}
            None => panic!("{:?}", channel.closed()),
        }
    }
    assert!(matches!(&*client.state().borrow(), State::Online { resumed: true, .. }));
    soon("a reply", channel.push("e", "back")).await.unwrap();
}

async fn what_is_revoked_ends_at_once(over: Over) {
    let server = Running::start(over, &[AUTH]).await;
    let own = |user: &str, id: &str| {
        token(&json!({"sub": user, "jti": id, "dunlin": [{"topics": "*", "may": ["join", "push"]}]}))
    };
    let other = client(&server, &own("eve", "t9")).await;
    let stays = soon("a join", other.join("room:1", JoinOptions::default())).await.unwrap();
    for (n, user) in ["ada", "bob", "cy"].into_iter().enumerate() {
        let token = own(user, &format!("t{n}"));
        let client = client(&server, &token).await;
        let _member = soon("a join", client.join("room:1", JoinOptions::default())).await.unwrap();
        let what = match n {
            0 => Revoke::User(user.into()),
            1 => Revoke::Token("t1".into()),
            _ => Revoke::Session(client.connection().unwrap().session),
        };
        let (mut state, start) = (client.state(), Instant::now());
        assert_eq!(server.revoke(&what), 1);
        match soon("the end", state.wait_for(|state| matches!(state, State::Closed(_))))
            .await
            .unwrap()
            .clone()
        {
            State::Closed(closed) => assert_eq!(closed.code, Some(Code::TOKEN_EXPIRED), "{what:?} {closed}"),
            other => panic!("{other:?}"),
        }
        assert!(start.elapsed() < Duration::from_secs(1), "{what:?} {:?}", start.elapsed());
        // Nor does the token open another session.
        let again = soon("an answer", server.builder().token(token).connect()).await.unwrap_err();
        assert_eq!(again.code(), Some(Code::TOKEN_EXPIRED), "{what:?}");
    }
    soon("a reply", stays.push("e", "undisturbed")).await.unwrap();
    assert_eq!(server.revoke(&Revoke::User("nobody".into())), 0);
}

async fn a_narrower_token_ends_what_it_does_not_allow(over: Over) {
    let server = Running::start(over, &[AUTH]).await;
    let connection = server.dial().await;
    let (mut control, welcome) = greet(&connection, Hello { token: Some(token::of("ada")), ..hello() }).await;
    assert!(welcome.expires_in_ms.is_some());
    let (mut kept, _) = joined(&connection, join("a")).await;
    let (mut lost, _) = joined(&connection, join("b")).await;
    let narrow = token(&json!({"sub": "ada", "dunlin": [{"topics": "a", "may": ["join"]}]}));
    control.send(FromClient::Refresh { token: narrow }.encode()).await;
    assert!(matches!(control.control().await, Some(FromServer::Refreshed { expires_in_ms: Some(_) })));
    match lost.channel().await {
        Some(channel::FromServer::Closed(refusal)) => assert_eq!(refusal.code, Code::FORBIDDEN),
        other => panic!("{other:?}"),
    }
    kept.send(push(1, "no more")).await;
    match kept.channel().await {
        Some(channel::FromServer::Reply { code, .. }) => assert_eq!(code, Code::FORBIDDEN),
        other => panic!("{other:?}"),
    }
    // A token that is none ends the session, as does one of somebody else.
    control.send(FromClient::Refresh { token: token::of("bob") }.encode()).await;
    assert!(
        matches!(control.control().await, Some(FromServer::Goodbye(refusal)) if refusal.code == Code::FORBIDDEN)
    );
    assert_eq!(close_code(&connection).await, Code::FORBIDDEN.0);
}

async fn a_session_is_its_users_own(over: Over) {
    let server = Running::start(over, &[AUTH]).await;
    let connection = server.dial().await;
    let mine = Hello { token: Some(token::of("ada")), ..hello() };
    let (_control, welcome) = greet(&connection, mine.clone()).await;
    // Somebody has stolen the ticket, and has a token of their own.
    let thief = Hello { resume: Some(welcome.resume.clone()), token: Some(token::of("eve")), ..hello() };
    let (_control, theirs) = greet(&server.dial().await, thief).await;
    assert!(!theirs.resumed && theirs.session != welcome.session);
    let back = Hello { resume: Some(welcome.resume), ..mine };
    let (_control, again) = greet(&server.dial().await, back).await;
    assert!(again.resumed && again.session == welcome.session);
}

async fn what_is_too_much_is_refused_and_nobody_else_notices(over: Over) {
    let server = Running::start(over, &[("rate.pushes", "5"), ("rate.joins", "3")]).await;
    let (loud, quiet) = (server.client().await, server.client().await);
    let says = soon("a join", loud.join("room:1", JoinOptions::default())).await.unwrap();
    let calm = soon("a join", quiet.join("room:1", JoinOptions::default())).await.unwrap();
    let mut answers = Vec::new();
    for n in 0..50_u32 {
        answers.push(says.sender().send("n", n.to_be_bytes().to_vec(), None).await.unwrap());
    }
    let mut limited = 0;
    for answer in answers {
        match soon("a reply", answer).await {
            Ok(_) => {}
            Err(error) => {
                assert_eq!(push_code(&error), Some(Code::RATE_LIMITED), "{error}");
                assert!(error.to_string().contains(" ms"), "{error}");
                limited += 1;
            }
        }
    }
    assert!(limited >= 10, "{limited}");
    soon("a reply", calm.push("e", "undisturbed")).await.unwrap();
    // Joins are refused with the time after which they are not, so that the client gets there by itself.
    for topic in ["a", "b", "c", "d"] {
        soon("a join", quiet.join(topic, JoinOptions::default())).await.unwrap();
    }
    assert!(server.counter("dunlin_refusals_total", "RATE_LIMITED").await.unwrap() >= 10.0);
}

/// A channel that would tell a secret to whoever gets there.
struct Vault;

impl Channel for Vault {
    type Info = std::convert::Infallible;

    async fn join(&mut self, context: &Context, _: Option<Bytes>) -> Result<Bytes, Refusal> {
        let pass = context.pass();
        let role = pass.claim("role").and_then(Value::as_str).unwrap_or("nobody").to_owned();
        let may_push = pass.may(Right::Push, context.topic());
        Ok(format!("{} {role} {may_push}", context.user().unwrap_or("?")).into())
    }

    async fn handle_in(&mut self, _: &Context, _: Push) -> Result<Bytes, Refusal> {
        Ok("the secret".into())
    }
}

#[tokio::test]
async fn a_channel_in_rust_is_told_who_is_there_and_is_protected_too() {
    let channels = |builder: dunlin_server::Builder| builder.channel("vault:*".parse().unwrap(), || Vault);
    let server = Running::start_with(Over::Memory, &[AUTH], channels).await;
    let claims = json!({"sub": "ada", "role": "guard", "dunlin": [{"topics": "vault:1", "may": ["join"]}]});
    let client = client(&server, &token(&claims)).await;
    let channel = soon("a join", client.join("vault:1", JoinOptions::default())).await.unwrap();
    assert_eq!(channel.reply(), "ada guard false");
    let error = soon("a reply", channel.push("tell", "")).await.unwrap_err();
    assert_eq!(push_code(&error), Some(Code::FORBIDDEN));
    assert_eq!(refused(&client, "vault:2", JoinOptions::default()).await, Code::FORBIDDEN);
}

#[tokio::test]
async fn too_many_connections_are_told_when_to_come_back() {
    let server = Running::start(Over::Quic, &[("rate.connections", "2")]).await;
    let mut codes = Vec::new();
    for _ in 0..4 {
        let connection = server.dial().await;
        let mut control = Stream::open(&connection).await;
        control.send(FromClient::Hello(hello()).encode()).await;
        if control.frame().await.is_none() {
            codes.push(close_code(&connection).await);
        }
    }
    assert!(!codes.is_empty() && codes.iter().all(|code| *code == Code::RATE_LIMITED.0), "{codes:?}");
}

/// A web server with one document, and how often it was asked for.
async fn serve(document: watch::Receiver<String>) -> (String, Arc<AtomicU32>) {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/jwks.json", listener.local_addr().unwrap());
    let asked = Arc::<AtomicU32>::default();
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, SeqCst);
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let body = document.borrow().clone();
            let answer = format!(
                "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (url, asked)
}

/// An Ed25519 key of RFC 8037, appendix A, under some name.
fn set(kid: &str) -> String {
    let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
    json!({"keys": [{"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x}]}).to_string()
}

/// Its private key.
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g\n-----END PRIVATE KEY-----\n";

#[tokio::test]
async fn keys_on_a_web_server_are_fetched_and_rotated() {
    let (document, current) = watch::channel(set("one"));
    let (url, asked) = serve(current).await;
    let server = Running::start(Over::Quic, &[("auth.jwks", &url)]).await;
    let key = SigningKey::pem(PRIVATE.as_bytes()).unwrap();
    let named = |kid: &str| sign(&claims(&json!({"sub": "ada"})), &key, Some(kid)).unwrap();
    let try_with = async |token: String| {
        let builder = server.builder().token(token).connect_timeout(Duration::from_secs(20));
        builder.connect().await.map(drop).map_err(|error| error.code())
    };
    assert_eq!(try_with(named("one")).await, Ok(()));
    // A name that is not known has the set fetched, but not once for each token.
    document.send_replace(set("two"));
    assert_eq!(try_with(named("two")).await, Ok(()));
    for kid in ["one", "x", "y", "z"] {
        assert_eq!(try_with(named(kid)).await, Err(Some(Code::TOKEN_REQUIRED)));
    }
    assert_eq!(asked.load(SeqCst), 2);
}

#[tokio::test]
async fn keys_in_a_file_are_rotated_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("keys.json");
    std::fs::write(&file, set("one")).unwrap();
    let server = Running::start(Over::Quic, &[("auth.jwks", file.to_str().unwrap())]).await;
    let key = SigningKey::pem(PRIVATE.as_bytes()).unwrap();
    let two = sign(&claims(&json!({"sub": "ada"})), &key, Some("two")).unwrap();
    let refused = server.builder().token(two.clone()).connect().await.unwrap_err();
    assert_eq!(refused.code(), Some(Code::TOKEN_REQUIRED));
    // A mistake leaves the keys as they are; the next version is taken up with the first token that needs it.
    std::fs::write(&file, "{").unwrap();
    let one = sign(&claims(&json!({"sub": "ada"})), &key, Some("one")).unwrap();
    soon("a welcome", server.builder().token(one).connect()).await.unwrap();
    std::fs::write(&file, set("two")).unwrap();
    soon("a welcome", server.builder().token(two).connect()).await.unwrap();
}

#[tokio::test]
async fn keys_that_are_wrong_keep_a_server_from_starting() {
    let started =
        Running::try_start(&[("auth.jwks", "no-such-file.json"), ("auth.public_key", "nor-this.pem")]).await;
    let told = started.err().unwrap().to_string();
    assert!(
        told.contains("auth.jwks: no-such-file.json") && told.contains("auth.public_key: nor-this.pem"),
        "{told}"
    );
}

#[tokio::test]
async fn the_console_has_its_own_token_beside_the_others() {
    let console = "the console's own token";
    let server = Running::start(Over::Quic, &[AUTH, ("console.token", console)]).await;
    let connection = server.dial().await;
    let (_control, welcome) = greet(&connection, Hello { token: Some(console.into()), ..hello() }).await;
    assert_eq!(welcome.expires_in_ms, None);
    let _figures = joined(&connection, raw::join("$server/stats")).await;
    let mut stream = Stream::open(&connection).await;
    stream.send(channel::FromClient::Join(join("room:1")).encode()).await;
    assert!(
        matches!(stream.channel().await, Some(channel::FromServer::Refused(no)) if no.code == Code::FORBIDDEN)
    );
}
