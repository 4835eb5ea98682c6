//! Requests and answers in JSON or MessagePack, as the caller likes.

use super::Problem;
use axum::{
    Json,
    body::{Body, Bytes},
    extract::{FromRequest, FromRequestParts, Request, rejection::BytesRejection},
    http::{StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use dunlin_proto::{Code, frame::Refusal};
use serde::{Serialize, de::DeserializeOwned};
use std::convert::Infallible;

const MSGPACK: &str = "application/msgpack";

/// How many arrays and maps of a body may lie in each other: as many as `serde_json` reads.
const MAX_DEPTH: usize = 128;

/// What the caller wants to be answered in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    MessagePack,
}

impl Format {
    fn named(media_type: &str) -> Option<Self> {
        let name = media_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match &*name {
            "application/json" => Some(Self::Json),
            MSGPACK | "application/x-msgpack" | "application/vnd.msgpack" => Some(Self::MessagePack),
            _ => None,
        }
    }

    /// An answer in this format.
    pub(super) fn reply(self, value: &impl Serialize) -> Response {
        match self {
            Self::Json => Json(value).into_response(),
            Self::MessagePack => {
                let bytes =
                    rmp_serde::to_vec_named(value).expect("what is answered can be written, into memory");
                ([(header::CONTENT_TYPE, MSGPACK)], Body::from(bytes)).into_response()
            }
        }
    }
}

impl<S: Sync> FromRequestParts<S> for Format {
    type Rejection = Infallible;

    /// The first that is known of those that `Accept` lists; JSON otherwise.
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let accept =
            parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(accept.split(',').find_map(Self::named).unwrap_or(Self::Json))
    }
}

/// The value in a request's body.
pub(super) struct Value<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Value<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let Some(format) = media_type.and_then(Format::named) else {
            let text = "the body is to be application/json or application/msgpack, and to say so";
            return Err(Problem::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, text));
        };
        let bytes = Bytes::from_request(request, state).await.map_err(|error| unread(&error))?;
        let malformed = |error: &dyn std::fmt::Display| Refusal::because(Code::MALFORMED, &error.to_string());
        let value = match format {
            Format::Json => serde_json::from_slice(&bytes).map_err(|error| malformed(&error))?,
            Format::MessagePack => unpack(&bytes).map_err(|error| malformed(&error))?,
        };
        Ok(Self(value))
    }
}

/// Without the bound, a body of nested arrays would take all of a worker's stack.
fn unpack<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, rmp_serde::decode::Error> {
    let mut deserializer = rmp_serde::Deserializer::from_read_ref(bytes);
    deserializer.set_max_depth(MAX_DEPTH);
    T::deserialize(&mut deserializer)
}

fn unread(error: &BytesRejection) -> Problem {
    match error.status() {
        StatusCode::PAYLOAD_TOO_LARGE => Refusal::new(Code::PAYLOAD_TOO_LARGE).into(),
        status => Problem::plain(status, "the body could not be read"),
    }
}

/// What a path or a query says.
pub(super) struct Given<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Given<axum::extract::Query<T>> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::from_request_parts(parts, state).await;
        query.map(Self).map_err(|error| Problem::illegal(&error.body_text()))
    }
}

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Given<axum::extract::Path<T>> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::from_request_parts(parts, state).await;
        path.map(Self).map_err(|error| Problem::illegal(&error.body_text()))
    }
}
