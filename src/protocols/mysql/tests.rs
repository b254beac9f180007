//! Whole sessions, made here packet by packet.

use super::parser::{REQUEST_MAX, RESPONSE_MAX};
use super::{ENTRY, MYSQL, slots};
use crate::app::{Change, DONE, Probe, Protocol};
use crate::protocols::testing::{Talk, check_bounded, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn packet(number: u8, payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u32).to_le_bytes()[..3], &[number], payload].concat()
}

fn greeting(can: u32) -> Vec<u8> {
    let (low, high) = (can as u16, (can >> 16) as u16);
    let mut payload = b"\x0a10.11.6-MariaDB\0\x08\0\0\0abcdefgh\0".to_vec();
    payload.extend_from_slice(&low.to_le_bytes());
    payload.extend_from_slice(b"\x21\x02\0");
    payload.extend_from_slice(&high.to_le_bytes());
    payload.extend_from_slice(b"\x15\0\0\0\0\0\0\0\0\0\0ijklmnopqrst\0mysql_native_password\0");
    packet(0, &payload)
}

fn login(can: u32, rest: &[u8]) -> Vec<u8> {
    packet(1, &[&can.to_le_bytes()[..], &[0, 0, 0, 1, 0x21], &[0; 23], rest].concat())
}

/// Protocol 4.1, database, secure connection, plugin, attributes.
const CAN: u32 = 0x0018_8208;

fn root() -> Vec<u8> {
    login(CAN, b"root\0\x02pwshop\0mysql_native_password\0\x13\x0cprogram_name\x05mysql")
}

fn query(text: &str) -> Vec<u8> {
    packet(0, &[b"\x03", text.as_bytes()].concat())
}

fn ok(number: u8, affected: u8, status: u8) -> Vec<u8> {
    packet(number, &[0, affected, 0, status, 0, 0, 0])
}

fn rows(status: u8) -> Vec<u8> {
    [
        packet(1, b"\x02"),
        packet(2, b"\x03def\x01s\x01t\x01t\x01a\x01a"),
        packet(3, b"\x03def\x01s\x01t\x01t\x01b\x01b"),
        packet(4, b"\xfe\0\0\x02\0"),
        packet(5, b"\x011\x03foo"),
        packet(6, b"\x012\xfb"),
        packet(7, &[0xfe, 0, 0, status, 0]),
    ]
    .concat()
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToClient, greeting(CAN)),
        (ToServer, root()),
        (ToClient, ok(2, 0, 2)),
        (ToServer, query("SELECT * FROM t")),
        (ToClient, rows(2)),
        (ToServer, query("CALL both()")),
        (ToClient, [rows(10), ok(8, 3, 2)].concat()),
        (ToServer, query("SELECT nonsense")),
        (ToClient, packet(1, b"\xff\x1e\x04#42S22Unknown column 'nonsense'")),
        (ToServer, packet(0, b"\x16SELECT ?")),
        (
            ToClient,
            [
                packet(1, b"\0\x01\0\0\0\x01\0\x01\0\0\0\0"),
                packet(2, b"\x03def"),
                packet(3, b"\xfe\0\0\x02\0"),
                packet(4, b"\x03def"),
                packet(5, b"\xfe\0\0\x02\0"),
            ]
            .concat(),
        ),
        (ToServer, [packet(0, b"\x19\x01\0\0\0"), packet(0, b"\x02other"), packet(0, b"\x09")].concat()),
        (ToClient, [ok(1, 0, 2), packet(1, b"Uptime: 1")].concat()),
        (ToServer, packet(0, b"\x01")),
    ]
}

fn turns(session: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    session.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect()
}

fn talk() -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 3306, "{}")
}

#[test]
fn a_session_is_read() {
    let mut talk = talk();
    talk.all(&turns(&session())).unwrap();
    assert_eq!(
        talk.records(),
        [
            concat!(
                r#""mysql":{"request":{"user":"root","database":"shop","plugin":"mysql_native_password","#,
                r#""program":"mysql"},"response":{"version":"10.11.6-MariaDB"}}"#
            ),
            r#""mysql":{"request":{"command":"query","query":"SELECT * FROM t"},"response":{"row_count":2}}"#,
            r#""mysql":{"request":{"command":"query","query":"CALL both()"},"response":{"affected_rows":3,"row_count":2}}"#,
            concat!(
                r#""mysql":{"request":{"command":"query","query":"SELECT nonsense"},"#,
                r#""response":{"error_code":1054,"error":"Unknown column 'nonsense'"}}"#
            ),
            r#""mysql":{"request":{"command":"stmt_prepare","query":"SELECT ?"}}"#,
            r#""mysql":{"request":{"command":"stmt_close"}}"#,
            r#""mysql":{"request":{"command":"init_db","database":"other"},"response":{"affected_rows":0}}"#,
            r#""mysql":{"request":{"command":"statistics"}}"#,
            r#""mysql":{"request":{"command":"quit"}}"#,
        ]
    );
    let each = talk.each();
    assert!(each.iter().all(|tx| tx.progress(ToClient) == DONE && tx.progress(ToServer) == DONE));
    assert_eq!(each[1].bytes(slots::ROWS, 0), Some(&b"1,foo"[..]));
    assert_eq!(each[1].bytes(slots::ROWS, 1), Some(&b"2,NULL"[..]));
    assert_eq!(each[3].number(slots::ERROR_CODE, 0), Some(1054));
}

#[test]
fn cut_anywhere_it_is_the_same() {
    check_pieces(&ENTRY, 3306, "{}", &turns(&session()));
}

#[test]
fn whatever_comes() {
    check_mutations(&ENTRY, Proto::TCP, 3306, &turns(&session()));
}

#[test]
fn tls_is_recognised_anew_and_compression_given_up() {
    let mut one = talk();
    one.say(ToClient, &greeting(CAN | 0x800)).unwrap();
    one.say(ToServer, &[login(CAN | 0x800, b""), b"\x16\x03".to_vec()].concat()).unwrap();
    assert_eq!(one.change, Some(Change::Probe));
    assert_eq!(
        one.records(),
        [r#""mysql":{"request":{"tls":"requested"},"response":{"version":"10.11.6-MariaDB"}}"#]
    );
    let mut other = talk();
    other.say(ToClient, &greeting(CAN | 0x20)).unwrap();
    other.say(ToServer, &login(CAN | 0x20, b"root\0\0x\0y\0")).unwrap();
    other.say(ToClient, &ok(2, 0, 2)).unwrap();
    assert!(other.opaque);
    assert_eq!(other.events(), ["compressed"]);
}

#[test]
fn sign_in_that_fails_and_files_that_are_asked_for() {
    let mut one = talk();
    one.all(&[(ToClient, &greeting(CAN)[..]), (ToServer, &root()[..])]).unwrap();
    one.say(ToClient, &packet(2, b"\xff\x15\x04#28000Access denied")).unwrap();
    assert_eq!(one.each()[0].bytes(slots::ERROR, 0), Some(&b"Access denied"[..]));
    assert_eq!(one.each()[0].progress(ToClient), DONE);
    let mut other = talk();
    other
        .all(&[(ToClient, &greeting(CAN)[..]), (ToServer, &root()[..]), (ToClient, &ok(2, 0, 2)[..])])
        .unwrap();
    other.say(ToServer, &query("SELECT 1")).unwrap();
    other.say(ToClient, &packet(1, b"\xfb/etc/passwd")).unwrap();
    other.say(ToServer, &[packet(2, b"root:x:0:0"), packet(3, b"")].concat()).unwrap();
    other.say(ToClient, &ok(4, 0, 2)).unwrap();
    let each = other.each();
    assert_eq!((each.len(), each[1].bytes(slots::INFILE, 0)), (2, Some(&b"/etc/passwd"[..])));
    assert_eq!(each[1].progress(ToClient), DONE);
}

#[test]
fn attributes_stand_before_the_statement() {
    let can = CAN | 1 << 27;
    for (payload, expected) in [
        (&b"\x03\x00\x01SELECT 1"[..], &b"SELECT 1"[..]),
        (b"\x03\x02\x01\x00\x01\xfe\x00\x01a\x03\x00\x01b\x02hi\x07\0\0\0SELECT 2", b"SELECT 2"),
    ] {
        let mut talk = talk();
        talk.say(ToClient, &greeting(can)).unwrap();
        talk.say(ToServer, &login(can, b"root\0\0x\0y\0")).unwrap();
        talk.say(ToClient, &ok(2, 0, 2)).unwrap();
        talk.say(ToServer, &packet(0, payload)).unwrap();
        assert_eq!(talk.each()[1].bytes(slots::QUERY, 0), Some(expected));
    }
}

#[test]
fn long_packets_are_cut() {
    let mut talk = talk();
    talk.all(&turns(&session()[..3])).unwrap();
    talk.say(ToServer, &[&b"\xff\xff\xff\0\x03"[..], &vec![b'x'; 0xff_fffe]].concat()).unwrap();
    talk.say(ToServer, &packet(1, &vec![b'x'; 1000])).unwrap();
    talk.say(ToServer, &query("SELECT 2")).unwrap();
    let long = vec![b'r'; 4 * RESPONSE_MAX];
    let mut row = b"\xfd\0\0\x01".to_vec();
    row.extend_from_slice(&long);
    talk.say(
        ToClient,
        &[ok(1, 0, 2), packet(1, b"\x01"), packet(2, b"\x03def"), packet(3, b"\xfe\0\0\x02\0")].concat(),
    )
    .unwrap();
    for _ in 0..1000 {
        talk.say(ToClient, &packet(4, &row)).unwrap();
    }
    talk.say(ToClient, &packet(5, b"\xfe\0\0\x02\0")).unwrap();
    let each = talk.each();
    assert_eq!(each[1].bytes(slots::QUERY, 0).unwrap().len(), REQUEST_MAX - 1);
    assert_eq!(each[2].bytes(slots::QUERY, 0), Some(&b"SELECT 2"[..]));
    assert_eq!(each[2].progress(ToClient), DONE);
    assert!(talk.memory() < 512 << 10, "{}", talk.memory());
}

#[test]
fn it_is_recognised() {
    let hello = greeting(CAN);
    let root = root();
    for (dir, port, bytes, expected) in [
        (ToClient, 1, &hello[..], Probe::Yes),
        (ToClient, 1, &hello[..10], Probe::More),
        (ToClient, 1, b"\x4a\0\0\0\x0a\x01\x02", Probe::No),
        (ToClient, 1, b"220 ready", Probe::No),
        (ToServer, 1, &root[..], Probe::Yes),
        (ToServer, 1, &root[..20], Probe::More),
        (ToServer, 1, b"GET / HTTP/1.1\r\n", Probe::No),
        (ToServer, 3306, b"\x13\0\0\x01\x8d\x24\0\0\0danny\0JN[F_PPW", Probe::Yes),
        (ToServer, 1, b"\x13\0\0\x01\x8d\x24\0\0\0danny\0JN[F_PPW", Probe::No),
        (ToServer, 3306, b"\x09\0\0\0\x03SELECT 1", Probe::Yes),
        (ToServer, 33060, b"\x09\0\0\0\x03SELECT 1", Probe::No),
        (ToClient, 3306, b"\x10\0\0\0\xff\x69\x04blocked", Probe::Yes),
    ] {
        assert_eq!(
            MYSQL.probe(Proto::TCP, dir, port, bytes),
            expected,
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    }
}

#[test]
fn memory_is_bounded() {
    let session = session();
    let turns: Vec<_> = session.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect();
    check_bounded(&ENTRY, Proto::TCP, 3306, &turns, 4 << 20);
}

#[test]
fn lost_bytes_end_a_side_and_nothing_waits_for_it() {
    let session = session();
    let turns: Vec<_> = session.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect();
    for at in 0..turns.len() {
        let mut talk = Talk::new(&ENTRY, Proto::TCP, 3306, "{}");
        talk.all(&turns[..at]).unwrap();
        let before = talk.records();
        let _ = talk.gap(turns[at].0, 20);
        let _ = talk.all(&turns[at + 1..]);
        assert!(talk.records().len() >= before.len());
        talk.end();
    }
}
