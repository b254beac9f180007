//! Beginnings of connections.

use super::{ENTRY, X11};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

const LITTLE: &[(Direction, &[u8])] = &[
    (ToServer, b"l\0\x0b\0\0\0\x12\0\x10\0\0\0MIT-MAGIC-COOKIE-1\0\0................"),
    (ToClient, b"\x01\0\x0b\0\0\0\x0a\0................\x06\0..............\x58.Org!\0\0"),
    (ToServer, b"\x62\0\x05\0"),
];

const REFUSED: &[(Direction, &[u8])] =
    &[(ToServer, b"B\0\0\x0b\0\0\0\0\0\0\0\0"), (ToClient, b"\0\x07\0\x0b\0\0\0\x02Not you\0")];

fn talk(turns: &[(Direction, &[u8])]) -> Talk {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 6000, "{}");
    talk.all(turns).unwrap();
    talk
}

#[test]
fn beginnings_are_read() {
    assert_eq!(
        talk(LITTLE).records(),
        [
            r#""x11":{"request":{"version":"11.0","authorization":"MIT-MAGIC-COOKIE-1"},"response":{"status":"success","text":"X.Org!"}}"#
        ]
    );
    let refused = talk(REFUSED);
    assert_eq!(
        refused.records(),
        [
            r#""x11":{"request":{"version":"11.0","authorization":""},"response":{"status":"failed","text":"Not you"}}"#
        ]
    );
    assert!(refused.opaque);
}

#[test]
fn cut_anywhere_it_is_the_same_whatever_comes() {
    for session in [LITTLE, REFUSED] {
        check_pieces(&ENTRY, 6000, "{}", session);
        check_mutations(&ENTRY, Proto::TCP, 6000, session);
    }
}

#[test]
fn what_is_wrong_is_told_and_what_is_long_cut() {
    for (dir, bytes) in [(ToServer, &b"GET / HTTP/1.1"[..]), (ToClient, b"\x09\0\0\0\0\0\0\0")] {
        let mut talk = talk(&[]);
        assert!(talk.say(dir, bytes).is_err());
        assert_eq!(talk.events(), ["malformed_message"]);
    }
    let mut long = talk(&[]);
    long.say(ToServer, &[&b"l\0\x0b\0\0\0\xff\xff\0\0\0\0"[..], &[b'x'; 65_536]].concat()).unwrap();
    assert!(long.each().len() == 1 && long.memory() < 16 << 10, "{}", long.memory());
}

#[test]
fn a_hole_ends_it() {
    let mut talk = talk(&LITTLE[..1]);
    talk.gap(ToClient, 3).unwrap();
    talk.say(ToClient, b"whatever").unwrap();
    assert_eq!(talk.each().len(), 1);
}

#[test]
fn it_is_recognised() {
    for (dir, bytes, expected) in [
        (ToServer, LITTLE[0].1, Probe::Yes),
        (ToServer, REFUSED[0].1, Probe::Yes),
        (ToServer, &REFUSED[0].1[..5], Probe::More),
        (ToServer, b"l\0\x0c\0\0\0\0\0\0\0\0\0", Probe::No),
        (ToClient, LITTLE[0].1, Probe::No),
    ] {
        assert_eq!(X11.probe(Proto::TCP, dir, 9, bytes), expected);
    }
}
