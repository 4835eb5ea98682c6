use super::*;
use proptest::prelude::*;
use serde_json::json;

fn read(value: Value) -> Result<Capabilities, String> {
    let raw: Vec<RawGrant> = serde_json::from_value(value).map_err(|error| error.to_string())?;
    Capabilities::read(raw).map_err(|error| error.to_string())
}

fn may(capabilities: &Capabilities, topic: &str, right: Right) -> bool {
    capabilities.on(&topic.parse().unwrap()).is_some_and(|grant| grant.may(right))
}

#[test]
fn the_closest_pattern_decides_alone() {
    let capabilities = read(json!([
        {"topics": "room:*", "may": ["join", "push", "history"]},
        {"topics": ["room:news", "room:rules"], "may": ["join"]},
    ]))
    .unwrap();
    assert!(may(&capabilities, "room:1", Right::Push));
    assert!(may(&capabilities, "room:news", Right::Join));
    assert!(!may(&capabilities, "room:news", Right::Push));
    assert!(!may(&capabilities, "rooms:1", Right::Join) && !may(&capabilities, "room", Right::Join));
}

#[test]
fn limits_and_deliveries_are_the_grants_own() {
    let capabilities = read(json!([{
        "topics": "p:*", "may": ["push"], "delivery": ["latest"], "limits": {"payload": 10, "pushes_per_second": 2}
    }]))
    .unwrap();
    let grant = capabilities.on(&"p:1".parse().unwrap()).unwrap();
    assert_eq!((grant.payload(), grant.pushes_per_second()), (Some(10), NonZeroU32::new(2)));
    let allowed = [Delivery::Reliable, Delivery::Latest, Delivery::None].map(|mode| grant.delivers(mode));
    assert_eq!(allowed, [false, true, true]);
}

#[test]
fn what_is_not_understood_is_refused() {
    for (wrong, why) in [
        (json!([{"topics": "a", "may": ["jump"]}]), "unknown variant"),
        (json!([{"topics": "a", "may": ["join"], "limit": {}}]), "unknown field"),
        (json!([{"topics": "a", "may": ["join"], "limits": {"bytes": 1}}]), "unknown field"),
        (json!([{"topics": "a", "may": ["push"], "limits": {"pushes_per_second": 0}}]), "nonzero"),
        (json!([{"topics": [], "may": ["join"]}]), "names no topics"),
        (json!([{"topics": "", "may": ["join"]}]), "is no pattern"),
        (json!([{"topics": "room*", "may": ["join"]}]), "is no pattern"),
        (json!([{"topics": "**", "may": ["join"]}]), "is no pattern"),
        (json!([{"topics": "$server/*", "may": ["join"]}]), "the server's own"),
        (json!([{"topics": "a", "may": ["join"], "delivery": ["fast"]}]), "a delivery is"),
        (json!([{"topics": "a", "may": ["join"]}, {"topics": "a", "may": []}]), "stands twice"),
        (json!([{"topics": vec!["a"; MAX_PATTERNS + 1], "may": []}]), "more than 64"),
    ] {
        let error = read(wrong).unwrap_err();
        assert!(error.contains(why), "{error} {why}");
    }
}

#[test]
fn everything_is_all_but_the_servers_own() {
    let all = Capabilities::everything();
    assert!(Right::ALL.into_iter().all(|right| may(&all, "any/thing", right)));
    assert!(!may(&all, "$server/stats", Right::Join));
}

fn pattern() -> impl Strategy<Value = Pattern> {
    let text = prop_oneof![Just("*".to_owned()), "[ab](:[ab]){0,3}", "[ab](:[ab]){0,2}:\\*"];
    text.prop_map(|text| text.parse().expect("a legal pattern"))
}

fn topic() -> impl Strategy<Value = Topic> {
    "[ab](:[ab]){0,3}".prop_map(|text| text.parse().expect("a legal topic"))
}

/// Grants of which no two have one pattern, and no two are alike: the payload is the place in the list.
fn grants() -> impl Strategy<Value = Vec<(Pattern, Grant)>> {
    let grant = (pattern(), any::<u8>()).prop_map(|(pattern, rights)| {
        let rights = rights & 0b1111;
        (pattern, Grant { rights, ..Grant::everything() })
    });
    prop::collection::vec(grant, 0..12).prop_map(|mut grants| {
        let mut seen = Vec::new();
        grants.retain(|(pattern, _)| {
            let is_new = !seen.contains(pattern);
            seen.push(pattern.clone());
            is_new
        });
        grants.iter_mut().enumerate().for_each(|(place, (_, grant))| grant.payload = Some(place));
        grants
    })
}

proptest! {
    #[test]
    fn the_order_in_the_token_does_not_matter(grants in grants(), topic in topic()) {
        let mut turned = grants.clone();
        turned.reverse();
        let (one, other) = (Capabilities::new(grants).unwrap(), Capabilities::new(turned).unwrap());
        prop_assert_eq!(one.on(&topic), other.on(&topic));
    }

    #[test]
    fn no_other_pattern_that_matches_is_closer(grants in grants(), topic in topic()) {
        let capabilities = Capabilities::new(grants.clone()).unwrap();
        let matching = grants.iter().filter(|(pattern, _)| pattern.matches(&topic));
        let closest = matching.max_by_key(|(pattern, _)| pattern.specificity()).map(|(_, grant)| grant);
        prop_assert_eq!(capabilities.on(&topic), closest);
    }

    #[test]
    fn a_wider_grant_changes_nothing_where_a_closer_one_is(grants in grants(), topic in topic()) {
        let narrow: Vec<_> = grants.into_iter().filter(|(pattern, _)| pattern.specificity() > 0).collect();
        let mut wide = narrow.clone();
        wide.push(("*".parse().unwrap(), Grant::everything()));
        let (before, after) = (Capabilities::new(narrow).unwrap(), Capabilities::new(wide).unwrap());
        match before.on(&topic) {
            Some(grant) => prop_assert_eq!(after.on(&topic), Some(grant)),
            None => prop_assert_eq!(after.on(&topic), Some(&Grant::everything())),
        }
    }

    #[test]
    fn only_a_star_that_is_written_matches_everything(grants in grants(), name in "[c-z]{1,8}") {
        let is_written = grants.iter().any(|(pattern, _)| pattern.specificity() == 0);
        let capabilities = Capabilities::new(grants).unwrap();
        prop_assert_eq!(capabilities.on(&name.parse().unwrap()).is_some(), is_written);
    }
}
