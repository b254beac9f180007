//! What the tests of windows have in common: how windows are folded, hashed, read and handed over.
//!
//! The tests themselves. Each has a version for AVX2 ([`super::avx2`]); beside it each but the third has a portable one, and the third has
//! one for AVX-512 ([`super::avx512`]). The widest that the processor can is chosen:
//!
//! - [`super::bits`]: any number of windows, hashed into a bit map; eight windows of the data at a time. Used at every fourth byte, and
//!   for whatever passed another test.
//! - [`super::rows`]: as many, by their first two bytes. Used at every byte.
//! - [`super::few`]: a hundred windows or so, told by each of their bytes: 32 or 64 places of the data with four to sixteen shuffles. Used
//!   at every byte.
//! - [`super::looks`]: windows at certain places, hashed into a bit map too.

use std::fmt;
use std::sync::LazyLock;

/// Bytes of the widest window.
pub(super) const WINDOW: usize = 4;

/// Odd, with well-mixed upper bits (the golden ratio).
pub(super) const MULTIPLIER: u32 = 0x9e37_79b1;

/// Letters in lower case; `@`, `[`, `\`, `]`, `^` and `_` fall together with what stands 0x20 further on, and so do bytes above
/// 0xc0, which the comparison in full tells apart.
#[inline(always)]
pub(super) fn fold(window: u32) -> u32 {
    window | ((window >> 1) & 0x2020_2020)
}

/// How windows are tested. There are only those that this processor can, so whoever has one may call what it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kernel(Level);

/// What a processor may have, the widest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// One window at a time: everywhere the same.
    Portable,
    /// 32 bytes at a time.
    Avx2,
    /// 64 bytes at a time, and tables of 128 bytes in two registers (AVX-512 with BW, VBMI and VBMI2: Ice Lake, Zen 4 and later).
    Avx512,
}

impl Kernel {
    /// What runs everywhere.
    pub const PORTABLE: Kernel = Kernel(Level::Portable);

    /// All that this processor can, the widest last.
    pub fn all() -> Vec<Kernel> {
        let mut all = vec![Kernel::PORTABLE];
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            all.push(Kernel(Level::Avx2));
            if std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512vbmi")
                && std::arch::is_x86_feature_detected!("avx512vbmi2")
            {
                all.push(Kernel(Level::Avx512));
            }
        }
        all
    }

    /// The widest that this processor can.
    pub fn widest() -> Kernel {
        static WIDEST: LazyLock<Kernel> =
            LazyLock::new(|| Kernel::all().into_iter().max().unwrap_or(Kernel::PORTABLE));
        *WIDEST
    }

    /// What this is.
    #[inline(always)]
    pub(super) fn level(self) -> Level {
        self.0
    }
}

impl fmt::Display for Kernel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            Level::Portable => "portable",
            Level::Avx2 => "AVX2",
            Level::Avx512 => "AVX-512",
        })
    }
}

/// A folded window and how many of its bytes count.
pub(super) type Short = (u32, usize);

/// Places that are written down before they are looked at.
pub(super) const PLACES: usize = 128;

/// What passed a test of a few windows, by the place that the test counts by, some of it at a time; `N` sets of buckets.
pub(super) struct Batch<const N: usize> {
    /// The places, counted from the first of the batch; some more may be written behind the last.
    places: [u8; PLACES + 64],
    count: usize,
    /// By set, the buckets of each place of the batch.
    pub(super) buckets: [[u8; PLACES]; N],
}

impl<const N: usize> Batch<N> {
    pub(super) fn new() -> Self {
        Batch { places: [0; PLACES + 64], count: 0, buckets: [[0; PLACES]; N] }
    }

    /// Where the next places are to be written: of 64 at least.
    #[inline(always)]
    pub(super) fn room(&mut self) -> &mut [u8] {
        self.places.get_mut(self.count..).unwrap_or_default()
    }

    /// So many were written.
    #[inline(always)]
    pub(super) fn add(&mut self, count: u32) {
        self.count += count as usize;
    }

    pub(super) fn clear(&mut self) {
        self.count = 0;
    }

    pub(super) fn places(&self) -> &[u8] {
        self.places.get(..self.count).unwrap_or(&self.places)
    }

    /// The widths of the windows that may stand at a place, by what the buckets of each set have.
    #[inline(always)]
    pub(super) fn widths(&self, nth: u8, of: &[&[u8; 256]; N]) -> u8 {
        let buckets = self.buckets.iter().map(|set| set.get(usize::from(nth)).copied().unwrap_or(!0));
        buckets.zip(of).fold(0, |all, (buckets, widths)| all | widths[usize::from(buckets)])
    }
}

/// What stands at as many places.
pub(super) type Windows = [u32; PLACES];

/// The first four bytes from `at` on; zeros behind the last.
#[inline(always)]
pub(super) fn four_or_less(bytes: &[u8], at: usize) -> u32 {
    match bytes.get(at..).unwrap_or_default() {
        [a, b, c, d, ..] => u32::from_le_bytes([*a, *b, *c, *d]),
        less => less.iter().rev().fold(0, |window, byte| window << 8 | u32::from(*byte)),
    }
}

/// Folds and tests the windows at every `STEP` bytes, one after the other, and calls `found` with the places of those that pass, some
/// at a time.
#[inline(always)]
pub(super) fn one_by_one<const STEP: usize>(
    bytes: &[u8],
    test: impl Fn(u32) -> bool,
    found: &mut impl FnMut(&[u32]),
) {
    let (mut places, mut count) = ([0; PLACES], 0);
    for at in (0..bytes.len()).step_by(STEP) {
        places[count] = at as u32;
        count += usize::from(test(fold(four_or_less(bytes, at))));
        if count == PLACES {
            found(&places);
            count = 0;
        }
    }
    found(&places[..count]);
}
