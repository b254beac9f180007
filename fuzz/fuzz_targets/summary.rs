//! Texts of rules and names of files in the summary: no control character reaches the terminal, no line is too wide.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mamparo::output::{AlertRow, Summary};
use mamparo::types::Timestamp;

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let mut summary = Summary::new();
    summary.source = text.to_string();
    for (nth, piece) in text.split('|').enumerate() {
        summary.alert(&AlertRow {
            timestamp: Timestamp::default(),
            gid: 1,
            sid: nth as u32 / 2,
            severity: nth as u8 % 5,
            signature: piece,
            category: piece,
            technique: Some(piece),
            client: None,
            server: None,
            proto: None,
            app_proto: Some(piece),
            dropped: false,
        });
        summary.fault(piece, piece);
    }
    let table = summary.render_terminal(data.len() % 256, false);
    assert!(!table.chars().any(|c| c.is_control() && c != '\n'));
    serde_json::from_str::<serde_json::Value>(&summary.render_json()).expect("valid JSON");
});
