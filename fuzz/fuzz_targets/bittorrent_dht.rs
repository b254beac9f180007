//! BitTorrent's distributed hash table.
#![no_main]

#[path = "../protocol.rs"]
mod protocol;

use libfuzzer_sys::fuzz_target;
use mamparo::protocols::bittorrent_dht::ENTRY;
use mamparo::types::Proto;

fuzz_target!(|data: &[u8]| protocol::run(&ENTRY, &[Proto::UDP], 6881, data));
