//! Groups of rules on payload: which of them a packet meets.
//!
//! A rule is looked for where it can match only. Rules of an application protocol are a set of their own, met by flows that
//! speak it. Of the others, rules whose literal is long are searched in one pass whatever their ports, which costs nothing more
//! for each of them; rules without a literal that is rare enough, and those whose literal is short or must stand near the start,
//! are split by ports where these are narrow: what is common on one port is no burden to the others.
//!
//! Most rules also say whence and whither ("from the home network to outside"), and what goes one way never goes the other: sets
//! whatever the ports are split by the ways that many rules ask for, and a packet meets that of its own way only.

use std::collections::{BTreeMap, HashMap};

use super::buffer::BufferId;
use super::head::{Facts, Gate, Head, Tables, Way};
use super::literal;
use super::prefilter::{ANYWHERE, Build, Prefilter, Region, Wish};
use super::rule::Rule;
use crate::app::ProtocolId;
use crate::rules::PortSet;

/// Rules that are met together.
#[derive(Debug, Default)]
pub(super) struct Set {
    /// What all its rules ask.
    pub(super) gate: Gate,
    /// Rules that wait for a literal.
    pub patterns: Patterns,
    /// Without one, whatever the packet carries.
    pub always: Vec<Unfiltered>,
    /// Without one, when it carries a payload.
    pub payload: Vec<Unfiltered>,
    /// What `patterns` were made of: to be searched together with those of other sets.
    pub(super) wanted: Box<[Wanted]>,
    /// Its number among the sets of all groups, from 1.
    pub(super) number: u32,
}

/// A rule without a literal, and what tells it fastest.
#[derive(Clone, Copy, Debug)]
pub(super) struct Unfiltered {
    /// What it asks of a packet's facts.
    pub(super) head: Head,
    /// Which.
    pub rule: u32,
}

/// Sets of which a packet meets one, by its way.
#[derive(Debug, Default)]
struct Ways {
    /// No packet goes more than one of these ways.
    ways: Box<[Way]>,
    /// Of packets that go each of them, then of those that go none.
    sets: Box<[Set]>,
}

impl Ways {
    #[inline]
    fn set(&self, facts: &Facts) -> Option<&Set> {
        self.sets.get(self.ways.iter().position(|way| facts.goes(*way)).unwrap_or(self.ways.len()))
    }
}

/// Rules on payload or header of one transport and direction.
#[derive(Debug, Default)]
pub struct Group {
    /// Whatever the flow speaks and the ports are.
    any: Ways,
    /// By application protocol.
    apps: Vec<Option<Box<Ways>>>,
    /// By destination port.
    destination: PortIndex,
    /// By source port, of those without narrow destination ports.
    source: PortIndex,
    /// The longest literal of a rule, bytes, searched or not: as far as a window into a stream reaches back.
    pub longest: usize,
}

impl Group {
    /// The sets with rules that may match a packet of which these facts are known.
    pub(super) fn sets<'a>(&'a self, facts: &'a Facts, tables: &'a Tables) -> impl Iterator<Item = &'a Set> {
        let (source, destination) = match facts.ports {
            Some((source, destination)) => (self.source.find(source), self.destination.find(destination)),
            None => (None, None),
        };
        let apps = |id: ProtocolId| self.apps.get(usize::from(id.0))?.as_deref();
        let apps = facts.spoken.into_iter().flatten().filter_map(apps);
        std::iter::once(&self.any)
            .chain(apps)
            .filter_map(|ways| ways.set(facts))
            .chain(destination)
            .chain(source)
            .filter(|set| set.gate.is_open(facts, tables))
    }

    /// Numbers its sets, from what follows `last`, which becomes the last number.
    pub(super) fn number(&mut self, last: &mut u32) {
        let ways =
            std::iter::once(&mut self.any).chain(self.apps.iter_mut().flatten().map(|ways| &mut **ways));
        let sets = ways
            .flat_map(|ways| &mut ways.sets)
            .chain(&mut self.destination.sets)
            .chain(&mut self.source.sets);
        for set in sets {
            *last += 1;
            set.number = *last;
        }
    }

    /// Memory of the prefilters, bytes.
    pub fn memory(&self) -> usize {
        let ways = std::iter::once(&self.any).chain(self.apps.iter().flatten().map(|ways| &**ways));
        ways.flat_map(|ways| &ways.sets)
            .chain(&self.destination.sets)
            .chain(&self.source.sets)
            .map(|set| set.patterns.memory())
            .sum()
    }
}

/// Sets by port: two looks, however many there are.
#[derive(Debug, Default)]
struct PortIndex {
    /// By the upper half of a port, the page of its lower half.
    pages: Vec<u16>,
    /// The set of each port of a page; pages that are alike are one.
    places: Vec<[u32; PAGE]>,
    /// The first is of ports without rules of their own.
    sets: Vec<Set>,
}

/// Ports of a page.
const PAGE: usize = 256;

impl PortIndex {
    /// Of the set of each port.
    fn new(sets: Vec<Set>, of: &[u32]) -> Self {
        let mut index = PortIndex { pages: Vec::new(), places: Vec::new(), sets };
        let mut known: HashMap<[u32; PAGE], u16> = HashMap::new();
        for page in of.chunks_exact(PAGE).filter_map(|page| <[u32; PAGE]>::try_from(page).ok()) {
            let at = *known.entry(page).or_insert_with(|| {
                index.places.push(page);
                (index.places.len() - 1) as u16
            });
            index.pages.push(at);
        }
        index
    }

    /// The set of that port.
    #[inline]
    fn find(&self, port: u16) -> Option<&Set> {
        let page = self.places.get(usize::from(*self.pages.get(usize::from(port >> 8))?))?;
        match page[usize::from(port) % PAGE] {
            0 => None,
            set => self.sets.get(set as usize),
        }
    }
}

/// The literals that are searched in one buffer.
#[derive(Debug, Default)]
pub struct Patterns {
    /// Those that must stand at one place.
    places: Option<Literals>,
    /// Short ones that must stand within the first bytes, and how many bytes that are.
    head: Option<(Literals, u32)>,
    /// Those that may stand anywhere.
    whole: Option<Literals>,
    /// The longest, bytes.
    pub longest: usize,
}

/// A rule that waits for a literal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Wanted {
    /// The literal, lower case.
    pub(super) text: Vec<u8>,
    /// Where it must begin.
    pub(super) bounds: literal::Bounds,
    /// The rule.
    pub(super) rule: u32,
}

/// Short literals that must end within so many bytes of the start are searched there only.
const HEAD_MAX: u32 = 256;

impl Patterns {
    /// With `placed`, [`Patterns::scan`] is always told where bytes begin in their buffer. `anywhere` is where literals that may stand
    /// anywhere are looked for: [`Region::Head`] where buffers are short.
    pub(super) fn build(wanted: Vec<Wanted>, placed: bool, anywhere: Region<'_>, build: Build) -> Self {
        let longest = wanted.iter().map(|w| w.text.len()).max().unwrap_or(0);
        let end = |w: &Wanted| w.bounds.1.saturating_add(w.text.len() as u32);
        let (mut places, mut head, mut whole) = (Vec::new(), Vec::new(), Vec::new());
        for wanted in wanted {
            let (low, high) = wanted.bounds;
            if placed && low == high {
                places.push(wanted);
            } else if placed && end(&wanted) <= HEAD_MAX && wanted.text.len() < 5 {
                head.push(wanted);
            } else {
                whole.push(wanted);
            }
        }
        let reach = head.iter().map(end).max().unwrap_or(0);
        Patterns {
            places: Literals::build(places, None, build),
            head: Literals::build(head, Some(Region::Head), build).map(|literals| (literals, reach)),
            whole: Literals::build(whole, Some(anywhere), build),
            longest,
        }
    }

    /// Calls `hit` with rules whose literal is in `bytes` at a place that suits them, some more than once, and with that place ([`ANYWHERE`]
    /// if it is not known). `offset` is where `bytes` begins in its buffer; `None` when places do not count.
    #[inline]
    pub fn scan(&self, bytes: &[u8], offset: Option<u64>, hit: &mut dyn FnMut(u32, usize)) {
        self.scan_begin(bytes, offset, hit);
        if let Some(literals) = &self.whole {
            literals.scan(bytes, offset, 0, hit);
        }
    }

    /// Literals that are only looked for near the start of their buffer.
    fn scan_begin(&self, bytes: &[u8], offset: Option<u64>, hit: &mut dyn FnMut(u32, usize)) {
        if let Some(literals) = &self.places {
            literals.scan(bytes, offset, 0, hit);
        }
        if let Some((literals, reach)) = &self.head {
            let head = u64::from(*reach).saturating_sub(offset.unwrap_or(0)) as usize;
            if head > 0 {
                literals.scan(bytes.get(..head).unwrap_or(bytes), offset, 0, hit);
            }
        }
    }

    /// The same for a window into a stream whose bytes before `fresh` were seen before: places count from the start of the
    /// stream, and also from where the new bytes begin.
    #[inline]
    pub fn scan_window(&self, bytes: &[u8], offset: u64, fresh: usize, hit: &mut dyn FnMut(u32, usize)) {
        self.scan_begin(bytes, Some(offset), hit);
        if fresh > 0 {
            self.scan_begin(bytes.get(fresh..).unwrap_or(&[]), Some(0), hit);
        }
        if let Some(literals) = &self.whole {
            literals.scan(bytes, Some(offset), fresh, hit);
        }
    }

    /// Memory of the prefilters, bytes.
    pub fn memory(&self) -> usize {
        self.places.as_ref().map_or(0, Literals::memory)
            + self.head.as_ref().map_or(0, |(literals, _)| literals.memory())
            + self.whole.as_ref().map_or(0, Literals::memory)
    }
}

/// Literals and the rules that wait for them.
#[derive(Debug)]
struct Literals {
    prefilter: Box<dyn Prefilter>,
    /// Rules of literal `n`: `rules[starts[n]..starts[n + 1]]`.
    starts: Vec<u32>,
    rules: Vec<(u32, literal::Bounds)>,
}

impl Literals {
    /// Without a region, each literal is looked for at its place only.
    fn build(mut wanted: Vec<Wanted>, region: Option<Region<'_>>, build: Build) -> Option<Self> {
        if wanted.is_empty() {
            return None;
        }
        wanted.sort();
        wanted.dedup();
        let mut texts: Vec<Vec<u8>> = Vec::new();
        let (mut places, mut starts, mut rules) = (Vec::new(), Vec::new(), Vec::new());
        for Wanted { text, bounds, rule } in wanted {
            let known = texts.last() == Some(&text) && (region.is_some() || places.last() == Some(&bounds.0));
            if !known {
                texts.push(text);
                places.push(bounds.0);
                starts.push(rules.len() as u32);
            }
            rules.push((rule, bounds));
        }
        starts.push(rules.len() as u32);
        let prefilter = build(&texts, region.unwrap_or(Region::Places(&places)));
        Some(Literals { prefilter, starts, rules })
    }

    /// Places count from `offset` before `bytes`, and also from `fresh` within them.
    fn scan(&self, bytes: &[u8], offset: Option<u64>, fresh: usize, hit: &mut dyn FnMut(u32, usize)) {
        self.prefilter.scan(bytes, offset.unwrap_or(0), &mut |literal, at| {
            let (Some(&start), Some(&end)) =
                (self.starts.get(literal as usize), self.starts.get(literal as usize + 1))
            else {
                return Wish::Enough;
            };
            let place = match offset {
                Some(offset) if at != ANYWHERE => Some(u32::try_from(offset + at as u64).unwrap_or(u32::MAX)),
                _ => None,
            };
            let again = at.checked_sub(fresh).and_then(|at| u32::try_from(at).ok());
            let mut wish = Wish::Enough;
            for (rule, bounds) in &self.rules[start as usize..end as usize] {
                let (low, high) = *bounds;
                let fits = |place: u32| low <= place && place <= high;
                if place.is_none_or(fits) || again.is_some_and(fits) {
                    hit(*rule, at);
                }
                if *bounds != literal::UNBOUND {
                    wish = Wish::More;
                }
            }
            wish
        });
    }

    fn memory(&self) -> usize {
        self.prefilter.memory()
            + self.starts.len() * 4
            + self.rules.len() * size_of::<(u32, literal::Bounds)>()
    }
}

/// A group while its rules are collected.
#[derive(Default)]
pub(super) struct Pending {
    any: PendingSet,
    apps: BTreeMap<u8, PendingSet>,
    destination: Vec<(PortSet, Entry)>,
    source: Vec<(PortSet, Entry)>,
    longest: usize,
}

/// A rule in a group, and how it is found.
#[derive(Clone)]
struct Entry {
    unfiltered: Unfiltered,
    /// It needs a payload.
    payload: bool,
    /// What it waits for, where that is rare enough.
    literal: Option<Wanted>,
}

#[derive(Default)]
struct PendingSet(Vec<Entry>);

/// Sets of more ports than this are in the set of any port: their own would be met nearly as often.
const NARROW_PORTS_MAX: u32 = 4096;

/// A literal of as many bytes costs nothing more in a search with others.
const LONG: usize = 7;

impl Pending {
    /// Adds a rule; `apps` are the application protocols with which alone it can match, if it asks for some.
    pub(super) fn add(
        &mut self,
        rule: &Rule,
        head: Head,
        id: u32,
        literal: Option<Wanted>,
        apps: &[ProtocolId],
    ) {
        let payload = rule.parts.iter().any(|part| part.buffer == BufferId::PAYLOAD && part.absent.is_none())
            && literal.is_some();
        self.longest = self.longest.max(literal.as_ref().map_or(0, |wanted| wanted.text.len()));
        let literal = literal
            .filter(|wanted| wanted.bounds != literal::UNBOUND || !literal::is_everywhere(&wanted.text));
        let entry = Entry { unfiltered: Unfiltered { head, rule: id }, payload, literal };
        if !apps.is_empty() {
            for app in apps {
                self.apps.entry(app.0).or_default().0.push(entry.clone());
            }
            return;
        }
        let narrow = |ports: &PortSet| {
            !ports.is_any()
                && ports.ranges().iter().map(|r| u32::from(r.1) - u32::from(r.0) + 1).sum::<u32>()
                    <= NARROW_PORTS_MAX
        };
        let costly = entry.literal.as_ref().is_none_or(|wanted| {
            let (low, high) = wanted.bounds;
            wanted.text.len() < LONG || low == high
        });
        if rule.header.both_ways || !costly {
            self.any.0.push(entry);
        } else if narrow(&rule.header.destination_ports) {
            self.destination.push(((*rule.header.destination_ports).clone(), entry));
        } else if narrow(&rule.header.source_ports) {
            self.source.push(((*rule.header.source_ports).clone(), entry));
        } else {
            self.any.0.push(entry);
        }
    }

    pub(super) fn build(self, tables: &Tables, build: Build) -> Group {
        let mut apps: Vec<Option<Box<Ways>>> = Vec::new();
        for (app, pending) in self.apps {
            apps.resize_with(usize::from(app) + 1, || None);
            apps[usize::from(app)] = Some(Box::new(pending.ways(tables, build)));
        }
        Group {
            any: self.any.ways(tables, build),
            apps,
            destination: port_index(&self.destination, build),
            source: port_index(&self.source, build),
            longest: self.longest,
        }
    }
}

/// As many rules that ask for a way are worth a set of their own.
const WAY_MIN: usize = 16;

impl PendingSet {
    /// Splits the rules by the ways that most of them ask for; rules of other ways are in the set of each way that they may be met
    /// on.
    fn ways(self, tables: &Tables, build: Build) -> Ways {
        let mut asked: BTreeMap<Way, usize> = BTreeMap::new();
        for way in self.0.iter().filter_map(|entry| entry.unfiltered.head.way()) {
            *asked.entry(way).or_default() += 1;
        }
        let mut often: Vec<(Way, usize)> = asked.into_iter().filter(|(_, times)| *times >= WAY_MIN).collect();
        often.sort_by_key(|(_, times)| std::cmp::Reverse(*times));
        let mut chosen: Vec<Way> = Vec::new();
        for (way, _) in often {
            if chosen.iter().all(|known| tables.is_exclusive(way, *known)) {
                chosen.push(way);
            }
        }
        let set = |met: &dyn Fn(Option<Way>) -> bool| {
            let entries = self.0.iter().filter(|entry| met(entry.unfiltered.head.way()));
            PendingSet(entries.cloned().collect()).build(build)
        };
        let of = |way| set(&|asked| asked.is_none_or(|asked| !tables.is_exclusive(asked, way)));
        let rest = set(&|asked| asked.is_none_or(|asked| !chosen.contains(&asked)));
        Ways { sets: chosen.iter().map(|way| of(*way)).chain([rest]).collect(), ways: chosen.into() }
    }

    fn build(self, build: Build) -> Set {
        let gate = Gate::of(self.0.iter().map(|entry| &entry.unfiltered.head));
        let mut set = Set { gate, ..Set::default() };
        let mut literals = Vec::new();
        for entry in self.0 {
            match entry.literal {
                Some(wanted) => literals.push(wanted),
                None if entry.payload => set.payload.push(entry.unfiltered),
                None => set.always.push(entry.unfiltered),
            }
        }
        set.wanted = literals.clone().into();
        set.patterns = Patterns::build(literals, true, Region::Whole, build);
        set
    }
}

/// Cuts the ports where some rule's set begins or ends; segments with the same rules share a set.
fn port_index(rules: &[(PortSet, Entry)], build: Build) -> PortIndex {
    let mut cuts: Vec<u32> = vec![0];
    for (ports, _) in rules {
        for &(low, high) in ports.ranges() {
            cuts.push(u32::from(low));
            cuts.push(u32::from(high) + 1);
        }
    }
    cuts.push(1 << 16);
    cuts.sort_unstable();
    cuts.dedup();
    let mut sets = vec![Set::default()];
    let mut of = vec![0u32; 1 << 16];
    let mut known: HashMap<Vec<usize>, u32> = HashMap::new();
    for (from, to) in cuts.iter().zip(cuts.iter().skip(1)) {
        let port = u16::try_from(*from).unwrap_or(u16::MAX);
        let here: Vec<usize> =
            rules.iter().enumerate().filter(|(_, (p, _))| p.contains(port)).map(|(at, _)| at).collect();
        if here.is_empty() {
            continue;
        }
        let set = *known.entry(here).or_insert_with_key(|here| {
            let pending = PendingSet(here.iter().map(|at| rules[*at].1.clone()).collect());
            sets.push(pending.build(build));
            (sets.len() - 1) as u32
        });
        of[*from as usize..*to as usize].fill(set);
    }
    PortIndex::new(sets, &of)
}
