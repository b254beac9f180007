//! A few windows, told by the halves of their bytes.
#![allow(unsafe_code)] // calls what only some processors have; each block says why it is sound

use std::sync::OnceLock;

#[cfg(target_arch = "x86_64")]
use super::avx2;
use super::kernel::{Short, WINDOW, is_wide};
use crate::detect::literal;

/// A few windows, told by the halves of their bytes. Each belongs to one of eight buckets, a bit each.
#[derive(Clone, Debug)]
pub(super) struct Nibbles {
    /// For each of the four bytes of a window, the buckets that have a byte with that lower half…
    pub(super) low: [[u8; 16]; 4],
    /// … and that upper half.
    pub(super) high: [[u8; 16]; 4],
    /// For each set of buckets, the widths of their windows: bit `n` for `n` bytes.
    widths: [u8; 256],
}

/// Buckets of one [`Nibbles`].
const BUCKETS: usize = 8;

/// As much more of traffic may pass one set of buckets than two: 22 instructions for 32 places are saved, and some 60 are spent on each place
/// that passes. A tenth of that, since the model takes bytes that stand together for unrelated.
const ONE_SET: f32 = 22.0 / (32.0 * 60.0) / 10.0;

impl Nibbles {
    /// More windows than this would let too much through.
    pub(super) const MAX: usize = 128;

    /// Of these windows: one set of buckets, or two when too much would pass one.
    pub(super) fn sets(windows: &[Short]) -> Vec<Nibbles> {
        let mut sorted: Vec<Short> = windows.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let [(one, passing), (two, less)] = [1, 2].map(|sets| split(&sorted, sets * BUCKETS));
        let buckets = if passing <= less + ONE_SET { one } else { two };
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
/// one after the other. What a part costs is the share of places at which all four bytes have halves of it. Returns the parts and
/// that share of all.
fn split(windows: &[Short], pieces: usize) -> (Vec<Vec<Short>>, f32) {
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
    let passing = parts.iter().map(|(halves, _)| cost(halves)).sum();
    (parts.into_iter().map(|(_, windows)| windows).collect(), passing)
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
