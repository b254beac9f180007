//! One protocol of `protocols::ALL`, the one that `MAMPARO_PROTOCOL` names: `MAMPARO_PROTOCOL=ldap cargo +nightly fuzz run protocol
//! corpus/ldap`. Without it the first byte of the input says which.
#![no_main]

#[path = "../protocol.rs"]
mod protocol;

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use mamparo::detect::ProtocolEntry;
use mamparo::protocols::ALL;

static NAMED: LazyLock<Option<&ProtocolEntry>> = LazyLock::new(|| {
    let name = std::env::var("MAMPARO_PROTOCOL").ok()?;
    Some(ALL.iter().find(|entry| entry.protocol.name() == name).expect("a protocol of that name"))
});

fuzz_target!(|data: &[u8]| {
    let (entry, data) = match (*NAMED, data) {
        (Some(entry), data) => (entry, data),
        (None, [first, rest @ ..]) => (&ALL[usize::from(*first) % ALL.len()], rest),
        (None, []) => return,
    };
    let protocol = entry.protocol;
    protocol::run(entry, protocol.transports(), protocol.usual_port().unwrap_or(9), data);
});
