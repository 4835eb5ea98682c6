//! Which web pages may connect.

use std::{net::IpAddr, str::FromStr, sync::Arc};

use http::Uri;

/// The origins (RFC 6454) that browsers may come from; asked for each WebTransport session and each WebSocket.
///
/// Always welcome are clients without an origin, which are no browsers, and pages of the very host that is dialled,
/// on any port; on a loopback address pages of all loopback names. Dunlin's sessions stand on tokens, not on
/// cookies, so a strange page gains nothing that a strange program would not: this keeps other people's pages from
/// using the server as theirs.
///
/// ```
/// # use dunlin_transport::Origins;
/// let origins: Origins = "https://app.example, https://*.example.org".parse()?;
/// assert!(origins.allow(Some("https://app.example"), "rt.example:4433"));
/// assert!(origins.allow(Some("https://a.b.example.org"), "rt.example:4433"));
/// assert!(origins.allow(Some("https://rt.example"), "rt.example:4433"));
/// assert!(!origins.allow(Some("https://evil.example"), "rt.example:4433"));
/// # Ok::<(), dunlin_transport::IllegalOrigin>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins(Arc<[Pattern]>);

#[derive(Debug, PartialEq, Eq)]
enum Pattern {
    /// `*`
    Any,
    /// `scheme://host[:port]`, lower case, without a default port.
    Exact(String),
    /// `scheme://*.domain[:port]`: what stands before and after the labels left open.
    Below { scheme: String, domain: String },
}

/// What is not an origin.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not an origin; write https://HOST[:PORT], https://*.DOMAIN[:PORT] or *")]
pub struct IllegalOrigin(String);

impl Origins {
    /// Whether a client with this `Origin` header may connect to this server, which it calls by `authority`
    /// (`HOST[:PORT]`).
    #[must_use]
    pub fn allow(&self, origin: Option<&str>, authority: &str) -> bool {
        let Some(origin) = origin else { return true };
        if self.0.contains(&Pattern::Any) {
            return true;
        }
        let Some((scheme, authority_of_page)) = split(origin) else { return false };
        let (page, server) = (host(&authority_of_page), host(authority).to_ascii_lowercase());
        page == server
            || is_loopback(page) && is_loopback(&server)
            || self.0.iter().any(|pattern| pattern.matches(&scheme, &authority_of_page))
    }
}

/// Where a client comes from, as far as its `Origin` header tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    /// A page with a loopback name, or no page at all.
    Here,
    /// Any other. Its browser may be on this machine, and the page may have a name of this machine's address, which its
    /// owner gave it: so neither says that the page is to be trusted.
    Elsewhere,
}

/// Whether a request is from this machine as far as its headers tell: from no page or one with a loopback name, for a server that
/// it calls by such a name too, and not by one that its owner gave this machine's address. The peer's address must say the same.
#[must_use]
pub fn is_local_page(origin: Option<&str>, authority: &str) -> bool {
    Page::of(origin) == Page::Here && is_loopback(host(authority))
}

impl Page {
    pub(crate) fn of(origin: Option<&str>) -> Self {
        match origin.map(split) {
            None => Self::Here,
            Some(Some((_, authority))) if is_loopback(host(&authority)) => Self::Here,
            Some(_) => Self::Elsewhere,
        }
    }
}

impl Pattern {
    fn matches(&self, scheme: &str, authority: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Exact(origin) => {
                origin.strip_prefix(scheme).and_then(|rest| rest.strip_prefix("://")) == Some(authority)
            }
            Self::Below { scheme: of, domain } => {
                of == scheme
                    && authority.strip_suffix(domain.as_str()).is_some_and(|labels| labels.ends_with('.'))
            }
        }
    }
}

impl FromStr for Origins {
    type Err = IllegalOrigin;

    /// A list with commas between; an empty one leaves those that are always welcome.
    fn from_str(list: &str) -> Result<Self, IllegalOrigin> {
        let entries = list.split(',').map(str::trim).filter(|entry| !entry.is_empty());
        Ok(Self(entries.map(pattern).collect::<Result<_, _>>()?))
    }
}

fn pattern(entry: &str) -> Result<Pattern, IllegalOrigin> {
    if entry == "*" {
        return Ok(Pattern::Any);
    }
    let illegal = || IllegalOrigin(entry.into());
    let open = entry.replacen("://*.", "://", 1);
    let (scheme, authority) = split(open.trim_end_matches('/')).ok_or_else(illegal)?;
    if authority.contains('*') {
        return Err(illegal());
    }
    Ok(if open == entry {
        Pattern::Exact(format!("{scheme}://{authority}"))
    } else {
        Pattern::Below { scheme, domain: authority }
    })
}

/// Scheme and authority in lower case, without the scheme's usual port.
fn split(origin: &str) -> Option<(String, String)> {
    let uri: Uri = origin.parse().ok()?;
    let (scheme, authority) = (uri.scheme_str()?.to_ascii_lowercase(), uri.authority()?);
    let bare = uri.path_and_query().is_none_or(|path| path == "/") && !authority.as_str().contains('@');
    let usual = match scheme.as_str() {
        "https" => ":443",
        "http" => ":80",
        _ => return None,
    };
    let authority = authority.as_str().to_ascii_lowercase();
    let authority = authority.strip_suffix(usual).map(Into::into).unwrap_or(authority);
    (bare && !host(&authority).is_empty()).then_some((scheme, authority))
}

/// The host of `HOST[:PORT]`, an IPv6 address without its brackets.
fn host(authority: &str) -> &str {
    match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, _)) => address,
        None => authority.split_once(':').map_or(authority, |(host, _)| host),
    }
}

fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.to_canonical().is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &str) -> Origins {
        list.parse().unwrap()
    }

    #[test]
    fn pages_of_the_same_host_and_programs_are_always_welcome() {
        let none = origins("");
        assert!(none.allow(None, "rt.example:4433"));
        assert!(none.allow(Some("https://RT.example"), "rt.example:4433"));
        assert!(none.allow(Some("http://localhost:4480"), "127.0.0.1:4433"));
        assert!(none.allow(Some("http://[::1]:4480"), "localhost:4433"));
        for strange in
            ["https://example", "https://xrt.example", "null", "", "file://", "https://rt.example@evil"]
        {
            assert!(!none.allow(Some(strange), "rt.example:4433"), "{strange}");
        }
        assert!(!none.allow(Some("http://localhost"), "rt.example"));
        assert!(!none.allow(Some("https://evil.example"), "127.0.0.1:4433"));
    }

    #[test]
    fn a_page_is_here_by_its_own_name_only() {
        for here in [None, Some("http://localhost:4480"), Some("https://127.0.0.1"), Some("http://[::1]:1")] {
            assert_eq!(Page::of(here), Page::Here, "{here:?}");
        }
        for elsewhere in
            ["http://evil.example:4480", "http://192.0.2.1", "https://localhost.evil", "null", ""]
        {
            assert_eq!(Page::of(Some(elsewhere)), Page::Elsewhere, "{elsewhere}");
        }
    }

    #[test]
    fn listed_origins_match_as_a_whole() {
        let listed = origins("https://app.example:443, http://other.example:8080/");
        assert!(listed.allow(Some("https://app.example"), "rt"));
        assert!(listed.allow(Some("http://other.example:8080"), "rt"));
        for strange in
            ["http://app.example", "https://app.example:1", "http://other.example", "https://a.app.example"]
        {
            assert!(!listed.allow(Some(strange), "rt"), "{strange}");
        }
    }

    #[test]
    fn a_star_stands_for_the_labels_before_a_domain() {
        let below = origins("https://*.example.org");
        assert!(below.allow(Some("https://a.example.org"), "rt"));
        for strange in
            ["https://example.org", "https://aexample.org", "http://a.example.org", "https://a.example.org:1"]
        {
            assert!(!below.allow(Some(strange), "rt"), "{strange}");
        }
        assert!(origins("*").allow(Some("null"), "rt"));
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for wrong in
            ["app.example", "https://", "https://*", "ftp://app.example", "https://a/b", "https://a.*.b"]
        {
            assert!(wrong.parse::<Origins>().is_err(), "{wrong}");
        }
    }
}
