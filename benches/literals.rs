//! The literals of a large rule set, all in one set, searched in the packets of captures: our window filter with each of its kernels that the
//! processor can, beside aho-corasick (NFA
//! and DFA), daachorse, and, with `--features hyperscan`, Hyperscan or Vectorscan (the system's `libhs`).
//!
//! ```sh
//! MAMPARO_RULES=big.rules MAMPARO_CAPTURES=mix.pcap cargo bench --bench literals
//! ```
//!
//! Without these variables it takes the built-in signatures and the captures in `pcaps/`. Each engine tells of every literal that
//! stands in a piece of 1,460 bytes, letters without case, as a prefilter looks at them: of each place, or, where the name says "once" and as
//! rules without bounds want it, once for places that follow each other (Hyperscan: once a piece); literals that are
//! everywhere ([`literal::is_everywhere`]) are given to none of them, since no rule is found by these. Engines are first held against
//! each other: the same literals in the same pieces.

#![expect(missing_docs, reason = "criterion's macro makes a function without documentation")]
#![expect(clippy::print_stdout, reason = "what is measured is told beside the times")]
#![cfg_attr(feature = "hyperscan", expect(unsafe_code, reason = "the C interface of Hyperscan"))]

#[path = "../tests/support/engine.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod engine;

use std::collections::BTreeSet;
use std::hint::black_box;
use std::path::{Path, PathBuf};

use aho_corasick::AhoCorasickKind;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use daachorse::DoubleArrayAhoCorasick;
use mamparo::capture::{Capture as _, PcapFile};
use mamparo::detect::prefilter::{ANYWHERE, Automaton, Kernel, Prefilter, Region, WindowFilter, Wish};
use mamparo::detect::{literal, placement};
use mamparo::engine::load::Source;
use mamparo::verdict::Verdict;

/// Bytes of payload of a full segment.
const PIECE: usize = 1460;

/// As much of the captures as is searched, bytes.
const TRAFFIC: usize = 60_000_000;

/// The literal of each rule, as the prefilter chooses it.
fn literals() -> Vec<Vec<u8>> {
    let mut make = engine::Make::default();
    if let Some(path) = std::env::var_os("MAMPARO_RULES") {
        let bytes = std::fs::read(&path).expect("MAMPARO_RULES names a file of rules");
        make.sources = vec![Source { name: path.to_string_lossy().into_owned(), bytes }];
    }
    let (_, loaded) = make.load();
    let rules = &loaded.rules;
    let chosen = rules.rules.iter().filter_map(|rule| placement(rule, &rules.registry).literal);
    let mut all: Vec<Vec<u8>> = chosen.map(|(_, text)| text).collect();
    all.retain(|literal| !literal::is_everywhere(literal));
    all.sort();
    all.dedup();
    all
}

fn traffic() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("pcaps");
    let path = std::env::var_os("MAMPARO_CAPTURES").map_or(folder, PathBuf::from);
    let files = mamparo::capture::files::expand(&[path]).expect("captures");
    let mut bytes = Vec::new();
    for file in files {
        let mut capture = PcapFile::open(&file).expect("the capture can be opened");
        while bytes.len() < TRAFFIC {
            let polled = capture.poll(1024, &mut |frame| {
                bytes.extend_from_slice(frame.bytes);
                Verdict::Forward
            });
            // a capture that is cut short ends here
            if polled.is_ok_and(|frames| frames > 0) {
                continue;
            }
            break;
        }
    }
    bytes.chunks(PIECE).map(<[u8]>::to_vec).collect()
}

/// An engine that tells of the literals in bytes.
trait Search {
    fn each(&self, bytes: &[u8], hit: &mut dyn FnMut(u32));
}

/// One of ours, and whether it is to tell of every place.
struct Ours(Box<dyn Prefilter>, Wish);

impl Search for Ours {
    fn each(&self, bytes: &[u8], hit: &mut dyn FnMut(u32)) {
        self.0.scan(bytes, 0, &mut |literal, at| {
            assert!(at != ANYWHERE, "literals that are everywhere were left out");
            hit(literal);
            self.1
        });
    }
}

/// Bytes are folded before, as it has no search without case.
struct Daachorse(DoubleArrayAhoCorasick<u32>);

impl Search for Daachorse {
    fn each(&self, bytes: &[u8], hit: &mut dyn FnMut(u32)) {
        let folded = bytes.to_ascii_lowercase();
        self.0.find_overlapping_iter(&folded).for_each(|found| hit(found.value()));
    }
}

fn search(c: &mut Criterion) {
    let (literals, pieces) = (literals(), traffic());
    let size: usize = pieces.iter().map(Vec::len).sum();
    let short = literals.iter().filter(|literal| literal.len() < 4).count();
    println!("{} literals, {short} of them under 4 bytes; {size} bytes", literals.len());
    let automaton = |kind| Ours(Automaton::of_kind(&literals, kind), Wish::More);
    let windows = |kernel, wish| {
        Ours(
            Box::new(WindowFilter::with_kernel(&literals, Region::Whole, kernel)) as Box<dyn Prefilter>,
            wish,
        )
    };
    let mut engines: Vec<(String, Box<dyn Search>)> = Vec::new();
    for kernel in Kernel::all().into_iter().rev() {
        engines.push((format!("windows, {kernel}, once"), Box::new(windows(kernel, Wish::Enough))));
        engines.push((format!("windows, {kernel}"), Box::new(windows(kernel, Wish::More))));
    }
    engines.push(("aho-corasick NFA".into(), Box::new(automaton(AhoCorasickKind::ContiguousNFA))));
    engines.push(("aho-corasick DFA".into(), Box::new(automaton(AhoCorasickKind::DFA))));
    let patterns = literals.iter().zip(0u32..).map(|(literal, id)| (literal.as_slice(), id));
    if let Ok(built) = DoubleArrayAhoCorasick::with_values(patterns) {
        engines.push(("daachorse".into(), Box::new(Daachorse(built))));
    }
    #[cfg(feature = "hyperscan")]
    for (name, once) in [("hyperscan, once", true), ("hyperscan", false)] {
        engines.push((name.into(), Box::new(hyperscan::Database::new(&literals, once))));
    }
    agree(&engines, &pieces);
    let mut group = c.benchmark_group("literals");
    group.throughput(Throughput::Bytes(size as u64)).sample_size(10);
    for (name, engine) in &engines {
        group.bench_function(name, |b| {
            b.iter(|| {
                let mut hits = 0u64;
                pieces.iter().for_each(|piece| engine.each(piece, &mut |_| hits += 1));
                black_box(hits)
            });
        });
    }
    group.finish();
}

/// All find the same literals in the same pieces (every 50th piece is looked at).
fn agree(engines: &[(String, Box<dyn Search>)], pieces: &[Vec<u8>]) {
    for piece in pieces.iter().step_by(50) {
        let found = |engine: &dyn Search| {
            let mut hits = BTreeSet::new();
            engine.each(piece, &mut |hit| {
                hits.insert(hit);
            });
            hits
        };
        let Some((name, first)) = engines.first() else { return };
        let expected = found(&**first);
        for (other, engine) in engines {
            assert!(found(&**engine) == expected, "{name} and {other} differ");
        }
    }
}

#[cfg(feature = "hyperscan")]
mod hyperscan {
    //! As much of `hs.h` as is needed (Hyperscan 5.x and Vectorscan 5.x, BSD).

    use std::ffi::{c_char, c_int, c_uint, c_void};
    use std::ptr;

    #[link(name = "hs")]
    unsafe extern "C" {
        fn hs_compile_lit_multi(
            expressions: *const *const c_char,
            flags: *const c_uint,
            ids: *const c_uint,
            lens: *const usize,
            elements: c_uint,
            mode: c_uint,
            platform: *const c_void,
            db: *mut *mut c_void,
            error: *mut *mut c_void,
        ) -> c_int;
        fn hs_alloc_scratch(db: *const c_void, scratch: *mut *mut c_void) -> c_int;
        fn hs_scan(
            db: *const c_void,
            data: *const c_char,
            length: c_uint,
            flags: c_uint,
            scratch: *mut c_void,
            event: extern "C" fn(c_uint, u64, u64, c_uint, *mut c_void) -> c_int,
            context: *mut c_void,
        ) -> c_int;
    }

    const CASELESS: c_uint = 1;
    const SINGLEMATCH: c_uint = 8;
    const MODE_BLOCK: c_uint = 1;

    /// Lives as long as the process.
    pub(super) struct Database {
        db: *mut c_void,
        scratch: *mut c_void,
    }

    impl Database {
        pub(super) fn new(literals: &[Vec<u8>], once: bool) -> Self {
            let expressions: Vec<*const c_char> = literals.iter().map(|l| l.as_ptr().cast()).collect();
            let lens: Vec<usize> = literals.iter().map(Vec::len).collect();
            let flags = vec![if once { CASELESS | SINGLEMATCH } else { CASELESS }; literals.len()];
            let ids: Vec<c_uint> = (0..literals.len() as c_uint).collect();
            let (mut db, mut scratch, mut error) = (ptr::null_mut(), ptr::null_mut(), ptr::null_mut());
            // SAFETY: all arrays have `literals.len()` elements, each expression has the length given for it, and the
            // places for the answers are ours.
            let status = unsafe {
                hs_compile_lit_multi(
                    expressions.as_ptr(),
                    flags.as_ptr(),
                    ids.as_ptr(),
                    lens.as_ptr(),
                    literals.len() as c_uint,
                    MODE_BLOCK,
                    ptr::null(),
                    &raw mut db,
                    &raw mut error,
                )
            };
            assert_eq!(status, 0, "hs_compile_lit_multi");
            // SAFETY: `db` was just made.
            assert_eq!(unsafe { hs_alloc_scratch(db, &raw mut scratch) }, 0, "hs_alloc_scratch");
            Database { db, scratch }
        }
    }

    extern "C" fn event(id: c_uint, _from: u64, _to: u64, _flags: c_uint, context: *mut c_void) -> c_int {
        // SAFETY: the context is what `each` gave to `hs_scan`, which is still running.
        let hit = unsafe { &mut *context.cast::<&mut dyn FnMut(u32)>() };
        hit(id);
        0
    }

    impl super::Search for Database {
        fn each(&self, bytes: &[u8], hit: &mut dyn FnMut(u32)) {
            let mut hit: &mut dyn FnMut(u32) = hit;
            let context: *mut &mut dyn FnMut(u32) = &raw mut hit;
            // SAFETY: database and scratch belong together and are used by one thread; the context outlives the call.
            let status = unsafe {
                hs_scan(
                    self.db,
                    bytes.as_ptr().cast(),
                    bytes.len() as c_uint,
                    0,
                    self.scratch,
                    event,
                    context.cast(),
                )
            };
            assert_eq!(status, 0, "hs_scan");
        }
    }
}

criterion_group!(all, search);
criterion_main!(all);
