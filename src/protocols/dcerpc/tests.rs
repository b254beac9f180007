//! Whole units, made here byte by byte.

use super::{DCERPC, pdu, slots};
use crate::app::{DONE, Input, ParseError, Parser, Probe, Protocol, Settings, Transaction};
use crate::json::JsonWriter;
use crate::types::{Direction, Proto, Timestamp};

use Direction::{ToClient, ToServer};

/// A unit of that kind and call, little-endian or not.
fn unit(kind: u8, flags: u8, call: u32, body: &[u8], little: bool) -> Vec<u8> {
    let length = (16 + body.len()) as u16;
    let mut unit = vec![5, 0, kind, flags, if little { 0x10 } else { 0 }, 0, 0, 0];
    if little {
        unit.extend(length.to_le_bytes());
        unit.extend([0, 0]);
        unit.extend(call.to_le_bytes());
    } else {
        unit.extend(length.to_be_bytes());
        unit.extend([0, 0]);
        unit.extend(call.to_be_bytes());
    }
    unit.extend(body);
    unit
}

/// SVCCTL, as text: 367abb81-9844-35f1-ad32-98f038001003.
const UUID: [u8; 16] =
    [0x36, 0x7a, 0xbb, 0x81, 0x98, 0x44, 0x35, 0xf1, 0xad, 0x32, 0x98, 0xf0, 0x38, 0x00, 0x10, 0x03];

fn bind(little: bool) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend([1, 0, 0, 0]);
    body.extend([0, 0, 1, 0]);
    let mut uuid = UUID;
    if little {
        uuid[..4].reverse();
        uuid[4..6].reverse();
        uuid[6..8].reverse();
    }
    body.extend(uuid);
    body.extend(if little { [2, 0, 0, 0] } else { [0, 2, 0, 0] });
    body.extend([0; 20]);
    unit(pdu::BIND, 3, 1, &body, little)
}

fn bindack(result: u8) -> Vec<u8> {
    let mut body = vec![0; 8];
    body.extend([3, 0, b'1', b'3', 0]);
    body.extend([0; 3]);
    body.extend([1, 0, 0, 0, result, 0, 0, 0]);
    body.extend([0; 20]);
    unit(pdu::BINDACK, 3, 1, &body, true)
}

fn request(flags: u8, call: u32, opnum: u8, stub: &[u8]) -> Vec<u8> {
    unit(pdu::REQUEST, flags, call, &[&[0, 0, 0, 0, 0, 0, opnum, 0], stub].concat(), true)
}

fn response(call: u32, stub: &[u8]) -> Vec<u8> {
    unit(pdu::RESPONSE, 3, call, stub, true)
}

fn parser(transport: Proto) -> Box<dyn Parser> {
    DCERPC.factory(&Settings::new(None)).parser(transport, 40_000, 135)
}

/// Gives a stream in pieces, keeping what was not taken and waiting for what is needed.
fn stream(parser: &mut dyn Parser, dir: Direction, bytes: &[u8], piece: usize) -> Result<(), ParseError> {
    let (mut pending, mut needs) = (Vec::new(), 0);
    for piece in bytes.chunks(piece.max(1)) {
        pending.extend_from_slice(piece);
        if pending.len() >= needs {
            let parsed = parser.parse(Input { dir, bytes: &pending, eof: false, timestamp: Timestamp(0) })?;
            assert!(parsed.consumed <= pending.len());
            pending.drain(..parsed.consumed);
            needs = parsed.needs;
        }
    }
    Ok(())
}

fn each(parser: &dyn Parser) -> Vec<&dyn Transaction> {
    let transactions = parser.transactions();
    (0..transactions.count()).filter_map(|nth| transactions.at(nth)).collect()
}

fn records(parser: &dyn Parser) -> Vec<String> {
    let written = |tx: &dyn Transaction| {
        let mut out = JsonWriter::new();
        tx.log(&mut out);
        String::from_utf8(out.take()).unwrap()
    };
    each(parser).into_iter().map(written).collect()
}

fn session() -> (Vec<u8>, Vec<u8>) {
    let asked = [bind(true), request(1, 2, 15, b"ab"), request(2, 2, 15, b"cd")].concat();
    (asked, [bindack(0), response(2, b"answer")].concat())
}

#[test]
fn a_session_is_read_however_it_is_cut() {
    let (asked, answered) = session();
    let mut expected = None;
    for piece in (1..asked.len() + 1).rev() {
        let mut parser = parser(Proto::TCP);
        stream(&mut *parser, ToServer, &asked, piece).unwrap();
        stream(&mut *parser, ToClient, &answered, piece).unwrap();
        let records = records(&*parser);
        let expected = expected.get_or_insert_with(|| records.clone());
        assert_eq!(&records, expected, "{piece}");
        let call = each(&*parser)[1];
        assert_eq!(call.bytes(slots::STUB_REQUEST, 0), Some(&b"abcd"[..]));
        assert_eq!(call.bytes(slots::STUB_RESPONSE, 0), Some(&b"answer"[..]));
        assert_eq!(call.number(slots::OPNUM, 0), Some(15));
        assert_eq!((call.progress(ToServer), call.progress(ToClient)), (DONE, DONE));
    }
    assert_eq!(
        expected.unwrap(),
        [
            "\"dcerpc\":{\"request\":\"BIND\",\"interfaces\":[{\"uuid\":\"367abb81-9844-35f1-ad32-98f038001003\",\
             \"version\":\"2.0\",\"ack_result\":0}],\"response\":\"BINDACK\",\"call_id\":1,\"rpc_version\":\"5.0\"}",
            "\"dcerpc\":{\"request\":\"REQUEST\",\"req\":{\"opnum\":15,\"frag_cnt\":2,\"stub_data_size\":4},\
             \"response\":\"RESPONSE\",\"res\":{\"frag_cnt\":1,\"stub_data_size\":6},\"call_id\":2,\"rpc_version\":\"5.0\"}",
        ]
    );
}

#[test]
fn a_request_is_for_interfaces_that_were_granted() {
    for (bind, result, matching) in [(bind(true), 0, true), (bind(false), 0, true), (bind(true), 2, false)] {
        let mut parser = parser(Proto::TCP);
        stream(&mut *parser, ToServer, &bind, 4096).unwrap();
        stream(&mut *parser, ToClient, &bindack(result), 4096).unwrap();
        stream(&mut *parser, ToServer, &request(3, 2, 15, b"a"), 4096).unwrap();
        let packed = each(&*parser)[1].bytes(slots::INTERFACE, 0);
        assert_eq!(
            packed.is_some_and(|packed| packed[..16] == UUID && packed[16..] == [0, 2, 0, 0]),
            matching
        );
    }
}

#[test]
fn behind_a_gap_the_next_unit_is_found() {
    let mut parser = parser(Proto::TCP);
    parser.gap(ToServer, 100).unwrap();
    let bytes = [&b"\x05\x05\x00\x05rest"[..], &request(3, 7, 1, b"stub")].concat();
    stream(&mut *parser, ToServer, &bytes, 1).unwrap();
    assert_eq!(each(&*parser)[0].number(slots::OPNUM, 0), Some(1));
}

#[test]
fn what_is_no_unit_ends_the_parsing() {
    for bytes in [
        &b"\x04\x00\x00\x03\x10\0\0\0\x20\0\0\0\0\0\0\0"[..],
        b"\x05\x00\x00\x03\x10\0\0\0\x0f\0\0\0\0\0\0\0",
    ] {
        assert!(stream(&mut *parser(Proto::TCP), ToServer, bytes, 4096).is_err());
    }
}

#[test]
fn calls_and_their_stubs_are_bounded() {
    let mut open = parser(Proto::TCP);
    for call in 0..3000 {
        stream(&mut *open, ToServer, &request(1, call, 1, &[0; 60_000]), 1 << 20).unwrap();
        // what is done is removed by the engine
        let done: Vec<u64> =
            each(&*open).iter().filter(|tx| tx.progress(ToClient) == DONE).map(|tx| tx.id()).collect();
        done.into_iter().for_each(|id| open.transactions_mut().remove(id));
        assert!(each(&*open).len() <= 1025);
    }
    assert!(open.memory() < 40 << 20, "{}", open.memory());
    let mut long = parser(Proto::TCP);
    for _ in 0..100 {
        stream(&mut *long, ToServer, &request(0, 1, 1, &[0; 60_000]), 1 << 20).unwrap();
    }
    assert!(each(&*long)[0].bytes(slots::STUB_REQUEST, 0).unwrap().len() <= super::call::STUB_MAX);
}

#[test]
fn datagrams_are_calls() {
    let mut bytes = vec![4, 0, 0, 0, 0x10, 0, 0, 0];
    bytes.extend([0; 16]);
    let mut uuid = UUID;
    uuid[..4].reverse();
    uuid[4..6].reverse();
    uuid[6..8].reverse();
    bytes.extend(uuid);
    bytes.extend([7; 16]);
    bytes.extend([0, 0, 0, 0, 1, 0, 0, 0, 9, 0, 0, 0, 4, 0, 0xff, 0xff, 0xff, 0xff, 4, 0, 0, 0, 0, 0]);
    assert_eq!(bytes.len(), 80);
    bytes.extend(b"stub");
    assert_eq!(DCERPC.probe(Proto::UDP, ToServer, 135, &bytes), Probe::Yes);
    let mut parser = parser(Proto::UDP);
    parser.parse(Input { dir: ToServer, bytes: &bytes, eof: false, timestamp: Timestamp(0) }).unwrap();
    let tx = each(&*parser)[0];
    assert_eq!((tx.bytes(slots::STUB_REQUEST, 0), tx.progress(ToServer)), (Some(&b"stub"[..]), DONE));
    for end in 0..80 {
        assert_eq!(DCERPC.probe(Proto::UDP, ToServer, 135, &bytes[..end]), Probe::No);
    }
}

#[test]
fn streams_are_recognised() {
    let probe = |dir, bytes: &[u8]| DCERPC.probe(Proto::TCP, dir, 135, bytes);
    assert_eq!(probe(ToServer, &bind(true)), Probe::Yes);
    assert_eq!(probe(ToClient, &bind(true)), Probe::Reversed);
    assert_eq!(probe(ToClient, &bindack(0)), Probe::Yes);
    assert_eq!(probe(ToServer, b"\x05"), Probe::More);
    assert_eq!(probe(ToServer, b"\x05\x01\x00"), Probe::No);
}

#[test]
fn mutations_never_panic() {
    let (asked, answered) = session();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..3000 {
        let mut sides = [asked.clone(), answered.clone()];
        for side in &mut sides {
            for _ in 0..random(6) {
                let at = random(side.len());
                side[at] = random(256) as u8;
            }
            side.truncate(random(side.len() * 2).max(1));
        }
        let mut parser = parser(if random(4) == 0 { Proto::UDP } else { Proto::TCP });
        for (dir, side) in Direction::BOTH.into_iter().zip(&sides) {
            let piece = random(side.len()) + 1;
            let _ = stream(&mut *parser, dir, side, piece);
            if random(3) == 0 {
                let _ = parser.gap(dir, 7);
                let _ = stream(&mut *parser, dir, side, piece);
            }
        }
        records(&*parser);
    }
}
