//! Windows hashed into a bit map, two bits for each.
#![allow(unsafe_code)] // calls what only some processors have; each block says why it is sound

#[cfg(target_arch = "x86_64")]
use super::avx2;
use super::kernel::{Kernel, Level, MULTIPLIER, PLACES, Windows, one_by_one};

/// A set of hashed windows: two bits in one word for each.
#[derive(Debug)]
pub(super) struct Bits {
    /// Always two to the power of `log - 5` words.
    pub(super) words: Box<[u32]>,
    /// How many bits the hash has: 9 to 20.
    pub(super) log: u32,
}

impl Bits {
    /// Of two to the power of `log` bits.
    pub(super) fn new(log: u32) -> Self {
        let log = log.clamp(9, 20);
        Bits { words: vec![0; 1 << (log - 5)].into(), log }
    }

    /// The hash of a window: `log` bits.
    #[inline(always)]
    pub(super) fn hash(&self, window: u32) -> u32 {
        window.wrapping_mul(MULTIPLIER) >> (32 - self.log)
    }

    /// The two bits of a window within its word.
    #[inline(always)]
    fn pair(&self, window: u32) -> u32 {
        let product = window.wrapping_mul(MULTIPLIER);
        let hash = product >> (32 - self.log);
        let more = product >> (27 - self.log);
        1 << (hash & 31) | 1 << (more & 31)
    }

    /// Adds a window.
    pub(super) fn insert(&mut self, window: u32) {
        let pair = self.pair(window);
        let at = (self.hash(window) >> 5) as usize;
        self.words[at] |= pair;
    }

    /// Whether that window may be in the set.
    #[inline(always)]
    pub(super) fn test(&self, window: u32) -> bool {
        let pair = self.pair(window);
        // the hash has as many bits as the map: the word is always there
        self.words.get((self.hash(window) >> 5) as usize).is_some_and(|word| word & pair == pair)
    }

    /// Which of the first `count` windows may be in the set, a bit for each.
    #[inline(always)]
    pub(super) fn tests(&self, kernel: Kernel, windows: &Windows, count: usize) -> u128 {
        #[cfg(target_arch = "x86_64")]
        if kernel.level() >= Level::Avx2 {
            // SAFETY: the processor can do what the kernel says.
            let hits = unsafe { avx2::test_bits(self, windows, count) };
            let all = if count < PLACES { (1 << count) - 1 } else { !0 };
            return u128::from_le_bytes(hits) & all;
        }
        let _ = kernel;
        let each = windows.iter().take(count).enumerate();
        each.fold(0, |hits, (nth, window)| hits | u128::from(self.test(*window)) << nth)
    }

    pub(super) fn memory(&self) -> usize {
        self.words.len() * 4
    }

    /// Folds and tests the windows at every fourth byte, and calls `found` with the places of those that may
    /// be in the set, some at a time; places near the end may be of windows that are cut short. There are less than four GiB.
    #[inline(always)]
    pub(super) fn scan(&self, kernel: Kernel, bytes: &[u8], found: &mut impl FnMut(&[u32])) {
        #[cfg(target_arch = "x86_64")]
        if kernel.level() >= Level::Avx2 {
            // SAFETY: the processor can do what the kernel says.
            return unsafe { avx2::scan_bits(self, bytes, found) };
        }
        let _ = kernel;
        one_by_one::<4>(bytes, |window| self.test(window), found);
    }
}
