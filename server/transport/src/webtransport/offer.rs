//! What a client asks for with its CONNECT request, and the answer.

use h3::ext::Protocol;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode};
use metrics::counter;

use crate::{Origins, PATH, SUBPROTOCOL};

/// The subprotocols that a client offers, and the one that a server takes (draft-ietf-webtrans-http3, 3.4).
pub(crate) const OFFERED: &str = "wt-available-protocols";
const TAKEN: &str = "wt-protocol";

/// Why a request does not become a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// CONNECT for something else than WebTransport.
    Protocol,
    /// Sessions are served at one path only.
    Path,
    /// A web page that is not welcome.
    Origin,
    /// The client speaks other protocols only.
    Subprotocol,
    /// The server takes no more connections.
    Stopping,
}

impl Refusal {
    pub(crate) fn response(self) -> Response<()> {
        let (status, reason) = match self {
            Self::Protocol => (StatusCode::BAD_REQUEST, "protocol"),
            Self::Path => (StatusCode::NOT_FOUND, "path"),
            Self::Origin => (StatusCode::FORBIDDEN, "origin"),
            Self::Subprotocol => (StatusCode::BAD_REQUEST, "subprotocol"),
            Self::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
        };
        counter!("dunlin_webtransport_refused_total", "reason" => reason).increment(1);
        tracing::debug!(reason, "WebTransport session refused");
        let mut response = Response::new(());
        *response.status_mut() = status;
        response
    }
}

/// The answer that makes a session of this request, if it can become one.
pub(crate) fn accept(request: &Request<()>, origins: &Origins) -> Result<Response<()>, Refusal> {
    let protocol = request.extensions().get::<Protocol>();
    if request.method() != Method::CONNECT || protocol != Some(&Protocol::WEB_TRANSPORT) {
        return Err(Refusal::Protocol);
    }
    if request.uri().path() != PATH {
        return Err(Refusal::Path);
    }
    let authority = request.uri().authority().map_or("", |authority| authority.as_str());
    if !origins.allow(origin(request.headers()), authority) {
        return Err(Refusal::Origin);
    }
    let mut response = Response::new(());
    if let Some(offered) = offered(request.headers()) {
        if !offered.iter().any(|protocol| protocol == SUBPROTOCOL) {
            return Err(Refusal::Subprotocol);
        }
        response.headers_mut().insert(TAKEN, quoted());
    }
    Ok(response)
}

/// The page that asks, if it is one. What is not even text is no origin that could be welcome.
pub(crate) fn origin(headers: &HeaderMap) -> Option<&str> {
    Some(headers.get(http::header::ORIGIN)?.to_str().unwrap_or_default())
}

/// Our subprotocol as a structured field's string.
pub(crate) fn quoted() -> HeaderValue {
    HeaderValue::try_from(format!("\"{SUBPROTOCOL}\"")).expect("the name is ASCII without quotes")
}

/// The subprotocols on offer; `None` if there is no list of strings, for then the field counts as absent.
fn offered(headers: &HeaderMap) -> Option<Vec<String>> {
    let lines: Result<Vec<_>, _> = headers.get_all(OFFERED).iter().map(HeaderValue::to_str).collect();
    strings(&lines.ok()?.join(",")).filter(|offered| !offered.is_empty())
}

/// A list of strings (RFC 9651, 3.1 and 3.3.3), parameters left aside.
fn strings(list: &str) -> Option<Vec<String>> {
    let mut found = Vec::new();
    let mut rest = list.trim_matches([' ', '\t']);
    while !rest.is_empty() {
        let (string, after) = string(rest)?;
        found.push(string);
        // Parameters may hold strings with commas: there are none that we know, so their lists are not ours.
        let end = after.find(',').unwrap_or(after.len());
        let (parameters, next) = after.split_at(end);
        let parameters = parameters.trim_matches([' ', '\t']);
        if !(parameters.is_empty() || parameters.starts_with(';')) || parameters.contains('"') {
            return None;
        }
        rest = next.strip_prefix(',').map_or("", |next| next.trim_start_matches([' ', '\t']));
        if rest.is_empty() && !next.is_empty() {
            return None;
        }
    }
    Some(found)
}

/// A quoted string at the front, and what follows it.
fn string(from: &str) -> Option<(String, &str)> {
    let mut string = String::new();
    let mut characters = from.strip_prefix('"')?.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((string, &from[at + 2..])),
            '\\' => {
                let (_, escaped) = characters.next()?;
                string.push(Some(escaped).filter(|c| matches!(c, '\\' | '"'))?);
            }
            ' '..='~' => string.push(character),
            _ => return None,
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(path: &str, headers: &[(&'static str, &'static str)]) -> Request<()> {
        let mut request =
            Request::builder().method(Method::CONNECT).uri(format!("https://rt.example:4433{path}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.extension(Protocol::WEB_TRANSPORT).body(()).unwrap()
    }

    fn answer(request: &Request<()>) -> Result<Option<HeaderValue>, Refusal> {
        let answer = accept(request, &"https://app.example".parse().unwrap());
        answer.map(|response| response.headers().get(TAKEN).cloned())
    }

    #[test]
    fn a_session_is_asked_for_by_path_and_protocol() {
        assert_eq!(answer(&request("/dunlin", &[])), Ok(None));
        assert_eq!(answer(&request("/dunlin?x=1", &[])), Ok(None));
        for elsewhere in ["/", "/dunlin/", "/Dunlin", "/dunlin/x"] {
            assert_eq!(answer(&request(elsewhere, &[])), Err(Refusal::Path), "{elsewhere}");
        }
        let mut plain = request("/dunlin", &[]);
        plain.extensions_mut().clear();
        assert_eq!(answer(&plain), Err(Refusal::Protocol));
        plain.extensions_mut().insert(Protocol::CONNECT_UDP);
        assert_eq!(answer(&plain), Err(Refusal::Protocol));
    }

    #[test]
    fn pages_from_elsewhere_are_refused() {
        for welcome in ["https://app.example", "https://rt.example"] {
            assert_eq!(answer(&request("/dunlin", &[("origin", welcome)])), Ok(None), "{welcome}");
        }
        for strange in ["https://evil.example", "null", "", "https://app.ex\u{e4}mple"] {
            assert_eq!(
                answer(&request("/dunlin", &[("origin", strange)])),
                Err(Refusal::Origin),
                "{strange}"
            );
        }
    }

    #[test]
    fn of_the_subprotocols_on_offer_ours_is_taken() {
        for with_ours in [r#""dunlin.v1""#, r#""x" , "dunlin.v1";a=1"#, r#""a\"b\\","dunlin.v1""#] {
            let taken = answer(&request("/dunlin", &[(OFFERED, with_ours)]));
            assert_eq!(taken, Ok(Some(quoted())), "{with_ours}");
        }
        let lines = request("/dunlin", &[(OFFERED, r#""x""#), (OFFERED, r#""dunlin.v1""#)]);
        assert_eq!(answer(&lines), Ok(Some(quoted())));
        for without in [r#""dunlin.v2""#, r#""x", "y""#, r#""""#] {
            let refused = answer(&request("/dunlin", &[(OFFERED, without)]));
            assert_eq!(refused, Err(Refusal::Subprotocol), "{without}");
        }
    }

    #[test]
    fn what_is_no_list_of_strings_counts_as_absent() {
        for no_list in [
            "",
            "dunlin.v1",
            r#""dunlin.v1"#,
            r#""dunlin.v1","#,
            r#""dunlin.v1" x"#,
            r#""dunlin.v1",,"x""#,
            r#""\d""#,
            r#""dunlin.v1", 7"#,
            "\u{e4}",
        ] {
            assert_eq!(answer(&request("/dunlin", &[(OFFERED, no_list)])), Ok(None), "{no_list}");
        }
    }
}
