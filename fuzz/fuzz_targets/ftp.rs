//! FTP: what both sides say cut anywhere: the parser takes no more than it was given, and every transaction can be asked for everything.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mamparo::app::{Input, Settings};
use mamparo::json::JsonWriter;
use mamparo::protocols::ftp::ENTRY;
use mamparo::types::{Direction, Proto, Timestamp};

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    let transport = Proto::TCP;
    let mut parser = ENTRY.protocol.factory(&Settings::new(None)).parser(transport, 40_000, 21);
    let mut left: [Vec<u8>; 2] = Default::default();
    let mut given_up = [false; 2];
    // pieces of both sides in turn, as long as the first byte of each says
    let mut rest = rest;
    let mut dir = Direction::ToServer;
    while let Some((len, bytes)) = rest.split_first() {
        let (piece, behind) = bytes.split_at(usize::from(*len).min(bytes.len()));
        rest = behind;
        ENTRY.protocol.probe(transport, dir, 21, piece);
        let side = dir.index();
        if !given_up[side] {
            if transport == Proto::UDP {
                left[side].clear();
            }
            left[side].extend_from_slice(piece);
            let input = Input { dir, bytes: &left[side], eof: rest.is_empty(), timestamp: Timestamp(0) };
            match parser.parse(input) {
                Ok(parsed) => {
                    assert!(parsed.consumed <= left[side].len());
                    left[side].drain(..parsed.consumed);
                }
                Err(_) => given_up[side] = true,
            }
        }
        if *len == 0 && parser.gap(dir, 100).is_err() {
            given_up[side] = true;
        }
        dir = dir.opposite();
    }
    let transactions = parser.transactions();
    for nth in 0..transactions.count() {
        let Some(tx) = transactions.at(nth) else { continue };
        for buffer in ENTRY.buffers {
            for place in buffer.places {
                for nth in 0..3 {
                    tx.bytes(place.slot, nth);
                }
            }
        }
        let mut out = JsonWriter::new();
        out.open();
        for record in 0..tx.records() {
            tx.log_record(record, &mut out);
        }
        out.close();
    }
});
