//! Captures as an enemy or a bad disk would have them: no panic, no hang, memory under the caps, nothing held at the end.
//!
//! `MAMPARO_MUTATIONS=N` makes N of them over all captures, `MAMPARO_CAPTURES=DIR` takes the captures from there:
//! `MAMPARO_MUTATIONS=10000 MAMPARO_CAPTURES=… tests/run mutations`.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::support::engine::{CAPTURE_MAX, Engine, Make, Packet, readable};
use super::support::frames::mutate;
use super::support::{Random, captures};

/// Mutations over all captures, unless the environment says more.
const MUTATIONS: usize = 6400;
/// Frames of a capture that are mutated together, from any place in it.
const WINDOW: usize = 400;
/// More than any mutation may take on a slow and busy machine.
const TIME_MAX: Duration = Duration::from_secs(20);

/// One engine as it comes, one in the way of packets, one that has little memory.
fn engines() -> Vec<(&'static str, Engine)> {
    let small = [
        ("stream.memcap", "64kb"),
        ("stream.reassembly.memcap", "64kb"),
        ("flow.memcap", "64kb"),
        ("defrag.memcap", "64kb"),
        ("stream.midstream", "true"),
    ];
    vec![
        ("as it comes", Make { checksums: false, ..Make::default() }.engine()),
        ("inline", Make { checksums: false, inline: true, ..Make::default() }.engine()),
        ("small", Make { checksums: false, set: &small, ..Make::default() }.engine()),
    ]
}

#[expect(clippy::disallowed_methods, reason = "how long a mutation takes is what is tested")]
fn run(engine: &Engine, packets: &[Packet]) -> Result<(), String> {
    let begun = Instant::now();
    let ran = catch_unwind(AssertUnwindSafe(|| engine.run(packets)));
    let took = begun.elapsed();
    let Ok(outcome) = ran else { return Err("a panic".to_owned()) };
    let cap = engine.config.stream.memcap + engine.config.stream.reassembly_memcap;
    if outcome.memory > cap {
        return Err(format!("streams held {} bytes, the caps are {cap}", outcome.memory));
    }
    if took > TIME_MAX {
        return Err(format!("it took {took:?}"));
    }
    Ok(())
}

fn number(name: &str) -> Option<usize> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

#[test]
fn mutated_captures_neither_panic_nor_hang_nor_swell() {
    let files: Vec<PathBuf> = match std::env::var_os("MAMPARO_CAPTURES") {
        Some(folder) => mamparo::capture::files::expand(&[folder.into()]).expect("a folder of captures"),
        None => captures(),
    };
    let each = number("MAMPARO_MUTATIONS").unwrap_or(MUTATIONS).div_ceil(files.len());
    let engines = engines();
    let mut wrong = Vec::new();
    let (mut done, mut frames) = (0, 0);
    for (nth, path) in files.iter().enumerate() {
        let mut bytes = std::fs::read(path).expect("the capture can be read");
        bytes.truncate(CAPTURE_MAX);
        let whole = readable(path, bytes.clone());
        for round in 0..each {
            let seed = (nth * 1_000_003 + round) as u64;
            let mut random = Random::new(seed + 1);
            let mutated = if round % 8 == 7 {
                // the file itself
                let mut bytes = bytes.clone();
                for _ in 0..1 + random.below(8) {
                    let place = random.below(bytes.len());
                    let Some(byte) = bytes.get_mut(place) else { break };
                    *byte = random.below(256) as u8;
                }
                bytes.truncate(random.below(bytes.len() * 2));
                let mut packets = readable(path, bytes);
                packets.truncate(WINDOW * 4);
                packets
            } else {
                let from = random.below(whole.len().saturating_sub(WINDOW) + 1);
                let to = (from + WINDOW).min(whole.len());
                mutate(&whole[from..to], &mut random)
            };
            let (kind, engine) = &engines[round % engines.len()];
            done += 1;
            frames += mutated.len();
            if let Err(what) = run(engine, &mutated) {
                wrong.push(format!("{}: round {round}, {kind}: {what}", path.display()));
            }
        }
    }
    let _ = writeln!(std::io::stderr(), "{done} mutations of {} captures, {frames} frames", files.len());
    assert!(frames > done, "captures were empty");
    assert!(wrong.is_empty(), "{} of {done}:\n{}", wrong.len(), wrong.join("\n"));
}
