//! A chat: rooms with history, who is there, who is typing, and moderators who can turn somebody out.
//!
//! `cargo run --example chat -p dunlin-server`, then in other terminals `dunlin chat room:lobby` or
//! `dunlin presence room:lobby --watch`. Who connects with a token has that as the name: a real application would check it.

use bytes::Bytes;
use dunlin_proto::{Code, frame::Refusal};
use dunlin_server::{
    Config, Server,
    channel::{Assigns, Channel, Connecting, Context, End, Handle, Outgoing, Push},
    config::Sources,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

/// Who somebody is, as they said when they connected.
struct User(String);

/// Everybody in every room, by topic and name of the session, so that moderators can reach them.
type Everybody = Arc<Mutex<HashMap<String, Handle<Word>>>>;

/// One member in one room.
struct Room {
    everybody: Everybody,
    /// Lines said in the last ten seconds.
    recent: u32,
}

/// What reaches a member from elsewhere.
enum Word {
    /// Ten seconds have passed.
    CalmDown,
    /// A moderator has turned this member out.
    Out(String),
}

impl Channel for Room {
    type Info = Word;

    async fn join(&mut self, context: &Context<Word>, params: Option<Bytes>) -> Result<Bytes, Refusal> {
        context.track(&user(context), params.unwrap_or_default())?;
        self.lock().insert(key(context, context.session().name()), context.handle());
        Ok(Bytes::new())
    }

    async fn handle_in(&mut self, context: &Context<Word>, push: Push) -> Result<Bytes, Refusal> {
        match &*push.event {
            // The sender knows; with the key, those who join later for the latest only see it once.
            "typing" => {
                context.broadcast_from(Outgoing::new("typing", push.payload).key(&user(context))).await?;
            }
            "out" if user(context) == "moderator" => {
                let session = String::from_utf8_lossy(&push.payload);
                let found = self.lock().get(&key(context, &session)).cloned();
                let handle = found.ok_or(Refusal::because(Code::REJECTED, "nobody of that name is here"))?;
                handle.send(Word::Out(user(context))).map_err(|_| Refusal::new(Code::REJECTED))?;
            }
            "out" => return Err(Refusal::new(Code::FORBIDDEN)),
            _ if self.recent >= 20 => return Err(Refusal::because(Code::REJECTED, "not so fast")),
            // Everything else is said, and kept for those who come later.
            _ => {
                if self.recent == 0 {
                    context.schedule(Duration::from_secs(10), Word::CalmDown)?;
                }
                self.recent += 1;
                context.broadcast(push).await?;
            }
        }
        Ok(Bytes::new())
    }

    async fn handle_info(&mut self, _: &Context<Word>, word: Word) -> Result<(), Refusal> {
        match word {
            Word::CalmDown => self.recent = 0,
            Word::Out(by) => return Err(Refusal::because(Code::REJECTED, &format!("turned out by {by}"))),
        }
        Ok(())
    }

    async fn terminate(self, context: &Context<Word>, why: End) {
        self.lock().remove(&key(context, context.session().name()));
        println!("{} has left {}: {why:?}", user(context), context.topic());
    }
}

impl Room {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Handle<Word>>> {
        self.everybody.lock().expect("nothing panics while it holds this lock")
    }
}

fn key(context: &Context<Word>, session: &str) -> String {
    format!("{} {session}", context.topic())
}

fn user(context: &Context<Word>) -> String {
    context.assigns().get::<User>().map_or_else(|| context.session().name().to_owned(), |user| user.0.clone())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut sources = Sources::default();
    sources.environment(std::env::vars());
    let everybody = Everybody::default();
    let room = move || Room { everybody: everybody.clone(), recent: 0 };
    let builder = Server::builder(Config::check(&sources)?).channel("room:*".parse()?, room);
    let server = builder.connect(|connecting: Connecting| async move {
        let name = connecting.token().map(|token| User(token.to_owned()));
        Ok(name.into_iter().fold(Assigns::default(), Assigns::with))
    });
    let server = server.start().await?;
    println!("chat on dunlin://{}; try `dunlin chat room:lobby`", server.address());
    tokio::signal::ctrl_c().await?;
    server.shut_down().await;
    Ok(())
}
