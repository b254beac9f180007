//! Windows at certain places, hashed into a bit map together with where they stand.
#![allow(unsafe_code)] // calls what only some processors have; the block says why it is sound

#[cfg(target_arch = "x86_64")]
use super::avx2;
use super::bits::Bits;
use super::kernel::{Kernel, Level};

/// Places where windows are looked at.
#[derive(Debug)]
pub(super) struct Looks(Box<[Eight]>);

/// Eight of them.
#[derive(Debug)]
pub(super) struct Eight {
    pub(super) places: [u32; 8],
    /// Which bytes of the window count.
    pub(super) masks: [u32; 8],
    /// What makes the same window at different places different.
    pub(super) salts: [u32; 8],
}

/// As many places are worth being looked at together.
const WORTH_IT: usize = 4;

impl Looks {
    /// At these places, which rise, each with mask and salt. A few that are left of the last eight are not looked at: that is done faster
    /// one by one.
    pub(super) fn new(looks: &[(u32, u32, u32)]) -> Self {
        let of = |eight: &[(u32, u32, u32)], take: fn(&(u32, u32, u32)) -> u32, none: u32| {
            let mut numbers = [none; 8];
            numbers.iter_mut().zip(eight).for_each(|(to, from)| *to = take(from));
            numbers
        };
        Looks(
            looks
                .chunks(8)
                .filter(|eight| eight.len() >= WORTH_IT)
                .map(|eight| Eight {
                    // where there is no place no data reach
                    places: of(eight, |look| look.0, u32::MAX),
                    masks: of(eight, |look| look.1, 0),
                    salts: of(eight, |look| look.2, 0),
                })
                .collect(),
        )
    }

    /// Looks at the windows of the first places, as many as have four bytes in `bytes`, and calls `found` with the numbers of those
    /// that may be in the set. Returns how many places these were; none where the processor has no AVX2.
    #[inline(always)]
    pub(super) fn scan(&self, bits: &Bits, bytes: &[u8], found: &mut impl FnMut(usize)) -> usize {
        #[cfg(target_arch = "x86_64")]
        if Kernel::widest().level() >= Level::Avx2 {
            // SAFETY: the processor has AVX2, since there is that kernel.
            return unsafe { avx2::scan_looks(bits, &self.0, bytes, found) };
        }
        let _ = (bits, bytes, found);
        0
    }

    pub(super) fn memory(&self) -> usize {
        self.0.len() * size_of::<Eight>()
    }
}
