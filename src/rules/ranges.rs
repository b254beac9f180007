//! Sets of integers as sorted, disjoint, inclusive ranges: what address and port groups become.

use std::hash::Hash;

/// The integers a set can be over.
pub(super) trait Point: Copy + Ord + Hash + std::fmt::Debug {
    const FIRST: Self;
    const LAST: Self;
    /// The next one; `None` behind the last.
    fn next(self) -> Option<Self>;
    /// The one before; `None` before the first.
    fn previous(self) -> Option<Self>;
}

macro_rules! point {
    ($($int:ty),*) => {$(
        impl Point for $int {
            const FIRST: Self = <$int>::MIN;
            const LAST: Self = <$int>::MAX;
            fn next(self) -> Option<Self> {
                self.checked_add(1)
            }
            fn previous(self) -> Option<Self> {
                self.checked_sub(1)
            }
        }
    )*};
}
point!(u16, u32, u128);

/// A set. Equal sets compare equal, however they were written.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Ranges<T>(Vec<(T, T)>);

impl<T: Point> Ranges<T> {
    pub(super) fn empty() -> Self {
        Ranges(Vec::new())
    }

    pub(super) fn full() -> Self {
        Ranges(vec![(T::FIRST, T::LAST)])
    }

    /// From ranges in any order; those turned round are left out.
    pub(super) fn new(mut ranges: Vec<(T, T)>) -> Self {
        ranges.retain(|(low, high)| low <= high);
        ranges.sort_unstable();
        let mut out: Vec<(T, T)> = Vec::with_capacity(ranges.len());
        for (low, high) in ranges {
            match out.last_mut() {
                // overlapping, or next to each other
                Some(last) if last.1.next().is_none_or(|next| low <= next) => last.1 = last.1.max(high),
                _ => out.push((low, high)),
            }
        }
        out.shrink_to_fit();
        Ranges(out)
    }

    pub(super) fn as_slice(&self) -> &[(T, T)] {
        &self.0
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        matches!(self.0.as_slice(), [(low, high)] if *low == T::FIRST && *high == T::LAST)
    }

    pub(super) fn contains(&self, point: T) -> bool {
        let at = self.0.partition_point(|(low, _)| *low <= point);
        at.checked_sub(1).and_then(|at| self.0.get(at)).is_some_and(|(_, high)| point <= *high)
    }

    /// What is in none of its ranges.
    pub(super) fn complement(&self) -> Self {
        let mut out = Vec::with_capacity(self.0.len() + 1);
        let mut from = Some(T::FIRST);
        for &(low, high) in &self.0 {
            if let (Some(start), Some(end)) = (from, low.previous())
                && start <= end
            {
                out.push((start, end));
            }
            from = high.next();
        }
        if let Some(start) = from {
            out.push((start, T::LAST));
        }
        Ranges(out)
    }

    /// What is in both.
    pub(super) fn intersection(&self, other: &Self) -> Self {
        let mut out = Vec::new();
        let (mut left, mut right) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(&&(a, b)), Some(&&(c, d))) = (left.peek(), right.peek()) {
            let (low, high) = (a.max(c), b.min(d));
            if low <= high {
                out.push((low, high));
            }
            if b <= d {
                left.next();
            } else {
                right.next();
            }
        }
        Ranges(out)
    }

    /// What is in this one and not in the other.
    pub(super) fn without(&self, other: &Self) -> Self {
        if other.is_empty() { self.clone() } else { self.intersection(&other.complement()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_behave_as_sets() {
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = move || {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed
        };
        for _ in 0..2000 {
            let mut set = || {
                let count = random() % 6;
                let ranges: Vec<(u16, u16)> = (0..count)
                    .map(|_| {
                        let low = match random() % 8 {
                            0 => 65_530,
                            1 => 0,
                            _ => (random() % 60) as u16,
                        };
                        (low, low.saturating_add((random() % 9) as u16))
                    })
                    .collect();
                let member = ranges.clone();
                (Ranges::new(ranges), move |p: u16| member.iter().any(|&(a, b)| a <= p && p <= b))
            };
            let (a, in_a) = set();
            let (b, in_b) = set();
            let (not_a, minus, both) = (a.complement(), a.without(&b), a.intersection(&b));
            for p in (0..80).chain(65_500..=65_535) {
                assert_eq!(a.contains(p), in_a(p));
                assert_eq!(not_a.contains(p), !in_a(p));
                assert_eq!(minus.contains(p), in_a(p) && !in_b(p));
                assert_eq!(both.contains(p), in_a(p) && in_b(p));
            }
            assert_eq!(not_a.complement(), a);
            assert_eq!(Ranges::new(minus.as_slice().to_vec()), minus, "results are in normal form");
        }
        assert!(Ranges::<u16>::full().is_full());
        assert!(Ranges::<u16>::full().complement().is_empty());
        assert_eq!(Ranges::new(vec![(5u32, 4), (7, 9), (10, 12)]).as_slice(), [(7, 12)]);
    }
}
