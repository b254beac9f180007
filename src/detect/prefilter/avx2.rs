//! The tests of windows for processors with AVX2.
//!
//! Words of tables are read one by one, not with the gather instruction: that takes as long as thirty simple instructions where it is
//! made of such (some 27 cycles for eight words on Zen 3), and longer with what is done against gather data sampling (Intel
//! advisory SA-00828).
#![allow(unsafe_code)] // SIMD loads and table look-ups; each block says why it is sound

use std::arch::x86_64::*;

use super::bits::Bits;
use super::few::Nibbles;
use super::kernel::{Batch, MULTIPLIER, PLACES, WINDOW, Windows};
use super::looks::Eight;

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

/// A vector of eight numbers.
#[target_feature(enable = "avx2")]
#[inline]
fn eight(numbers: &[u32; 8]) -> __m256i {
    // SAFETY: the array has 32 bytes, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(numbers.as_ptr().cast()) }
}

/// The words that begin at eight places, counted in `T` from `table`.
///
/// # Safety
///
/// At each of these places four bytes can be read.
#[target_feature(enable = "avx2")]
#[inline]
unsafe fn gather<T>(table: *const T, places: __m256i) -> __m256i {
    let (low, high) = (_mm256_castsi256_si128(places), _mm256_extracti128_si256::<1>(places));
    let two = [
        _mm_cvtsi128_si64(low) as u64,
        _mm_extract_epi64::<1>(low) as u64,
        _mm_cvtsi128_si64(high) as u64,
        _mm_extract_epi64::<1>(high) as u64,
    ];
    let word = |nth: usize| {
        let place = (two[nth / 2] >> (nth % 2 * 32)) as u32 as usize;
        // SAFETY: four bytes can be read there, as whoever calls this has seen.
        unsafe { table.add(place).cast::<i32>().read_unaligned() }
    };
    _mm256_setr_epi32(word(0), word(1), word(2), word(3), word(4), word(5), word(6), word(7))
}

/// A bit map that is asked for eight windows at a time.
struct Asked<'b> {
    words: &'b [u32],
    /// What is to be shifted away for the one bit and for the other.
    shifts: [__m128i; 2],
}

impl<'b> Asked<'b> {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn new(bits: &'b Bits) -> Self {
        assert!(bits.words.len() == 1 << (bits.log - 5), "the map has a word for each hash");
        let shift = |by: u32| _mm_cvtsi32_si128(by as i32);
        Asked { words: &bits.words, shifts: [shift(32 - bits.log), shift(27 - bits.log)] }
    }

    /// Which windows may be in the set, a bit for each.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn test(&self, windows: __m256i) -> u32 {
        let product = _mm256_mullo_epi32(windows, _mm256_set1_epi32(MULTIPLIER as i32));
        let hash = _mm256_srl_epi32(product, self.shifts[0]);
        let more = _mm256_srl_epi32(product, self.shifts[1]);
        let index = _mm256_srli_epi32::<5>(hash);
        // SAFETY: a hash has `log` bits, so an index is below `1 << (log - 5)`, the length of `words` asserted above.
        let word = unsafe { gather(self.words.as_ptr(), index) };
        // the wanted bit of each word becomes its sign
        let last = _mm256_set1_epi32(31);
        let one = _mm256_sllv_epi32(word, _mm256_andnot_si256(hash, last));
        let two = _mm256_sllv_epi32(word, _mm256_andnot_si256(more, last));
        _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_and_si256(one, two))) as u32
    }
}

/// See [`Bits::tests`]: a bit for each, and any for those from `count` on.
#[target_feature(enable = "avx2")]
pub(super) fn test_bits(bits: &Bits, windows: &Windows, count: usize) -> [u8; PLACES / 8] {
    let asked = Asked::new(bits);
    let mut hits = [0; PLACES / 8];
    let (eights, _) = windows.as_chunks::<8>();
    for (hits, windows) in hits.iter_mut().zip(eights).take(count.div_ceil(8)) {
        *hits = asked.test(eight(windows)) as u8;
    }
    hits
}

/// See [`Bits::scan`].
#[target_feature(enable = "avx2")]
pub(super) fn scan_bits(bits: &Bits, bytes: &[u8], found: &mut impl FnMut(&[u32])) {
    let asked = Asked::new(bits);
    let test = |at: usize| asked.test(fold(load(bytes, at)));
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

/// See [`super::rows::Rows::scan`].
#[target_feature(enable = "avx2")]
pub(super) fn scan_rows(rows: &[u32], log: u32, bytes: &[u8], found: &mut impl FnMut(&[u32])) {
    assert!(rows.len() == 1 << log, "the table has a row for each hash");
    let upper = _mm_cvtsi32_si128(32 - log as i32);
    let own = _mm_cvtsi32_si128(log as i32);
    let multiplier = _mm256_set1_epi32(MULTIPLIER as i32);
    // signs: whether the windows may be in the set
    let test = |windows: __m256i| {
        let front = _mm256_mullo_epi32(_mm256_and_si256(windows, _mm256_set1_epi32(0xffff)), multiplier);
        // SAFETY: a hash has `log` bits, so it is below `1 << log`, the length of `rows` asserted above.
        let row = unsafe { gather(rows.as_ptr(), _mm256_srl_epi32(front, upper)) };
        // the wanted bit of each row becomes its sign
        let last = _mm256_set1_epi32(31);
        let bits = |product: __m256i| {
            let one = _mm256_sub_epi32(last, _mm256_srli_epi32::<27>(product));
            let two = _mm256_andnot_si256(_mm256_srli_epi32::<22>(product), last);
            _mm256_and_si256(_mm256_sllv_epi32(row, one), _mm256_sllv_epi32(row, two))
        };
        let back = _mm256_mullo_epi32(_mm256_srli_epi32::<16>(windows), multiplier);
        _mm256_or_si256(bits(back), bits(_mm256_sll_epi32(front, own)))
    };
    let mut places = Places { at: [0; PLACES], count: 0 };
    let mut block = fold(load(bytes, 0));
    let mut at = 0;
    while at < bytes.len() {
        let next = fold(load(bytes, at + BLOCK));
        let over = _mm256_permute2x128_si256::<0x21>(block, next);
        let signs = [
            test(block),
            test(_mm256_alignr_epi8::<1>(over, block)),
            test(_mm256_alignr_epi8::<2>(over, block)),
            test(_mm256_alignr_epi8::<3>(over, block)),
        ];
        // each goes to the byte at which its window begins: the windows of one vector begin at every fourth
        let even = _mm256_blend_epi16::<0b1010_1010>(_mm256_srli_epi32::<16>(signs[0]), signs[2]);
        let odd = _mm256_blend_epi16::<0b1010_1010>(_mm256_srli_epi32::<16>(signs[1]), signs[3]);
        let uneven = _mm256_set1_epi16(-256);
        let all = _mm256_blendv_epi8(_mm256_srli_epi16::<8>(even), odd, uneven);
        let hits = _mm256_movemask_epi8(all) as u32;
        if hits != 0 {
            places.write(hits, |bit| at as u32 + bit, found);
        }
        block = next;
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

/// See [`super::few::Few::scan`].
#[target_feature(enable = "avx2")]
pub(super) fn scan_nibbles<const N: usize>(
    sets: [&Nibbles; N],
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
    let mut batch = Batch::new();
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
            let base = (at - from) as u8;
            write_down(batch.room(), hits, |bit| base.wrapping_add(bit as u8));
            batch.add(hits.count_ones());
        }
        at += BLOCK;
        if at - from == PLACES {
            passed(from, &batch);
            batch.clear();
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

/// See [`super::looks::Looks::scan`]: how many places were looked at.
#[target_feature(enable = "avx2")]
pub(super) fn scan_looks(bits: &Bits, looks: &[Eight], bytes: &[u8], found: &mut impl FnMut(usize)) -> usize {
    let asked = Asked::new(bits);
    let Some(last) = bytes.len().min(i32::MAX as usize).checked_sub(4) else { return 0 };
    let last = _mm256_set1_epi32(last as i32);
    for (nth, look) in looks.iter().enumerate() {
        let places = eight(&look.places);
        let there = _mm256_min_epu32(places, last);
        // places rise: the first ones are whole
        let whole = _mm256_movemask_ps(_mm256_castsi256_ps(_mm256_cmpeq_epi32(there, places))) as u32;
        if whole == 0 {
            return nth * 8;
        }
        // SAFETY: each place is at most `bytes.len() - 4` now.
        let window = unsafe { gather(bytes.as_ptr(), there) };
        let window = _mm256_and_si256(fold(window), eight(&look.masks));
        let mut hits = asked.test(_mm256_xor_si256(window, eight(&look.salts))) & whole;
        while hits != 0 {
            found(nth * 8 + hits.trailing_zeros() as usize);
            hits &= hits - 1;
        }
        if whole != 0xff {
            return nth * 8 + whole.count_ones() as usize;
        }
    }
    looks.len() * 8
}
