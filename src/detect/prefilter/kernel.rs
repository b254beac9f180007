//! What the tests of windows have in common: how windows are folded, hashed, read and handed over.
//!
//! The tests themselves, of which each but the third has a portable version beside the one for AVX2 ([`super::avx2`]), which is
//! chosen when the processor has it:
//!
//! - [`super::bits`]: any number of windows, hashed into a bit map; eight windows of the data at a time. Used at every fourth byte, and
//!   for whatever passed another test.
//! - [`super::rows`]: as many, by their first two bytes. Used at every byte.
//! - [`super::nibbles`]: a hundred windows or so, told by the two halves of each of their bytes; 32 places of the data with eight or
//!   sixteen shuffles. Used at every byte.
//! - [`super::looks`]: windows at certain places, hashed into a bit map too.

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

/// Whether the wide versions run on this processor.
#[inline(always)]
pub(super) fn is_wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx2")
    }
    #[cfg(not(target_arch = "x86_64"))]
    {
        false
    }
}

/// A folded window and how many of its bytes count.
pub(super) type Short = (u32, usize);

/// Places that are written down before they are looked at.
pub(super) const PLACES: usize = 128;

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
