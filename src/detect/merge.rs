//! Sets of rules that packets meet together, searched in one pass.
//!
//! What a packet carries is held against several sets: of any port, of what its flow speaks, of its ports ([`super::group`]). Each
//! search costs by the byte, however few literals it is for, and the same sets are met again and again: those of a browser's
//! requests, say. So a worker that has met the same sets often enough makes one of their literals; what is found is told apart by
//! the rules' heads, which are asked in any case.
//!
//! A merged search takes memory as its sets do together, and a moment to make (two milliseconds for a thousand literals, as much as some
//! four thousand searches save): there are
//! [`MERGES_MAX`] at most, of [`BYTES_MAX`] in all, for what was met often enough (`DetectConfig::merge_after`); all else is searched
//! one by one.

use std::collections::HashMap;

use super::group::{Patterns, Set};
use super::head::SPOKEN_MAX;
use super::prefilter::{Build, Region};

/// Sets of one packet: of any port, of its application protocols, of two ports.
pub(super) const SETS_MAX: usize = SPOKEN_MAX + 3;

/// Merged searches of a worker.
const MERGES_MAX: usize = 64;
/// Their memory, bytes.
const BYTES_MAX: usize = 4 << 20;
/// Combinations that are counted.
const COUNTED_MAX: usize = 1024;

/// Numbers of sets, 0 behind the last.
type Key = [u32; SETS_MAX];

#[derive(Clone, Copy)]
enum Merge {
    /// Met so often.
    Met(u32),
    /// The search of that number.
    Made(usize),
}

/// The merged searches of a worker.
#[derive(Default)]
pub(super) struct Merges {
    known: HashMap<Key, Merge, ahash::RandomState>,
    made: Vec<Patterns>,
    bytes: usize,
}

impl Merges {
    /// What is searched for all of these sets, which were met `after` times by then; `None` when they are to be searched one by one.
    #[inline]
    pub(super) fn of(&mut self, sets: &[&Set], build: Build, after: u32) -> Option<&Patterns> {
        let mut key = [0; SETS_MAX];
        // all of them, or another search would be taken for theirs
        for (number, set) in key.get_mut(..sets.len())?.iter_mut().zip(sets) {
            *number = set.number;
        }
        let made = match self.known.get(&key) {
            Some(Merge::Made(at)) => *at,
            _ => self.meet(key, sets, build, after)?,
        };
        self.made.get(made)
    }

    #[inline(never)]
    fn meet(&mut self, key: Key, sets: &[&Set], build: Build, after: u32) -> Option<usize> {
        if self.made.len() >= MERGES_MAX || self.bytes >= BYTES_MAX {
            return None;
        }
        if self.known.len() >= COUNTED_MAX {
            self.known.retain(|_, merge| matches!(merge, Merge::Made(_)));
        }
        let merge = self.known.entry(key).or_insert(Merge::Met(0));
        if let Merge::Met(times) = merge {
            *times += 1;
            if *times < after {
                return None;
            }
        }
        let wanted = sets.iter().flat_map(|set| set.wanted.iter().cloned()).collect();
        let patterns = Patterns::build(wanted, true, Region::Whole, build);
        self.bytes += patterns.memory();
        self.made.push(patterns);
        *merge = Merge::Made(self.made.len() - 1);
        Some(self.made.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::super::group::Wanted;
    use super::super::literal::UNBOUND;
    use super::super::prefilter::WindowFilter;
    use super::*;

    fn set(number: u32, texts: &[&str]) -> Set {
        let wanted: Vec<Wanted> = (texts.iter().zip(number * 10..))
            .map(|(text, rule)| Wanted { text: text.as_bytes().to_vec(), bounds: UNBOUND, rule })
            .collect();
        Set { wanted: wanted.into(), number, ..Set::default() }
    }

    fn found(patterns: &Patterns, text: &str) -> Vec<u32> {
        let mut rules = Vec::new();
        patterns.scan(text.as_bytes(), Some(0), &mut |rule, _| rules.push(rule));
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    #[test]
    fn what_is_met_often_is_searched_in_one_pass() {
        let (one, two, three) = (set(1, &["alpha", "beta"]), set(2, &["gamma"]), set(3, &["delta"]));
        let mut merges = Merges::default();
        let build = WindowFilter::build as Build;
        assert!(merges.of(&[&one, &two], build, 3).is_none());
        assert!(merges.of(&[&one, &three], build, 3).is_none());
        assert!(merges.of(&[&one, &two], build, 3).is_none());
        let patterns = merges.of(&[&one, &two], build, 3).expect("met three times");
        assert_eq!(found(patterns, "a gamma, a beta and a delta"), [11, 20]);
        assert!(merges.of(&[&one, &two], build, 3).is_some(), "and again");
        assert!(merges.of(&[&one, &three], build, 3).is_none(), "these only twice");
    }

    #[test]
    fn the_last_of_many_sets_counts_too() {
        let sets: Vec<Set> = (1..=SETS_MAX as u32 + 1).map(|number| set(number, &["alpha"])).collect();
        let all: Vec<&Set> = sets.iter().collect();
        let mut merges = Merges::default();
        let build = WindowFilter::build as Build;
        let (most, other) = (&all[..SETS_MAX], [&all[..SETS_MAX - 1], &all[SETS_MAX..]].concat());
        for (sets, last) in [(most, SETS_MAX as u32), (&other[..], SETS_MAX as u32 + 1)] {
            let patterns = merges.of(sets, build, 1).expect("met");
            assert!(found(patterns, "alpha").contains(&(last * 10)), "{last}");
        }
        assert!(merges.of(&all, build, 1).is_none(), "more than a packet meets");
    }

    #[test]
    fn there_are_so_many_at_most() {
        let sets: Vec<Set> = (1..=200).map(|number| set(number, &["alpha"])).collect();
        let mut merges = Merges::default();
        let build = WindowFilter::build as Build;
        let made = |merges: &mut Merges| {
            (sets.iter().zip(&sets[1..]))
                .filter(|(one, two)| merges.of(&[one, two], build, 1).is_some())
                .count()
        };
        assert_eq!(made(&mut merges), MERGES_MAX);
        assert_eq!(made(&mut merges), MERGES_MAX, "and the same ones again");
        for number in 0..5000 {
            let (one, two) = (set(number, &["a"]), set(number + 1, &["b"]));
            assert!(Merges::default().of(&[&one, &two], build, 2).is_none());
            assert!(merges.known.len() <= COUNTED_MAX);
        }
    }
}
