//! Tokens: what is revoked, and what a session gets anew.

use super::{
    Api, Problem,
    access::Caller,
    body::{Format, Given, Value},
    document::Refused,
    sessions::{Done, named},
};
use crate::{
    auth::{Gate, Revoke},
    config::Scope,
    webhook::Who,
};
use axum::{
    extract::{Path, State},
    response::Response,
};
use dunlin_proto::{Code, frame::Refusal};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// What is not to be good any more: one of these.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "lowercase")]
pub(super) enum Revocation {
    /// All tokens of a user so far.
    User(String),
    /// A session, and the token that it has presented last.
    Session(String),
    /// A token, by its id (`jti`).
    Token(String),
}

/// Revokes tokens
///
/// Sessions that it concerns end within a second, and are told that they need a new token. Says how many there were.
#[utoipa::path(
    post, path = "/v1/revocations", tag = "tokens", operation_id = "revoke",
    request_body(content((Revocation = "application/json"), (Revocation = "application/msgpack"))),
    responses((status = 200, description = "It is revoked", body = Done), Refused),
)]
pub(super) async fn revoke(
    State(api): State<Arc<Api>>,
    caller: Caller,
    format: Format,
    Value(revocation): Value<Revocation>,
) -> Result<Response, Problem> {
    caller.may_all(Scope::Control)?;
    let what = match revocation {
        Revocation::User(user) => Revoke::User(user),
        Revocation::Session(session) => Revoke::Session(session),
        Revocation::Token(id) => Revoke::Token(id),
    };
    match api.node.revoke(&what) {
        Ok(sessions) => Ok(format.reply(&Done { sessions: sessions as u64 })),
        Err(full) => Err(Refusal::because(Code::UNAVAILABLE, &full.to_string()).into()),
    }
}

/// A token.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Token {
    /// As a client would present it.
    token: String,
}

/// That it is in force.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Refreshed {
    /// When it expires, in milliseconds from now; null for never.
    expires_in_ms: Option<u64>,
}

/// Gives a session another token
///
/// It must be one of the same user. What it allows counts at once.
#[utoipa::path(
    post, path = "/v1/sessions/{session}/token", tag = "tokens", operation_id = "refresh",
    params(("session" = String, Path, description = "Its public name")),
    request_body(content((Token = "application/json"), (Token = "application/msgpack"))),
    responses((status = 200, description = "It is in force", body = Refreshed), Refused),
)]
pub(super) async fn refresh(
    State(api): State<Arc<Api>>,
    caller: Caller,
    Given(Path(name)): Given<Path<String>>,
    format: Format,
    Value(Token { token }): Value<Token>,
) -> Result<Response, Problem> {
    caller.may_all(Scope::Control)?;
    let session = named(&api, &name)?;
    let held = session.pass();
    // That the token is no good is the request's fault, and not that of the caller's key.
    let pass = api
        .node
        .admit(Some(&token), Some(&held), |pass| Who::refreshing(&session, pass))
        .await
        .map_err(|refusal| Problem::illegal(&refusal.message))?;
    if pass.user() != session.user() {
        return Err(Refusal::because(Code::FORBIDDEN, "the token is another user's").into());
    }
    let left = Gate::left(&pass);
    session.renew(pass);
    Ok(format.reply(&Refreshed { expires_in_ms: left.map(|left| left.as_millis() as u64) }))
}
