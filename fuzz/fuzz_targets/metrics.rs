//! Requests for health and counters, whole and byte by byte: one answer, as long as it says.
#![no_main]

#[path = "../control.rs"]
mod control;

use libfuzzer_sys::fuzz_target;
use mamparo::engine::live::control::{Kind, answers};

fuzz_target!(|data: &[u8]| {
    let status = control::status();
    let whole = answers(Kind::Http, [data], &status);
    let pieces = answers(Kind::Http, data.chunks(1), &status);
    let first = |answer: &[u8]| answer.split(|byte| *byte == b'\r').next().map(<[u8]>::to_vec);
    // one that is too long before its end is cut off, unless its end comes along at once
    if data.len() <= 8 << 10 {
        assert_eq!(first(&whole), first(&pieces));
    }
    if whole.is_empty() {
        return;
    }
    let text = String::from_utf8(whole).expect("text");
    assert!(text.starts_with("HTTP/1.1 "));
    let (head, body) = text.split_once("\r\n\r\n").expect("a head");
    let len = head.lines().find_map(|line| line.strip_prefix("Content-Length: ")).expect("a length");
    assert!(body.is_empty() || len.parse() == Ok(body.len()));
});
