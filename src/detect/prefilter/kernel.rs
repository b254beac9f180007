//! The inner loops of the window filter: which windows of some bytes are worth a closer look.
//!
//! Two tests, both with a portable version and one for AVX2, which is chosen when the processor has it:
//!
//! - [`Bits`]: any number of windows, hashed into a bit map; eight windows of the data are looked up with one gather. Used at
//!   every fourth byte.
//! - [`Nibbles`]: a few hundred windows at most, told by the two halves of each of their bytes; 32 places of the data with
//!   eight or sixteen shuffles. Used at every byte.
//! - [`Looks`]: windows at certain places, hashed into a bit map too; eight places with two gathers.
#![allow(unsafe_code)] // SIMD loads and the gather; each block says why it is sound

use crate::detect::literal;

/// Bytes of the widest window.
const WINDOW: usize = 4;

/// Odd, with well-mixed upper bits (the golden ratio).
const MULTIPLIER: u32 = 0x9e37_79b1;

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

/// A set of hashed windows: two bits in one word for each.
#[derive(Debug)]
pub(super) struct Bits {
    /// Always two to the power of `log - 5` words.
    words: Box<[u32]>,
    /// How many bits the hash has: 9 to 22.
    log: u32,
}

impl Bits {
    /// Of two to the power of `log` bits.
    pub(super) fn new(log: u32) -> Self {
        let log = log.clamp(9, 22);
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

    pub(super) fn log(&self) -> u32 {
        self.log
    }

    pub(super) fn memory(&self) -> usize {
        self.words.len() * 4
    }

    /// Folds and tests the windows at every fourth byte, eight at a time, and calls `found` with the places of those that may be
    /// in the set; places near the end may be of windows that are cut short. False, and nothing done, where [`is_wide`] is.
    #[inline(always)]
    pub(super) fn scan_wide(&self, bytes: &[u8], found: &mut impl FnMut(usize)) -> bool {
        #[cfg(target_arch = "x86_64")]
        if is_wide() {
            // SAFETY: the processor has AVX2, as was asked just now.
            unsafe { avx2::scan_bits(&self.words, self.log, bytes, found) };
            return true;
        }
        let _ = (bytes, found);
        false
    }
}

/// Places where windows are looked at.
#[derive(Debug)]
pub(super) struct Looks(Box<[Eight]>);

/// Eight of them.
#[derive(Debug)]
struct Eight {
    places: [u32; 8],
    /// Which bytes of the window count.
    masks: [u32; 8],
    /// What makes the same window at different places different.
    salts: [u32; 8],
}

impl Looks {
    /// At these places, each with mask and salt; what is left of the last eight is not looked at.
    pub(super) fn new(looks: &[(u32, u32, u32)]) -> Self {
        let of = |eight: &[(u32, u32, u32)], take: fn(&(u32, u32, u32)) -> u32| {
            let mut numbers = [0; 8];
            numbers.iter_mut().zip(eight).for_each(|(to, from)| *to = take(from));
            numbers
        };
        Looks(
            looks
                .chunks_exact(8)
                .map(|eight| Eight {
                    places: of(eight, |look| look.0),
                    masks: of(eight, |look| look.1),
                    salts: of(eight, |look| look.2),
                })
                .collect(),
        )
    }

    /// Looks at the windows of the first places, as many as are whole in `bytes`, and calls `found` with the numbers of those that
    /// may be in the set. Returns how many places these were; none where [`is_wide`] is false.
    #[inline(always)]
    pub(super) fn scan(&self, bits: &Bits, bytes: &[u8], found: &mut impl FnMut(usize)) -> usize {
        #[cfg(target_arch = "x86_64")]
        if is_wide() {
            // SAFETY: the processor has AVX2, as was asked just now.
            return unsafe { avx2::scan_looks((&bits.words, bits.log), &self.0, bytes, found) };
        }
        let _ = (bits, bytes, found);
        0
    }

    pub(super) fn memory(&self) -> usize {
        self.0.len() * size_of::<Eight>()
    }
}

/// A few windows, told by the halves of their bytes. Each belongs to one of eight buckets, a bit each.
#[derive(Clone, Debug)]
pub(super) struct Nibbles {
    /// For each of the four bytes of a window, the buckets that have a byte with that lower half…
    low: [[u8; 16]; 4],
    /// … and that upper half.
    high: [[u8; 16]; 4],
    /// For each set of buckets, the widths of their windows: bit `n` for `n` bytes.
    widths: [u8; 256],
}

/// Buckets of one [`Nibbles`].
const BUCKETS: usize = 8;

/// A folded window and how many of its bytes count.
pub(super) type Short = (u32, usize);

impl Nibbles {
    /// More windows than this would let too much through.
    pub(super) const MAX: usize = 384;

    /// Of these windows: one set of buckets, two or four when there are many, and never more.
    pub(super) fn sets(windows: &[Short]) -> Vec<Nibbles> {
        let mut sorted: Vec<Short> = windows.to_vec();
        // alike ones are neighbours: by width, then by the upper halves
        sorted.sort_by_key(|(window, width)| (*width, window.swap_bytes() & 0xf0f0_f0f0, *window));
        sorted.dedup();
        let sets = match sorted.len() {
            0..=16 => 1,
            17..=128 => 2,
            _ => 4,
        };
        let buckets = split(&sorted, sets * BUCKETS);
        buckets.chunks(BUCKETS).map(Nibbles::new).collect()
    }

    fn new(buckets: &[&[Short]]) -> Self {
        let mut nibbles = Nibbles { low: [[0; 16]; 4], high: [[0; 16]; 4], widths: [0; 256] };
        for (nth, windows) in buckets.iter().enumerate() {
            let bucket = 1u8 << nth;
            for (window, width) in *windows {
                for (set, widths) in (0..=u8::MAX).zip(&mut nibbles.widths) {
                    *widths |= if set & bucket != 0 { 1 << width } else { 0 };
                }
                for (at, byte) in window.to_le_bytes().into_iter().enumerate() {
                    if at < *width {
                        nibbles.low[at][usize::from(byte & 15)] |= bucket;
                        nibbles.high[at][usize::from(byte >> 4)] |= bucket;
                    } else {
                        nibbles.low[at].iter_mut().for_each(|buckets| *buckets |= bucket);
                        nibbles.high[at].iter_mut().for_each(|buckets| *buckets |= bucket);
                    }
                }
            }
        }
        nibbles
    }

    /// Folds and tests the windows at every byte, 32 at a time, and calls `found` with places and the widths of the windows that may
    /// stand there (bit `n` for `n` bytes). Where [`is_wide`] is false, all places may be of all widths.
    ///
    /// What passes is first written down without a branch for each, and called for a batch at a time: how many there are in the
    /// next few bytes is what a processor guesses worst.
    #[inline(always)]
    pub(super) fn scan_wide(sets: &[Nibbles], bytes: &[u8], found: &mut impl FnMut(usize, u8)) {
        #[cfg(target_arch = "x86_64")]
        if is_wide() {
            // SAFETY: the processor has AVX2, as was asked just now.
            unsafe {
                if let Ok(one) = <&[Nibbles; 1]>::try_from(sets) {
                    Self::scan_avx2(one, bytes, found);
                } else if let Ok(two) = <&[Nibbles; 2]>::try_from(sets) {
                    Self::scan_avx2(two, bytes, found);
                } else if let Ok(four) = <&[Nibbles; 4]>::try_from(sets) {
                    Self::scan_avx2(four, bytes, found);
                }
            }
            return;
        }
        if !sets.is_empty() {
            (0..bytes.len()).for_each(|at| found(at, u8::MAX));
        }
    }

    /// # Safety
    ///
    /// The processor has AVX2.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn scan_avx2<const N: usize>(
        sets: &[Nibbles; N],
        bytes: &[u8],
        found: &mut impl FnMut(usize, u8),
    ) {
        let mut passed = |from: usize, batch: &avx2::Batch<N>| {
            for &nth in batch.places() {
                let widths = |set: usize| sets[set].widths[usize::from(batch.bucket(set, nth))];
                let last = from + usize::from(nth);
                found(last.saturating_sub(WINDOW - 1), (0..N).fold(0, |all, set| all | widths(set)));
            }
        };
        // SAFETY: the processor has AVX2, as whoever calls this has seen.
        unsafe { avx2::scan_nibbles(sets, bytes, &mut passed) };
    }
}

/// Cuts a sorted list into at most `pieces` so that as little of traffic as possible passes: the least sum, over the pieces, of
/// the share of places at which all four bytes have halves of the piece.
fn split(sorted: &[Short], pieces: usize) -> Vec<&[Short]> {
    let (low, high) = half_frequencies();
    let share = |halves: u16, of: &[f32; 16]| -> f32 {
        (0..16).filter(|half| halves & 1 << half != 0).map(|half| of[half as usize]).sum()
    };
    let count = sorted.len();
    // the cost of the piece from..to, at to - 1
    let costs = |from: usize| -> Vec<f32> {
        let mut halves = [(0u16, 0u16); 4];
        sorted[from..]
            .iter()
            .map(|(window, width)| {
                for (at, byte) in window.to_le_bytes().into_iter().enumerate() {
                    let (lows, highs) =
                        if at < *width { (1 << (byte & 15), 1 << (byte >> 4)) } else { (!0, !0) };
                    halves[at].0 |= lows;
                    halves[at].1 |= highs;
                }
                let mixed: f32 =
                    halves.iter().map(|(lows, highs)| share(*lows, &low) * share(*highs, &high)).product();
                // bytes alike stand together
                let runs = RUNS.iter().filter(|(byte, _)| {
                    halves
                        .iter()
                        .all(|(lows, highs)| lows & 1 << (byte & 15) != 0 && highs & 1 << (byte >> 4) != 0)
                });
                mixed + runs.map(|(_, share)| share).sum::<f32>()
            })
            .collect()
    };
    // best[n][end]: the least cost of the first `end` in at most n + 1 pieces, and where the last one begins
    let mut best = vec![vec![(f32::INFINITY, 0usize); count + 1]; pieces];
    best.iter_mut().for_each(|row| row[0] = (0.0, 0));
    for from in 0..count {
        for (end, cost) in costs(from).into_iter().enumerate().map(|(at, cost)| (from + at + 1, cost)) {
            for nth in 0..pieces {
                let before = if nth == 0 {
                    if from == 0 { 0.0 } else { f32::INFINITY }
                } else {
                    best[nth - 1][from].0
                };
                if before + cost < best[nth][end].0 {
                    best[nth][end] = (before + cost, from);
                }
            }
        }
    }
    let (mut cut, mut end, mut nth) = (Vec::new(), count, pieces);
    while end > 0 && nth > 0 {
        nth -= 1;
        let from = best[nth][end].1;
        cut.push(&sorted[from..end]);
        end = from;
    }
    cut.reverse();
    cut
}

/// Bytes that come in runs, and the share of traffic that is such a run.
const RUNS: [(u8, f32); 3] = [(0, 1.0 / 16.0), (0xff, 1.0 / 64.0), (b' ', 1.0 / 256.0)];

/// How often each lower and each upper half of a byte is met, by the model of [`literal`].
fn half_frequencies() -> ([f32; 16], [f32; 16]) {
    let (mut low, mut high) = ([0.0f32; 16], [0.0f32; 16]);
    for byte in 0..=255u8 {
        let often = (-(literal::worth_of_window(&[byte]) as f32) / 8.0).exp2();
        low[usize::from(byte & 15)] += often;
        high[usize::from(byte >> 4)] += often;
    }
    let (lows, highs): (f32, f32) = (low.iter().sum(), high.iter().sum());
    (low.map(|often| often / lows), high.map(|often| often / highs))
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{MULTIPLIER, WINDOW};

    /// Bytes of a vector.
    const BLOCK: usize = 32;

    /// A vector from `bytes[at..]`; the rest is zeros when there are fewer than 32.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(bytes: &[u8], at: usize) -> __m256i {
        match bytes.get(at..at + BLOCK) {
            // SAFETY: the slice has 32 bytes, and the load needs no alignment.
            Some(block) => unsafe { _mm256_loadu_si256(block.as_ptr().cast()) },
            None => {
                let mut block = [0u8; BLOCK];
                if let Some(rest) = bytes.get(at..) {
                    block[..rest.len()].copy_from_slice(rest);
                }
                // SAFETY: the array has 32 bytes, and the load needs no alignment.
                unsafe { _mm256_loadu_si256(block.as_ptr().cast()) }
            }
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn fold(block: __m256i) -> __m256i {
        let case = _mm256_and_si256(_mm256_srli_epi32::<1>(block), _mm256_set1_epi8(0x20));
        _mm256_or_si256(block, case)
    }

    /// See [`super::Bits::scan_wide`].
    #[target_feature(enable = "avx2")]
    pub(super) fn scan_bits(words: &[u32], log: u32, bytes: &[u8], found: &mut impl FnMut(usize)) {
        assert!(words.len() == 1 << (log - 5), "the map has a word for each hash");
        let upper = _mm_cvtsi32_si128(32 - log as i32);
        let next = _mm_cvtsi32_si128(27 - log as i32);
        let mut at = 0;
        while at < bytes.len() {
            let window = fold(load(bytes, at));
            let product = _mm256_mullo_epi32(window, _mm256_set1_epi32(MULTIPLIER as i32));
            let hash = _mm256_srl_epi32(product, upper);
            let more = _mm256_srl_epi32(product, next);
            let index = _mm256_srli_epi32::<5>(hash);
            // SAFETY: a hash has `log` bits, so an index is below `1 << (log - 5)`, the length of `words` asserted above.
            let word = unsafe { _mm256_i32gather_epi32::<4>(words.as_ptr().cast(), index) };
            // the wanted bit of each word becomes its sign
            let last = _mm256_set1_epi32(31);
            let one = _mm256_sllv_epi32(word, _mm256_andnot_si256(hash, last));
            let two = _mm256_sllv_epi32(word, _mm256_andnot_si256(more, last));
            let mut hits = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_and_si256(one, two))) as u32;
            while hits != 0 {
                found(at + 4 * hits.trailing_zeros() as usize);
                hits &= hits - 1;
            }
            at += BLOCK;
        }
    }

    /// See [`super::Nibbles::scan_wide`].
    #[target_feature(enable = "avx2")]
    pub(super) fn scan_nibbles<const N: usize>(
        sets: &[super::Nibbles; N],
        bytes: &[u8],
        passed: &mut impl FnMut(usize, &Batch<N>),
    ) {
        let mut low = [[_mm256_setzero_si256(); 4]; N];
        let mut high = [[_mm256_setzero_si256(); 4]; N];
        for (nth, set) in sets.iter().enumerate() {
            for at in 0..4 {
                low[nth][at] = table(&set.low[at]);
                high[nth][at] = table(&set.high[at]);
            }
        }
        let mut batch = Batch { places: [0; BATCH + BLOCK], count: 0, buckets: [[0; BATCH]; N] };
        // what was told of the block before by the first three bytes of windows, which may end in this one
        let mut before = [[_mm256_setzero_si256(); WINDOW - 1]; N];
        let half = _mm256_set1_epi8(15);
        let (mut from, mut at) = (0, 0);
        // the last window ends behind the data
        while at < bytes.len() + WINDOW - 1 {
            let block = fold(load(bytes, at));
            let lower = _mm256_and_si256(block, half);
            let upper = _mm256_and_si256(_mm256_srli_epi16::<4>(block), half);
            let mut buckets = [_mm256_setzero_si256(); N];
            for set in 0..N {
                let told = |nth: usize| {
                    let lows = _mm256_shuffle_epi8(low[set][nth], lower);
                    _mm256_and_si256(lows, _mm256_shuffle_epi8(high[set][nth], upper))
                };
                let (first, second, third) = (told(0), told(1), told(2));
                let front = _mm256_and_si256(
                    behind::<{ 16 - 3 }>(before[set][0], first),
                    behind::<{ 16 - 2 }>(before[set][1], second),
                );
                let back = _mm256_and_si256(behind::<{ 16 - 1 }>(before[set][2], third), told(3));
                buckets[set] = _mm256_and_si256(front, back);
                before[set] = [first, second, third];
            }
            let mut any = buckets[0];
            for more in &buckets[1..] {
                any = _mm256_or_si256(any, *more);
            }
            let none = _mm256_cmpeq_epi8(any, _mm256_setzero_si256());
            let hits = !(_mm256_movemask_epi8(none) as u32);
            if hits != 0 {
                for (to, from_set) in batch.buckets.iter_mut().zip(&buckets) {
                    let to = &mut to[at - from..at - from + BLOCK];
                    // SAFETY: the slice has 32 bytes, and the store needs no alignment.
                    unsafe { _mm256_storeu_si256(to.as_mut_ptr().cast(), *from_set) };
                }
                batch.write(hits, (at - from) as u8);
            }
            at += BLOCK;
            if at - from == BATCH {
                passed(from, &batch);
                batch.count = 0;
                from = at;
            }
        }
        passed(from, &batch);
    }

    /// A table of 16 bytes in both halves of a vector.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn table(table: &[u8; 16]) -> __m256i {
        // SAFETY: the array has 16 bytes, and the load needs no alignment.
        _mm256_broadcastsi128_si256(unsafe { _mm_loadu_si128(table.as_ptr().cast()) })
    }

    /// The bytes of `block` some places further on, those that fall out of `before` in front; `LEFT` is 16 less the places.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn behind<const LEFT: i32>(before: __m256i, block: __m256i) -> __m256i {
        _mm256_alignr_epi8::<LEFT>(block, _mm256_permute2x128_si256::<0x21>(before, block))
    }

    /// Places that are written down before they are looked at.
    const BATCH: usize = 128;

    /// What passed in a batch, by the last bytes of windows.
    pub(super) struct Batch<const N: usize> {
        places: [u8; BATCH + BLOCK],
        count: usize,
        /// By set, of each place of the batch.
        buckets: [[u8; BATCH]; N],
    }

    impl<const N: usize> Batch<N> {
        /// Writes down the bits that are set: four at once, as few blocks have more.
        #[inline(always)]
        fn write(&mut self, mut bits: u32, base: u8) {
            let count = bits.count_ones() as usize;
            let mut at = self.count;
            self.count += count;
            while let Some(four) = self.places.get_mut(at..at + 4) {
                for place in four {
                    *place = base.wrapping_add((bits.trailing_zeros() & 31) as u8);
                    bits &= bits.wrapping_sub(1);
                }
                at += 4;
                if bits == 0 {
                    break;
                }
            }
        }

        pub(super) fn places(&self) -> &[u8] {
            self.places.get(..self.count).unwrap_or(&self.places)
        }

        pub(super) fn bucket(&self, set: usize, nth: u8) -> u8 {
            self.buckets[set][usize::from(nth)]
        }
    }

    /// See [`super::Looks::scan`]: how many places were looked at.
    #[target_feature(enable = "avx2")]
    pub(super) fn scan_looks(
        (words, log): (&[u32], u32),
        looks: &[super::Eight],
        bytes: &[u8],
        found: &mut impl FnMut(usize),
    ) -> usize {
        assert!(words.len() == 1 << (log - 5), "the map has a word for each hash");
        let Some(last) = i32::try_from(bytes.len()).unwrap_or(i32::MAX).checked_sub(4) else { return 0 };
        let last = _mm256_set1_epi32(last);
        let upper = _mm_cvtsi32_si128(32 - log as i32);
        let next = _mm_cvtsi32_si128(27 - log as i32);
        for (nth, eight) in looks.iter().enumerate() {
            let vector = |numbers: &[u32; 8]| {
                // SAFETY: the array has 32 bytes, and the load needs no alignment.
                unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) }
            };
            let places = vector(&eight.places);
            let negative = _mm256_cmpgt_epi32(_mm256_setzero_si256(), places);
            let behind = _mm256_or_si256(negative, _mm256_cmpgt_epi32(places, last));
            if _mm256_testz_si256(behind, behind) == 0 {
                return nth * 8;
            }
            // SAFETY: each place is at least 0 and at most `bytes.len() - 4`, as was seen just now.
            let window = unsafe { _mm256_i32gather_epi32::<1>(bytes.as_ptr().cast(), places) };
            let window = _mm256_and_si256(fold(window), vector(&eight.masks));
            let key = _mm256_xor_si256(window, vector(&eight.salts));
            let product = _mm256_mullo_epi32(key, _mm256_set1_epi32(MULTIPLIER as i32));
            let hash = _mm256_srl_epi32(product, upper);
            let more = _mm256_srl_epi32(product, next);
            let index = _mm256_srli_epi32::<5>(hash);
            // SAFETY: a hash has `log` bits, so an index is below `1 << (log - 5)`, the length of `words` asserted above.
            let word = unsafe { _mm256_i32gather_epi32::<4>(words.as_ptr().cast(), index) };
            let bits = _mm256_set1_epi32(31);
            let one = _mm256_sllv_epi32(word, _mm256_andnot_si256(hash, bits));
            let two = _mm256_sllv_epi32(word, _mm256_andnot_si256(more, bits));
            let mut hits = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_and_si256(one, two))) as u32;
            while hits != 0 {
                found(nth * 8 + hits.trailing_zeros() as usize);
                hits &= hits - 1;
            }
        }
        looks.len() * 8
    }
}
