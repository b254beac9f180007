//! A filter over four-byte windows: one hash and one look into a bit map a window, comparison in full only where the bits are
//! set.
//!
//! Each literal is represented by windows of four of its bytes. They are hashed into a bit map small enough for the
//! first-level cache; the search hashes windows of the data and looks at their bits ([`super::bits`], eight at a time).
//! Where they are set, the literals of that hash are compared in full. Letters are folded on both sides.
//!
//! **Strides.** A literal of seven bytes or more is represented by the four windows of a stretch of seven: wherever it
//! stands, one of them begins at a multiple of four, so only every fourth window of the data is hashed. Shorter ones have one
//! window, which may begin anywhere: where they are few, they are told byte by byte ([`super::few`]), and where they are many, by
//! the hash of their first two. Small sets have nothing but such windows where the processor has AVX2, since two passes over the
//! data cost more. Of all stretches the one is taken whose worst window is rarest ([`literal::worth_of_window`]).
//!
//! **What stands behind.** In large sets some literal has nearly every common window. So where a literal goes on for four more
//! bytes behind each of its windows (eleven bytes or more), these are part of the key by which it is found: a window that passed
//! is looked up in two tables, by itself for the shorter literals and together with the four bytes behind it for the longer ones,
//! each with a bit map of its own that is asked before anything of the literals is touched.
//!
//! **What does not fit.** Literals of one or two bytes, and those that are worth next to nothing (runs of zeros), would be
//! candidates everywhere. In [`Region::Whole`] they count as seen in all data, and their rules are held against the cheap
//! tests of their head at once; in [`Region::Head`], which is short, they are found all the same.
//!
//! A worked example: `User-Agent: sqlmap` has the stretch ` sqlmap`, whose windows ` sql`, `sqlm`, `qlma`, `lmap` are all
//! rarer than `User`, so requests of browsers never reach the comparison, and a request of 300 bytes costs 75 hashes.

use super::bits::Bits;
use super::few::Few;
use super::kernel::{Kernel, PLACES, Short, Windows, fold, four_or_less};
use super::rows::Rows;
use super::table::{Entry, NO_OTHER, Table};
use super::{ANYWHERE, Anchors, Prefilter, Region, Wish};
use crate::detect::literal;

/// Bits of a map for each window.
const BITS_PER_WINDOW: usize = 16;

/// As many places are worth being tested together.
const MANY: usize = 8;

/// Of as few literals each has one window, whatever its length: one pass over the data, and little of it passes.
const FEW: usize = 128;

/// Literals are represented by windows within their first bytes.
const USEFUL: usize = 1 << 15;

/// See the module.
#[derive(Debug)]
pub struct WindowFilter {
    /// All literals, one behind the other.
    text: Box<[u8]>,
    /// Where each begins; one more than there are.
    starts: Box<[u32]>,
    /// Literals that count as seen in all data.
    told: Box<[u32]>,
    /// Windows of those of seven bytes and more, and what finds them.
    long: Option<(Bits, Map)>,
    /// Windows of shorter ones, by width.
    short: Vec<Map>,
    /// What finds these.
    everywhere: Everywhere,
    kernel: Kernel,
}

/// What finds windows that may begin at any byte.
#[derive(Debug)]
enum Everywhere {
    /// There are none.
    Nothing,
    /// A few, where the processor has what it takes.
    Few(Few),
    /// Any number.
    Many(Rows),
}

/// Windows of one width.
#[derive(Debug)]
struct Map {
    /// By the window alone, where four bytes behind it are not of the literal.
    plain: Table,
    /// By [`pair`], where they are; `None` when there is no such literal.
    paired: Option<Table>,
    /// Bytes of a window: 1 to 4.
    width: usize,
    /// Which bytes of four these are.
    mask: u32,
}

impl WindowFilter {
    /// For these literals, which are in lower case.
    pub fn build(literals: &[Vec<u8>], region: Region<'_>) -> Box<dyn Prefilter> {
        match region {
            Region::Places(places) => Box::new(Anchors::new(literals, places)),
            _ => Box::new(Self::with_kernel(literals, region, Kernel::widest())),
        }
    }

    /// The same without what only some processors have.
    pub fn build_portable(literals: &[Vec<u8>], region: Region<'_>) -> Box<dyn Prefilter> {
        match region {
            Region::Places(places) => Box::new(Anchors::new(literals, places)),
            _ => Box::new(Self::with_kernel(literals, region, Kernel::PORTABLE)),
        }
    }

    /// With windows tested in that way.
    pub fn with_kernel(literals: &[Vec<u8>], region: Region<'_>, kernel: Kernel) -> Self {
        let mut plan = Plan::default();
        let strides = kernel == Kernel::PORTABLE || literals.len() > FEW;
        for (id, text) in literals.iter().enumerate() {
            plan.add(id as u32, text, region, strides);
        }
        let mut starts = Vec::with_capacity(literals.len() + 1);
        let mut whole = Vec::with_capacity(literals.iter().map(Vec::len).sum());
        for text in literals {
            starts.push(whole.len() as u32);
            whole.extend_from_slice(text);
        }
        starts.push(whole.len() as u32);
        let short = plan.short.iter().zip(1..);
        let windows: Vec<Short> =
            short.flat_map(|(of, width)| of.iter().map(move |entry| (entry.key, width))).collect();
        let many = || Everywhere::Many(Rows::new(&windows));
        let everywhere = match windows.len() {
            0 => Everywhere::Nothing,
            1..=Few::MAX => Few::new(kernel, &windows).map_or_else(many, Everywhere::Few),
            _ => many(),
        };
        WindowFilter {
            text: whole.into(),
            starts: starts.into(),
            told: plan.everywhere.into(),
            long: (!plan.long.is_empty()).then(|| (all_windows(&plan.long), Map::new(plan.long, 4, true))),
            short: (plan.short.into_iter().zip(1..))
                .filter(|(entries, _)| !entries.is_empty())
                .map(|(entries, width)| Map::new(entries, width, false))
                .collect(),
            everywhere,
            kernel,
        }
    }

    /// Calls `hit` for the literals of which a window stands at `at`.
    #[inline]
    fn look(&self, map: &Map, bytes: &[u8], at: usize, hit: &mut Told<'_>) {
        let (front, behind) = eight_or_less(bytes, at);
        let window = front & map.mask;
        if map.plain.bits.test(window) {
            self.candidates(&map.plain, window, bytes, at, hit);
        }
        if let Some(paired) = &map.paired {
            let key = pair(window, behind);
            if paired.bits.test(key) {
                self.candidates(paired, key, bytes, at, hit);
            }
        }
    }

    /// The same for some places.
    #[inline]
    fn look_all(&self, maps: &[Map], bytes: &[u8], places: &[u32], hit: &mut Told<'_>) {
        match places.len() {
            0..MANY => {
                for (map, at) in maps.iter().flat_map(|map| places.iter().map(move |at| (map, at))) {
                    self.look(map, bytes, *at as usize, hit);
                }
            }
            _ => places.chunks(PLACES).for_each(|places| self.look_at_many(maps, bytes, places, hit)),
        }
    }

    /// The same for as many as [`PLACES`]: first all are tested, without waiting for the answer of one to ask the next.
    #[inline(never)]
    fn look_at_many(&self, maps: &[Map], bytes: &[u8], places: &[u32], hit: &mut Told<'_>) {
        let (mut fronts, mut behinds) = ([0; PLACES], [0; PLACES]);
        for ((front, behind), at) in fronts.iter_mut().zip(&mut behinds).zip(places) {
            (*front, *behind) = eight_or_less(bytes, *at as usize);
        }
        for map in maps {
            let mut keys = fronts.map(|front| front & map.mask);
            self.look_up(&map.plain, &keys, bytes, places, hit);
            if let Some(paired) = &map.paired {
                let n = places.len();
                keys[..n].iter_mut().zip(&behinds[..n]).for_each(|(key, behind)| *key = pair(*key, *behind));
                self.look_up(paired, &keys, bytes, places, hit);
            }
        }
    }

    /// Compares the literals that have one of the keys, each of which stands at one of the places.
    #[inline(always)]
    fn look_up(&self, table: &Table, keys: &Windows, bytes: &[u8], places: &[u32], hit: &mut Told<'_>) {
        let hits = table.bits.tests(self.kernel, keys, places.len());
        // a run of one key of which nothing more is wanted
        let mut spent = None;
        each_one(hits, |nth| {
            if let (key, Some(&at)) = (keys[nth], places.get(nth))
                && spent != Some(key)
            {
                spent = self.candidates(table, key, bytes, at as usize, hit).then_some(key);
            }
        });
    }

    /// Compares the literals that have that key, which stands at `at`. Whether nothing more is wanted of any of them.
    #[inline(never)]
    fn candidates(&self, table: &Table, key: u32, bytes: &[u8], at: usize, hit: &mut Told<'_>) -> bool {
        let mut spent = true;
        for entry in table.bucket(key) {
            if entry.key != key || entry.literal == hit.enough {
                continue;
            }
            spent = false;
            let Some(start) = at.checked_sub(usize::from(entry.offset)) else { continue };
            let other =
                (entry.other_at != NO_OTHER).then(|| four(bytes, start + usize::from(entry.other_at)));
            if other.is_some_and(|four| four.is_none_or(|four| fold(four) != entry.other)) {
                continue;
            }
            let Some(literal) = self.literal(entry.literal) else { continue };
            if bytes.get(start..start + literal.len()).is_some_and(|here| here.eq_ignore_ascii_case(literal))
            {
                hit.tell(entry.literal, start);
            }
        }
        spent
    }

    fn literal(&self, id: u32) -> Option<&[u8]> {
        let (start, end) = (self.starts.get(id as usize)?, self.starts.get(id as usize + 1)?);
        self.text.get(*start as usize..*end as usize)
    }
}

/// Calls `each` with the numbers of the bits that are set.
#[inline(always)]
fn each_one(bits: u128, mut each: impl FnMut(usize)) {
    for (mut half, first) in [(bits as u64, 0), ((bits >> 64) as u64, 64)] {
        while half != 0 {
            each(first + half.trailing_zeros() as usize);
            half &= half - 1;
        }
    }
}

/// Who is told of literals, and of which nothing more is wanted for now: the last that was enough.
struct Told<'h> {
    hit: &'h mut dyn FnMut(u32, usize) -> Wish,
    enough: u32,
}

impl Told<'_> {
    #[inline]
    fn tell(&mut self, literal: u32, at: usize) {
        if (self.hit)(literal, at) == Wish::Enough {
            self.enough = literal;
        }
    }
}

/// Which windows represent which literals.
#[derive(Default)]
struct Plan {
    everywhere: Vec<u32>,
    long: Vec<Entry>,
    /// By width.
    short: [Vec<Entry>; 4],
}

impl Plan {
    /// With `strides`, literals that are long enough have a window wherever they stand.
    fn add(&mut self, id: u32, text: &[u8], region: Region<'_>, strides: bool) {
        let text = &text[..text.len().min(USEFUL)];
        if text.is_empty() || region == Region::Whole && literal::is_everywhere(text) {
            self.everywhere.push(id);
            return;
        }
        if !strides {
            return self.single(id, text, text.len().min(4));
        }
        // four bytes behind each window are worth having, but not a common window
        let best = [STRETCH + 4, STRETCH].map(|len| literal::stretch(text, len));
        let best = match best {
            [Some(paired), Some(short)] if paired.1 + PAIRED >= short.1 => Some(paired),
            [_, short] => short,
        };
        // one window is looked for at four times as many places
        let alone = text.windows(4).map(literal::worth_of_window).max().unwrap_or(0).saturating_sub(SINGLE);
        match best.filter(|(_, worth)| *worth >= literal::WORTH_MIN || *worth >= alone) {
            Some((start, _)) => {
                (start..start + 4).for_each(|offset| self.long.push(entry(id, text, offset, 4)))
            }
            None => self.single(id, text, text.len().min(4)),
        }
    }

    /// The one best window of that width.
    fn single(&mut self, id: u32, text: &[u8], width: usize) {
        let best = text
            .windows(width)
            .enumerate()
            .max_by_key(|(at, window)| (literal::worth_of_window(window), std::cmp::Reverse(*at)));
        if let Some((at, _)) = best {
            self.short[width - 1].push(entry(id, text, at, width));
        }
    }
}

/// Bytes whose four windows represent a literal.
const STRETCH: usize = 7;

/// Eighths of a bit by which one window must be rarer than the worst of four.
const SINGLE: u32 = 24;

/// Eighths of a bit by which windows may be more common when four bytes stand behind each.
const PAIRED: u32 = 8;

fn entry(literal: u32, text: &[u8], offset: usize, width: usize) -> Entry {
    let window = fold(four_or_less(text.get(..offset + width).unwrap_or(text), offset));
    // the four bytes behind the window, or as far behind as there are; those in front of it at the end
    let behind = (offset + width).min(text.len().saturating_sub(4));
    let other_at = if behind > offset { behind } else { offset.saturating_sub(4) };
    match four(text, other_at) {
        Some(other) if other_at != offset => Entry {
            key: window,
            literal,
            other: fold(other),
            offset: offset as u16,
            other_at: other_at as u16,
        },
        _ => Entry { key: window, literal, other: 0, offset: offset as u16, other_at: NO_OTHER },
    }
}

/// A window and the four bytes behind it in one.
#[inline(always)]
fn pair(window: u32, behind: u32) -> u32 {
    window ^ behind.wrapping_mul(0x85eb_ca6b).rotate_left(15)
}

#[inline(always)]
fn four(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?;
    Some(u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
}

/// The four bytes at `at` and the four behind them, folded; zeros behind the last.
#[inline(always)]
fn eight_or_less(bytes: &[u8], at: usize) -> (u32, u32) {
    let (front, behind) = match bytes.get(at..).and_then(|rest| rest.first_chunk()) {
        Some(eight) => {
            let eight = u64::from_le_bytes(*eight);
            (eight as u32, (eight >> 32) as u32)
        }
        None => (four_or_less(bytes, at), four_or_less(bytes, at + 4)),
    };
    (fold(front), fold(behind))
}

/// The first test of all windows of a map.
fn all_windows(entries: &[Entry]) -> Bits {
    let mut bits = Bits::new((entries.len() * BITS_PER_WINDOW).next_power_of_two().trailing_zeros());
    entries.iter().for_each(|entry| bits.insert(entry.key));
    bits
}

impl Map {
    /// With `pairs`, those with four bytes behind are found together with these.
    fn new(entries: Vec<Entry>, width: usize, pairs: bool) -> Self {
        let is_paired = |entry: &Entry| pairs && usize::from(entry.other_at) == usize::from(entry.offset) + 4;
        let (mut paired, plain): (Vec<_>, Vec<_>) = entries.into_iter().partition(is_paired);
        paired.iter_mut().for_each(|entry| entry.key = pair(entry.key, entry.other));
        let bits_each = if width < 4 { 4 * BITS_PER_WINDOW } else { BITS_PER_WINDOW };
        Map {
            plain: Table::new(plain, bits_each),
            paired: (!paired.is_empty()).then(|| Table::new(paired, BITS_PER_WINDOW)),
            width,
            mask: u32::MAX >> (8 * (4 - width)),
        }
    }

    fn memory(&self) -> usize {
        self.plain.memory() + self.paired.as_ref().map_or(0, Table::memory)
    }
}

impl Prefilter for WindowFilter {
    fn scan(&self, bytes: &[u8], _: u64, hit: &mut dyn FnMut(u32, usize) -> Wish) {
        for id in &self.told {
            hit(*id, ANYWHERE);
        }
        let hit = &mut Told { hit, enough: u32::MAX };
        if u32::try_from(bytes.len()).is_err() {
            // more than anything keeps
            (0..self.starts.len() as u32 - 1).for_each(|id| hit.tell(id, ANYWHERE));
            return;
        }
        if let Some((bits, map)) = &self.long {
            bits.scan(self.kernel, bytes, &mut |places| {
                self.look_all(std::slice::from_ref(map), bytes, places, hit)
            });
        }
        match &self.everywhere {
            Everywhere::Nothing => {}
            Everywhere::Few(few) => few.scan(bytes, &mut |at, widths: u8| {
                for map in self.short.iter().filter(|map| widths & 1 << map.width != 0) {
                    self.look(map, bytes, at, hit);
                }
            }),
            Everywhere::Many(rows) => {
                rows.scan(self.kernel, bytes, &mut |places| self.look_all(&self.short, bytes, places, hit))
            }
        }
    }

    fn memory(&self) -> usize {
        let everywhere = match &self.everywhere {
            Everywhere::Nothing => 0,
            Everywhere::Few(few) => few.memory(),
            Everywhere::Many(rows) => rows.memory(),
        };
        self.text.len()
            + (self.starts.len() + self.told.len()) * 4
            + self.long.as_ref().map_or(0, |(bits, map)| bits.memory() + map.memory())
            + self.short.iter().map(Map::memory).sum::<usize>()
            + everywhere
    }
}
