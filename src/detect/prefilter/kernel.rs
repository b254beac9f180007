//! The inner loops of the window filter: which windows of some bytes are worth a closer look.
//!
//! These tests, of which each but the second has a portable version beside the one for AVX2, which is chosen when the processor has it:
//!
//! - [`Bits`]: any number of windows, hashed into a bit map; eight windows of the data are looked up with one gather. Used at
//!   every fourth byte.
//! - [`Nibbles`]: a hundred windows or so, told by the two halves of each of their bytes; 32 places of the data with eight or
//!   sixteen shuffles. Used at every byte.
//! - [`Rows`]: more of these, by their first two bytes; eight places with one gather. Used at every byte.
//! - [`Looks`]: windows at certain places, hashed into a bit map too; eight places with two gathers.
#![allow(unsafe_code)] // SIMD loads and the gather; each block says why it is sound

use std::sync::OnceLock;

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

/// Has the processor fetch what will be read soon.
#[inline(always)]
pub(super) fn prefetch<T>(soon: &T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: a hint, and of what a reference points to.
    unsafe {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(soon).cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = soon;
}

/// A set of hashed windows: two bits in one word for each.
#[derive(Debug)]
pub(super) struct Bits {
    /// Always two to the power of `log - 5` words.
    words: Box<[u32]>,
    /// How many bits the hash has: 9 to 20.
    log: u32,
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

    pub(super) fn log(&self) -> u32 {
        self.log
    }

    pub(super) fn memory(&self) -> usize {
        self.words.len() * 4
    }

    /// Folds and tests the windows at every fourth byte, where `wide` eight at a time, and calls `found` with the places of those that may
    /// be in the set, some at a time; places near the end may be of windows that are cut short. There are less than four GiB.
    #[inline(always)]
    pub(super) fn scan(&self, wide: bool, bytes: &[u8], found: &mut impl FnMut(&[u32])) {
        #[cfg(target_arch = "x86_64")]
        if wide && is_wide() {
            // SAFETY: the processor has AVX2, as was asked just now.
            return unsafe { avx2::scan_bits(&self.words, self.log, bytes, found) };
        }
        let _ = wide;
        one_by_one::<4>(bytes, |window| self.test(window), found);
    }
}

/// The same, one place after the other, at every `STEP` bytes.
#[inline(always)]
fn one_by_one<const STEP: usize>(bytes: &[u8], test: impl Fn(u32) -> bool, found: &mut impl FnMut(&[u32])) {
    let (mut places, mut count) = ([0; PLACES], 0);
    for at in (0..bytes.len()).step_by(STEP) {
        let window = match bytes.get(at..at + WINDOW) {
            Some(four) => u32::from_le_bytes([four[0], four[1], four[2], four[3]]),
            None => bytes[at..].iter().rev().fold(0, |window, byte| window << 8 | u32::from(*byte)),
        };
        places[count] = at as u32;
        count += usize::from(test(fold(window)));
        if count == PLACES {
            found(&places);
            count = 0;
        }
    }
    found(&places[..count]);
}

/// A set of windows of any width, to be found at every byte: a row for the hash of the first two bytes, and in it two bits for the third,
/// and two for the third and fourth together; windows of two bytes have two by what is left of their hash, those of one have all.
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
                2 => {
                    let (_, rest) = rows.place(window);
                    *rows.row(window) |= Self::bits(rest);
                }
                3 => *rows.row(window) |= Self::back(window >> 16 & 0xff),
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

    /// The bits of the third byte, or of the third and fourth.
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
        has(Self::bits(rest)) | has(Self::back(window >> 16)) | has(Self::back(window >> 16 & 0xff))
    }

    /// Folds and tests the windows at every byte as [`Bits::scan`] does those at every fourth.
    #[inline(always)]
    pub(super) fn scan(&self, wide: bool, bytes: &[u8], found: &mut impl FnMut(&[u32])) {
        #[cfg(target_arch = "x86_64")]
        if wide && is_wide() {
            // SAFETY: the processor has AVX2, as was asked just now.
            return unsafe { avx2::scan_rows(&self.rows, self.log, bytes, found) };
        }
        let _ = wide;
        one_by_one::<1>(bytes, |window| self.test(window), found);
    }

    pub(super) fn memory(&self) -> usize {
        self.rows.len() * 4
    }
}

/// Places that are written down before they are looked at.
pub(super) const PLACES: usize = 128;

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
    pub(super) const MAX: usize = 128;

    /// Of these windows: one set of buckets, or two when there are many, and never more.
    pub(super) fn sets(windows: &[Short]) -> Vec<Nibbles> {
        let mut sorted: Vec<Short> = windows.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let sets = if sorted.len() > 2 * BUCKETS { 2 } else { 1 };
        let buckets = split(&sorted, sets * BUCKETS);
        buckets.chunks(BUCKETS).map(Nibbles::new).collect()
    }

    fn new(buckets: &[Vec<Short>]) -> Self {
        let mut nibbles = Nibbles { low: [[0; 16]; 4], high: [[0; 16]; 4], widths: [0; 256] };
        for (nth, windows) in buckets.iter().enumerate() {
            let bucket = 1u8 << nth;
            for (window, width) in windows {
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
                }
            }
            return;
        }
        // not asked on such processors; nothing is missed if it is
        (0..bytes.len()).for_each(|at| found(at, u8::MAX));
        let _ = sets;
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

/// Parts windows into at most `pieces` so that as little of traffic as possible passes: those that cost least together are put together,
/// one after the other. What a part costs is the share of places at which all four bytes have halves of it.
fn split(windows: &[Short], pieces: usize) -> Vec<Vec<Short>> {
    let shares = shares();
    let mut parts: Vec<(Halves, Vec<Short>)> =
        windows.iter().map(|window| (Halves::of(*window), vec![*window])).collect();
    let cost = |halves: &Halves| halves.cost(shares);
    let more = |one: &Halves, two: &Halves| cost(&one.with(two)) - cost(one) - cost(two);
    // the best other part for each, among those behind it
    let best = |parts: &[(Halves, Vec<Short>)], at: usize| {
        let costs =
            parts.iter().enumerate().skip(at + 1).map(|(other, part)| (more(&parts[at].0, &part.0), other));
        costs.min_by(|one, two| one.0.total_cmp(&two.0)).unwrap_or((f32::INFINITY, at))
    };
    let mut nearest: Vec<(f32, usize)> = (0..parts.len()).map(|at| best(&parts, at)).collect();
    while parts.len() > pieces {
        let Some(one) = (0..parts.len()).min_by(|one, two| nearest[*one].0.total_cmp(&nearest[*two].0))
        else {
            break;
        };
        let two = nearest[one].1;
        let (halves, joined) = parts.remove(two);
        nearest.remove(two);
        parts[one].0 = parts[one].0.with(&halves);
        parts[one].1.extend(joined);
        for at in 0..parts.len() {
            if at == one || nearest[at].1 == two || nearest[at].1 == one {
                nearest[at] = best(&parts, at);
                continue;
            }
            nearest[at].1 -= usize::from(nearest[at].1 > two);
            if at < one {
                let here = more(&parts[at].0, &parts[one].0);
                if here < nearest[at].0 {
                    nearest[at] = (here, one);
                }
            }
        }
    }
    parts.into_iter().map(|(_, windows)| windows).collect()
}

/// Which lower and which upper halves the bytes of some windows have.
#[derive(Clone, Copy)]
struct Halves([(u16, u16); WINDOW]);

impl Halves {
    fn of((window, width): Short) -> Self {
        let mut halves = [(!0, !0); WINDOW];
        for (of, byte) in halves.iter_mut().zip(window.to_le_bytes()).take(width) {
            *of = (1 << (byte & 15), 1 << (byte >> 4));
        }
        Halves(halves)
    }

    fn with(&self, other: &Self) -> Self {
        let mut both = *self;
        for (of, more) in both.0.iter_mut().zip(other.0) {
            *of = (of.0 | more.0, of.1 | more.1);
        }
        both
    }

    /// Whether all places may have that byte.
    fn is_run(&self, byte: u8) -> bool {
        self.0.iter().all(|(lows, highs)| lows >> (byte & 15) & 1 != 0 && highs >> (byte >> 4) & 1 != 0)
    }

    /// The share of traffic at which all of them stand.
    fn cost(&self, [low, high]: &[Vec<f32>; 2]) -> f32 {
        let mixed: f32 =
            self.0.iter().map(|(lows, highs)| low[usize::from(*lows)] * high[usize::from(*highs)]).product();
        // bytes alike stand together
        mixed + RUNS.iter().filter(|(byte, _)| self.is_run(*byte)).map(|(_, share)| share).sum::<f32>()
    }
}

/// Bytes that come in runs, and the share of traffic that is such a run.
const RUNS: [(u8, f32); 3] = [(0, 1.0 / 16.0), (0xff, 1.0 / 64.0), (b' ', 1.0 / 256.0)];

/// How often some lower and some upper halves of a byte are met, by the set of them, as the model of [`literal`] has it.
fn shares() -> &'static [Vec<f32>; 2] {
    static ALL: OnceLock<[Vec<f32>; 2]> = OnceLock::new();
    ALL.get_or_init(|| {
        let (mut low, mut high) = ([0.0f32; 16], [0.0f32; 16]);
        for byte in 0..=255u8 {
            let often = (-(literal::worth_of_window(&[byte]) as f32) / 8.0).exp2();
            low[usize::from(byte & 15)] += often;
            high[usize::from(byte >> 4)] += often;
        }
        [low, high].map(|of| {
            let all: f32 = of.iter().sum();
            let share = |halves: usize| {
                (0..16).filter(|half| halves >> half & 1 != 0).map(|half| of[half]).sum::<f32>()
            };
            (0..1 << 16).map(|halves| share(halves) / all).collect()
        })
    })
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::*;

    use super::{MULTIPLIER, PLACES, WINDOW};

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

    /// See [`super::Bits::scan`].
    #[target_feature(enable = "avx2")]
    pub(super) fn scan_bits(words: &[u32], log: u32, bytes: &[u8], found: &mut impl FnMut(&[u32])) {
        assert!(words.len() == 1 << (log - 5), "the map has a word for each hash");
        let upper = _mm_cvtsi32_si128(32 - log as i32);
        let next = _mm_cvtsi32_si128(27 - log as i32);
        let test = |at: usize| -> u32 {
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
            _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_and_si256(one, two))) as u32
        };
        let mut places = Places { at: [0; PLACES], count: 0 };
        let mut at = 0;
        while at < bytes.len() {
            // two at once: what one waits for is no hindrance to the other
            let (hits, step) = match at + BLOCK < bytes.len() {
                true => (test(at) | test(at + BLOCK) << 8, 2 * BLOCK),
                false => (test(at), BLOCK),
            };
            if hits != 0 {
                places.write(hits, |bit| at as u32 + 4 * bit, found);
            }
            at += step;
        }
        found(places.all());
    }

    /// See [`super::Rows::scan`].
    #[target_feature(enable = "avx2")]
    pub(super) fn scan_rows(rows: &[u32], log: u32, bytes: &[u8], found: &mut impl FnMut(&[u32])) {
        assert!(rows.len() == 1 << log, "the table has a row for each hash");
        let upper = _mm_cvtsi32_si128(32 - log as i32);
        let own = _mm_cvtsi32_si128(log as i32);
        let multiplier = _mm256_set1_epi32(MULTIPLIER as i32);
        let test = |at: usize| -> u32 {
            let window = fold(load(bytes, at));
            let front = _mm256_mullo_epi32(_mm256_and_si256(window, _mm256_set1_epi32(0xffff)), multiplier);
            // SAFETY: a hash has `log` bits, so it is below `1 << log`, the length of `rows` asserted above.
            let row =
                unsafe { _mm256_i32gather_epi32::<4>(rows.as_ptr().cast(), _mm256_srl_epi32(front, upper)) };
            let back = _mm256_srli_epi32::<16>(window);
            let third = _mm256_and_si256(back, _mm256_set1_epi32(0xff));
            // the wanted bit of each row becomes its sign
            let last = _mm256_set1_epi32(31);
            let bits = |product: __m256i| {
                let one = _mm256_sub_epi32(last, _mm256_srli_epi32::<27>(product));
                let two = _mm256_andnot_si256(_mm256_srli_epi32::<22>(product), last);
                _mm256_and_si256(_mm256_sllv_epi32(row, one), _mm256_sllv_epi32(row, two))
            };
            let any = _mm256_or_si256(
                _mm256_or_si256(
                    bits(_mm256_mullo_epi32(back, multiplier)),
                    bits(_mm256_mullo_epi32(third, multiplier)),
                ),
                bits(_mm256_sll_epi32(front, own)),
            );
            _mm256_movemask_ps(_mm256_castsi256_ps(any)) as u32
        };
        let mut places = Places { at: [0; PLACES], count: 0 };
        let mut at = 0;
        while at < bytes.len() {
            let hits = test(at) | test(at + 1) << 8 | test(at + 2) << 16 | test(at + 3) << 24;
            if hits != 0 {
                places.write(hits, |bit| at as u32 + 4 * (bit & 7) + (bit >> 3), found);
            }
            at += BLOCK;
        }
        found(places.all());
    }

    /// Writes down the places of the bits that are set: four at once, as few blocks have more. There is room for 32.
    #[inline(always)]
    fn write_down<T>(to: &mut [T], mut bits: u32, place: impl Fn(u32) -> T) {
        for four in to.chunks_exact_mut(4) {
            for to in four {
                *to = place(bits.trailing_zeros() & 31);
                bits &= bits.wrapping_sub(1);
            }
            if bits == 0 {
                break;
            }
        }
    }

    /// Places that were found.
    struct Places {
        at: [u32; PLACES],
        count: usize,
    }

    impl Places {
        /// Writes down the bits that are set; hands over what it has when there is no room for as many again.
        #[inline(always)]
        fn write(&mut self, bits: u32, place: impl Fn(u32) -> u32, found: &mut impl FnMut(&[u32])) {
            write_down(self.at.get_mut(self.count..).unwrap_or_default(), bits, place);
            self.count += bits.count_ones() as usize;
            if self.count > PLACES - BLOCK {
                found(self.all());
                self.count = 0;
            }
        }

        fn all(&self) -> &[u32] {
            self.at.get(..self.count).unwrap_or(&self.at)
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
        /// Writes down the bits that are set.
        #[inline(always)]
        fn write(&mut self, bits: u32, base: u8) {
            let rest = self.places.get_mut(self.count..).unwrap_or_default();
            write_down(rest, bits, |bit| base.wrapping_add(bit as u8));
            self.count += bits.count_ones() as usize;
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
