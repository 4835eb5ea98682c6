//! A connection that may be gone against a new one: the first that answers is used.

use std::{pin::pin, time::Duration};

use dunlin_proto::frame::control::FromClient;
use tokio::{
    select,
    sync::mpsc,
    time::{MissedTickBehavior, interval},
};

use super::{Command, Connected, Offline, Supervisor, told_to_close};
use crate::{
    Cause, candidate::abandon, ending::Ending, greeting::Greeted, link::Link, network::Network,
    online::farewell,
};

/// How often the old connection is asked. A server that was restarted says in answer that it has forgotten it.
const ASK: Duration = Duration::from_millis(250);

/// How it ended.
pub(super) enum Winner {
    /// Another connection is in use.
    New(Box<Connected>),
    /// The connection before it was only slow.
    Old(Box<Greeted>),
    /// There is no connection.
    Nobody(Offline),
}

/// What was heard from the old connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sign {
    None,
    Alive,
    Dead,
}

impl Supervisor {
    /// Dials, with positions in the first flight where the server has given a ticket, and listens to the old connection
    /// meanwhile. It can win only until the server is asked for the session: the server then ends it. On another network, where
    /// it could not follow, it is kept only if there is no new one.
    pub(super) async fn contest(
        &mut self,
        mut old: Greeted,
        cause: Cause,
        commands: &mut mpsc::Receiver<Command>,
        network: &mut Network,
    ) -> Winner {
        tracing::debug!(?cause, "the connection may be gone");
        let heard = old.pulse.heard();
        self.roll.lost(heard, cause, old.local);
        let link = self.greeter.link();
        let has_asked =
            |old: &Greeted| !matches!(&*link.borrow(), Link::Up(live) if live.generation == old.generation);
        let mut ask = interval(ASK);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut sign = Sign::None;
        loop {
            let result = {
                let mut attempt = pin!(self.attempt_here(0, true, network));
                loop {
                    select! {
                        biased;
                        done = told_to_close(commands) => {
                            farewell(old).await;
                            return Winner::Nobody(Offline::Told(done));
                        }
                        result = &mut attempt => break result,
                        frame = old.control.next(true), if sign == Sign::None => match frame {
                            Ok(frame) => {
                                old.control.unread(frame);
                                sign = Sign::Alive;
                                if cause != Cause::NetworkChanged && !has_asked(&old) {
                                    break Err(Ending::silence());
                                }
                            }
                            Err(ending) => {
                                sign = Sign::Dead;
                                if ending == Ending::Forgotten {
                                    // It can be dialled now, and need not be waited for.
                                    break Err(ending);
                                }
                            }
                        },
                        _ = ask.tick() => {
                            old.asked += 1;
                            old.control.say(&FromClient::Ping { n: old.asked });
                        }
                    }
                }
            };
            match result {
                Ok(connected) => {
                    abandon(&old.connection);
                    return Winner::New(Box::new(connected));
                }
                Err(Ending::Forgotten) => {}
                // Another network: the old connection has its chance there as well. Without any there is nothing to wait for
                // here.
                Err(Ending::Offline) if sign != Sign::Dead && network.route(self.dial.known()).is_some() => {
                    if let Err(error) = old.dialer.rebind() {
                        tracing::debug!(%error, "no socket on the new network");
                    }
                }
                Err(_) if sign == Sign::Alive => {
                    if has_asked(&old) {
                        self.greeter.offer_again(&mut old);
                    } else {
                        self.roll.kept();
                    }
                    return Winner::Old(Box::new(old));
                }
                Err(ending) => {
                    abandon(&old.connection);
                    return Winner::Nobody(Offline::Lost(ending, heard));
                }
            }
        }
    }
}
