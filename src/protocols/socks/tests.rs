//! Beginnings, step by step.

use super::{ENTRY, SOCKS, slots};
use crate::app::{Change, Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

const FIVE: &[(Direction, &[u8])] = &[
    (ToServer, b"\x05\x02\0\x02"),
    (ToClient, b"\x05\x02"),
    (ToServer, b"\x01\x03ann\x06secret"),
    (ToClient, b"\x01\0"),
    (ToServer, b"\x05\x01\0\x03\x0bexample.com\x01\xbb"),
    (ToClient, b"\x05\x05\0\x01\0\0\0\0\0\0"),
];

const FOUR: &[(Direction, &[u8])] =
    &[(ToServer, b"\x04\x01\0\x50\0\0\0\x01me\0example.com\0"), (ToClient, b"\0\x5b\0\0\0\0\0\0")];

fn talk(turns: &[(Direction, &[u8])]) -> Talk {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 1080, "{}");
    talk.all(turns).unwrap();
    talk
}

#[test]
fn beginnings_are_read() {
    assert_eq!(
        talk(FIVE).records(),
        [
            r#""socks":{"request":{"version":5,"methods":["none","password"]},"response":{"method":"password"}}"#,
            r#""socks":{"request":{"version":5,"user":"ann"},"response":{"reply":0}}"#,
            r#""socks":{"request":{"version":5,"command":"connect","host":"example.com","port":443},"response":{"reply":5}}"#,
        ]
    );
    assert_eq!(
        talk(FOUR).records(),
        [
            r#""socks":{"request":{"version":4,"user":"me","command":"connect","host":"example.com","port":80},"response":{"reply":91}}"#
        ]
    );
    let six: &[(Direction, &[u8])] = &[
        (ToServer, b"\x05\x01\0"),
        (ToClient, b"\x05\0"),
        (ToServer, b"\x05\x03\0\x04\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\x35"),
        (ToClient, b"\x05\0\0\x01\x0a\0\0\x01\x04\x38"),
    ];
    let six = talk(six);
    assert_eq!(six.each()[1].bytes(slots::HOST, 0), Some(&b"::1"[..]));
    assert_eq!(six.change, Some(Change::Probe));
    assert_eq!(talk(FIVE).change, None);
    let granted = [(ToServer, &b"\x04\x01\0\x50\x0a\0\0\x01\0"[..]), (ToClient, b"\0\x5a\0\0\0\0\0\0")];
    assert_eq!(talk(&granted).change, Some(Change::Probe));
}

#[test]
fn cut_anywhere_it_is_the_same_whatever_comes() {
    for session in [FIVE, FOUR] {
        check_pieces(&ENTRY, 1080, "{}", session);
        check_mutations(&ENTRY, Proto::TCP, 1080, session);
    }
}

#[test]
fn what_is_wrong_or_too_long_is_told() {
    for (dir, bytes, event) in [
        (ToServer, &b"GET / HTTP/1.1\r\n"[..], "malformed_request"),
        (ToServer, &[&b"\x04\x01\0\x50\x0a\0\0\x01"[..], &[b'x'; 1000]].concat(), "malformed_request"),
        (ToClient, b"HTTP/1.1", "malformed_response"),
    ] {
        let mut talk = talk(&[]);
        assert!(talk.say(dir, bytes).is_err());
        assert_eq!(talk.events(), [event]);
    }
    let mut odd = talk(&FIVE[..4]);
    assert!(odd.say(ToServer, b"\x05\x09\0\x03").is_err());
}

#[test]
fn a_hole_ends_it() {
    let mut talk = talk(&FIVE[..2]);
    talk.gap(ToServer, 3).unwrap();
    talk.say(ToServer, b"whatever").unwrap();
    assert_eq!(talk.each().len(), 1);
}

#[test]
fn it_is_recognised() {
    for (port, bytes, expected) in [
        (9050, &b"\x05\x01\0"[..], Probe::Yes),
        (9050, b"\x05\x01\0\x05\x01\0", Probe::No),
        (9050, b"\x05\x02\0", Probe::No),
        (1080, b"\x05\x02\0", Probe::More),
        (9050, b"\x04\x01\0\x50\x0a\0\0\x01\0", Probe::Yes),
        (9050, b"\x04\x01\0\x50\x0a\0\0\x01", Probe::No),
        // DCERPC
        (135, b"\x05\0\x0b\x03\x10\0\0\0", Probe::No),
    ] {
        assert_eq!(SOCKS.probe(Proto::TCP, ToServer, port, bytes), expected, "{}", bytes.escape_ascii());
    }
}
