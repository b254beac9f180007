//! HTTP/2.
#![no_main]

#[path = "../protocol.rs"]
mod protocol;

use libfuzzer_sys::fuzz_target;
use mamparo::protocols::http2::ENTRY;
use mamparo::types::Proto;

fuzz_target!(|data: &[u8]| protocol::run(&ENTRY, &[Proto::TCP], 80, data));
