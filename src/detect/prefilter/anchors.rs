//! Literals that must stand at one place each: looked for there and nowhere else.
//!
//! Rules often begin with what a message begins with (`depth:4`, `startswith`, `offset:8; depth:2`). For each place where
//! some literal is expected, and each width (one to four bytes), one window of the data is hashed; all places share a bit map.
//! A thousand such literals on forty places cost forty looks a packet, whatever its length.

use super::bits::Bits;
use super::kernel::{fold, four_or_less};
use super::looks::Looks;
use super::{Prefilter, Wish};

/// See the module.
#[derive(Debug)]
pub struct Anchors {
    /// Where to look, and how wide: rising by place.
    places: Box<[(u32, u8)]>,
    /// The same, eight at a time.
    looks: Looks,
    bits: Bits,
    /// Entries by rising key.
    keys: Box<[u32]>,
    entries: Box<[Entry]>,
}

#[derive(Debug)]
struct Entry {
    place: u32,
    literal: u32,
    text: Box<[u8]>,
}

/// Bits of the map for each literal, before rounding up to a power of two.
const BITS_PER_LITERAL: usize = 32;

/// The first bytes of a text as a window, folded; `None` when there are fewer than `width`.
#[inline(always)]
fn window(bytes: &[u8], at: usize, width: u8) -> Option<u32> {
    let there = bytes.len().checked_sub(at)?;
    (usize::from(width) <= there).then(|| fold(four_or_less(bytes, at)) & mask(width))
}

/// Place, width and window in one.
#[inline(always)]
fn key(place: u32, width: u8, window: u32) -> u32 {
    window ^ salt(place, width)
}

fn salt(place: u32, width: u8) -> u32 {
    place.wrapping_mul(0x85eb_ca6b).rotate_left(u32::from(width) * 5)
}

/// The bytes of a window that count.
fn mask(width: u8) -> u32 {
    u32::MAX >> (32 - 8 * u32::from(width))
}

impl Anchors {
    /// For these literals, which are in lower case and not empty, each at its place: counted from the start of its buffer.
    pub fn new(literals: &[Vec<u8>], places: &[u32]) -> Self {
        let mut all: Vec<(u32, Entry)> = Vec::with_capacity(literals.len());
        let mut looks = Vec::with_capacity(literals.len());
        for ((id, text), &place) in literals.iter().enumerate().zip(places) {
            let width = text.len().min(4) as u8;
            let Some(window) = window(text, 0, width) else { continue };
            looks.push((place, width));
            all.push((
                key(place, width, window),
                Entry { place, literal: id as u32, text: text.as_slice().into() },
            ));
        }
        looks.sort_unstable();
        looks.dedup();
        all.sort_by_key(|(key, entry)| (*key, entry.literal));
        let log = (all.len().max(16) * BITS_PER_LITERAL).next_power_of_two().trailing_zeros();
        let mut bits = Bits::new(log);
        let (keys, entries): (Vec<_>, Vec<_>) = all.into_iter().unzip();
        keys.iter().for_each(|key| bits.insert(*key));
        let told: Vec<_> =
            looks.iter().map(|&(place, width)| (place, mask(width), salt(place, width))).collect();
        Anchors {
            looks: Looks::new(&told),
            places: looks.into(),
            bits,
            keys: keys.into(),
            entries: entries.into(),
        }
    }

    #[inline(never)]
    fn candidates(&self, key: u32, bytes: &[u8], offset: u64, hit: &mut dyn FnMut(u32, usize) -> Wish) {
        let first = self.keys.partition_point(|known| *known < key);
        for (entry, _) in
            self.entries.iter().zip(&*self.keys).skip(first).take_while(|(_, known)| **known == key)
        {
            let Some(at) = u64::from(entry.place).checked_sub(offset).and_then(|at| usize::try_from(at).ok())
            else {
                continue;
            };
            let here = bytes.get(at..at.saturating_add(entry.text.len()));
            if here.is_some_and(|here| here.eq_ignore_ascii_case(&entry.text)) {
                hit(entry.literal, at);
            }
        }
    }
}

impl Prefilter for Anchors {
    fn scan(&self, bytes: &[u8], offset: u64, hit: &mut dyn FnMut(u32, usize) -> Wish) {
        if self.places.last().is_none_or(|(last, _)| u64::from(*last) < offset) {
            return;
        }
        let mut look = |place: u32, width: u8| {
            let at = u64::from(place).checked_sub(offset)?;
            let window = window(bytes, usize::try_from(at).ok()?, width)?;
            let key = key(place, width, window);
            if self.bits.test(key) {
                self.candidates(key, bytes, offset, hit);
            }
            Some(())
        };
        let done = match offset {
            0 => self.looks.scan(&self.bits, bytes, &mut |nth| {
                if let Some(&(place, width)) = self.places.get(nth) {
                    look(place, width);
                }
            }),
            _ => 0,
        };
        for &(place, width) in self.places.iter().skip(done) {
            if u64::from(place) >= offset.saturating_add(bytes.len() as u64) {
                return;
            }
            look(place, width);
        }
    }

    fn memory(&self) -> usize {
        let entries: usize = self.entries.iter().map(|e| size_of::<Entry>() + e.text.len()).sum();
        self.bits.memory() + self.looks.memory() + self.keys.len() * 4 + self.places.len() * 8 + entries
    }
}
