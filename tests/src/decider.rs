//! A backend that decides, inside the test.

use axum::{
    Json, Router,
    extract::State,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::{Value, json};
use std::{pin::Pin, sync::Arc};
use tokio::{
    net::TcpListener,
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};

/// What the requests of the stories are signed with.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

type Answer = Pin<Box<dyn Future<Output = Response> + Send>>;

type Decide = Arc<dyn Fn(Value) -> Answer + Send + Sync>;

/// A backend on a free loopback port, until the test ends.
pub struct Backend {
    /// Where requests go.
    pub url: String,
    /// What has arrived, as it arrived.
    pub requests: UnboundedReceiver<Value>,
}

impl Backend {
    /// Starts one that answers like this.
    ///
    /// # Panics
    /// If there is no free port.
    pub async fn start<F>(decide: impl Fn(Value) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Response> + Send + 'static,
    {
        let (seen, requests) = unbounded_channel();
        let decide: Decide = Arc::new(move |request| Box::pin(decide(request)));
        let router = Router::new().route("/hook", post(answer)).with_state((seen, decide));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url: format!("http://{address}/hook"), requests }
    }
}

/// The answer that allows.
#[must_use]
pub fn yes() -> Response {
    Json(json!({"allow": true})).into_response()
}

async fn answer(
    State((seen, decide)): State<(UnboundedSender<Value>, Decide)>,
    Json(request): Json<Value>,
) -> Response {
    // A test that looks at none has let go of them.
    let _ = seen.send(request.clone());
    decide(request).await
}
