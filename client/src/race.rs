//! Two ways tried beside each other: the first choice with a head start, and the first that answers wins.

use std::{pin::pin, time::Duration};

use tokio::{select, time::sleep};

/// Who answered first.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Winner<T> {
    /// The first choice.
    First(T),
    /// The other one.
    Second(T),
}

/// Why nobody won.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure<E> {
    /// One got an answer after which the other need not go on.
    Decided(E),
    /// Both failed: the first choice, and the other one.
    Both(E, E),
}

/// Runs `first` at once, and `second` when the head start is over or `first` has failed. The result is that of whichever
/// succeeds first, `first` if both do at once; the other one is dropped. An error that `decides` ends the race as well.
pub(crate) async fn race<T, E>(
    first: impl Future<Output = Result<T, E>>,
    second: impl Future<Output = Result<T, E>>,
    head_start: Duration,
    decides: impl Fn(&E) -> bool,
) -> Result<Winner<T>, Failure<E>> {
    let mut start = pin!(sleep(head_start));
    let mut started = head_start.is_zero();
    let (mut first, mut second) = (pin!(first), pin!(second));
    let (mut first_failed, mut second_failed) = (None, None);
    loop {
        let (failed, error) = select! {
            biased;
            ended = &mut first, if first_failed.is_none() => match ended {
                Ok(value) => return Ok(Winner::First(value)),
                Err(error) => (&mut first_failed, error),
            },
            ended = &mut second, if started && second_failed.is_none() => match ended {
                Ok(value) => return Ok(Winner::Second(value)),
                Err(error) => (&mut second_failed, error),
            },
            () = &mut start, if !started => {
                started = true;
                continue;
            }
        };
        if decides(&error) {
            return Err(Failure::Decided(error));
        }
        *failed = Some(error);
        started = true;
        if let (Some(_), Some(_)) = (&first_failed, &second_failed) {
            break;
        }
    }
    let failed = first_failed.zip(second_failed).expect("the loop ends when both have failed");
    Err(Failure::Both(failed.0, failed.1))
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use proptest::prelude::*;
    use tokio::time::Instant;

    use super::*;

    /// What becomes of one entrant: after so many milliseconds an answer, a failure, or for ever nothing.
    #[derive(Debug, Clone, Copy)]
    enum Fate {
        Answers(u64),
        Fails(u64),
        Hangs,
    }

    impl Fate {
        async fn run(self) -> Result<(), ()> {
            match self {
                Self::Answers(after) => {
                    sleep(Duration::from_millis(after)).await;
                    Ok(())
                }
                Self::Fails(after) => {
                    sleep(Duration::from_millis(after)).await;
                    Err(())
                }
                Self::Hangs => std::future::pending().await,
            }
        }

        /// When it answers, if it is started at this time.
        fn answer(self, started: u64) -> Option<u64> {
            match self {
                Self::Answers(after) => Some(started + after),
                _ => None,
            }
        }
    }

    fn fate() -> impl Strategy<Value = Fate> {
        prop_oneof![
            (0..2000_u64).prop_map(Fate::Answers),
            (0..2000_u64).prop_map(Fate::Fails),
            Just(Fate::Hangs)
        ]
    }

    type Outcome = Result<Winner<()>, Failure<()>>;

    /// A race on a clock of its own: its result (`None` if it never ends), how long it took, and when `second` began.
    fn run(first: Fate, second: Fate, head_start: u64) -> (Option<Outcome>, u64, Option<u64>) {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(async {
            let start = Instant::now();
            let now = || u64::try_from(start.elapsed().as_millis()).unwrap();
            let began = Cell::new(None);
            let second = async {
                began.set(Some(now()));
                second.run().await
            };
            let race = race(first.run(), second, Duration::from_millis(head_start), |()| false);
            let result = tokio::time::timeout(Duration::from_secs(60), race).await.ok();
            (result, now(), began.get())
        })
    }

    proptest! {
        #[test]
        fn whoever_answers_first_wins_and_nobody_wins_without_an_answer(
            first in fate(), second in fate(), head_start in 0..1000_u64,
        ) {
            let (result, took, began) = run(first, second, head_start);
            // The other choice begins after the head start, or when the first one fails before that.
            let begins = match first {
                Fate::Fails(after) => after.min(head_start),
                _ => head_start,
            };
            let answers = (first.answer(0), second.answer(begins));
            match result {
                Some(Ok(Winner::First(()))) => {
                    prop_assert_eq!(answers.0, Some(took));
                    prop_assert!(answers.1.is_none_or(|second| took <= second));
                }
                Some(Ok(Winner::Second(()))) => {
                    prop_assert_eq!(answers.1, Some(took));
                    prop_assert!(answers.0.is_none_or(|first| took < first));
                }
                Some(Err(_)) => {
                    prop_assert!(matches!((first, second), (Fate::Fails(_), Fate::Fails(_))));
                }
                None => prop_assert_eq!(answers, (None, None)),
            }
            prop_assert!(began.is_none_or(|began| began == begins));
        }
    }

    #[test]
    fn a_decision_ends_the_race() {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let refused = async { Err::<(), _>("no") };
        let result =
            runtime.block_on(race(refused, std::future::pending(), Duration::ZERO, |error| *error == "no"));
        assert_eq!(result, Err(Failure::Decided("no")));
    }
}
