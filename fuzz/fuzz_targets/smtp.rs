//! SMTP.
#![no_main]

#[path = "../protocol.rs"]
mod protocol;

use libfuzzer_sys::fuzz_target;
use mamparo::protocols::smtp::ENTRY;
use mamparo::types::Proto;

fuzz_target!(|data: &[u8]| protocol::run(&ENTRY, &[Proto::TCP], 25, data));
