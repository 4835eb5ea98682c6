//! Values by topic pattern.

use crate::{Pattern, Topic};

/// A value for each of some patterns. A topic has the value of the closest pattern that matches it
/// ([`Pattern::specificity`]), and of no other: values do not add up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patterns<T>(Box<[(Pattern, T)]>);

impl<T> Patterns<T> {
    /// Takes values, each with a pattern of its own.
    ///
    /// # Errors
    /// A pattern that stands twice: which value would count?
    pub fn new(mut values: Vec<(Pattern, T)>) -> Result<Self, Pattern> {
        // The closest first; prefixes of one length cannot both match, unless they are one.
        values.sort_by(|(a, _), (b, _)| {
            b.specificity().cmp(&a.specificity()).then_with(|| a.to_string().cmp(&b.to_string()))
        });
        match values.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            Some(pair) => Err(pair[0].0.clone()),
            None => Ok(Self(values.into())),
        }
    }

    /// The value of the closest pattern; `None` if none matches.
    #[must_use]
    pub fn get(&self, topic: &Topic) -> Option<&T> {
        self.0.iter().find(|(pattern, _)| pattern.matches(topic)).map(|(_, value)| value)
    }

    /// All of them, the closest first.
    pub fn iter(&self) -> impl Iterator<Item = (&Pattern, &T)> {
        self.0.iter().map(|(pattern, value)| (pattern, value))
    }

    /// Other values for the same patterns.
    #[must_use]
    pub fn map<U>(&self, make: impl Fn(&T) -> U) -> Patterns<U> {
        Patterns(self.0.iter().map(|(pattern, value)| (pattern.clone(), make(value))).collect())
    }
}

impl<T> Default for Patterns<T> {
    /// None at all.
    fn default() -> Self {
        Self(Box::default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns(list: &[&str]) -> Result<Patterns<String>, Pattern> {
        Patterns::new(list.iter().map(|text| (text.parse().unwrap(), (*text).into())).collect())
    }

    #[test]
    fn the_closest_counts() {
        let patterns = patterns(&["*", "room:*", "room:1", "room:1/*"]).unwrap();
        let of = |topic: &str| patterns.get(&topic.parse().unwrap()).map(String::as_str);
        assert_eq!(of("room:1"), Some("room:1"));
        assert_eq!(of("room:2"), Some("room:*"));
        assert_eq!(of("room:1/typing"), Some("room:1/*"));
        assert_eq!(of("hall"), Some("*"));
        assert_eq!(of("$server/x"), None);
    }

    #[test]
    fn no_pattern_stands_twice() {
        assert_eq!(patterns(&["a:*", "b", "a:*"]).unwrap_err().to_string(), "a:*");
    }
}
