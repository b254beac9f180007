//! Whole talks in both protocols.

use super::parser::{LINE_MAX, VALUE_MAX};
use super::{ENTRY, MEMCACHED, slots};
use crate::app::{DONE, Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

const TEXT: &[(Direction, &[u8])] = &[
    (ToServer, b"set a 0 60 5\r\nhello\r\nget a b\r\nset q 0 0 2 noreply\r\nhi\r\nset empty 0 0 0\r\n\r\n"),
    (ToClient, b"STORED\r\nVALUE a 0 5\r\nhello\r\nVALUE b 0 0\r\n\r\nEND\r\nSTORED\r\n"),
    (ToServer, b"incr n 1\r\nstats\r\nms m 2 T0\r\nhi\r\nmg m v\r\nflush_all\r\nnonsense\r\n"),
    (ToClient, b"5\r\nSTAT pid 1\r\nSTAT uptime 2\r\nEND\r\nHD\r\nVA 2\r\nhi\r\nOK\r\nERROR\r\n"),
    (ToServer, b"lru_crawler metadump all\r\nquit\r\n"),
    (ToClient, b"key=a exp=1 la=2\r\nkey=b exp=1\r\nEND\r\n"),
];

fn packet(magic: u8, code: u8, status: u16, opaque: u32, parts: [&[u8]; 3]) -> Vec<u8> {
    let [extras, key, value] = parts;
    let body = (extras.len() + key.len() + value.len()) as u32;
    [
        &[magic, code][..],
        &(key.len() as u16).to_be_bytes(),
        &[extras.len() as u8, 0],
        &status.to_be_bytes(),
        &body.to_be_bytes(),
        &opaque.to_be_bytes(),
        &[0; 8],
        extras,
        key,
        value,
    ]
    .concat()
}

fn binary() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, packet(0x80, 1, 0, 7, [&[0; 8], b"a", b"hello"])),
        (
            ToServer,
            [packet(0x80, 0, 0, 8, [b"", b"a", b""]), packet(0x80, 0x11, 0, 9, [&[0; 8], b"q", b"x"])]
                .concat(),
        ),
        (ToClient, packet(0x81, 0, 0, 8, [&[0; 4], b"", b"hello"])),
        (ToClient, packet(0x81, 1, 5, 7, [b"", b"", b""])),
    ]
}

fn talk() -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 11211, "{}")
}

fn turns(talk: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    talk.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect()
}

#[test]
fn text_is_read() {
    let mut talk = talk();
    talk.all(TEXT).unwrap();
    assert_eq!(
        talk.records(),
        [
            r#""memcached":{"request":{"command":"set","keys":["a"],"size":5},"response":{"status":"STORED"}}"#,
            r#""memcached":{"request":{"command":"get","keys":["a","b"]},"response":{"status":"VALUE a 0 5","values":2}}"#,
            r#""memcached":{"request":{"command":"set","keys":["q"],"size":2}}"#,
            r#""memcached":{"request":{"command":"set","keys":["empty"]},"response":{"status":"STORED"}}"#,
            r#""memcached":{"request":{"command":"incr","keys":["n"]},"response":{"status":"5"}}"#,
            r#""memcached":{"request":{"command":"stats"},"response":{"status":"STAT pid 1"}}"#,
            r#""memcached":{"request":{"command":"ms","keys":["m"],"size":2},"response":{"status":"HD"}}"#,
            r#""memcached":{"request":{"command":"mg","keys":["m"]},"response":{"status":"VA 2","values":1}}"#,
            r#""memcached":{"request":{"command":"flush_all"},"response":{"status":"OK"}}"#,
            r#""memcached":{"request":{"command":"nonsense"},"response":{"status":"ERROR"}}"#,
            concat!(
                r#""memcached":{"request":{"command":"lru_crawler","arguments":["metadump","all"]},"#,
                r#""response":{"status":"key=a exp=1 la=2"}}"#
            ),
            r#""memcached":{"request":{"command":"quit"}}"#,
        ]
    );
    let each = talk.each();
    assert!(each.iter().all(|tx| tx.progress(ToClient) == DONE));
    assert_eq!(
        (each[0].bytes(slots::STORED, 0), each[1].bytes(slots::ANSWERED, 0)),
        (Some(&b"hello"[..]), Some(&b"hello"[..]))
    );
}

#[test]
fn binary_is_read() {
    let mut talk = talk();
    talk.all(&turns(&binary())).unwrap();
    assert_eq!(
        talk.records(),
        [
            concat!(
                r#""memcached":{"request":{"command":"set","keys":["a"],"size":5,"protocol":"binary"},"#,
                r#""response":{"status":"NOT_STORED"}}"#
            ),
            concat!(
                r#""memcached":{"request":{"command":"get","keys":["a"],"protocol":"binary"},"#,
                r#""response":{"status":"OK","values":1}}"#
            ),
            r#""memcached":{"request":{"command":"set","keys":["q"],"size":1,"protocol":"binary"}}"#,
        ]
    );
}

#[test]
fn cut_anywhere_it_is_the_same() {
    check_pieces(&ENTRY, 11211, "{}", TEXT);
    check_pieces(&ENTRY, 11211, "{}", &turns(&binary()));
}

#[test]
fn whatever_comes() {
    check_mutations(&ENTRY, Proto::TCP, 11211, TEXT);
    check_mutations(&ENTRY, Proto::TCP, 11211, &turns(&binary()));
    check_mutations(&ENTRY, Proto::UDP, 11211, &turns(&datagrams()));
}

fn datagrams() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, b"\0\x01\0\0\0\x01\0\0get a\r\n".to_vec()),
        (ToClient, b"\0\x01\0\0\0\x02\0\0VALUE a 0 2000\r\nxxx".to_vec()),
        (ToClient, b"\0\x01\0\x01\0\x02\0\0xxx\r\nEND\r\n".to_vec()),
        (ToServer, b"\0\x02\0\0\0\x01\0\0stats\r\n".to_vec()),
    ]
}

#[test]
fn datagrams_are_read() {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 11211, "{}");
    talk.all(&turns(&datagrams())).unwrap();
    assert_eq!(talk.each().len(), 2);
    assert_eq!(talk.each()[1].bytes(slots::COMMAND, 0), Some(&b"stats"[..]));
}

#[test]
fn what_is_too_long_is_cut_or_refused() {
    let mut one = talk();
    let value = vec![b'v'; 4 * VALUE_MAX];
    one.say(ToServer, format!("set a 0 0 {}\r\n", value.len()).as_bytes()).unwrap();
    one.say(ToServer, &value).unwrap();
    one.say(ToServer, b"\r\nget a\r\n").unwrap();
    one.say(ToClient, format!("STORED\r\nVALUE a 0 {}\r\n", value.len()).as_bytes()).unwrap();
    one.say(ToClient, &value).unwrap();
    one.say(ToClient, b"\r\nEND\r\n").unwrap();
    let each = one.each();
    assert_eq!((each.len(), each[0].number(slots::SIZE, 0)), (2, Some(4 * VALUE_MAX as u64)));
    assert_eq!(each[1].bytes(slots::ANSWERED, 0).map(<[u8]>::len), Some(VALUE_MAX));
    assert_eq!(each[1].progress(ToClient), DONE);
    assert!(one.memory() < 128 << 10, "{}", one.memory());
    for (dir, bytes, event) in [
        (ToServer, vec![b'a'; LINE_MAX], "line_too_long"),
        (ToServer, b"set a 0 0 nonsense\r\n".to_vec(), "malformed_request"),
        (
            ToServer,
            packet(0x80, 0, 0, 0, [b"", b"a", b""])[..8].iter().chain(&[0; 16]).copied().collect(),
            "malformed_request",
        ),
        (ToClient, b"VALUE a 0\r\n".to_vec(), "malformed_response"),
    ] {
        let mut talk = talk();
        assert!(talk.say(dir, &bytes).is_err(), "{event}");
        assert_eq!(talk.events(), [event]);
    }
}

#[test]
fn a_hole_is_stood() {
    let mut one = talk();
    one.say(ToServer, b"get a\r\n").unwrap();
    one.gap(ToClient, 10).unwrap();
    one.say(ToServer, b"get b\r\n").unwrap();
    assert!(one.each().len() == 2 && one.each().iter().all(|tx| tx.progress(ToClient) == DONE));
}

#[test]
fn it_is_recognised() {
    let get = packet(0x80, 0, 0, 0, [b"", b"a", b""]);
    for (transport, dir, port, bytes, expected) in [
        (Proto::TCP, ToServer, 11211, &b"get a\r\n"[..], Probe::Yes),
        (Proto::TCP, ToServer, 11211, b"ge", Probe::More),
        (Proto::TCP, ToServer, 11211, b"geta", Probe::No),
        (Proto::TCP, ToServer, 11211, b"GET / HTTP/1.1", Probe::No),
        (Proto::TCP, ToServer, 4000, b"get a\r\n", Probe::No),
        (Proto::TCP, ToServer, 11211, &get, Probe::Yes),
        (Proto::TCP, ToClient, 11211, b"STORED\r\n", Probe::Yes),
        (Proto::TCP, ToClient, 11211, b"220 ", Probe::Yes),
        (Proto::TCP, ToClient, 11211, b"hello", Probe::No),
        (Proto::UDP, ToServer, 11211, b"\0\x01\0\0\0\x01\0\0stats\r\n", Probe::Yes),
        (Proto::UDP, ToServer, 11211, b"\0\x01\0\0\0\0\0\0stats\r\n", Probe::No),
    ] {
        let found = MEMCACHED.probe(transport, dir, port, bytes);
        assert_eq!(found, expected, "{:?}", bytes.escape_ascii().to_string());
    }
}
