//! The tests of windows for processors with AVX-512.
#![allow(unsafe_code)] // SIMD loads, stores and table look-ups; each block says why it is sound

use std::arch::x86_64::*;

use super::bits::Bits;
use super::few::Bytes;
use super::kernel::{Batch, MULTIPLIER, PLACES, Windows};

/// Bytes of a vector.
const BLOCK: usize = 64;

/// A vector from `bytes[at..]`; the rest is zeros when there are fewer than 64.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn load(bytes: &[u8], at: usize) -> __m512i {
    match bytes.get(at..).unwrap_or_default() {
        // SAFETY: the slice has 64 bytes, and the load needs no alignment.
        rest if rest.len() >= BLOCK => unsafe { _mm512_loadu_si512(rest.as_ptr().cast()) },
        // SAFETY: only the bytes of the slice are read: one for each bit that is set.
        rest => unsafe { _mm512_maskz_loadu_epi8((1 << rest.len()) - 1, rest.as_ptr().cast()) },
    }
}

/// See [`super::few::Few::scan`].
#[target_feature(enable = "avx512f,avx512bw,avx512vbmi,avx512vbmi2")]
pub(super) fn scan_bytes<const N: usize>(
    sets: [&Bytes; N],
    bytes: &[u8],
    passed: &mut impl FnMut(usize, &Batch<N>),
) {
    let mut tables = [[[_mm512_setzero_si512(); 2]; 4]; N];
    for (tables, set) in tables.iter_mut().zip(sets) {
        for (table, of) in tables.iter_mut().zip(&set.0) {
            *table = [load(of, 0), load(of, BLOCK)];
        }
    }
    let count: [u8; BLOCK] = std::array::from_fn(|nth| nth as u8);
    let count = load(&count, 0);
    let mut batch = Batch::new();
    let mut from = 0;
    for at in (0..bytes.len()).step_by(BLOCK) {
        // the bytes of windows that begin at each of 64 places: the first, the second …
        let windows = [load(bytes, at), load(bytes, at + 1), load(bytes, at + 2), load(bytes, at + 3)];
        let buckets = tables.map(|of| {
            let told = |nth: usize| _mm512_permutex2var_epi8(of[nth][0], windows[nth], of[nth][1]);
            _mm512_and_si512(_mm512_and_si512(told(0), told(1)), _mm512_and_si512(told(2), told(3)))
        });
        let any = buckets.iter().fold(_mm512_setzero_si512(), |any, more| _mm512_or_si512(any, *more));
        let hits = _mm512_test_epi8_mask(any, any);
        if hits != 0 {
            let base = at - from;
            for (to, from_set) in batch.buckets.iter_mut().zip(&buckets) {
                let to = &mut to[base..base + BLOCK];
                // SAFETY: the slice has 64 bytes, and the store needs no alignment.
                unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), *from_set) };
            }
            let places =
                _mm512_add_epi8(_mm512_maskz_compress_epi8(hits, count), _mm512_set1_epi8(base as i8));
            let to = &mut batch.room()[..BLOCK];
            // SAFETY: the slice has 64 bytes, and the store needs no alignment.
            unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), places) };
            batch.add(hits.count_ones());
        }
        if at + BLOCK - from == PLACES {
            passed(from, &batch);
            batch.clear();
            from = at + BLOCK;
        }
    }
    passed(from, &batch);
}

/// Letters in lower case, as [`super::kernel::fold`].
#[target_feature(enable = "avx512f")]
#[inline]
fn fold(block: __m512i) -> __m512i {
    let case = _mm512_and_si512(_mm512_srli_epi32::<1>(block), _mm512_set1_epi8(0x20));
    _mm512_or_si512(block, case)
}

/// The words of a table at sixteen places.
///
/// # Safety
///
/// All places are within the table.
#[target_feature(enable = "avx512f")]
#[inline]
unsafe fn gather(table: &[u32], places: __m512i) -> __m512i {
    // SAFETY: the places are within the table, as whoever calls this has seen.
    unsafe { _mm512_i32gather_epi32::<4>(places, table.as_ptr().cast()) }
}

/// A bit map that is asked for sixteen windows at a time.
struct Asked<'b> {
    words: &'b [u32],
    /// What is to be shifted away for the one bit and for the other.
    shifts: [__m128i; 2],
}

impl<'b> Asked<'b> {
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn new(bits: &'b Bits) -> Self {
        assert!(bits.words.len() == 1 << (bits.log - 5), "the map has a word for each hash");
        let shift = |by: u32| _mm_cvtsi32_si128(by as i32);
        Asked { words: &bits.words, shifts: [shift(32 - bits.log), shift(27 - bits.log)] }
    }

    /// Which windows may be in the set, a bit for each.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn test(&self, windows: __m512i) -> u16 {
        let product = _mm512_mullo_epi32(windows, _mm512_set1_epi32(MULTIPLIER as i32));
        let hash = _mm512_srl_epi32(product, self.shifts[0]);
        let more = _mm512_srl_epi32(product, self.shifts[1]);
        // SAFETY: a hash has `log` bits, so an index is below `1 << (log - 5)`, the length of `words` asserted above.
        let word = unsafe { gather(self.words, _mm512_srli_epi32::<5>(hash)) };
        // the wanted bit of each word becomes its lowest: only the lower five bits of the hash count
        let both = _mm512_and_si512(_mm512_rorv_epi32(word, hash), _mm512_rorv_epi32(word, more));
        _mm512_test_epi32_mask(both, _mm512_set1_epi32(1))
    }
}

/// See [`Bits::tests`]: a bit for each, and any for those from `count` on.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn test_bits(bits: &Bits, windows: &Windows, count: usize) -> [u8; PLACES / 8] {
    let asked = Asked::new(bits);
    let mut hits = [0; PLACES / 8];
    let (sixteens, _) = windows.as_chunks::<16>();
    let (pairs, _) = hits.as_chunks_mut::<2>();
    for (hits, windows) in pairs.iter_mut().zip(sixteens).take(count.div_ceil(16)) {
        // SAFETY: the array has 64 bytes, and the load needs no alignment.
        let windows = unsafe { _mm512_loadu_si512(windows.as_ptr().cast()) };
        *hits = asked.test(windows).to_le_bytes();
    }
    hits
}

/// See [`Bits::scan`].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn scan_bits(bits: &Bits, bytes: &[u8], found: &mut impl FnMut(&[u32])) {
    let asked = Asked::new(bits);
    let steps: [u32; 16] = std::array::from_fn(|nth| 4 * nth as u32);
    // SAFETY: the array has 64 bytes, and the load needs no alignment.
    let steps = unsafe { _mm512_loadu_si512(steps.as_ptr().cast()) };
    let mut places = Places::new();
    for at in (0..bytes.len()).step_by(BLOCK) {
        let hits = asked.test(fold(load(bytes, at)));
        if hits != 0 {
            places.write(hits, steps, at, found);
        }
    }
    found(places.all());
}

/// See [`super::rows::Rows::scan`].
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn scan_rows(rows: &[u32], log: u32, bytes: &[u8], found: &mut impl FnMut(&[u32])) {
    assert!(rows.len() == 1 << log, "the table has a row for each hash");
    let upper = _mm_cvtsi32_si128(32 - log as i32);
    let own = _mm_cvtsi32_si128(log as i32);
    let multiplier = _mm512_set1_epi32(MULTIPLIER as i32);
    let test = |windows: __m512i| {
        let front = _mm512_mullo_epi32(_mm512_and_si512(windows, _mm512_set1_epi32(0xffff)), multiplier);
        // SAFETY: a hash has `log` bits, so it is below `1 << log`, the length of `rows` asserted above.
        let row = unsafe { gather(rows, _mm512_srl_epi32(front, upper)) };
        let bits = |product: __m512i| {
            let one = _mm512_rorv_epi32(row, _mm512_srli_epi32::<27>(product));
            _mm512_and_si512(one, _mm512_rorv_epi32(row, _mm512_srli_epi32::<22>(product)))
        };
        let back = _mm512_mullo_epi32(_mm512_srli_epi32::<16>(windows), multiplier);
        let any = _mm512_or_si512(bits(back), bits(_mm512_sll_epi32(front, own)));
        u64::from(_mm512_test_epi32_mask(any, _mm512_set1_epi32(1)))
    };
    let steps: [u32; 16] = std::array::from_fn(|nth| 4 * nth as u32);
    // SAFETY: the array has 64 bytes, and the load needs no alignment.
    let steps = unsafe { _mm512_loadu_si512(steps.as_ptr().cast()) };
    let mut places = Places::new();
    for at in (0..bytes.len()).step_by(BLOCK) {
        for first in at..at + 4 {
            let hits = test(fold(load(bytes, first)));
            if hits != 0 {
                places.write(hits as u16, steps, first, found);
            }
        }
    }
    found(places.all());
}

/// Places that were found.
struct Places {
    at: [u32; PLACES],
    count: usize,
}

impl Places {
    fn new() -> Self {
        Places { at: [0; PLACES], count: 0 }
    }

    /// Writes down the places of the bits that are set, counted from `first` in `steps`; hands over what it has when there is no
    /// room for as many again.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn write(&mut self, hits: u16, steps: __m512i, first: usize, found: &mut impl FnMut(&[u32])) {
        let places =
            _mm512_add_epi32(_mm512_maskz_compress_epi32(hits, steps), _mm512_set1_epi32(first as i32));
        let to = &mut self.at[self.count..self.count + 16];
        // SAFETY: the slice has 64 bytes, and the store needs no alignment.
        unsafe { _mm512_storeu_si512(to.as_mut_ptr().cast(), places) };
        self.count += hits.count_ones() as usize;
        if self.count > PLACES - 16 {
            found(self.all());
            self.count = 0;
        }
    }

    fn all(&self) -> &[u32] {
        self.at.get(..self.count).unwrap_or(&self.at)
    }
}
