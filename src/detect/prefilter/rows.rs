//! Windows by their first two bytes.
#![allow(unsafe_code)] // calls what only some processors have; the block says why it is sound

#[cfg(target_arch = "x86_64")]
use super::avx2;
use super::kernel::{Kernel, Level, MULTIPLIER, Short, one_by_one};

/// A set of windows of any width, to be found at every byte: a row for the hash of the first two bytes, and in it two bits for the third
/// and fourth together; windows of two or three bytes have two by what is left of the hash, those of one have all.
#[derive(Debug)]
pub(super) struct Rows {
    /// Always two to the power of `log`.
    rows: Box<[u32]>,
    log: u32,
}

impl Rows {
    /// Of these windows.
    pub(super) fn new(windows: &[Short]) -> Self {
        let log = windows.len().next_power_of_two().trailing_zeros().clamp(8, 12);
        let mut rows = Rows { rows: vec![0; 1 << log].into(), log };
        for &(window, width) in windows {
            match width {
                1 => (0..=0xff).for_each(|second| *rows.row(window & 0xff | second << 8) = !0),
                2 | 3 => {
                    let (_, rest) = rows.place(window);
                    *rows.row(window) |= Self::bits(rest);
                }
                _ => *rows.row(window) |= Self::back(window >> 16),
            }
        }
        rows
    }

    /// The row for the first two bytes, and what is left of their hash.
    #[inline(always)]
    fn place(&self, front: u32) -> (usize, u32) {
        let product = (front & 0xffff).wrapping_mul(MULTIPLIER);
        ((product >> (32 - self.log)) as usize, product << self.log)
    }

    fn row(&mut self, front: u32) -> &mut u32 {
        let (row, _) = self.place(front);
        &mut self.rows[row]
    }

    /// Two bits by the upper part of a hash.
    #[inline(always)]
    fn bits(hash: u32) -> u32 {
        1 << (hash >> 27) | 1 << (hash >> 22 & 31)
    }

    /// The bits of the third and fourth byte.
    #[inline(always)]
    fn back(bytes: u32) -> u32 {
        Self::bits(bytes.wrapping_mul(MULTIPLIER))
    }

    /// Whether a window that begins with the first bytes of this one may be in the set.
    #[inline(always)]
    fn test(&self, window: u32) -> bool {
        let (row, rest) = self.place(window);
        let row = self.rows.get(row).copied().unwrap_or(!0);
        let has = |bits: u32| row & bits == bits;
        has(Self::bits(rest)) | has(Self::back(window >> 16))
    }

    /// Folds and tests the windows at every byte as [`Bits::scan`] does those at every fourth.
    #[inline(always)]
    pub(super) fn scan(&self, kernel: Kernel, bytes: &[u8], found: &mut impl FnMut(&[u32])) {
        #[cfg(target_arch = "x86_64")]
        if kernel.level() >= Level::Avx2 {
            // SAFETY: the processor can do what the kernel says.
            return unsafe { avx2::scan_rows(&self.rows, self.log, bytes, found) };
        }
        let _ = kernel;
        one_by_one::<1>(bytes, |window| self.test(window), found);
    }

    pub(super) fn memory(&self) -> usize {
        self.rows.len() * 4
    }
}
