//! SIP over UDP and TCP.
#![no_main]

#[path = "../protocol.rs"]
mod protocol;

use libfuzzer_sys::fuzz_target;
use mamparo::protocols::sip::ENTRY;
use mamparo::types::Proto;

fuzz_target!(|data: &[u8]| protocol::run(&ENTRY, &[Proto::TCP, Proto::UDP], 5060, data));
