//! The test of few windows for processors with AVX-512. The others have none: words of a table fetched sixteen at a time by one instruction
//! were no faster than eight one by one ([`super::avx2`]), 118 and 144 MiB/s against 151 and 159 for the literals of a large rule set on
//! Sapphire Rapids.
#![allow(unsafe_code)] // SIMD loads, stores and table look-ups; each block says why it is sound

use std::arch::x86_64::*;

use super::few::Bytes;
use super::kernel::{Batch, PLACES};

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
