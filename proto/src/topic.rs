//! Topic names and the patterns that rules use to select them.

use std::{borrow::Borrow, fmt, str::FromStr, sync::Arc};

/// Longest topic name in bytes.
pub const MAX_TOPIC_LEN: usize = 255;

/// The name of a topic: one to 255 ASCII characters in non-empty segments separated by `/` or `:`.
///
/// Segments hold letters, digits and `- _ . ~ @ + = , ! $`. A first segment that begins with `$` is kept for
/// the server's own topics ([`Topic::is_reserved`]). A `Topic` exists only if it is legal; cloning one is cheap.
///
/// ```
/// use dunlin_proto::Topic;
/// let topic: Topic = "room:42/typing".parse()?;
/// assert_eq!(topic.segments().collect::<Vec<_>>(), ["room", "42", "typing"]);
/// assert!("room::42".parse::<Topic>().is_err());
/// # Ok::<(), dunlin_proto::topic::Illegal>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Topic(Arc<str>);

/// Why a string is not a topic name or a pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Illegal {
    /// Nothing at all.
    #[error("a topic name cannot be empty")]
    Empty,
    /// More than [`MAX_TOPIC_LEN`] bytes.
    #[error("a topic name has at most {MAX_TOPIC_LEN} bytes, this one has {0}")]
    TooLong(usize),
    /// A separator at the start, at the end, or next to another one.
    #[error("a topic name cannot have an empty segment (at byte {0})")]
    EmptySegment(usize),
    /// A character outside the alphabet.
    #[error("a topic name cannot contain {0:?} (at byte {1})")]
    Character(char, usize),
    /// A pattern whose `*` is not its last segment.
    #[error("`*` may only be the last segment of a pattern")]
    Wildcard,
}

impl Topic {
    /// Parses a name.
    ///
    /// # Errors
    /// Says which rule the name breaks, and where.
    pub fn new(name: &str) -> Result<Self, Illegal> {
        check(name)?;
        Ok(Self(name.into()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The segments between the separators.
    pub fn segments(&self) -> impl Iterator<Item = &str> {
        self.0.split(is_separator)
    }

    /// Whether the name belongs to the server (its first segment begins with `$`).
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        self.0.starts_with('$')
    }
}

fn check(name: &str) -> Result<(), Illegal> {
    if name.is_empty() {
        return Err(Illegal::Empty);
    }
    if name.len() > MAX_TOPIC_LEN {
        return Err(Illegal::TooLong(name.len()));
    }
    let mut segment_is_empty = true;
    for (at, c) in name.char_indices() {
        if is_separator(c) {
            if segment_is_empty {
                return Err(Illegal::EmptySegment(at));
            }
            segment_is_empty = true;
        } else if c.is_ascii_alphanumeric() || "-_.~@+=,!$".contains(c) {
            segment_is_empty = false;
        } else {
            return Err(Illegal::Character(c, at));
        }
    }
    if segment_is_empty { Err(Illegal::EmptySegment(name.len())) } else { Ok(()) }
}

fn is_separator(c: char) -> bool {
    matches!(c, '/' | ':')
}

impl FromStr for Topic {
    type Err = Illegal;
    fn from_str(s: &str) -> Result<Self, Illegal> {
        Self::new(s)
    }
}

impl AsRef<str> for Topic {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Topic {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Topic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Topic({})", self.0)
    }
}

/// Which topics a rule is about: one name, or with `*` as the last segment all names below a prefix.
///
/// `room:*` matches `room:1` and `room:1/typing`, but neither `room` nor `rooms:1`; `*` alone matches every
/// topic that is not reserved. Of several patterns that match, [`Pattern::specificity`] picks the closest.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Pattern {
    /// Exactly this topic.
    Exact(Topic),
    /// Every topic that begins with this text, which is empty or ends in a separator.
    Prefix(Box<str>),
}

impl Pattern {
    /// Whether the pattern selects the topic.
    #[must_use]
    pub fn matches(&self, topic: &Topic) -> bool {
        match self {
            Self::Exact(name) => name == topic,
            Self::Prefix(prefix) if prefix.is_empty() => !topic.is_reserved(),
            Self::Prefix(prefix) => topic.as_str().starts_with(&**prefix),
        }
    }

    /// Greater for a pattern that says more: an exact name beats any prefix, a longer prefix a shorter one.
    #[must_use]
    pub fn specificity(&self) -> usize {
        match self {
            Self::Exact(_) => usize::MAX,
            Self::Prefix(prefix) => prefix.len(),
        }
    }
}

impl FromStr for Pattern {
    type Err = Illegal;
    fn from_str(s: &str) -> Result<Self, Illegal> {
        let Some(prefix) = s.strip_suffix('*') else {
            return if s.contains('*') { Err(Illegal::Wildcard) } else { Topic::new(s).map(Self::Exact) };
        };
        if !prefix.is_empty() {
            let name = prefix.strip_suffix(is_separator).ok_or(Illegal::Wildcard)?;
            if name.contains('*') {
                return Err(Illegal::Wildcard);
            }
            check(name)?;
        }
        Ok(Self::Prefix(prefix.into()))
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact(topic) => topic.fmt(f),
            Self::Prefix(prefix) => write!(f, "{prefix}*"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn legal_names() {
        for name in ["a", "room:42", "a/b:c/d", "$server/sessions", "x.y-z_~@+=,!"] {
            assert_eq!(Topic::new(name).unwrap().as_str(), name);
        }
        assert!(Topic::new(&"a".repeat(255)).is_ok());
    }

    #[test]
    fn illegal_names_say_why() {
        let why = |name: &str| Topic::new(name).unwrap_err();
        assert_eq!(why(""), Illegal::Empty);
        assert_eq!(why(&"a".repeat(256)), Illegal::TooLong(256));
        assert_eq!(why(":a"), Illegal::EmptySegment(0));
        assert_eq!(why("a:"), Illegal::EmptySegment(2));
        assert_eq!(why("a:/b"), Illegal::EmptySegment(2));
        assert_eq!(why("a b"), Illegal::Character(' ', 1));
        assert_eq!(why("é"), Illegal::Character('é', 0));
        assert_eq!(why("room:*"), Illegal::Character('*', 5));
    }

    #[test]
    fn patterns_select_by_segment() {
        let pattern: Pattern = "room:*".parse().unwrap();
        let matches = |name: &str| pattern.matches(&name.parse().unwrap());
        assert!(matches("room:1") && matches("room:1/typing"));
        assert!(!matches("room") && !matches("rooms:1") && !matches("room/1"));
    }

    #[test]
    fn the_star_leaves_reserved_topics_alone() {
        let all: Pattern = "*".parse().unwrap();
        assert!(all.matches(&"a".parse().unwrap()));
        assert!(!all.matches(&"$server/x".parse().unwrap()));
        assert!("$server/*".parse::<Pattern>().unwrap().matches(&"$server/x".parse().unwrap()));
    }

    #[test]
    fn the_closest_pattern_is_the_most_specific() {
        let by_name = |s: &str| s.parse::<Pattern>().unwrap().specificity();
        assert!(by_name("room:1") > by_name("room:*") && by_name("room:*") > by_name("*"));
    }

    #[test]
    fn a_star_elsewhere_is_illegal() {
        for text in ["a*", "*:a", "a:*:b", "a:**", "*:*"] {
            assert_eq!(text.parse::<Pattern>(), Err(Illegal::Wildcard), "{text}");
        }
    }
}
