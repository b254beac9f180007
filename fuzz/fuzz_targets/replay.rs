//! The built-in signatures and any capture together, end to end: memory under the caps, nothing held at the end.
#![no_main]

#[path = "../../tests/support/engine.rs"]
#[expect(dead_code, reason = "tests use more of it")]
mod engine;

use std::io::Cursor;
use std::path::Path;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use mamparo::capture::{Capture as _, PcapFile};
use mamparo::verdict::Verdict;

static BUILT_IN: OnceLock<engine::Engine> = OnceLock::new();

fuzz_target!(|data: &[u8]| {
    let engine = BUILT_IN.get_or_init(|| engine::Make { checksums: false, ..Default::default() }.engine());
    let Ok(mut file) = PcapFile::from_reader(Path::new("fuzz.pcap"), Box::new(Cursor::new(data.to_vec())))
    else {
        return;
    };
    let mut packets = Vec::new();
    let _ = file.poll(1000, &mut |frame| {
        packets.push(engine::Packet {
            timestamp: frame.timestamp,
            link: frame.link,
            bytes: frame.bytes.to_vec(),
        });
        Verdict::Forward
    });
    let outcome = engine.run(&packets);
    let config = &engine.config.stream;
    assert!(outcome.memory <= config.memcap + config.reassembly_memcap);
});
