//! The task of one membership: it outlives connections, and joins again after each loss.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use dunlin_proto::{code::Retry, frame::channel::Push};
use rand::rngs::StdRng;
use tokio::{
    select,
    sync::{mpsc, oneshot, watch},
    time::{Instant, sleep_until},
};
use tokio_util::sync::CancellationToken;

use crate::{
    Channel, Closed, JoinError, JoinOptions, PushError,
    attendance::{self, Loss},
    client::{FLUSH, Membership},
    inbox::Inbox,
    link::{Link, Live},
    message::Joined,
    outbox::Outbox,
    presence::{Presence, PresenceList},
    progress::Progress,
    rollcall,
    sender::{QUEUE, Request, Sender, Ticket},
    state,
    wishes::Wishes,
};

/// Starts the task and waits until the server has let it in. Dropping the future leaves again.
pub(crate) async fn join(membership: Membership, options: JoinOptions) -> Result<Channel, JoinError> {
    let (queue, requests) = mpsc::channel(QUEUE);
    let (inbox, messages) = Inbox::new(options.buffer);
    let (first, joined) = oneshot::channel();
    let (over_sender, over) = watch::channel(());
    let ended = Arc::new(OnceLock::new());
    let leave = membership.shared.closing.child_token();
    let (wishes, wished) = watch::channel(Wishes::of(&options));
    let sender = Sender::new(membership.topic.clone(), queue, ended.clone());
    let members = membership.shared.members.clone();
    let member = Member {
        progress: Progress::new(membership.topic.clone(), options.delivery, options.since),
        link: membership.shared.link.clone(),
        options,
        wishes: wished,
        requests,
        inbox,
        outbox: Outbox::new(),
        departure: Departure { token: leave.clone(), deadline: None },
        attendance: None,
        presence: Presence::default(),
        first: Some(first),
        lost: None,
        rng: rand::make_rng(),
        membership,
    };
    members.spawn(async move {
        member.run(&ended).await;
        drop(over_sender);
    });
    let leave = leave.drop_guard();
    match joined.await {
        Ok(Ok(Joined { position, reply, .. })) => {
            let presence = PresenceList::default();
            Ok(Channel { messages, sender, position, presence, reply, wishes, leave, over })
        }
        Ok(Err(error)) => Err(error),
        // The task ends without an answer only when it was told to leave.
        Err(_) => Err(Closed::by_us().into()),
    }
}

/// What one membership keeps from connection to connection.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) membership: Membership,
    pub(crate) options: JoinOptions,
    /// What the application wants of the stream now.
    pub(crate) wishes: watch::Receiver<Wishes>,
    pub(crate) progress: Progress,
    pub(crate) inbox: Inbox,
    pub(crate) requests: mpsc::Receiver<Request>,
    pub(crate) outbox: Outbox<Ticket>,
    pub(crate) departure: Departure,
    pub(crate) link: watch::Receiver<Link>,
    /// Who is present in the topic.
    pub(crate) presence: Presence,
    /// That it was let in, once it was.
    attendance: Option<rollcall::Presence>,
    /// Who waits for the first join.
    first: Option<oneshot::Sender<Result<Joined, JoinError>>>,
    /// Since when there is no server, or none that lets this member in.
    lost: Option<Instant>,
    rng: StdRng,
}

/// The order to leave, and the time until which pushes may still be answered.
#[derive(Debug)]
pub(crate) struct Departure {
    token: CancellationToken,
    deadline: Option<Instant>,
}

impl Member {
    async fn run(mut self, ended: &OnceLock<Closed>) {
        let closed = self.stay().await;
        // First the reason, then everything that makes others look for it.
        let _ = ended.set(closed);
    }

    /// Joins, and joins again, until the membership is over.
    async fn stay(&mut self) -> Closed {
        let mut failures = 0;
        let mut not_before = Instant::now();
        // The link of this generation and all before it is of no use.
        let mut used_up = 0;
        loop {
            let live = match self.wait(not_before, used_up).await {
                Ok(live) => live,
                Err(closed) => return closed,
            };
            let start = Instant::now();
            let loss = match attendance::run(self, &live).await {
                Ok(closed) => return closed,
                Err(loss) => loss,
            };
            tracing::debug!(topic = %self.membership.topic, %loss, "channel lost");
            if matches!(loss, Loss::Link) {
                used_up = live.generation;
                continue;
            }
            let now = Instant::now();
            self.lost.get_or_insert(now);
            failures = state::failures_after(now - start, failures);
            let backoff = self.membership.shared.settings.backoff;
            match backoff.delay(failures, loss.advice(), &mut self.rng) {
                Some(delay) => not_before = now + delay,
                None => return self.turned_down(&loss),
            }
        }
    }

    /// Waits for a connection to join on.
    async fn wait(&mut self, not_before: Instant, used_up: u64) -> Result<Live, Closed> {
        let mut link = self.link.clone();
        let mut lost = self.lost;
        let usable = async move {
            sleep_until(not_before).await;
            let usable = link.wait_for(|link| match link {
                Link::Down => {
                    lost.get_or_insert_with(Instant::now);
                    false
                }
                Link::Up(live) => live.generation > used_up,
                Link::Closed(_) => true,
            });
            let link = usable.await.map(|link| link.clone());
            (link, lost)
        };
        tokio::pin!(usable);
        loop {
            select! {
                (link, lost) = &mut usable => {
                    self.lost = lost;
                    return match link {
                        Ok(Link::Up(live)) => Ok(live),
                        Ok(Link::Closed(closed)) => Err(self.closed_with_the_client(closed)),
                        Ok(Link::Down) | Err(_) => Err(self.closed_with_the_client(Closed::by_us())),
                    };
                }
                () = self.departure.is_due() => {
                    if self.departure.begin(&mut self.requests) || self.is_flushed() {
                        return Err(Closed::by_us());
                    }
                }
                // The application may take messages while there is no connection.
                () = self.inbox.hand_over() => {}
            }
        }
    }

    /// Takes note of a join on the link of this generation.
    pub(crate) fn joined(&mut self, generation: u64, joined: Joined) {
        self.presence.begin();
        match &mut self.attendance {
            Some(attendance) => attendance.answer(generation, &joined),
            None => self.attendance = Some(self.membership.shared.roll.enter()),
        }
        self.lost = None;
        self.outbox.rewind();
        if let Some(first) = self.first.take() {
            // Whoever has given up waiting has told this task to leave.
            let _ = first.send(Ok(joined.clone()));
        }
        self.inbox.offer(crate::Message::Joined(joined));
    }

    /// How long there was no server.
    pub(crate) fn away(&self) -> Duration {
        let alone = self.lost.map_or(Duration::ZERO, |lost| lost.elapsed());
        alone.max(self.membership.shared.roll.away())
    }

    /// Puts a push in the outbox, unless it cannot be sent.
    pub(crate) fn accept(&mut self, request: Request, limit: usize) {
        let Request { event, payload, key, ticket } = request;
        if payload.len() > limit {
            let len = payload.len();
            // Nobody may be waiting for the answer.
            let _ = ticket.send(Err(PushError::TooLarge { len, limit }));
            return;
        }
        let reference = self.membership.shared.reference();
        self.outbox.accept(Push { reference, event, payload, key }, ticket);
    }

    /// Whether every push has its answer.
    pub(crate) fn is_flushed(&self) -> bool {
        self.outbox.is_empty() && self.requests.is_empty()
    }

    fn turned_down(&mut self, loss: &Loss) -> Closed {
        let closed = loss.closed();
        if let Some(first) = self.first.take() {
            let error = match &closed {
                Closed { code: Some(code), message } => {
                    JoinError::Refused { code: *code, message: message.clone() }
                }
                closed => closed.clone().into(),
            };
            let _ = first.send(Err(error));
        }
        closed
    }

    fn closed_with_the_client(&mut self, closed: Closed) -> Closed {
        if let Some(first) = self.first.take() {
            let _ = first.send(Err(closed.clone().into()));
        }
        closed
    }
}

impl Departure {
    /// Waits for the order to leave, and after it for the deadline. Cancel-safe.
    pub(crate) async fn is_due(&self) {
        match self.deadline {
            None => self.token.cancelled().await,
            Some(deadline) => sleep_until(deadline).await,
        }
    }

    /// Whether the order was given.
    pub(crate) fn has_begun(&self) -> bool {
        self.deadline.is_some()
    }

    /// Call when [`Departure::is_due`]: takes no more pushes from now on. True if the deadline has passed.
    pub(crate) fn begin(&mut self, requests: &mut mpsc::Receiver<Request>) -> bool {
        requests.close();
        let passed = self.deadline.is_some();
        self.deadline.get_or_insert_with(|| Instant::now() + FLUSH);
        passed
    }
}

impl Loss {
    /// Whether to join again.
    fn advice(&self) -> Retry {
        match self {
            Self::Link | Self::Broken(_) => Retry::Now,
            Self::Refused(refusal) => refusal.retry(),
        }
    }

    fn closed(&self) -> Closed {
        match self {
            Self::Refused(refusal) => Closed { code: Some(refusal.code), message: refusal.message.clone() },
            Self::Link | Self::Broken(_) => Closed { code: None, message: self.to_string() },
        }
    }
}
