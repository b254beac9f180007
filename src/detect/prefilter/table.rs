//! Keys of literals, and which literals have them.

use super::bits::Bits;

/// A key that a literal has at one of its places.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    /// A folded window of it, or one and the four bytes behind it ([`super::window`]).
    pub(super) key: u32,
    pub(super) literal: u32,
    /// Four other bytes of the literal, folded: most of what only has the key is told by them.
    pub(super) other: u32,
    /// Where in the literal the window stands.
    pub(super) offset: u16,
    /// Where the other bytes stand; [`NO_OTHER`] when it is too short.
    pub(super) other_at: u16,
}

/// See [`Entry::other_at`].
pub(super) const NO_OTHER: u16 = u16::MAX;

/// Entries by their keys, and a test that tells most keys that none has.
#[derive(Debug)]
pub(super) struct Table {
    pub(super) bits: Bits,
    /// Entries of bucket `b`: `entries[buckets[b]..buckets[b + 1]]`; a bucket is the upper bits of the hash.
    buckets: Box<[u32]>,
    /// Bits of the hash that do not choose the bucket.
    spare: u32,
    entries: Box<[Entry]>,
}

impl Table {
    /// Of these entries, with so many bits for each, before rounding up to a power of two.
    pub(super) fn new(mut entries: Vec<Entry>, bits_each: usize) -> Self {
        let log = |each: usize| (entries.len().max(4) * each).next_power_of_two().trailing_zeros();
        let mut bits = Bits::new(log(bits_each));
        let spare = bits.log.saturating_sub(log(1));
        entries.sort_by_key(|entry| (bits.hash(entry.key), entry.key, entry.literal));
        let mut buckets = vec![0u32; (1 << (bits.log - spare)) + 1];
        for entry in &entries {
            bits.insert(entry.key);
            buckets[(bits.hash(entry.key) >> spare) as usize + 1] += 1;
        }
        for at in 1..buckets.len() {
            buckets[at] += buckets[at - 1];
        }
        Table { bits, buckets: buckets.into(), spare, entries: entries.into() }
    }

    /// The entries with that key, and a few others.
    #[inline(always)]
    pub(super) fn bucket(&self, key: u32) -> &[Entry] {
        let bucket = (self.bits.hash(key) >> self.spare) as usize;
        let (Some(&start), Some(&end)) = (self.buckets.get(bucket), self.buckets.get(bucket + 1)) else {
            return &[];
        };
        self.entries.get(start as usize..end as usize).unwrap_or(&[])
    }

    pub(super) fn memory(&self) -> usize {
        self.bits.memory() + self.buckets.len() * 4 + self.entries.len() * size_of::<Entry>()
    }
}
