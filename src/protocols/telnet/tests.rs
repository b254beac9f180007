use super::{ENTRY, TELNET};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_frames};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

#[test]
fn its_port_tells() {
    for (port, bytes, expected) in [
        (23, &b""[..], Probe::More),
        (23, b"\xff", Probe::More),
        (23, b"\xff\xfd", Probe::Yes),
        (23, b"login: ", Probe::Yes),
        (2323, b"\xff\xfd\x18", Probe::No),
    ] {
        for dir in Direction::BOTH {
            assert_eq!(TELNET.probe(Proto::TCP, dir, port, bytes), expected);
        }
    }
    // whoever asks for more asks first
    assert_eq!(crate::protocols::ALL.last().unwrap().protocol.name(), "telnet");
}

#[test]
fn a_session_has_no_transactions() {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 23, "{}");
    talk.all(&[(ToClient, b"\xff\xfd\x18login: "), (ToServer, b"root\r\n")]).unwrap();
    talk.gap(ToServer, 9).unwrap();
    talk.end();
    assert!(talk.each().is_empty());
    assert!(talk.memory() < 1024);
}

#[test]
fn commands_and_lines_are_frames() {
    let turns =
        [(ToClient, &b"\xff\xfd\x18\xff\xf1login: \xff\xfa\x18\x01\xff\xf0"[..]), (ToServer, b"root\r\nls")];
    let both = |dir, kind, at, len| [(dir, "pdu", at, len), (dir, kind, at, len)];
    let expected = [
        both(ToClient, "ctl", 0, Some(3)),
        both(ToClient, "ctl", 3, Some(2)),
        both(ToClient, "data", 5, Some(7)),
        both(ToClient, "ctl", 12, Some(4)),
        both(ToClient, "ctl", 16, Some(2)),
        both(ToServer, "data", 0, Some(6)),
        both(ToServer, "data", 6, None),
    ]
    .concat();
    check_frames(&ENTRY, 23, &turns, &expected);
}
