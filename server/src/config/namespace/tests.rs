use super::*;
use crate::config::{Config, Sources};

fn sources(toml: &str) -> Sources {
    let mut sources = Sources::default();
    sources.file("test.toml".into(), toml).unwrap();
    sources
}

fn checked(toml: &str) -> Result<Namespaces, String> {
    Config::check(&sources(toml)).map(|config| config.namespaces).map_err(|mistakes| mistakes.to_string())
}

fn of(namespaces: &Namespaces, topic: &str) -> Namespace {
    (**namespaces.of(&topic.parse().unwrap())).clone()
}

#[test]
fn a_table_changes_what_it_names_and_nothing_else() {
    let namespaces = checked(
        r#"
        history = { count = 7, age = "1m" }
        presence.mode = "counts"
        limits.payload = "8KiB"
        rate.publishes = 9

        [namespace."room:*"]
        history.count = 100
        retain = "24h"
        full = "refuse"
        join = "users"
        push = "none"
        delivery = ["latest", "datagram"]
        payload = "4KiB"
        rate = { pushes = 10 }
        "#,
    )
    .unwrap();
    let all = of(&namespaces, "hall");
    assert_eq!((all.retention.count, all.payload, all.publishes), (7, 8192, 9));
    assert_eq!((all.presence, all.join, all.push), (Mode::Counts, Who::All, Who::All));
    assert_eq!((all.pushes, all.default, all.retention.newest), (0, Delivery::Reliable, Duration::ZERO));
    let room = of(&namespaces, "room:1");
    let retention =
        Retention { count: 100, newest: Duration::from_secs(24 * 3600), full: Full::Refuse, ..all.retention };
    let deliveries = [Delivery::Latest, Delivery::Datagram].into();
    let (join, push) = (Who::Users, Who::Nobody);
    let (default, payload, pushes) = (Delivery::Latest, 4096, 10);
    assert_eq!(room, Namespace { retention, deliveries, join, push, default, payload, pushes, ..all });
}

#[test]
fn the_closest_pattern_counts_alone() {
    let namespaces = checked(
        "namespace.'*'.payload = '2KiB'\nnamespace.'room:*'.rate.pushes = 1\n[namespace.'room:open']\n\
         [namespace.hall]\nretain = 'off'",
    )
    .unwrap();
    let of = |topic| {
        let Namespace { payload, pushes, .. } = of(&namespaces, topic);
        (payload, pushes)
    };
    let most = Limits::default().payload;
    assert_eq!((of("lobby"), of("room:1"), of("hall")), ((2048, 0), (most, 1), (most, 0)));
    assert_eq!(of("room:open"), (most, 0), "a table in which nothing stands is one");
    assert_eq!(of("$server/stats"), (most, 0), "the server's own are nobody's");
}

#[test]
fn the_hub_keeps_what_the_table_says() {
    let config = Config::check(&sources("namespace.'log:*'.history.count = 3")).unwrap();
    let counts = |topic: &str| config.hub.retentions.get(&topic.parse().unwrap()).map(|log| log.count);
    assert_eq!((counts("log:1"), counts("other")), (Some(3), None));
}

#[test]
fn every_mistake_is_reported_with_key_source_and_range() {
    let mistakes = checked(
        r#"
        limits.payload = "2KiB"
        namespace.retain = "1h"
        [namespace."room:*"]
        retian = "1h"
        history.count = -1
        join = "everybody"
        delivery = ["latest", "none"]
        payload = "4KiB"
        [namespace.empty]
        delivery = []
        [namespace.silent]
        delivery = "latest"
        default_delivery = "reliable"
        [namespace.stuck]
        full = "refuse"
        history.count = 0
        [namespace."$server/x"]
        [namespace."a:*:b"]
        push = "none"
        [namespace."a*"]
        full = "maybe"
        rate.pushes = -1
        "#,
    )
    .unwrap_err();
    for expected in [
        "namespace.retain (test.toml): no such key; there are history.count,",
        "namespace.room:*.retian (test.toml): no such key; there are history.count,",
        "namespace.room:*.history.count (test.toml): \"-1\" is not a whole number from 0 to 10000000",
        "namespace.room:*.join (test.toml): \"everybody\" is not all, users or none",
        "namespace.room:*.delivery (test.toml): \"latest,none\" is not a list of reliable, latest and datagram",
        "namespace.room:*.payload (test.toml): it is more than limits.payload",
        "namespace.empty.delivery (test.toml): \"\" is not a list of reliable, latest and datagram",
        "namespace.silent.default_delivery (test.toml): it is not among those of `delivery`",
        "namespace.stuck.full (test.toml): with a history of no events, each one would be refused",
        "namespace.$server/x (test.toml): topics that begin with `$` are the server's own",
        "namespace.a:*:b (test.toml): \"a:*:b\" is no topic pattern: ",
        "namespace.a* (test.toml): \"a*\" is no topic pattern: ",
        "namespace.a*.full (test.toml): \"maybe\" is not drop or refuse",
        "namespace.a*.rate.pushes (test.toml): \"-1\" is not a whole number from 0 to 1000000",
    ] {
        assert!(mistakes.lines().any(|line| line.starts_with(expected)), "{expected}\nis not in\n{mistakes}");
    }
    assert_eq!(mistakes.lines().count(), 14, "{mistakes}");
}

#[test]
fn no_pattern_stands_twice_and_there_are_not_too_many() {
    assert!(sources("").file("t".into(), "[namespace.'a:*']\n[namespace.'a:*']").is_err());
    let tables = |count| (0..count).map(|n| format!("[namespace.t{n}]\n")).collect::<String>();
    assert!(checked(&tables(256)).is_ok());
    let mistakes = checked(&tables(257)).unwrap_err();
    assert!(mistakes.contains("there are 257 namespaces, and may be 256"), "{mistakes}");
}

#[test]
fn a_flag_sets_one_key_also_where_the_pattern_has_dots() {
    let mut sources = sources("[namespace.'v1.2:*']\nretain = '1h'\nfull = 'refuse'");
    sources.flag("namespace.v1.2:*.retain", "2h".into());
    sources.flag("namespace.room.history.count", "5".into());
    let namespaces = Config::check(&sources).unwrap().namespaces;
    let log = of(&namespaces, "v1.2:x").retention;
    assert_eq!((log.newest, log.full), (Duration::from_secs(7200), Full::Refuse));
    assert_eq!(of(&namespaces, "room").retention.count, 5);
    for (name, known) in [
        ("namespace.room:*.retain", true),
        ("namespace.retain", false),
        ("namespace.room:*", false),
        ("namespace.room:*.memory", false),
    ] {
        assert_eq!(crate::config::is_known(name), known, "{name}");
    }
}

#[test]
fn what_print_config_shows_is_a_file_that_gives_the_same() {
    let toml = "[namespace.'v1.2:*']\nretain = '1h'\ndelivery = ['latest', 'datagram']\nrate.pushes = 3\n\
                [namespace.'*']\nfull = 'refuse'\n[namespace.open]";
    let shown = sources(toml).to_toml();
    let again = checked(&shown).unwrap();
    assert_eq!(again.by_pattern(), checked(toml).unwrap().by_pattern(), "{shown}");
    assert_eq!(again.by_pattern().iter().count(), 3);
    assert!(shown.contains("# history.count = "), "what could stand there is shown");
}

/// `cargo test --release -p dunlin-server --lib namespace -- --ignored --nocapture` says what a look costs.
#[test]
#[ignore = "a measurement"]
fn what_a_look_costs() {
    for count in [0, 1, 16, 256] {
        let toml = (0..count).map(|n| format!("[namespace.'kind-{n}:*']\n")).collect::<String>();
        let (namespaces, topic) = (checked(&toml).unwrap(), "room:42".parse().unwrap());
        let start = std::time::Instant::now();
        for _ in 0..1_000_000 {
            std::hint::black_box(namespaces.of(std::hint::black_box(&topic)));
        }
        println!("{count} patterns, none of which matches: {:?} a look", start.elapsed() / 1_000_000);
    }
}
