//! Which rules may match: literals of many rules searched in one pass.
//!
//! A [`Prefilter`] answers with the literals that are in some bytes, whatever their case; whether a rule really matches is
//! decided by its full evaluation. It may answer with too many, never with too few.

mod window;

use std::fmt;

pub use window::WindowFilter;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};

/// Finds which literals of a set occur in bytes.
pub trait Prefilter: Send + Sync + fmt::Debug {
    /// Calls `hit` with the index of each literal that occurs in `bytes`, at least once, letters compared without case. It
    /// may name literals that do not occur.
    fn scan(&self, bytes: &[u8], hit: &mut dyn FnMut(u32));

    /// Memory it takes, bytes.
    fn memory(&self) -> usize;
}

/// What makes prefilters: the place to put a faster one.
pub type Build = fn(&[Vec<u8>]) -> Box<dyn Prefilter>;

/// Aho-Corasick over a contiguous NFA: the first implementation, and the reference for every later one.
#[derive(Debug)]
pub struct Automaton(AhoCorasick);

impl Automaton {
    /// For these literals (not empty).
    pub fn build(literals: &[Vec<u8>]) -> Box<dyn Prefilter> {
        let built = AhoCorasickBuilder::new()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(literals);
        match built {
            Ok(automaton) => Box::new(Automaton(automaton)),
            Err(_) => Box::new(Naive(literals.to_vec())),
        }
    }
}

impl Prefilter for Automaton {
    fn scan(&self, bytes: &[u8], hit: &mut dyn FnMut(u32)) {
        for found in self.0.find_overlapping_iter(bytes) {
            hit(found.pattern().as_u32());
        }
    }

    fn memory(&self) -> usize {
        self.0.memory_usage()
    }
}

/// One literal after the other: for sets beyond the automaton's limits, and to check others against.
#[derive(Debug)]
pub struct Naive(pub Vec<Vec<u8>>);

impl Naive {
    /// For these literals.
    pub fn build(literals: &[Vec<u8>]) -> Box<dyn Prefilter> {
        Box::new(Naive(literals.to_vec()))
    }
}

impl Prefilter for Naive {
    fn scan(&self, bytes: &[u8], hit: &mut dyn FnMut(u32)) {
        for (at, literal) in self.0.iter().enumerate() {
            if bytes.windows(literal.len().max(1)).any(|window| window.eq_ignore_ascii_case(literal)) {
                hit(at as u32);
            }
        }
    }

    fn memory(&self) -> usize {
        self.0.iter().map(Vec::len).sum()
    }
}

/// Every literal, always: the prefilter switched off, for the proof that it changes no alert.
#[derive(Debug)]
pub struct Everything(u32);

impl Everything {
    /// For these literals.
    pub fn build(literals: &[Vec<u8>]) -> Box<dyn Prefilter> {
        Box::new(Everything(literals.len() as u32))
    }
}

impl Prefilter for Everything {
    fn scan(&self, _bytes: &[u8], hit: &mut dyn FnMut(u32)) {
        (0..self.0).for_each(hit);
    }

    fn memory(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_window_filter_finds_long_literals_wherever_they_stand() {
        let literals: Vec<Vec<u8>> =
            [&b"sqlmap"[..], b"abc", b"user-agent: x", b"\x90\x91\x92\x93\x94", b"/etc/passwd"]
                .map(<[u8]>::to_vec)
                .into();
        let filter = WindowFilter::build(&literals);
        for (id, literal) in literals.iter().enumerate() {
            for front in 0..12 {
                for back in 0..9 {
                    let mut bytes = vec![b'.'; front];
                    bytes.extend(literal.to_ascii_uppercase());
                    bytes.extend(vec![b'.'; back]);
                    let mut hits = Vec::new();
                    filter.scan(&bytes, &mut |hit| hits.push(hit));
                    assert_eq!(hits, [id as u32], "{front} {back}");
                }
            }
        }
    }

    #[test]
    fn the_automaton_finds_what_the_naive_search_finds() {
        let mut seed = 7u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for _ in 0..300 {
            let literals: Vec<Vec<u8>> = (0..1 + random(20))
                .map(|_| (0..1 + random(5)).map(|_| b"abAB\x00\xff"[random(6) as usize]).collect())
                .collect();
            let bytes: Vec<u8> = (0..random(40)).map(|_| b"abAB\x00\xff"[random(6) as usize]).collect();
            let found = |prefilter: &dyn Prefilter| {
                let mut hits = std::collections::BTreeSet::new();
                prefilter.scan(&bytes, &mut |hit| {
                    hits.insert(hit);
                });
                hits
            };
            let naive = found(&*Naive::build(&literals));
            assert_eq!(found(&*Automaton::build(&literals)), naive);
            // the window filter may name more (short literals), never fewer
            assert!(found(&*WindowFilter::build(&literals)).is_superset(&naive), "{literals:?} in {bytes:?}");
        }
    }
}
