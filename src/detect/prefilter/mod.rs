//! Which rules may match: literals of many rules searched in one pass.
//!
//! A [`Prefilter`] answers with the places of literals in some bytes, whatever their case; whether a rule really matches is
//! decided by its full evaluation. It may answer with too many, never with too few.

mod anchors;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod bits;
mod few;
mod kernel;
mod looks;
mod rows;
mod table;
mod window;

use std::fmt;

pub use anchors::Anchors;
pub use kernel::Kernel;
pub use window::WindowFilter;

use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind, MatchKind};

/// The place of a literal that may be anywhere, or nowhere.
pub const ANYWHERE: usize = usize::MAX;

/// What a set of literals is searched in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Region<'p> {
    /// One place for each literal, counted from the start of its buffer; elsewhere it need not be found.
    Places(&'p [u32]),
    /// The first bytes of a buffer, or one that is short: all literals are found where they are, however short.
    Head,
    /// Bytes of any length: literals that are everywhere are not looked for.
    Whole,
}

/// What whoever is told of a literal wants to be told next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Its other places too.
    More,
    /// Nothing more of it: one place is as good as another. It may be told of all the same.
    Enough,
}

/// Finds which literals of a set occur in bytes.
pub trait Prefilter: Send + Sync + fmt::Debug {
    /// Calls `hit` with the number of each literal that stands in `bytes` and the index where it begins, letters compared without
    /// case. It may name places where none stands, and [`ANYWHERE`] instead of the places of a literal; and it may leave out
    /// further places of a literal of which `hit` has [`Wish::Enough`]. `offset` is where `bytes` begins in its buffer.
    fn scan(&self, bytes: &[u8], offset: u64, hit: &mut dyn FnMut(u32, usize) -> Wish);

    /// Memory it takes, bytes.
    fn memory(&self) -> usize;
}

/// What makes prefilters: the place to put a faster one.
pub type Build = fn(&[Vec<u8>], Region<'_>) -> Box<dyn Prefilter>;

/// Aho-Corasick over a contiguous NFA: the first implementation, and the reference for every later one.
#[derive(Debug)]
pub struct Automaton {
    automaton: AhoCorasick,
    lengths: Vec<u32>,
}

impl Automaton {
    /// For these literals (not empty).
    pub fn build(literals: &[Vec<u8>], _: Region<'_>) -> Box<dyn Prefilter> {
        Self::of_kind(literals, AhoCorasickKind::ContiguousNFA)
    }

    /// The same as a full automaton: a table look-up a byte, and much more memory.
    pub fn of_kind(literals: &[Vec<u8>], kind: AhoCorasickKind) -> Box<dyn Prefilter> {
        let built = AhoCorasickBuilder::new()
            .match_kind(MatchKind::Standard)
            .ascii_case_insensitive(true)
            .kind(Some(kind))
            .build(literals);
        match built {
            Ok(automaton) => {
                Box::new(Automaton { automaton, lengths: literals.iter().map(|l| l.len() as u32).collect() })
            }
            Err(_) => Box::new(Naive(literals.to_vec())),
        }
    }
}

impl Prefilter for Automaton {
    fn scan(&self, bytes: &[u8], _: u64, hit: &mut dyn FnMut(u32, usize) -> Wish) {
        for found in self.automaton.find_overlapping_iter(bytes) {
            hit(found.pattern().as_u32(), found.start());
        }
    }

    fn memory(&self) -> usize {
        self.automaton.memory_usage() + self.lengths.len() * size_of::<u32>()
    }
}

/// One literal after the other: for sets beyond the automaton's limits, and to check others against.
#[derive(Debug)]
pub struct Naive(pub Vec<Vec<u8>>);

impl Naive {
    /// For these literals.
    pub fn build(literals: &[Vec<u8>], _: Region<'_>) -> Box<dyn Prefilter> {
        Box::new(Naive(literals.to_vec()))
    }
}

impl Prefilter for Naive {
    fn scan(&self, bytes: &[u8], _: u64, hit: &mut dyn FnMut(u32, usize) -> Wish) {
        for (id, literal) in self.0.iter().enumerate() {
            for (at, window) in bytes.windows(literal.len().max(1)).enumerate() {
                if window.eq_ignore_ascii_case(literal) {
                    hit(id as u32, at);
                }
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
    pub fn build(literals: &[Vec<u8>], _: Region<'_>) -> Box<dyn Prefilter> {
        Box::new(Everything(literals.len() as u32))
    }
}

impl Prefilter for Everything {
    fn scan(&self, _bytes: &[u8], _: u64, hit: &mut dyn FnMut(u32, usize) -> Wish) {
        for literal in 0..self.0 {
            hit(literal, ANYWHERE);
        }
    }

    fn memory(&self) -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn found(prefilter: &dyn Prefilter, bytes: &[u8]) -> BTreeSet<(u32, usize)> {
        let mut hits = BTreeSet::new();
        prefilter.scan(bytes, 0, &mut |literal, at| {
            hits.insert((literal, at));
            Wish::More
        });
        hits
    }

    /// The literals alone, each asked for once.
    fn found_once(prefilter: &dyn Prefilter, bytes: &[u8]) -> BTreeSet<u32> {
        let mut hits = BTreeSet::new();
        prefilter.scan(bytes, 0, &mut |literal, _| {
            hits.insert(literal);
            Wish::Enough
        });
        hits
    }

    /// Places that `hits` names: all where a literal counts as anywhere.
    fn covers(hits: &BTreeSet<(u32, usize)>, place: (u32, usize)) -> bool {
        hits.contains(&place) || hits.contains(&(place.0, ANYWHERE))
    }

    #[test]
    fn the_window_filter_finds_literals_wherever_they_stand() {
        let literals: Vec<Vec<u8>> = [
            &b"sqlmap"[..],
            b"abc",
            b"user-agent: x",
            b"\x90\x91\x92\x93\x94",
            b"/etc/passwd",
            b"a\x00b\x00c\x00d\x00e",
            b"wget",
        ]
        .map(<[u8]>::to_vec)
        .into();
        // among so many others, long ones are found in another way
        let others = (0..200).map(|number| format!("number {number:03} is never there").into_bytes());
        let many: Vec<Vec<u8>> = literals.iter().cloned().chain(others).collect();
        for (region, all) in [(Region::Head, &literals), (Region::Whole, &literals), (Region::Whole, &many)] {
            for kernel in Kernel::all() {
                let filter = WindowFilter::with_kernel(all, region, kernel);
                for (id, literal) in literals.iter().enumerate() {
                    for front in 0..70 {
                        for back in [0, 1, 2, 3, 7, 31, 64] {
                            let mut bytes = vec![b'.'; front];
                            bytes.extend(literal.to_ascii_uppercase());
                            bytes.extend(vec![b'.'; back]);
                            let hits: Vec<_> = found(&filter, &bytes).into_iter().collect();
                            assert_eq!(hits, [(id as u32, front)], "{region:?} {kernel:?} {front} {back}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn anchored_literals_are_found_at_their_place_only() {
        let literals: Vec<Vec<u8>> =
            [&b"get "[..], b"x", b"ab", b"abc", b"get /index", b"\x00\x01"].map(<[u8]>::to_vec).into();
        let places = [0, 0, 3, 3, 0, 60];
        let filter = WindowFilter::build(&literals, Region::Places(&places));
        let mut bytes = b"GET /index".to_vec();
        bytes.resize(60, b' ');
        bytes.extend(b"\x00\x01x");
        assert_eq!(found(&*filter, &bytes).into_iter().collect::<Vec<_>>(), [(0, 0), (4, 0), (5, 60)]);
        assert_eq!(found(&*filter, b"xyzABC").into_iter().collect::<Vec<_>>(), [(1, 0), (2, 3), (3, 3)]);
        assert_eq!(found(&*filter, b"xyzAB").into_iter().collect::<Vec<_>>(), [(1, 0), (2, 3)]);
        assert!(found(&*filter, b"").is_empty());
        // bytes that begin further on in the buffer
        let mut hits = Vec::new();
        filter.scan(b"zABC", 2, &mut |literal, at| {
            hits.push((literal, at));
            Wish::More
        });
        assert_eq!(hits, [(2, 1), (3, 1)]);
        filter.scan(b"get ", 1 << 40, &mut |_, _| panic!("far behind all places"));
    }

    #[test]
    fn many_places_are_looked_at_whole_or_cut() {
        // more places than are looked at in one step, some beyond all data
        let literals: Vec<Vec<u8>> = (0..40u8).map(|n| vec![b'a' + n % 26; 1 + usize::from(n) % 6]).collect();
        let places: Vec<u32> = (0..40).map(|n| if n < 36 { 3 * n } else { u32::MAX - n }).collect();
        let filter = WindowFilter::build(&literals, Region::Places(&places));
        let mut bytes = [b'.'; 130];
        for (literal, place) in literals.iter().zip(&places).filter(|(_, place)| **place < 120) {
            bytes[*place as usize..*place as usize + literal.len()].copy_from_slice(literal);
        }
        for len in 0..=bytes.len() {
            let bytes = &bytes[..len];
            let expected: BTreeSet<_> = (0u32..)
                .zip(literals.iter().zip(&places))
                .filter(|(_, (literal, place))| {
                    let place = **place as usize;
                    bytes.get(place..place.saturating_add(literal.len())) == Some(&literal[..])
                })
                .map(|(id, (_, place))| (id, *place as usize))
                .collect();
            assert_eq!(found(&*filter, bytes), expected, "{len} bytes");
        }
    }

    #[test]
    fn all_implementations_find_what_the_naive_search_finds() {
        let mut seed = 7u64;
        let mut random = move |below: u64| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            seed % below
        };
        for round in 0..600 {
            let alphabet: &[u8] = if round % 2 == 0 { b"abAB\x00\xff" } else { b"a@`[{\x20\x00\x80\xc1\xe1" };
            let mut text = |longest: u64| -> Vec<u8> {
                (0..1 + random(longest)).map(|_| alphabet[random(alphabet.len() as u64) as usize]).collect()
            };
            // sometimes so many that long ones have several windows, or that short ones are no longer told by the halves of their bytes
            let many = match round % 30 {
                7 => 300,
                3 | 13 | 21 => 150,
                _ => 1 + round % 20,
            };
            let mut literals: Vec<Vec<u8>> =
                (0..many).map(|_| text(if round % 3 == 0 { 12 } else { 5 })).collect();
            literals.iter_mut().for_each(|literal| literal.make_ascii_lowercase());
            // and so much that places are handed over several times
            let bytes = text(match round {
                _ if many >= 150 => 3000,
                _ if round % 5 == 0 => 300,
                _ => 40,
            });
            let naive = found(&*Naive::build(&literals, Region::Whole), &bytes);
            assert_eq!(found(&*Automaton::build(&literals, Region::Whole), &bytes), naive);
            for region in [Region::Head, Region::Whole] {
                for kernel in Kernel::all() {
                    let filter = WindowFilter::with_kernel(&literals, region, kernel);
                    let hits = found(&filter, &bytes);
                    for place in &naive {
                        assert!(
                            covers(&hits, *place),
                            "{region:?} {kernel:?} {place:?}: {literals:?} in {bytes:?}"
                        );
                    }
                    // what it names is really there, but for literals that count as anywhere
                    assert!(
                        hits.iter().all(|hit| hit.1 == ANYWHERE || naive.contains(hit)),
                        "{literals:?} in {bytes:?}"
                    );
                    if region == Region::Head {
                        assert_eq!(hits, naive);
                    }
                    let all: BTreeSet<u32> = hits.iter().map(|hit| hit.0).collect();
                    assert_eq!(found_once(&filter, &bytes), all, "{literals:?} in {bytes:?}");
                }
            }
        }
    }
}
