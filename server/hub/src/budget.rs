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

/// The greatest level L for which the sum of `min(size, L)` is at most `target`: as when water runs off, the highest
/// give first and who is below the level gives nothing. `usize::MAX` if the sizes fit as they are.
pub(crate) fn water_level(mut sizes: Vec<usize>, target: usize) -> usize {
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

    proptest! {
        #[test]
        fn the_level_is_the_greatest_that_fits(sizes in prop::collection::vec(0_usize..50, 0..20), target in 0_usize..500) {
            let held = |level: usize| sizes.iter().map(|size| *size.min(&level)).sum::<usize>();
            let level = water_level(sizes.clone(), target);
            prop_assert!(held(level) <= target);
            prop_assert!(level == usize::MAX || held(level + 1) > target);
        }
    }
}
