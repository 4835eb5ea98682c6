//! The task that keeps a client connected.
use crate::{Builder, State, link::Link};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot, watch};

#[derive(Debug)]
pub(crate) enum Command {
    Ping(oneshot::Sender<Duration>),
    Close(oneshot::Sender<()>),
}

pub(crate) struct Views {
    pub(crate) link: watch::Receiver<Link>,
    pub(crate) state: watch::Receiver<State>,
    pub(crate) problem: watch::Receiver<Option<String>>,
}

pub(crate) struct Supervisor(mpsc::Receiver<Command>, #[allow(dead_code)] watch::Receiver<bool>);

pub(crate) fn new(
    _settings: &Builder,
    commands: mpsc::Receiver<Command>,
    paused: watch::Receiver<bool>,
) -> (Supervisor, Views) {
    (
        Supervisor(commands, paused),
        Views {
            link: watch::channel(Link::Down).1,
            state: watch::channel(State::Connecting).1,
            problem: watch::channel(None).1,
        },
    )
}

impl Supervisor {
    pub(crate) async fn run(mut self) {
        while let Some(command) = self.0.recv().await {
            match command {
                Command::Ping(pong) => drop(pong),
                Command::Close(done) => drop(done),
            }
        }
    }
}
