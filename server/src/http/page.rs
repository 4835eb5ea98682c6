//! The console's page: files that were built into the binary (`build.rs`).

use crate::config::Console;
use axum::{
    Router,
    http::{
        HeaderName, HeaderValue, StatusCode,
        header::{
            CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
        },
    },
    response::IntoResponse,
    routing::get,
};
use tower_http::set_header::SetResponseHeaderLayer;

/// A file of the page.
struct Asset {
    /// Below `/`, such as `assets/index-1a2b3c.js`.
    path: &'static str,
    bytes: &'static [u8],
}

// `ASSETS`, empty if the page could not be built, and then `ABSENT`, which says why.
include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// Whether the page is in this binary.
pub(crate) fn is_built() -> bool {
    !ASSETS.is_empty()
}

/// What is sent with every file of the page. It talks to servers on other ports, and to others if it is told to.
const HEADERS: [(HeaderName, &str); 3] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self' https: http: wss: ws:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
];

/// The page, if there is to be one.
pub(super) fn router(console: &Console) -> Router {
    let mut router = Router::new();
    if *console == Console::Off {
        return router;
    }
    if !is_built() {
        return router.route("/", get(|| async { (StatusCode::NOT_FOUND, absent()) }));
    }
    for asset in ASSETS {
        let path = if asset.path == "index.html" { "/".into() } else { format!("/{}", asset.path) };
        router = router.route(&path, get(move || async move { serve(asset) }));
    }
    for (name, value) in HEADERS {
        router = router.layer(SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value)));
    }
    router
}

fn absent() -> String {
    format!(
        "The console is not in this build: {ABSENT}.\nInstall Node.js 20 or newer with npm, and build again.\n"
    )
}

fn serve(asset: &'static Asset) -> impl IntoResponse {
    // The names of these hold a hash of their content.
    let caching =
        if asset.path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    ([(CONTENT_TYPE, content_type(asset.path)), (CACHE_CONTROL, caching)], asset.bytes)
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, extension)| extension) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("json" | "map" | "webmanifest") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
