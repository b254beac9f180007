//! Frames of both sides, put together.

use std::io::Write as _;

use super::{ENTRY, slots};
use crate::protocols::testing::{Talk, check_cut, check_mutations};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let bit = if mask.is_some() { 0x80 } else { 0 };
    let mut bytes = match payload.len() {
        len @ 0..126 => vec![first, bit | len as u8],
        len @ 126..65_536 => [&[first, bit | 126][..], &(len as u16).to_be_bytes()].concat(),
        len => [&[first, bit | 127][..], &(len as u64).to_be_bytes()].concat(),
    };
    let key = mask.unwrap_or_default();
    bytes.extend(mask.iter().flatten());
    bytes.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    bytes
}

const MASK: Option<[u8; 4]> = Some([0x12, 0x34, 0x56, 0x78]);

/// Messages of one side, compressed with what came before as context.
fn deflated(messages: &[&[u8]]) -> Vec<Vec<u8>> {
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    let mut taken = 0;
    let pieces = messages.iter().map(|message| {
        encoder.write_all(message).unwrap();
        encoder.flush().unwrap();
        let all = encoder.get_ref();
        let piece = all[taken..all.len() - 4].to_vec();
        assert!(all.ends_with(&[0, 0, 0xff, 0xff]));
        taken = all.len();
        piece
    });
    pieces.collect()
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    let small = deflated(&[b"hello hello hello", b"hello hello hello again"]);
    vec![
        (ToServer, frame(0x81, MASK, b"swordfish")),
        (ToClient, frame(0x82, None, &[b'x'; 300])),
        (ToServer, frame(0x01, MASK, b"sword")),
        (ToServer, frame(0x89, MASK, b"p")),
        (ToClient, frame(0x8a, None, b"p")),
        (ToServer, [frame(0x00, MASK, b""), frame(0x80, Some([1; 4]), b"fish")].concat()),
        (ToClient, frame(0xc1, None, &small[0])),
        (ToClient, [frame(0x41, None, &small[1][..3]), frame(0x80, None, &small[1][3..])].concat()),
        (ToServer, frame(0x88, MASK, b"\x03\xe8bye")),
    ]
}

fn turns(session: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    session.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect()
}

fn talk(settings: &str) -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 80, settings)
}

fn payloads(talk: &Talk) -> Vec<String> {
    let payload =
        |tx: &&dyn crate::app::Transaction| tx.bytes(slots::PAYLOAD, 0).unwrap_or_default().to_vec();
    talk.each().iter().map(payload).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).collect()
}

#[test]
fn messages_are_put_together_and_undone() {
    let mut talk = talk("{}");
    talk.all(&turns(&session())).unwrap();
    let long = "x".repeat(300);
    assert_eq!(
        payloads(&talk),
        [
            "swordfish",
            &long,
            "p",
            "p",
            "swordfish",
            "hello hello hello",
            "hello hello hello again",
            "\u{3}\u{fffd}bye"
        ]
    );
    let records = talk.records();
    assert_eq!(records[0], r#""websocket":{"fin":true,"mask":305419896,"opcode":"text"}"#);
    assert_eq!(records[1], r#""websocket":{"fin":true,"opcode":"binary"}"#);
    assert_eq!(records[2], r#""websocket":{"fin":true,"mask":305419896,"opcode":"ping"}"#);
    let joined = talk.each()[4];
    let all = |slot| (0..).map_while(|nth| joined.number(slot, nth)).collect::<Vec<_>>();
    assert_eq!((all(slots::OPCODE), all(slots::FLAGS)), (vec![1, 0, 0], vec![0, 0, 0x80]));
    assert_eq!(all(slots::MASK), [0x1234_5678, 0x1234_5678, 0x0101_0101]);
    assert!(joined.concerns(ToServer) && !joined.concerns(ToClient));
    assert_eq!(talk.events(), [""; 0]);
}

#[test]
fn cut_anywhere_it_is_the_same_whatever_comes() {
    check_cut(&ENTRY, 80, "{}", &turns(&session()));
    check_mutations(&ENTRY, Proto::TCP, 80, &turns(&session()));
}

#[test]
fn what_is_too_much_is_cut() {
    let mut small = talk("{max-payload-size: 8}");
    for bytes in [frame(0x81, MASK, b"12345678"), frame(0x81, MASK, b"123456789"), frame(0x81, MASK, b"next")]
    {
        for byte in bytes {
            small.say(ToServer, &[byte]).unwrap();
        }
    }
    assert_eq!(payloads(&small), ["12345678", "12345678", "next"]);
    assert_eq!(small.events(), ["skip_end_of_payload"]);
    // more than anybody keeps, in pieces of a message that never ends
    let mut endless = talk("{}");
    for _ in 0..100 {
        endless.say(ToServer, &frame(0x01, MASK, &[b'x'; 10_000])).unwrap();
    }
    assert_eq!(endless.each().len(), 1);
    assert!(endless.memory() < 256 << 10, "{}", endless.memory());
    let mut bomb = talk("{}");
    bomb.say(ToClient, &frame(0xc2, None, &deflated(&[&vec![0; 64 << 20]])[0])).unwrap();
    bomb.say(ToClient, &frame(0xc2, None, b"whatever")).unwrap();
    assert!(bomb.events().contains(&"skip_end_of_payload"));
    assert!(bomb.memory() < 256 << 10, "{}", bomb.memory());
    let mut broken = talk("{}");
    broken.say(ToClient, &frame(0xc2, None, b"\xff\xff\xff\xff")).unwrap();
    assert_eq!(broken.events(), ["decompression_failed"]);
    let mut odd = talk("{}");
    assert!(odd.say(ToServer, b"\x81\x7f\xff\xff\xff\xff\xff\xff\xff\xff").is_err());
    assert_eq!(odd.events(), ["malformed_frame"]);
}

#[test]
fn a_hole_is_stood() {
    let mut inside = talk("{}");
    let long = frame(0x82, MASK, &[b'x'; 200]);
    inside.say(ToServer, &long[..50]).unwrap();
    inside.gap(ToServer, 100).unwrap();
    inside.say(ToServer, &[&long[150..], &frame(0x81, MASK, b"next")[..]].concat()).unwrap();
    assert_eq!(payloads(&inside)[1], "next");
    inside.gap(ToServer, 1).unwrap();
    inside.say(ToServer, &frame(0x81, MASK, b"never")).unwrap();
    inside.say(ToClient, &frame(0x81, None, b"still")).unwrap();
    assert_eq!(payloads(&inside)[2..], ["still"]);
    // what compresses with bytes that are missing is not undone
    let pieces = deflated(&[&[b'a'; 400], b"second aaaaaaaaaaaaa"]);
    let mut lost = talk("{}");
    let first = frame(0xc1, None, &pieces[0]);
    lost.say(ToClient, &first[..4]).unwrap();
    lost.gap(ToClient, 1).unwrap();
    lost.say(ToClient, &[&first[5..], &frame(0xc1, None, &pieces[1])[..]].concat()).unwrap();
    assert_eq!(lost.each().len(), 2);
}
