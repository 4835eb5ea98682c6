//! Listening to Windows, through `if-addrs`: links and addresses; a route that changes alone is not heard.

use std::{
    io,
    sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    thread,
    time::Duration,
};

use if_addrs::IfChangeNotifier;
use tokio::sync::watch::Sender;

/// How often the thread looks whether it is still needed, and how long it waits after a failure.
const ROUND: Duration = Duration::from_secs(2);

/// The thread that listens; it ends within a round after this is dropped.
#[derive(Debug)]
pub(super) struct Thread {
    _stop: SyncSender<()>,
}

impl Thread {
    /// Listens from now on: what changes once this has returned is heard.
    pub(super) fn start(changes: Sender<()>) -> io::Result<Self> {
        let (stop, stopped) = sync_channel(0);
        let (opened, ready) = sync_channel(1);
        let listen = move || match IfChangeNotifier::new() {
            Ok(notifier) => {
                let _ = opened.send(Ok(()));
                listen(notifier, &stopped, &changes);
            }
            Err(error) => {
                let _ = opened.send(Err(error));
            }
        };
        // What listens cannot be handed from thread to thread.
        thread::Builder::new().name("dunlin-watch".into()).spawn(listen)?;
        ready.recv().unwrap_or_else(|_| Err(io::Error::other("the watching thread has panicked")))?;
        Ok(Self { _stop: stop })
    }
}

fn listen(mut notifier: IfChangeNotifier, stopped: &Receiver<()>, changes: &Sender<()>) {
    while stopped.try_recv() == Err(TryRecvError::Empty) {
        match notifier.wait(Some(ROUND)) {
            Ok(_) => {
                changes.send_replace(());
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => {
                tracing::debug!(%error, "changes of the network are not heard for a while");
                thread::sleep(ROUND);
                changes.send_replace(());
            }
        }
    }
}
