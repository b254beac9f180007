//! Segments in any order, of any shape: what is read is never more than was sent, and all memory comes back.
#![no_main]

use std::net::{IpAddr, Ipv4Addr};

use libfuzzer_sys::fuzz_target;
use mamparo::decode::{Tcp, TcpOptions};
use mamparo::stream::{Memory, Readable, Segment, Session, StreamConfig};
use mamparo::types::{Direction, Timestamp};

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let config =
        StreamConfig { inline: first & 1 != 0, midstream: first & 2 != 0, ..StreamConfig::default() };
    let end = |last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last));
    let mut memory = Memory::default();
    let mut session = Session::new(&config, end(1), end(2));
    let mut position = [0u64; 2];
    for (nth, chunk) in rest.chunks(12).enumerate() {
        let [kind, seq, ack, len, ..] = *chunk else { break };
        let mut header = [0u8; 20];
        header[4..8].copy_from_slice(&(1000 + u32::from(seq)).to_be_bytes());
        header[8..12].copy_from_slice(&(5000 + u32::from(ack)).to_be_bytes());
        header[12] = 0x50;
        header[13] = kind & 0x3f;
        header[14] = 0xff;
        let Some(tcp) = Tcp::new(&header, TcpOptions::default(), true) else { continue };
        let payload = &chunk[..usize::from(len) % (chunk.len() + 1)];
        let dir = if kind & 0x80 != 0 { Direction::ToClient } else { Direction::ToServer };
        let timestamp = Timestamp(nth as u64 * 1_000_000);
        if session.segment(&Segment { tcp: &tcp, payload, dir, timestamp }, &config, &mut memory).swap {
            position.swap(0, 1);
        }
        for dir in Direction::BOTH {
            loop {
                let read = match session.readable(dir, position[dir.index()]) {
                    Readable::Nothing => break,
                    Readable::Gap(len) => len,
                    Readable::Bytes(bytes) => bytes.len() as u64,
                };
                assert!(read > 0);
                position[dir.index()] += read;
            }
            session.release(dir, position[dir.index()], &mut memory);
        }
    }
    session.finish();
    session.close(&mut memory);
    assert_eq!((memory.used, memory.reassembly_used), (0, 0));
});
