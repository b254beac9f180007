//! Frames of any link type: decoded, put together from fragments, never a panic.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mamparo::capture::{Frame, LinkType};
use mamparo::decode::{Decoder, spread};
use mamparo::types::{IfaceId, Timestamp};
use mamparo::verdict::Verdict;

fuzz_target!(|data: &[u8]| {
    let mut decoder = Decoder::new(&Default::default());
    let Some((link, rest)) = data.split_first() else { return };
    // frames are told apart by a mark, so that fragments of one datagram can be found
    for (nth, bytes) in rest.split(|byte| *byte == 0xf7).enumerate() {
        let frame = Frame {
            number: nth as u64 + 1,
            timestamp: Timestamp(nth as u64 * 1_000_000_000),
            iface: IfaceId(0),
            link: LinkType([1, 0, 9, 12, 50, 51, 101, 104, 108, 113, 228, 229, 276][usize::from(*link) % 13]),
            bytes,
            wire_len: bytes.len() as u32,
            checksums: true,
            changed: None,
        };
        spread(&frame);
        decoder.decode(&frame, &mut |packet| {
            assert!(packet.payload.len() <= 1 << 17);
            Verdict::Forward
        });
    }
});
