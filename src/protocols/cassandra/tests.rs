//! Whole talks of versions 4 and 5.

use super::message::STATEMENTS_MAX;
use super::parser::REQUEST_MAX;
use super::{CASSANDRA, ENTRY, slots};
use crate::app::{DONE, Probe, Protocol};
use crate::protocols::testing::{Talk, check_bounded, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn message(version: u8, flags: u8, stream: u16, opcode: u8, body: &[u8]) -> Vec<u8> {
    [&[version, flags][..], &stream.to_be_bytes(), &[opcode], &(body.len() as u32).to_be_bytes(), body]
        .concat()
}

fn long(text: &[u8]) -> Vec<u8> {
    [&(text.len() as u32).to_be_bytes(), text].concat()
}

fn segment(whole: bool, payload: &[u8]) -> Vec<u8> {
    let bits = payload.len() as u32 | u32::from(whole) << 17;
    [&bits.to_le_bytes()[..3], &[0; 3], payload, &[0; 4]].concat()
}

const STARTUP: &[u8] = b"\0\x02\0\x0bCQL_VERSION\0\x053.0.0\0\x0bDRIVER_NAME\0\x06python";

fn session() -> Vec<(Direction, Vec<u8>)> {
    let query = [&long(b"SELECT * FROM system.local")[..], b"\0\x01\0"].concat();
    let batch =
        [&b"\0\0\x02\0"[..], &long(b"INSERT 1"), b"\0\x01\0\0\0\x01x\x01\0\x02id\0\0\0\x01\0"].concat();
    vec![
        (ToServer, message(4, 0, 0, 5, b"")),
        (ToClient, message(0x84, 0, 0, 6, b"\0\0")),
        (ToServer, message(4, 0, 1, 1, STARTUP)),
        (ToClient, message(0x84, 0, 1, 3, b"\0\x01x")),
        (ToServer, message(4, 0, 2, 15, &long(b"\0cassandra\0secret"))),
        (ToClient, message(0x84, 0, 2, 16, b"\xff\xff\xff\xff")),
        (
            ToServer,
            [
                message(4, 0, 3, 7, &query),
                message(4, 0, 4, 13, &batch),
                message(4, 0, 5, 7, &long(b"USE shop")),
            ]
            .concat(),
        ),
        (
            ToClient,
            [message(0x84, 0, 5, 8, b"\0\0\0\x03\0\x04shop"), message(0x84, 0, 3, 8, b"\0\0\0\x02")].concat(),
        ),
        (
            ToClient,
            [message(0x84, 0, 0xffff, 12, b"\0\0"), message(0x84, 0, 4, 0, b"\0\0\x22\0\0\x02no")].concat(),
        ),
        (ToServer, message(4, 1, 6, 7, b"packed")),
    ]
}

fn modern() -> Vec<(Direction, Vec<u8>)> {
    let query = |stream, text: &[u8]| message(5, 0, stream, 7, &long(text));
    let big = query(4, &vec![b'x'; 3000]);
    vec![
        (ToServer, message(5, 0, 1, 1, STARTUP)),
        (ToClient, message(0x85, 0, 1, 2, b"")),
        (ToServer, segment(true, &[query(2, b"SELECT 1"), query(3, b"SELECT 2")].concat())),
        (ToServer, [segment(false, &big[..1000]), segment(false, &big[1000..])].concat()),
        (
            ToClient,
            segment(
                true,
                &[message(0x85, 0, 3, 8, b"\0\0\0\x01"), message(0x85, 0, 2, 8, b"\0\0\0\x01")].concat(),
            ),
        ),
        (ToServer, segment(true, &query(5, b"SELECT 3"))),
    ]
}

fn turns(talk: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    talk.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect()
}

fn talk() -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 9042, "{}")
}

#[test]
fn a_session_is_read() {
    let mut talk = talk();
    talk.all(&turns(&session())).unwrap();
    let expected = [
        r#""request":{"version":4,"opcode":"options"},"response":{"opcode":"supported"}"#,
        r#""request":{"version":4,"opcode":"startup","driver":"python"},"response":{"opcode":"authenticate"}"#,
        r#""request":{"version":4,"opcode":"auth_response","user":"cassandra"},"response":{"opcode":"auth_success"}"#,
        r#""request":{"version":4,"opcode":"query","queries":["SELECT * FROM system.local"]},"response":{"opcode":"result"}"#,
        r#""request":{"version":4,"opcode":"batch","queries":["INSERT 1"]},"response":{"opcode":"error","error_code":8704,"error":"no"}"#,
        r#""request":{"version":4,"opcode":"query","queries":["USE shop"]},"response":{"opcode":"result","keyspace":"shop"}"#,
        r#""request":{"version":4,"opcode":"query"}"#,
    ];
    assert_eq!(talk.records(), expected.map(|inside| format!(r#""cassandra":{{{inside}}}"#)));
    assert_eq!(talk.events(), ["compressed"]);
}

#[test]
fn segments_are_undone() {
    let mut talk = talk();
    talk.all(&turns(&modern())).unwrap();
    let each = talk.each();
    let queries: Vec<_> = each.iter().filter_map(|tx| tx.bytes(slots::QUERY, 0)).map(<[u8]>::len).collect();
    assert_eq!(queries, [8, 8, 1000 - 9 - 4, 8]);
    assert_eq!((each[1].progress(ToClient), each[3].progress(ToClient)), (DONE, 0));
    let mut packed = Talk::new(&ENTRY, Proto::TCP, 9042, "{}");
    packed.say(ToServer, &message(5, 0, 1, 1, b"\0\x01\0\x0bCOMPRESSION\0\x03lz4")).unwrap();
    packed.say(ToClient, &message(0x85, 0, 1, 2, b"")).unwrap();
    packed.say(ToServer, b"whatever").unwrap();
    assert!(packed.opaque && packed.events() == ["compressed"]);
}

#[test]
fn cut_anywhere_it_is_the_same() {
    check_pieces(&ENTRY, 9042, "{}", &turns(&session()));
    check_pieces(&ENTRY, 9042, "{}", &turns(&modern()));
}

#[test]
fn whatever_comes() {
    check_mutations(&ENTRY, Proto::TCP, 9042, &turns(&session()));
    check_mutations(&ENTRY, Proto::TCP, 9042, &turns(&modern()));
}

#[test]
fn what_is_too_much_is_cut_or_refused() {
    let mut one = talk();
    one.say(ToServer, &message(4, 0, 1, 7, &long(&vec![b'x'; 4 * REQUEST_MAX]))).unwrap();
    one.say(ToServer, &message(4, 0, 2, 7, &long(b"SELECT 1"))).unwrap();
    assert_eq!(one.each()[0].bytes(slots::QUERY, 0).map(<[u8]>::len), Some(REQUEST_MAX - 4));
    assert_eq!(one.each().len(), 2);
    let mut many = talk();
    let statements =
        [&b"\0\x10\0"[..], &[&b"\0"[..], &long(b"DELETE"), b"\0\0"].concat().repeat(4096)].concat();
    many.say(ToServer, &message(4, 0, 1, 13, &statements)).unwrap();
    assert!(many.each()[0].bytes(slots::QUERY, STATEMENTS_MAX - 1).is_some());
    assert!(many.each()[0].bytes(slots::QUERY, STATEMENTS_MAX).is_none());
    for (dir, bytes, event) in [
        (ToServer, message(9, 0, 0, 5, b""), "malformed_request"),
        (ToServer, message(0x84, 0, 0, 5, b""), "malformed_request"),
        (ToClient, message(0x84, 0, 0, 77, b""), "malformed_response"),
    ] {
        let mut talk = talk();
        assert!(talk.say(dir, &bytes).is_err());
        assert_eq!(talk.events(), [event]);
    }
}

#[test]
fn a_hole_is_stood() {
    let mut one = talk();
    one.say(ToServer, &message(4, 0, 1, 7, &long(b"SELECT 1"))).unwrap();
    one.gap(ToClient, 10).unwrap();
    one.say(ToServer, &message(4, 0, 2, 7, &long(b"SELECT 1"))).unwrap();
    assert!(one.each().len() == 2 && one.each().iter().all(|tx| tx.progress(ToClient) == DONE));
}

#[test]
fn its_version_5_is_not_taken_for_dcerpc() {
    let options = message(5, 0, 0, 5, b"");
    let probe = |entry: &&crate::detect::ProtocolEntry| {
        entry.protocol.probe(Proto::TCP, ToServer, 1, &options) == Probe::Yes
    };
    assert_eq!(crate::protocols::ALL.iter().find(probe).unwrap().protocol.name(), "cassandra");
    let bind = b"\x05\0\x0b\x03\x10\0\0\0\x48\0\0\0\x01\0\0\0\xb8\x10\xb8\x10\0\0\0\0\x01\0\0\0";
    assert_eq!(CASSANDRA.probe(Proto::TCP, ToServer, 135, bind), Probe::No);
}

#[test]
fn it_is_recognised() {
    let startup = message(4, 0, 1, 1, STARTUP);
    let query = message(4, 0, 1, 7, &long(b"SELECT 1"));
    for (dir, port, bytes, expected) in [
        (ToServer, 1, &message(5, 0, 0, 5, b"")[..], Probe::Yes),
        (ToServer, 1, &startup, Probe::Yes),
        (ToServer, 1, &startup[..20], Probe::More),
        (ToServer, 1, &query, Probe::No),
        (ToServer, 9042, &query, Probe::Yes),
        (ToServer, 9042, b"GET / HTTP", Probe::No),
        (ToClient, 9042, &message(0x84, 0, 0, 6, b"\0\0"), Probe::Yes),
        (ToClient, 1, &message(0x84, 0, 0, 6, b"\0\0"), Probe::No),
    ] {
        assert_eq!(
            CASSANDRA.probe(Proto::TCP, dir, port, bytes),
            expected,
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    }
}

#[test]
fn memory_is_bounded() {
    for talk in [session(), modern()] {
        check_bounded(&ENTRY, Proto::TCP, 9042, &turns(&talk), 4 << 20);
    }
}
