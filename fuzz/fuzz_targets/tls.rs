//! TLS.
#![no_main]

#[path = "../protocol.rs"]
mod protocol;

use libfuzzer_sys::fuzz_target;
use mamparo::protocols::tls::ENTRY;
use mamparo::types::Proto;

fuzz_target!(|data: &[u8]| protocol::run(&ENTRY, &[Proto::TCP], 443, data));
