//! Runs made by hand.

use super::*;

const TOPIC: &str = "down:0";

fn at(at: u64, what: What) -> Record {
    Record { at, client: 0, what }
}

fn received(time: u64, number: u64) -> Record {
    at(time, What::Received { topic: TOPIC.into(), number, sent: time, position: (1, number) })
}

fn joined(time: u64, start: &str, position: (u64, u64), previous: (u64, u64)) -> Record {
    let (topic, start) = (TOPIC.into(), start.into());
    at(time, What::Joined { topic, again: true, start, position, previous: Some(previous), away_ms: 0 })
}

fn state(time: u64, resumed: bool) -> Record {
    let state = "online".into();
    at(time, What::State { state, session: None, resumed: Some(resumed), over: None, problem: None })
}

/// A station that published this many and had them acknowledged, and a traveller to whom this happened.
fn run(published: u64, traveller: Vec<Record>) -> Run {
    let mut station = Vec::new();
    for number in 1..=published {
        station.push(at(0, What::Pushed { topic: TOPIC.into(), number }));
        station.push(at(0, What::Answered { topic: TOPIC.into(), number, error: None }));
    }
    Run {
        measure: Measure::Gap,
        from: 10_000,
        end: 100_000,
        clients: 1,
        marks: vec![at(10_000, What::Mark { name: "cut".into() })],
        traveller,
        station,
        server: Vec::new(),
        packets: Vec::new(),
    }
}

#[test]
fn a_gap_is_counted_from_the_last_message_before() {
    let run = run(3, vec![received(8000, 1), received(50_000, 2), received(90_000, 3)]);
    let outcome = Outcome::of(&run);
    assert_eq!(outcome.times, [42.0]);
    assert_eq!(outcome.rungs, [Rung::Migrated]);
    assert!(outcome.down.is_perfect());
}

#[test]
fn whoever_is_back_before_the_moment_took_no_time() {
    let story = vec![received(1000, 1), joined(40_000, "Recovered", (1, 1), (1, 1))];
    let run = Run { measure: Measure::Rejoin, from: 50_000, ..run(1, story) };
    assert_eq!(Outcome::of(&run).times, [0.0]);
}

#[test]
fn what_was_missed_has_been_read_when_the_first_later_message_arrives() {
    let late = |time: u64, number: u64, sent: u64| {
        at(time, What::Received { topic: TOPIC.into(), number, sent, position: (1, number) })
    };
    let story = vec![received(1000, 1), late(40_000, 2, 9000), late(45_000, 3, 11_000), received(50_000, 4)];
    assert_eq!(Outcome::of(&run(4, story)).caught_up, [35.0]);
    assert_eq!(Outcome::of(&run(2, vec![received(1000, 1)])).caught_up, [90.0]);
}

#[test]
fn a_return_is_counted_from_the_moment() {
    let run = Run { measure: Measure::Return, ..run(2, vec![received(1000, 1), received(70_000, 2)]) };
    assert_eq!(Outcome::of(&run).times, [60.0]);
}

#[test]
fn who_never_comes_back_is_silent_until_the_end() {
    let run = Run { end: 5_000_000, ..run(2, vec![received(9000, 1), received(12_000, 2)]) };
    let outcome = Outcome::of(&run);
    assert_eq!(outcome.times, [4988.0]);
    assert_eq!(outcome.rungs, [Rung::Never]);
}

#[test]
fn a_stall_after_the_return_counts() {
    let run = run(3, vec![received(9000, 1), received(12_000, 2), received(95_000, 3)]);
    assert_eq!(Outcome::of(&run).times, [83.0]);
}

#[test]
fn lost_duplicated_and_reordered_are_told_apart() {
    let numbers = [1, 2, 2, 5, 4];
    let traveller = (20_000..).zip(numbers).map(|(time, number)| received(time, number)).collect();
    let down = Outcome::of(&run(5, traveller)).down;
    assert_eq!((down.published, down.lost, down.told), (5, 1, 0));
    assert_eq!((down.duplicated, down.reordered), (1, 1));
    assert!(!down.is_honest());
}

#[test]
fn a_told_gap_is_honest_only_if_it_is_exact() {
    let gap = |from, to| at(20_000, What::Gap { topic: TOPIC.into(), epoch: 1, from, to });
    let told = |gap| Outcome::of(&run(5, vec![received(9000, 1), gap, received(90_000, 5)]));
    assert!(told(gap(2, 4)).down.is_honest());
    assert_eq!(told(gap(2, 4)).rungs, [Rung::Resync]);
    assert!(!told(gap(2, 3)).down.is_honest());
    assert_eq!(told(gap(2, 5)).down.told_wrongly, 1);
}

#[test]
fn the_rung_is_the_lowest_that_any_topic_took() {
    let story = |resumed, start| {
        let again = joined(30_000, start, (1, 1), (1, 1));
        Outcome::of(&run(2, vec![received(9000, 1), state(29_000, resumed), again, received(90_000, 2)]))
            .rungs
    };
    assert_eq!(story(true, "Recovered"), [Rung::Resumed]);
    assert_eq!(story(false, "Recovered"), [Rung::Recovered]);
    assert_eq!(story(false, "Lost"), [Rung::Resync]);
}

#[test]
fn a_log_that_starts_over_tells_of_everything_between() {
    let after = What::Received { topic: TOPIC.into(), number: 4, sent: 0, position: (2, 1) };
    let restarted = joined(30_000, "Lost", (2, 0), (1, 1));
    let down = Outcome::of(&run(4, vec![received(9000, 1), restarted, at(90_000, after)])).down;
    assert_eq!((down.lost, down.told), (2, 2));
    assert!(down.is_honest());
}

#[test]
fn pushes_without_an_answer_count_in_their_own_direction() {
    let pushed = at(20_000, What::Pushed { topic: "up:0".into(), number: 1 });
    let outcome = Outcome::of(&run(1, vec![received(90_000, 1), pushed]));
    assert_eq!((outcome.up.unanswered, outcome.up.published), (1, 0));
    assert!(outcome.down.is_perfect() && !outcome.up.is_perfect());
}
