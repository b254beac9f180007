use super::{ENTRY, TELNET};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::Talk;
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
    assert_eq!(talk.memory(), 0);
}
