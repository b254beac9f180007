//! What comes over the control socket, cut anywhere: every answer is a line of JSON that says how it went.
#![no_main]

#[path = "../control.rs"]
mod control;

use libfuzzer_sys::fuzz_target;
use mamparo::engine::live::control::{Kind, answers};

fuzz_target!(|data: &[u8]| {
    let Some((cut, rest)) = data.split_first() else { return };
    let greeting: &[u8] = if cut & 1 == 1 { b"{\"version\": \"0.2\"}\n" } else { b"" };
    let pieces = [greeting].into_iter().filter(|piece| !piece.is_empty());
    let pieces = pieces.chain(rest.chunks(usize::from(cut >> 1).max(1)));
    let answered = answers(Kind::Commands, pieces, &control::status());
    for line in answered.split_inclusive(|byte| *byte == b'\n') {
        assert!(line.ends_with(b"\n"));
        let answer: serde_json::Value = serde_json::from_slice(line).expect("valid JSON");
        assert!(matches!(answer["return"].as_str(), Some("OK" | "NOK")));
    }
});
