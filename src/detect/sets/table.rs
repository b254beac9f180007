//! Byte strings in one run of memory, found by a keyed hash.
//!
//! An entry costs its bytes, one to three bytes of length, two of score, and an index of four bytes and a control byte at a
//! load of seven eighths at most: a dozen bytes beside the text. Entries stay in the order in which they came, so what is
//! saved is the same in every run. Values come from attackers: the hash is seeded at random.

use ahash::RandomState;
use hashbrown::HashTable;

/// What an entry costs beside its bytes, as far as limits are concerned.
pub const ENTRY_COST: u64 = 16;

/// Removed records are cleared away when they are this many bytes and half of all.
const DEAD_MIN: usize = 4096;

/// A set of byte strings with a score each.
#[derive(Clone, Debug, Default)]
pub struct Table {
    hasher: RandomState,
    /// Where each entry's record begins.
    index: HashTable<u32>,
    /// Records: length (times two, plus one when removed) as LEB128, score, bytes.
    records: Vec<u8>,
    /// Bytes of removed records.
    dead: usize,
}

/// A record taken apart.
struct Record<'t> {
    removed: bool,
    score: u16,
    bytes: &'t [u8],
    /// Its own bytes, all told.
    len: usize,
}

/// The record at `at`; `None` behind the last one.
fn record(records: &[u8], at: usize) -> Option<Record<'_>> {
    let here = records.get(at..)?;
    let (mut head, mut used) = (0u64, 0);
    loop {
        let byte = *here.get(used)?;
        head |= u64::from(byte & 0x7f) << (7 * used);
        used += 1;
        if byte & 0x80 == 0 || used == 9 {
            break;
        }
    }
    let [low, high] = *here.get(used..)?.first_chunk::<2>()?;
    let start = used + 2;
    let len = usize::try_from(head >> 1).ok()?;
    let bytes = here.get(start..start.checked_add(len)?)?;
    Some(Record { removed: head & 1 == 1, score: u16::from_le_bytes([low, high]), bytes, len: start + len })
}

impl Table {
    /// Room for so many entries of so many bytes altogether.
    pub fn reserve(&mut self, entries: usize, bytes: usize) {
        let Table { hasher, index, records, .. } = self;
        records.reserve(bytes.saturating_add(entries.saturating_mul(4)));
        index.reserve(entries, |at| hash(hasher, records, *at));
    }

    /// How many entries.
    pub fn len(&self) -> usize {
        self.index.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.index.is_empty()
    }

    /// Bytes that count against a limit.
    pub fn used(&self) -> u64 {
        (self.records.len() as u64).saturating_add((self.len() as u64).saturating_mul(ENTRY_COST))
    }

    /// Bytes that are allocated.
    pub fn memory(&self) -> usize {
        self.records.capacity() + self.index.allocation_size()
    }

    fn find(&self, bytes: &[u8]) -> Option<usize> {
        let hash = self.hasher.hash_one(bytes);
        let same = |at: &u32| record(&self.records, *at as usize).is_some_and(|found| found.bytes == bytes);
        self.index.find(hash, same).map(|at| *at as usize)
    }

    /// Whether it is there.
    pub fn contains(&self, bytes: &[u8]) -> bool {
        self.find(bytes).is_some()
    }

    /// Its score, if it is there.
    pub fn score(&self, bytes: &[u8]) -> Option<u16> {
        record(&self.records, self.find(bytes)?).map(|found| found.score)
    }

    /// Adds it. `None`: there is no room within `max` bytes; false: it was there, and keeps its score.
    pub fn insert(&mut self, bytes: &[u8], score: u16, max: u64) -> Option<bool> {
        if self.contains(bytes) {
            return Some(false);
        }
        let at = u32::try_from(self.records.len()).ok()?;
        let cost = (bytes.len() as u64).saturating_add(ENTRY_COST + 12);
        if self.used().saturating_add(cost) > max {
            return None;
        }
        let mut head = (bytes.len() as u64) << 1;
        while head >= 0x80 {
            self.records.push(head as u8 | 0x80);
            head >>= 7;
        }
        self.records.push(head as u8);
        self.records.extend_from_slice(&score.to_le_bytes());
        self.records.extend_from_slice(bytes);
        let Table { hasher, index, records, .. } = self;
        index.insert_unique(hasher.hash_one(bytes), at, |at| hash(hasher, records, *at));
        Some(true)
    }

    /// Takes it away; false when it was not there.
    pub fn remove(&mut self, bytes: &[u8]) -> bool {
        let hash = self.hasher.hash_one(bytes);
        let same = |at: &u32| record(&self.records, *at as usize).is_some_and(|found| found.bytes == bytes);
        let Ok(found) = self.index.find_entry(hash, same) else { return false };
        let (at, _) = found.remove();
        let at = at as usize;
        self.dead += record(&self.records, at).map_or(0, |found| found.len);
        if let Some(head) = self.records.get_mut(at) {
            *head |= 1;
        }
        if self.dead >= DEAD_MIN && self.dead * 2 > self.records.len() {
            self.compact();
        }
        true
    }

    /// All entries with their scores, in the order in which they came.
    pub fn entries(&self) -> impl Iterator<Item = (&[u8], u16)> {
        let mut at = 0;
        std::iter::from_fn(move || {
            let found = record(&self.records, at)?;
            at += found.len;
            Some(found)
        })
        .filter(|found| !found.removed)
        .map(|found| (found.bytes, found.score))
    }

    /// Gives back what is allocated beyond the entries.
    pub fn shrink(&mut self) {
        let Table { hasher, index, records, .. } = self;
        records.shrink_to_fit();
        index.shrink_to_fit(|at| hash(hasher, records, *at));
    }

    /// Writes the records anew without the removed ones.
    fn compact(&mut self) {
        let mut kept = Table { hasher: self.hasher.clone(), ..Table::default() };
        kept.reserve(self.len(), self.records.len() - self.dead);
        for (bytes, score) in self.entries() {
            kept.insert(bytes, score, u64::MAX);
        }
        *self = kept;
    }
}

fn hash(hasher: &RandomState, records: &[u8], at: u32) -> u64 {
    hasher.hash_one(record(records, at as usize).map_or(&[][..], |found| found.bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(table: &Table) -> Vec<String> {
        table.entries().map(|(bytes, _)| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    #[test]
    fn entries_are_found_in_order_and_once() {
        let mut table = Table::default();
        let long = "x".repeat(100_000);
        for (text, expected) in [("b", true), ("a", true), ("b", false), ("", true), (long.as_str(), true)] {
            assert_eq!(table.insert(text.as_bytes(), 7, u64::MAX), Some(expected), "{text:.9}");
        }
        assert_eq!((table.len(), table.score(b"b"), table.score(b"c")), (4, Some(7), None));
        assert_eq!(texts(&table), ["b", "a", "", &long]);
        assert!(table.remove(b"a") && !table.remove(b"a") && !table.contains(b"a"));
        assert_eq!(texts(&table), ["b", "", &long]);
        assert_eq!(table.insert(b"a", 1, u64::MAX), Some(true));
        assert_eq!(texts(&table), ["b", "", &long, "a"]);
    }

    #[test]
    fn removed_entries_give_their_room_back() {
        let mut table = Table::default();
        for round in 0..200u32 {
            for n in 0..500u32 {
                assert_eq!(table.insert(&[round, n].map(u32::to_be_bytes).concat(), 0, u64::MAX), Some(true));
            }
            for n in 0..500u32 {
                assert!(table.remove(&[round, n].map(u32::to_be_bytes).concat()));
            }
        }
        assert!(table.is_empty() && table.memory() < 64 << 10, "{}", table.memory());
    }

    #[test]
    fn a_limit_is_kept() {
        let mut table = Table::default();
        let added = (0..1000u32).filter(|n| table.insert(&n.to_be_bytes(), 0, 10_000) == Some(true)).count();
        assert!(added > 300 && added < 500, "{added}");
        assert!(table.used() <= 10_000 && table.contains(&7u32.to_be_bytes()));
        assert_eq!(table.insert(&7u32.to_be_bytes(), 0, 10_000), Some(false));
    }

    #[test]
    fn an_entry_costs_a_few_tens_of_bytes_beside_its_text() {
        let mut table = Table::default();
        let (entries, len) = (100_000u32, 16);
        for n in 0..entries {
            table.insert(format!("value-{n:010}").as_bytes(), 0, u64::MAX);
        }
        table.shrink();
        let each = table.memory() / entries as usize;
        assert!(each <= len + 16, "{each} bytes an entry");
    }
}
