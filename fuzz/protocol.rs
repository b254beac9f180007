//! What the targets of protocols share: both directions cut anywhere; the parser takes no more than it was given, and every
//! transaction can be asked for everything.

use mamparo::app::{Input, Settings};
use mamparo::detect::ProtocolEntry;
use mamparo::json::JsonWriter;
use mamparo::types::{Direction, Proto, Timestamp};

/// A piece of that length is none: bytes are lost there.
const LOST: u8 = 255;

/// Feeds pieces of both sides in turn, each as long as its first byte says.
pub fn run(entry: &ProtocolEntry, transports: &[Proto], port: u16, data: &[u8]) {
    let Some((first, mut rest)) = data.split_first() else { return };
    let transport = transports[usize::from(*first) % transports.len()];
    let mut parser = entry.protocol.factory(&Settings::new(None)).parser(transport, 40_000, port);
    let mut left: [Vec<u8>; 2] = Default::default();
    let mut given_up = [false; 2];
    let mut dir = Direction::ToServer;
    while let Some((len, bytes)) = rest.split_first() {
        if *len == LOST {
            let side = dir.index();
            if !given_up[side] {
                left[side].clear();
                given_up[side] = parser.gap(dir, 100).is_err();
            }
            dir = dir.opposite();
            rest = bytes;
            continue;
        }
        let (piece, behind) = bytes.split_at(usize::from(*len).min(bytes.len()));
        rest = behind;
        entry.protocol.probe(transport, dir, port, piece);
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
                    given_up = if parsed.opaque { [true; 2] } else { given_up };
                }
                Err(_) => given_up[side] = transport != Proto::UDP,
            }
        }
        parser.take_expected();
        dir = dir.opposite();
    }
    // nothing that is kept is out of proportion to what came
    assert!(parser.memory() < (64 << 20) + 64 * data.len(), "{} bytes of memory", parser.memory());
    let transactions = parser.transactions();
    for nth in 0..transactions.count() {
        let Some(tx) = transactions.at(nth) else { continue };
        for dir in [Direction::ToServer, Direction::ToClient] {
            tx.progress(dir);
            tx.files(dir).iter().for_each(|file| assert!(file.size < 1 << 40));
        }
        let buffers = entry.buffers.iter().flat_map(|buffer| buffer.places);
        let numbers = entry.numbers.iter().flat_map(|number| number.places);
        for place in buffers.chain(numbers) {
            for nth in 0..3 {
                tx.bytes(place.slot, nth);
                tx.number(place.slot, nth);
                tx.body(place.slot, nth);
            }
        }
        let mut out = JsonWriter::new();
        out.open();
        for record in 0..tx.records() {
            tx.log_record(record, &mut out);
        }
        tx.log_in_alert(&mut out);
        out.close();
    }
}
