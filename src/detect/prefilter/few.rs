//! A few windows: each belongs to one of eight to thirty-two buckets, and each byte of the data tells by its place in a window which
//! buckets may have it.
//!
//! With AVX2 a byte tells by its two halves, each a shuffle; with AVX-512 by all but its upper bit, in one.
#![allow(unsafe_code)] // calls what only some processors have; each block says why it is sound

use std::sync::LazyLock;

#[cfg(target_arch = "x86_64")]
use super::kernel::Batch;
use super::kernel::{Kernel, Level, Short, WINDOW, fold};
#[cfg(target_arch = "x86_64")]
use super::{avx2, avx512};
use crate::detect::literal;

/// See the module. Sets of eight buckets, a bit each; there are only those that the processor can search in.
#[derive(Clone, Debug)]
pub(super) enum Few {
    Nibbles(Vec<Set<Nibbles>>),
    Bytes(Vec<Set<Bytes>>),
}

#[derive(Clone, Debug)]
pub(super) struct Set<T> {
    pub(super) buckets: T,
    /// For each choice of its buckets, the widths of their windows: bit `n` for `n` bytes.
    widths: [u8; 256],
}

/// For each of the four bytes of a window, the buckets that have a byte with some lower half, and with some upper one.
#[derive(Clone, Debug)]
pub(super) struct Nibbles {
    pub(super) low: [[u8; 16]; WINDOW],
    pub(super) high: [[u8; 16]; WINDOW],
}

/// For each of the four bytes of a window, the buckets that have a byte, whatever its upper bit and its case.
#[derive(Clone, Debug)]
pub(super) struct Bytes(pub(super) [[u8; 128]; WINDOW]);

/// Buckets of one set.
const BUCKETS: usize = 8;

/// As much less of traffic must pass for one set of buckets more: what a set costs at each place, over what is spent on a place that
/// passes. These are 22 instructions for 32 places with AVX2, 7 for 64 with AVX-512, and some 60. A tenth of that, since the model
/// takes bytes that stand together for unrelated.
const SET_NIBBLES: f32 = 22.0 / (32.0 * 60.0) / 10.0;
const SET_BYTES: f32 = 7.0 / (64.0 * 60.0) / 10.0;

impl Few {
    /// More windows than this would let too much through.
    pub(super) const MAX: usize = 128;

    /// Of these windows; `None` where the kernel has nothing for them. There are as many sets of buckets as are worth what they cost.
    pub(super) fn new(kernel: Kernel, windows: &[Short]) -> Option<Few> {
        let (choices, set): (&[usize], f32) = match kernel.level() {
            Level::Portable => return None,
            Level::Avx2 => (&[1, 2], SET_NIBBLES),
            Level::Avx512 => (&[1, 2, 3, 4], SET_BYTES),
        };
        let mut sorted: Vec<Short> = windows.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        let made = split(&sorted, choices).into_iter().map(|parts| {
            let (few, passing) = match kernel.level() >= Level::Avx512 {
                true => Bytes::sets(&parts),
                false => Nibbles::sets(&parts),
            };
            (passing + set * parts.len().div_ceil(BUCKETS) as f32, few)
        });
        made.min_by(|one, two| one.0.total_cmp(&two.0)).map(|(_, few)| few)
    }

    /// Folds and tests the windows at every byte, and calls `found` with places and the widths of the windows that may stand there (bit
    /// `n` for `n` bytes).
    ///
    /// What passes is first written down without a branch for each, and called for a batch at a time: how many there are in the
    /// next few bytes is what a processor guesses worst.
    #[inline(always)]
    pub(super) fn scan(&self, bytes: &[u8], found: &mut impl FnMut(usize, u8)) {
        #[cfg(target_arch = "x86_64")]
        match self {
            // SAFETY: there are such sets only where the processor has what searches in them.
            Few::Nibbles(sets) => unsafe {
                match &sets[..] {
                    [one] => return Few::scan_nibbles([one], bytes, found),
                    [one, two] => return Few::scan_nibbles([one, two], bytes, found),
                    _ => {}
                }
            },
            // SAFETY: there are such sets only where the processor has what searches in them.
            Few::Bytes(sets) => unsafe {
                match &sets[..] {
                    [one] => return Few::scan_bytes([one], bytes, found),
                    [one, two] => return Few::scan_bytes([one, two], bytes, found),
                    [one, two, three] => return Few::scan_bytes([one, two, three], bytes, found),
                    [one, two, three, four] => return Few::scan_bytes([one, two, three, four], bytes, found),
                    _ => {}
                }
            },
        }
        // there are no more sets than these; nothing is missed if there are
        (0..bytes.len()).for_each(|at| found(at, u8::MAX));
    }

    /// # Safety
    ///
    /// The processor has AVX2.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn scan_nibbles<const N: usize>(
        sets: [&Set<Nibbles>; N],
        bytes: &[u8],
        found: &mut impl FnMut(usize, u8),
    ) {
        let widths = sets.map(|set| &set.widths);
        let mut passed = |from: usize, batch: &Batch<N>| {
            for &nth in batch.places() {
                // counted by the last bytes of windows
                let at = (from + usize::from(nth)).saturating_sub(WINDOW - 1);
                found(at, batch.widths(nth, &widths));
            }
        };
        // SAFETY: the processor has AVX2, as whoever calls this has seen.
        unsafe { avx2::scan_nibbles(sets.map(|set| &set.buckets), bytes, &mut passed) };
    }

    /// # Safety
    ///
    /// The processor has AVX-512 with BW, VBMI and VBMI2.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn scan_bytes<const N: usize>(
        sets: [&Set<Bytes>; N],
        bytes: &[u8],
        found: &mut impl FnMut(usize, u8),
    ) {
        let widths = sets.map(|set| &set.widths);
        let mut passed = |from: usize, batch: &Batch<N>| {
            for &nth in batch.places() {
                found(from + usize::from(nth), batch.widths(nth, &widths));
            }
        };
        // SAFETY: the processor has what it takes, as whoever calls this has seen.
        unsafe { avx512::scan_bytes(sets.map(|set| &set.buckets), bytes, &mut passed) };
    }

    pub(super) fn memory(&self) -> usize {
        match self {
            Few::Nibbles(sets) => size_of_val(&sets[..]),
            Few::Bytes(sets) => size_of_val(&sets[..]),
        }
    }
}

impl<T> Set<T> {
    /// With what `buckets` makes of each eight of them.
    fn all(parts: &[Vec<Short>], buckets: fn(&[Vec<Short>]) -> T) -> Vec<Self> {
        parts.chunks(BUCKETS).map(|eight| Set { buckets: buckets(eight), widths: widths(eight) }).collect()
    }
}

/// For each choice of some buckets, the widths of their windows.
fn widths(buckets: &[Vec<Short>]) -> [u8; 256] {
    let mut all = [0; 256];
    for (nth, windows) in buckets.iter().enumerate() {
        let widths = windows.iter().fold(0, |widths, (_, width)| widths | 1 << width);
        (0..=u8::MAX)
            .zip(&mut all)
            .filter(|(set, _)| set >> nth & 1 != 0)
            .for_each(|(_, all)| *all |= widths);
    }
    all
}

impl Nibbles {
    /// Sets of these buckets, and the share of traffic that passes them.
    fn sets(parts: &[Vec<Short>]) -> (Few, f32) {
        let halves = parts.iter().filter_map(|windows| {
            windows.iter().map(|window| Halves::of(*window)).reduce(|all, more| all.with(&more))
        });
        let passing = halves.map(|halves| halves.cost()).sum();
        (Few::Nibbles(Set::all(parts, Nibbles::new)), passing)
    }

    fn new(buckets: &[Vec<Short>]) -> Self {
        let mut nibbles = Nibbles { low: [[0; 16]; WINDOW], high: [[0; 16]; WINDOW] };
        for (nth, (window, width)) in numbered(buckets) {
            let bucket = 1u8 << nth;
            for (at, byte) in window.to_le_bytes().into_iter().enumerate() {
                if at < width {
                    nibbles.low[at][usize::from(byte & 15)] |= bucket;
                    nibbles.high[at][usize::from(byte >> 4)] |= bucket;
                } else {
                    nibbles.low[at].iter_mut().for_each(|buckets| *buckets |= bucket);
                    nibbles.high[at].iter_mut().for_each(|buckets| *buckets |= bucket);
                }
            }
        }
        nibbles
    }
}

impl Bytes {
    /// Sets of these buckets, and the share of traffic that passes them.
    fn sets(parts: &[Vec<Short>]) -> (Few, f32) {
        let sets = Set::all(parts, Bytes::new);
        let passing = sets.iter().map(|set| set.buckets.passing()).sum();
        (Few::Bytes(sets), passing)
    }

    fn new(buckets: &[Vec<Short>]) -> Self {
        let mut bytes = Bytes([[0; 128]; WINDOW]);
        for (nth, (window, width)) in numbered(buckets) {
            let bucket = 1u8 << nth;
            for (at, byte) in window.to_le_bytes().into_iter().enumerate() {
                let tells = |raw: u8| at >= width || fold(raw.into()) & 0x7f == u32::from(byte & 0x7f);
                (0..0x80).filter(|raw| tells(*raw)).for_each(|raw| bytes.0[at][usize::from(raw)] |= bucket);
            }
        }
        bytes
    }

    /// The share of traffic that passes.
    fn passing(&self) -> f32 {
        let shares = byte_shares();
        let buckets = (0..BUCKETS).map(|nth| {
            let has = |at: usize, byte: u8| self.0[at][usize::from(byte & 0x7f)] >> nth & 1 != 0;
            let share = |at: usize| {
                (0..=u8::MAX)
                    .zip(shares)
                    .filter(|(byte, _)| has(at, *byte))
                    .map(|(_, share)| share)
                    .sum::<f32>()
            };
            let mixed: f32 = (0..WINDOW).map(share).product();
            mixed + runs(|byte| (0..WINDOW).all(|at| has(at, byte)))
        });
        buckets.sum()
    }
}

/// The windows of some buckets, each with the number of its bucket.
fn numbered(buckets: &[Vec<Short>]) -> impl Iterator<Item = (usize, Short)> {
    buckets.iter().enumerate().flat_map(|(nth, windows)| windows.iter().map(move |window| (nth, *window)))
}

/// Parts windows into at most so many sets of buckets, for each of the rising `choices`, so that as little of traffic as possible passes:
/// those that cost least together are put together, one after the other. What a part costs is the share of places at which all four
/// bytes have halves of it.
fn split(windows: &[Short], choices: &[usize]) -> Vec<Vec<Vec<Short>>> {
    let mut parts: Vec<(Halves, Vec<Short>)> =
        windows.iter().map(|window| (Halves::of(*window), vec![*window])).collect();
    let more = |one: &Halves, two: &Halves| one.with(two).cost() - one.cost() - two.cost();
    // the best other part for each, among those behind it
    let best = |parts: &[(Halves, Vec<Short>)], at: usize| {
        let costs =
            parts.iter().enumerate().skip(at + 1).map(|(other, part)| (more(&parts[at].0, &part.0), other));
        costs.min_by(|one, two| one.0.total_cmp(&two.0)).unwrap_or((f32::INFINITY, at))
    };
    let mut nearest: Vec<(f32, usize)> = (0..parts.len()).map(|at| best(&parts, at)).collect();
    let mut join = |parts: &mut Vec<(Halves, Vec<Short>)>| {
        let Some(one) = (0..parts.len()).min_by(|one, two| nearest[*one].0.total_cmp(&nearest[*two].0))
        else {
            return;
        };
        let two = nearest[one].1;
        let (halves, joined) = parts.remove(two);
        nearest.remove(two);
        parts[one].0 = parts[one].0.with(&halves);
        parts[one].1.extend(joined);
        for at in 0..parts.len() {
            if at == one || nearest[at].1 == two || nearest[at].1 == one {
                nearest[at] = best(parts, at);
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
    };
    let mut made = Vec::new();
    for sets in choices.iter().rev() {
        while parts.len() > sets * BUCKETS {
            join(&mut parts);
        }
        made.push(parts.iter().map(|(_, windows)| windows.clone()).collect());
    }
    made
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
    fn cost(&self) -> f32 {
        let [low, high] = half_shares();
        let mixed: f32 =
            self.0.iter().map(|(lows, highs)| low[usize::from(*lows)] * high[usize::from(*highs)]).product();
        mixed + runs(|byte| self.is_run(byte))
    }
}

/// Bytes that come in runs, and the share of traffic that is such a run.
const RUNS: [(u8, f32); 3] = [(0, 1.0 / 16.0), (0xff, 1.0 / 64.0), (b' ', 1.0 / 256.0)];

/// The share of traffic that is runs of bytes that may pass: bytes alike stand together.
fn runs(passes: impl Fn(u8) -> bool) -> f32 {
    RUNS.iter().filter(|(byte, _)| passes(*byte)).map(|(_, share)| share).sum()
}

/// How often each byte is met, as the model of [`literal`] has it.
fn byte_shares() -> &'static [f32; 256] {
    static ALL: LazyLock<[f32; 256]> = LazyLock::new(|| {
        let often = |byte: u8| (-(literal::worth_of_window(&[byte]) as f32) / 8.0).exp2();
        let all: f32 = (0..=255).map(often).sum();
        std::array::from_fn(|byte| often(byte as u8) / all)
    });
    &ALL
}

/// How often some lower and some upper halves of a byte are met, by the set of them.
fn half_shares() -> &'static [Vec<f32>; 2] {
    static ALL: LazyLock<[Vec<f32>; 2]> = LazyLock::new(|| {
        let (mut low, mut high) = ([0.0f32; 16], [0.0f32; 16]);
        for (byte, often) in byte_shares().iter().enumerate() {
            low[byte & 15] += often;
            high[byte >> 4] += often;
        }
        [low, high].map(|of| {
            let share =
                |halves: usize| (0..16).filter(|half| halves >> half & 1 != 0).map(|half| of[half]).sum();
            (0..1 << 16).map(share).collect()
        })
    });
    &ALL
}
