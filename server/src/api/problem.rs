//! What went wrong, as RFC 9457 has it, with the code of the one table.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use dunlin_proto::{Code, code::Retry, frame::Refusal};
use serde::Serialize;
use std::time::Duration;
use utoipa::ToSchema;

/// Why a request was not done (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Problem {
    /// The HTTP status.
    #[schema(example = 403)]
    status: u16,
    /// The code's name, or the status's.
    #[schema(example = "FORBIDDEN")]
    title: String,
    /// For people.
    detail: String,
    /// A number from the table of codes in PROTOCOL.md, if one fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = 302)]
    code: Option<u32>,
    #[serde(skip)]
    retry_after: Option<Duration>,
}

impl Problem {
    /// One that HTTP has words for.
    pub(super) fn plain(status: StatusCode, detail: &str) -> Self {
        let title = status.canonical_reason().unwrap_or("Error").into();
        Self { status: status.as_u16(), title, detail: detail.into(), code: None, retry_after: None }
    }

    /// There is no such thing.
    pub(super) fn missing(what: &str) -> Self {
        Self::plain(StatusCode::NOT_FOUND, what)
    }

    pub(super) fn unauthorized(detail: &str) -> Self {
        Refusal::because(Code::TOKEN_REQUIRED, detail).into()
    }

    pub(super) fn illegal(detail: &str) -> Self {
        Refusal::because(Code::ILLEGAL_VALUE, detail).into()
    }
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let retry_after = match refusal.retry() {
            Retry::After(time) => Some(time),
            Retry::Never | Retry::Now | Retry::NewToken => None,
        };
        Self {
            status: status(refusal.code).as_u16(),
            title: refusal.code.row().map_or_else(|| refusal.code.to_string(), |row| row.name.into()),
            detail: refusal.message,
            code: Some(refusal.code.0),
            retry_after,
        }
    }
}

/// The HTTP status for a code.
fn status(code: Code) -> StatusCode {
    match code {
        Code::TOKEN_REQUIRED | Code::TOKEN_EXPIRED => StatusCode::UNAUTHORIZED,
        Code::FORBIDDEN => StatusCode::FORBIDDEN,
        Code::SESSION_ENDED => StatusCode::NOT_FOUND,
        Code::LOG_FULL | Code::CHANNEL_OVERRUN => StatusCode::CONFLICT,
        Code::PAYLOAD_TOO_LARGE => StatusCode::PAYLOAD_TOO_LARGE,
        Code::RATE_LIMITED => StatusCode::TOO_MANY_REQUESTS,
        Code::TOPIC_LIMIT | Code::UNAVAILABLE | Code::SERVER_FULL => StatusCode::SERVICE_UNAVAILABLE,
        Code::INTERNAL => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::BAD_REQUEST,
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let retry_after = self.retry_after.filter(|_| {
            matches!(
                status,
                StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE | StatusCode::CONFLICT
            )
        });
        let mut response = (status, Json(self)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(time) = retry_after {
            headers.insert(header::RETRY_AFTER, time.as_secs().max(1).into());
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use dunlin_proto::code::TABLE;

    #[test]
    fn every_code_has_a_status_that_says_no() {
        for row in TABLE.iter().filter(|row| row.code != Code::OK) {
            assert!(status(row.code).is_client_error() || status(row.code).is_server_error(), "{}", row.name);
        }
    }

    #[test]
    fn what_can_be_tried_again_says_when() {
        let response = Problem::from(Refusal::new(Code::RATE_LIMITED)).into_response();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["retry-after"]),
            (429, &HeaderValue::from(1))
        );
        let response = Problem::unauthorized("no").into_response();
        assert_eq!(response.headers()["www-authenticate"], "Bearer");
    }
}
