//! Whether there is a console, and for whom.

use super::check::{Check, Switch};
use dunlin_certs::Source;
use std::{fmt, net::SocketAddr};
use subtle::ConstantTimeEq;

/// Who may see the console: its page, and the figures in the topics `$server/…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Console {
    /// Nobody: it is not there.
    Off,
    /// Everybody on this machine.
    Local,
    /// Everybody may load the page; the figures are for those who have the token.
    Token(Token),
}

/// A secret that is given to a few. It is shown to nobody, not even in logs.
#[derive(Clone)]
pub struct Token(Box<str>);

/// Shortest token in characters.
const MIN_LEN: usize = 16;

impl Token {
    /// Takes a secret of at least 16 characters.
    #[must_use]
    pub fn new(secret: &str) -> Option<Self> {
        (secret.chars().count() >= MIN_LEN).then(|| Self(secret.into()))
    }

    /// Whether this is the token. How long the answer takes tells nothing but the token's length.
    #[must_use]
    pub fn is(&self, presented: &str) -> bool {
        self.0.as_bytes().ct_eq(presented.as_bytes()).into()
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Token {}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Console {
    /// Whether this is the token that opens the console.
    pub(crate) fn knows(&self, token: Option<&str>) -> bool {
        matches!((self, token), (Self::Token(secret), Some(token)) if secret.is(token))
    }
}

impl Check<'_> {
    pub(super) fn console(&mut self, certificate: &Source, http: Option<SocketAddr>) -> Console {
        let mode = self.parse("console.mode");
        let token = self.optional("console.token", Token::new);
        let at_home = matches!(certificate, Source::Development { .. })
            && http.is_some_and(|address| address.ip().is_loopback());
        match (mode, token) {
            (Switch::On, Some(token)) => Console::Token(token),
            (Switch::Auto, Some(token)) if at_home => Console::Token(token),
            (Switch::Auto, None) if at_home => Console::Local,
            (Switch::On, None) => {
                self.mistake("console.mode", "needs console.token beside it");
                Console::Off
            }
            (Switch::Off | Switch::Auto, _) => Console::Off,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Sources, checked};

    const SECRET: &str = "open sesame, open";

    fn check(values: &[(&str, &str)]) -> Result<Console, String> {
        checked(values).map(|config| config.console)
    }

    fn with_token() -> Console {
        Console::Token(Token::new(SECRET).unwrap())
    }

    #[test]
    fn by_itself_it_is_there_at_home_only() {
        let files = [("tls.cert", "a.pem"), ("tls.key", "a.key")];
        assert_eq!(check(&[]).unwrap(), Console::Local);
        assert_eq!(check(&[("console.token", SECRET)]).unwrap(), with_token());
        assert_eq!(check(&[("http", "0.0.0.0:4480"), ("auth.mode", "off")]).unwrap(), Console::Off);
        assert_eq!(check(&[("http", "off")]).unwrap(), Console::Off);
        assert_eq!(check(&[files[0], files[1], ("console.token", SECRET)]).unwrap(), Console::Off);
    }

    #[test]
    fn elsewhere_it_is_on_with_a_token() {
        let abroad = [("tls.cert", "a.pem"), ("tls.key", "a.key"), ("console.mode", "on")];
        assert_eq!(
            check(&[abroad[0], abroad[1], abroad[2], ("console.token", SECRET)]).unwrap(),
            with_token()
        );
        assert!(
            check(&abroad)
                .unwrap_err()
                .contains("console.mode (command line): needs console.token beside it")
        );
        assert_eq!(check(&[("console.mode", "off"), ("console.token", SECRET)]).unwrap(), Console::Off);
    }

    #[test]
    fn a_token_is_never_shown() {
        let short = check(&[("console.token", "hush")]).unwrap_err();
        assert!(
            short.contains("console.token (command line): what is given is not a secret of at least 16"),
            "{short}"
        );
        assert!(!format!("{:?}", with_token()).contains("sesame"));
        let mut sources = Sources::default();
        sources.flag("console.token", SECRET.into());
        let shown = sources.to_toml();
        assert!(shown.contains("# token = …   # set, command line") && !shown.contains("sesame"), "{shown}");
        assert!(Sources::default().file("shown.toml".into(), &shown).is_ok());
    }

    #[test]
    fn a_token_is_that_and_no_other() {
        let token = Token::new(SECRET).unwrap();
        assert!(token.is(SECRET));
        assert!(!token.is("open sesame, opem") && !token.is("") && !token.is("open sesame, open!"));
    }
}
