//! What all topics together may take, and what each must give back when they take more.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// An amount that many holders share. Nothing stops them from exceeding it; they are to ask, and then give back.
#[derive(Debug)]
pub(crate) struct Budget {
    limit: usize,
    used: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self { limit, used: AtomicUsize::new(0) })
    }

    pub(crate) fn limit(&self) -> usize {
        self.limit
    }

    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// A holder's part of it, which starts at 0.
    pub(crate) fn share(self: &Arc<Self>) -> Share {
        Share { budget: self.clone(), amount: 0 }
    }
}

/// What one holder has taken; given back when it is dropped.
#[derive(Debug)]
pub(crate) struct Share {
    budget: Arc<Budget>,
    amount: usize,
}

impl Share {
    pub(crate) fn amount(&self) -> usize {
        self.amount
    }

    pub(crate) fn take(&mut self, amount: usize) {
        self.amount += amount;
        self.budget.used.fetch_add(amount, Relaxed);
    }

    pub(crate) fn give_back(&mut self, amount: usize) {
        self.amount -= amount;
        self.budget.used.fetch_sub(amount, Relaxed);
    }

    pub(crate) fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.give_back(self.amount);
    }
}

/// What is left to each holder of so many bytes, of which it keeps some if that can be: the highest give first, as at
/// [`water_level`], but nobody what it keeps, unless that alone is more than the target.
pub(crate) fn allotments(holders: &[Holder], target: usize) -> Vec<usize> {
    let kept = holders.iter().map(|holder| holder.kept).sum::<usize>();
    match target.checked_sub(kept) {
        Some(rest) => {
            let level = water_level(holders.iter().map(|holder| holder.bytes - holder.kept).collect(), rest);
            holders.iter().map(|holder| holder.kept.saturating_add(level)).collect()
        }
        None => vec![water_level(holders.iter().map(|holder| holder.bytes).collect(), target); holders.len()],
    }
}

/// One of those who are to make room.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Holder {
    pub(crate) bytes: usize,
    /// How many of them it gives last of all.
    pub(crate) kept: usize,
}

/// The greatest level L for which the sum of `min(size, L)` is at most `target`: as when water runs off, the highest
/// give first and who is below the level gives nothing. `usize::MAX` if the sizes fit as they are.
fn water_level(mut sizes: Vec<usize>, target: usize) -> usize {
    sizes.sort_unstable();
    let mut left = target;
    for (i, &size) in sizes.iter().enumerate() {
        let level = left / (sizes.len() - i);
        if size > level {
            return level;
        }
        left -= size;
    }
    usize::MAX
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_dropped_is_given_back() {
        let budget = Budget::new(10);
        let mut share = budget.share();
        share.take(7);
        share.give_back(2);
        assert_eq!((share.amount(), budget.used()), (5, 5));
        drop(share);
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn the_highest_give_first() {
        assert_eq!(water_level(vec![100, 1, 50], 61), 30);
        assert_eq!(water_level(vec![100, 1, 50], 151), usize::MAX);
        assert_eq!(water_level(vec![100, 1, 50], 0), 0);
        assert_eq!(water_level(Vec::new(), 0), usize::MAX);
    }

    #[test]
    fn what_is_kept_goes_last() {
        let holders = [(100, 0), (40, 40), (90, 30)].map(|(bytes, kept)| Holder { bytes, kept });
        assert_eq!(allotments(&holders, 130), [30, 70, 60]);
        assert_eq!(allotments(&holders, 70), [0, 40, 30]);
        // Together they keep too much: all are equal.
        assert_eq!(allotments(&holders, 69), [23, 23, 23]);
    }

    proptest! {
        #[test]
        fn no_more_is_left_than_the_target(
            holders in prop::collection::vec((0_usize..50, 0_usize..50), 0..20),
            target in 0_usize..500,
        ) {
            let holders: Vec<_> =
                holders.into_iter().map(|(kept, more)| Holder { bytes: kept + more, kept }).collect();
            let left = allotments(&holders, target);
            let held = holders.iter().zip(&left).map(|(holder, left)| holder.bytes.min(*left)).sum::<usize>();
            prop_assert!(held <= target);
            let kept = holders.iter().map(|holder| holder.kept).sum::<usize>();
            prop_assert!(kept > target || holders.iter().zip(&left).all(|(holder, left)| *left >= holder.kept));
        }

        #[test]
        fn the_level_is_the_greatest_that_fits(sizes in prop::collection::vec(0_usize..50, 0..20), target in 0_usize..500) {
            let held = |level: usize| sizes.iter().map(|size| *size.min(&level)).sum::<usize>();
            let level = water_level(sizes.clone(), target);
            prop_assert!(held(level) <= target);
            prop_assert!(level == usize::MAX || held(level + 1) > target);
        }
    }
}
