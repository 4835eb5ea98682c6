//! Who calls, and what they may do.

use super::{Api, PATIENCE, Problem};
use crate::config::{self, ApiKey, Scope};
use axum::{
    extract::{ConnectInfo, FromRequestParts, MatchedPath, Request, State},
    http::{Method, StatusCode, header, request::Parts},
    middleware::Next,
    response::{IntoResponse, Response},
};
use dunlin_proto::{Code, Topic, frame::Refusal};
use dunlin_transport::{is_local_page, network};
use metrics::counter;
use std::{net::SocketAddr, sync::Arc, time::Instant};

/// Which port a request came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// Plain HTTP, the machine's own.
    Plain,
    /// TLS and HTTP/3, for the world.
    Public,
}

/// Somebody who may call.
#[derive(Clone)]
pub(super) enum Caller {
    /// A program on this machine, in development.
    Local,
    /// Who has this key: its place among the keys.
    Key(Arc<[ApiKey]>, usize),
}

impl Caller {
    /// Refuses what the caller's key is not for, on this topic if there is one.
    pub(super) fn may(&self, scope: Scope, topic: Option<&Topic>) -> Result<(), Problem> {
        let Self::Key(keys, index) = self else { return Ok(()) };
        if keys[*index].may(scope, topic) {
            return Ok(());
        }
        let on = if topic.is_some() { " on this topic" } else { "" };
        let text = format!("this key is not for `{}`{on}", scope.name());
        Err(Refusal::because(Code::FORBIDDEN, &text).into())
    }

    /// The same for what concerns more than single topics: a key for some topics only is not for that.
    pub(super) fn may_all(&self, scope: Scope) -> Result<(), Problem> {
        self.may(scope, None)?;
        match self {
            Self::Key(keys, index) if keys[*index].is_bounded() => {
                let text = "this key is for some topics only, and this is about more than those";
                Err(Refusal::because(Code::FORBIDDEN, text).into())
            }
            Self::Key(..) | Self::Local => Ok(()),
        }
    }

    /// What tells the ids of one caller from those of others.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Local => "",
            Self::Key(keys, index) => &keys[*index].name,
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Refusal::new(Code::INTERNAL).into())
    }
}

/// Lets in who may call, and counts.
pub(super) async fn check(State(api): State<Arc<Api>>, mut request: Request, next: Next) -> Response {
    let route =
        request.extensions().get::<MatchedPath>().map_or("unknown".into(), |path| path.as_str().to_owned());
    let (method, begun) = (known(request.method()), Instant::now());
    let response = match caller(&api, &request) {
        Ok(caller) => {
            request.extensions_mut().insert(caller);
            let answer = tokio::time::timeout(PATIENCE, next.run(request)).await;
            answer.unwrap_or_else(|_| {
                Problem::plain(StatusCode::REQUEST_TIMEOUT, "the request took longer than 30 s")
                    .into_response()
            })
        }
        Err(problem) => problem.into_response(),
    };
    let status = response.status().as_u16().to_string();
    counter!("dunlin_api_requests_total", "route" => route.clone(), "method" => method, "status" => status)
        .increment(1);
    metrics::histogram!("dunlin_api_seconds", "route" => route).record(begun.elapsed());
    response
}

/// The method as a label. Callers may make up any number of others, also without a key.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}

fn caller(api: &Api, request: &Request) -> Result<Caller, Problem> {
    let headers = request.headers();
    let text = |name| headers.get(name).and_then(|value: &axum::http::HeaderValue| value.to_str().ok());
    let address =
        request.extensions().get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(address)| address.ip());
    match &api.access {
        config::Api::Off => Err(Problem::plain(StatusCode::NOT_FOUND, "there is no API here")),
        config::Api::Local => {
            // A page from elsewhere may reach this machine through its browser, also under a name of its own.
            let authority =
                request.uri().authority().map(axum::http::uri::Authority::as_str).or(text(header::HOST));
            let is_here = address.is_none_or(|address| address.is_loopback());
            if is_here && is_local_page(text(header::ORIGIN), authority.unwrap_or_default()) {
                Ok(Caller::Local)
            } else {
                let text = "without keys the API is for programs and pages of this machine only";
                Err(Refusal::because(Code::FORBIDDEN, text).into())
            }
        }
        config::Api::Keys(keys) => {
            let scheme = text(header::AUTHORIZATION).and_then(|value| value.split_once(' '));
            let secret = scheme
                .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
                .map(|(_, secret)| secret.trim());
            let Some(secret) = secret else {
                return Err(Problem::unauthorized("send a key: Authorization: Bearer KEY"));
            };
            // All are looked at, so that the time tells nothing of which is near.
            let found = keys
                .iter()
                .enumerate()
                .fold(None, |found, (index, key)| if key.is(secret) { Some(index) } else { found });
            if let Some(index) = found {
                return Ok(Caller::Key(keys.clone(), index));
            }
            counter!("dunlin_api_keys_refused_total").increment(1);
            if let Some(Err(wait)) = address.map(|address| api.failures.check(&network(address))) {
                return Err(crate::rates::limited("too many wrong keys", wait).into());
            }
            Err(Problem::unauthorized("this is no key of this server"))
        }
    }
}
