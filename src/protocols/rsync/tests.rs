//! Sessions, line by line.

use super::parser::LINE_MAX;
use super::{ENTRY, RSYNC};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

const SESSION: &[(Direction, &[u8])] = &[
    (ToClient, b"@RSYNCD: 31.0 sha512\n"),
    (ToServer, b"@RSYNCD: 31.0\n"),
    (ToServer, b"backup\n"),
    (ToClient, b"welcome\n@RSYNCD: AUTHREQD abc\n"),
    (ToServer, b"ann c2VjcmV0\n"),
    (ToClient, b"@RSYNCD: OK\n"),
];

fn talk(turns: &[(Direction, &[u8])]) -> Talk {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 873, "{}");
    talk.all(turns).unwrap();
    talk
}

#[test]
fn a_session_is_read() {
    let talk = talk(SESSION);
    assert_eq!(
        talk.records(),
        [
            r#""rsync":{"request":{"version":"31.0"},"response":{"version":"31.0 sha512"}}"#,
            r#""rsync":{"request":{"module":"backup","user":"ann"},"response":{"status":"OK"}}"#,
        ]
    );
    assert!(talk.opaque);
    let refused = self::talk(&[SESSION[0], SESSION[1], SESSION[2], (ToClient, b"@ERROR: Unknown module\n")]);
    assert!(refused.records()[1].ends_with(r#""response":{"status":"@ERROR: Unknown module"}}"#));
}

#[test]
fn cut_anywhere_it_is_the_same_whatever_comes() {
    check_pieces(&ENTRY, 873, "{}", SESSION);
    check_mutations(&ENTRY, Proto::TCP, 873, SESSION);
}

#[test]
fn too_much_is_told() {
    let mut long = talk(&SESSION[..2]);
    assert!(long.say(ToServer, &[b'x'; LINE_MAX]).is_err());
    assert_eq!(long.events(), ["malformed_line"]);
    let mut many = talk(&SESSION[..3]);
    for _ in 0..10_000 {
        many.say(ToClient, b"a line of the day\n").unwrap();
    }
    assert!(many.memory() < 64 << 10, "{}", many.memory());
}

#[test]
fn a_hole_ends_a_side() {
    let mut talk = talk(&SESSION[..2]);
    talk.gap(ToClient, 3).unwrap();
    talk.say(ToClient, b"whatever").unwrap();
    talk.say(ToServer, SESSION[2].1).unwrap();
    assert_eq!(talk.each().len(), 2);
}

#[test]
fn it_is_recognised() {
    for (dir, bytes, expected) in [
        (ToClient, &b"@RSYNCD: 31.0\n"[..], Probe::Yes),
        (ToServer, b"@RSYNCD: 31.0\n", Probe::Yes),
        (ToServer, b"@RS", Probe::More),
        (ToServer, b"@rsync", Probe::No),
    ] {
        assert_eq!(RSYNC.probe(Proto::TCP, dir, 9, bytes), expected);
    }
}
