//! A filter over four-byte windows: one hash and one bit test a byte, exact comparison only where the bit is set.
//!
//! Each literal is represented by its rarest window of four bytes (by [`literal::worth`]). All windows are hashed into a
//! bit map small enough for the first-level cache; the search hashes the window at every position of the data and looks
//! at that bit. Where it is set, the literals of that bucket are compared in full. Windows are folded with `| 0x20` on
//! both sides, so that case does not matter (and some pairs that are no letters fall together, which the comparison
//! tells apart).
//!
//! Two kinds of literals do not fit: those of three bytes have a map of their own, and those that are shorter or worth
//! next to nothing (runs of zeros) would be candidates everywhere: they count as seen in all data, and their rules are
//! held against the cheap tests of their head at once.
//!
//! A worked example: of `User-Agent: sqlmap` the window `sqlm` is rarer than `User`, so requests of browsers never reach
//! the comparison.

use super::Prefilter;
use crate::detect::literal;

/// Literals worth less than this are seen everywhere.
const WORTH_MIN: u32 = 84;

/// See the module.
#[derive(Debug)]
pub struct WindowFilter {
    literals: Vec<Box<[u8]>>,
    /// Literals that count as seen in all data.
    everywhere: Vec<u32>,
    four: Map,
    three: Option<Map>,
}

/// Windows of one length.
#[derive(Debug)]
struct Map {
    bits: Box<[u64]>,
    /// The hash is the upper bits of a product: what is shifted out.
    shift: u32,
    /// Entries of bucket `b`: `entries[starts[b]..starts[b + 1]]`; a bucket is the hash without its lowest three bits.
    starts: Box<[u32]>,
    entries: Box<[Entry]>,
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// The folded window.
    window: u32,
    literal: u32,
    /// Where in the literal the window stands.
    offset: u16,
}

const FOLD_FOUR: u32 = 0x2020_2020;
const FOLD_THREE: u32 = 0x0020_2020;

impl WindowFilter {
    /// For these literals.
    pub fn build(literals: &[Vec<u8>]) -> Box<dyn Prefilter> {
        let (mut four, mut three, mut everywhere) = (Vec::new(), Vec::new(), Vec::new());
        for (id, text) in literals.iter().enumerate() {
            let id = id as u32;
            match text.len() {
                0..=2 => everywhere.push(id),
                _ if literal::worth(text) < WORTH_MIN => everywhere.push(id),
                3 => three.push(Entry { window: window_three(text), literal: id, offset: 0 }),
                _ => {
                    // a window beyond 64 KiB into a literal could not be written down, and is never needed
                    let best = text
                        .windows(4)
                        .take(usize::from(u16::MAX))
                        .enumerate()
                        .max_by_key(|(at, w)| (literal::worth(w), std::cmp::Reverse(*at)));
                    match best {
                        Some((at, window)) if literal::worth(window) >= WORTH_MIN => {
                            let bytes = [window[0], window[1], window[2], window[3]];
                            let window = u32::from_le_bytes(bytes) | FOLD_FOUR;
                            four.push(Entry { window, literal: id, offset: at as u16 });
                        }
                        _ => everywhere.push(id),
                    }
                }
            }
        }
        Box::new(WindowFilter {
            literals: literals.iter().map(|text| text.as_slice().into()).collect(),
            everywhere,
            four: Map::new(four),
            three: (!three.is_empty()).then(|| Map::new(three)),
        })
    }

    #[cold]
    fn candidates(
        &self,
        map: &Map,
        hash: u32,
        window: u32,
        bytes: &[u8],
        at: usize,
        hit: &mut dyn FnMut(u32),
    ) {
        let bucket = (hash >> 3) as usize;
        let (Some(&start), Some(&end)) = (map.starts.get(bucket), map.starts.get(bucket + 1)) else { return };
        for entry in &map.entries[start as usize..end as usize] {
            if entry.window != window {
                continue;
            }
            let Some(start) = at.checked_sub(usize::from(entry.offset)) else { continue };
            let literal = &self.literals[entry.literal as usize];
            if bytes.get(start..start + literal.len()).is_some_and(|here| here.eq_ignore_ascii_case(literal))
            {
                hit(entry.literal);
            }
        }
    }
}

/// Three bytes as a folded window.
fn window_three(bytes: &[u8]) -> u32 {
    u32::from_le_bytes([bytes[0], bytes[1], bytes[2], 0]) | FOLD_THREE
}

impl Map {
    fn new(mut entries: Vec<Entry>) -> Self {
        // sixteen bits a window keep false candidates rare; 2^18 bits are the most that stays in the nearest cache
        let wanted = (entries.len().max(4) * 16).next_power_of_two().trailing_zeros();
        let log = wanted.clamp(9, 18);
        let shift = 32 - log;
        let hash = |window: u32| window.wrapping_mul(MULTIPLIER) >> shift;
        entries.sort_by_key(|entry| (hash(entry.window), entry.literal));
        let mut bits = vec![0u64; 1 << (log - 6)];
        let mut starts = vec![0u32; (1 << (log - 3)) + 1];
        for entry in &entries {
            let hash = hash(entry.window) as usize;
            bits[hash / 64] |= 1 << (hash % 64);
            starts[hash / 8 + 1] += 1;
        }
        for at in 1..starts.len() {
            starts[at] += starts[at - 1];
        }
        Map { bits: bits.into(), shift, starts: starts.into(), entries: entries.into() }
    }

    /// The hash of a folded window when its bit is set.
    #[inline(always)]
    fn test(&self, window: u32) -> Option<u32> {
        let hash = window.wrapping_mul(MULTIPLIER) >> self.shift;
        // the hash has as many bits as the map: the place is always there
        let word = self.bits.get((hash / 64) as usize).copied().unwrap_or(0);
        (word & (1 << (hash % 64)) != 0).then_some(hash)
    }

    fn memory(&self) -> usize {
        self.bits.len() * 8 + self.starts.len() * 4 + self.entries.len() * size_of::<Entry>()
    }
}

/// Odd, with well-mixed upper bits (the golden ratio).
const MULTIPLIER: u32 = 0x9e37_79b1;

impl Prefilter for WindowFilter {
    fn scan(&self, bytes: &[u8], hit: &mut dyn FnMut(u32)) {
        self.everywhere.iter().for_each(|id| hit(*id));
        let mut at = 0;
        if !self.four.entries.is_empty() {
            // four windows from one load of eight bytes
            while let Some(chunk) = bytes.get(at..at + 8).and_then(|chunk| <[u8; 8]>::try_from(chunk).ok()) {
                let word = u64::from_le_bytes(chunk);
                for step in 0..4 {
                    let window = (word >> (8 * step)) as u32 | FOLD_FOUR;
                    if let Some(hash) = self.four.test(window) {
                        self.candidates(&self.four, hash, window, bytes, at + step, hit);
                    }
                }
                at += 4;
            }
            while let Some(chunk) = bytes.get(at..at + 4).and_then(|chunk| <[u8; 4]>::try_from(chunk).ok()) {
                let window = u32::from_le_bytes(chunk) | FOLD_FOUR;
                if let Some(hash) = self.four.test(window) {
                    self.candidates(&self.four, hash, window, bytes, at, hit);
                }
                at += 1;
            }
        }
        if let Some(three) = &self.three {
            for (at, chunk) in bytes.windows(3).enumerate() {
                let window = window_three(chunk);
                if let Some(hash) = three.test(window) {
                    self.candidates(three, hash, window, bytes, at, hit);
                }
            }
        }
    }

    fn memory(&self) -> usize {
        self.literals.iter().map(|text| text.len() + size_of::<Box<[u8]>>()).sum::<usize>()
            + self.everywhere.len() * 4
            + self.four.memory()
            + self.three.as_ref().map_or(0, Map::memory)
    }
}
