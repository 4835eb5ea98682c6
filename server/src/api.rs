//! The backend API: programs in any language publish, read and act on sessions over HTTP. `docs/api.md` says how it is used.

mod access;
mod body;
mod document;
mod event;
mod history;
mod node;
mod params;
mod presence;
mod problem;
mod publish;
mod sessions;
mod token;
mod topics;
mod users;

use crate::{config, node::Node, rates::Keyed};
pub(crate) use access::Door;
use axum::{
    Router,
    extract::DefaultBodyLimit,
    http::StatusCode,
    middleware,
    routing::{delete, get, post},
};
use problem::Problem;
use std::{
    net::IpAddr,
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

/// What the handlers work with.
pub(crate) struct Api {
    node: Arc<Node>,
    access: config::Api,
    /// Keys that were none, from each address.
    failures: Keyed<IpAddr>,
    started: Instant,
}

/// Wrong keys from one address in a second, beyond which it is not asked any more.
const FAILURES: NonZeroU32 = NonZeroU32::new(10).expect("ten is not zero");

/// Longest time for a request.
const PATIENCE: Duration = Duration::from_secs(30);

/// Room in a request beside the payload and what base64 adds to it.
const SLACK: usize = 64 * 1024;

impl Api {
    pub(crate) fn new(node: Arc<Node>, access: config::Api) -> Self {
        Self { node, access, failures: Keyed::new(FAILURES), started: Instant::now() }
    }

    /// Forgets what no longer matters: to be called every second or so.
    pub(crate) fn sweep(&self) {
        self.failures.sweep();
    }

    /// What is served at this door, which may be nothing.
    pub(crate) fn router(self: &Arc<Self>, door: Door) -> Router {
        match (&self.access, door) {
            (config::Api::Off, _) | (config::Api::Local, Door::Public) => return Router::new(),
            (config::Api::Local, Door::Plain) | (config::Api::Keys(_), _) => {}
        }
        let most = self.node.shared.bounds.limits.payload / 3 * 4 + SLACK;
        let routes = Router::new()
            .route("/v1/events", post(publish::batch))
            .route("/v1/topics", get(topics::list))
            .route("/v1/topics/{topic}", get(topics::one))
            .route("/v1/topics/{topic}/events", get(history::read).post(publish::one))
            .route("/v1/topics/{topic}/presence", get(presence::read))
            .route("/v1/sessions", get(sessions::list))
            .route("/v1/sessions/{session}", get(sessions::one).delete(sessions::disconnect))
            .route("/v1/sessions/{session}/events", post(sessions::push))
            .route("/v1/sessions/{session}/token", post(token::refresh))
            .route("/v1/sessions/{session}/topics/{topic}", delete(sessions::unsubscribe))
            .route("/v1/users/{user}/events", post(users::push))
            .route("/v1/users/{user}/sessions", delete(users::disconnect))
            .route("/v1/users/{user}/topics/{topic}", delete(users::unsubscribe))
            .route("/v1/revocations", post(token::revoke))
            .route("/v1/node", get(node::read))
            .method_not_allowed_fallback(async || {
                Problem::plain(
                    StatusCode::METHOD_NOT_ALLOWED,
                    "this is not done here; the header Allow says what is",
                )
            })
            .layer(DefaultBodyLimit::max(most))
            .layer(middleware::from_fn_with_state(self.clone(), access::check))
            .with_state(self.clone());
        routes.merge(document::router())
    }
}
