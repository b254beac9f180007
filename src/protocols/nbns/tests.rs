//! Questions and answers.

use super::{ENTRY, NBNS};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn encoded(name: &[u8; 16]) -> Vec<u8> {
    let letters = name.iter().flat_map(|byte| [b'A' + (byte >> 4), b'A' + (byte & 15)]);
    std::iter::once(32).chain(letters).chain([0]).collect()
}

fn question() -> Vec<u8> {
    [b"\x12\x34\x01\x10\0\x01\0\0\0\0\0\0", &encoded(b"WPAD           \0")[..], b"\0\x20\0\x01"].concat()
}

fn answer() -> Vec<u8> {
    let data = b"\0\x20\0\x01\0\0\0\x3c\0\x0c\0\0\x0a\0\0\x01\0\0\x0a\0\0\x02";
    [b"\x12\x34\x85\0\0\0\0\x01\0\0\0\0", &encoded(b"WPAD           \x20")[..], data].concat()
}

#[test]
fn messages_are_told() {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 137, "{}");
    talk.all(&[(ToServer, &question()), (ToClient, &answer())]).unwrap();
    assert_eq!(
        talk.records(),
        [
            r#""nbns":{"type":"request","opcode":"query","name":"WPAD","suffix":0}"#,
            r#""nbns":{"type":"response","opcode":"query","name":"WPAD","suffix":32,"addresses":["10.0.0.1","10.0.0.2"]}"#,
        ]
    );
    assert!(talk.say(ToServer, b"nonsense").is_err());
    talk.say(ToServer, &question()).unwrap();
    assert_eq!(talk.events(), ["malformed_message"]);
}

#[test]
fn whatever_comes() {
    check_mutations(&ENTRY, Proto::UDP, 137, &[(ToServer, &question()), (ToClient, &answer())]);
}

#[test]
fn its_port_and_a_name_tell() {
    let question = question();
    for (port, bytes, expected) in [
        (137, &question[..], Probe::Yes),
        (137, &question[..40], Probe::No),
        (137, b"\x12\x34\x01\0\0\x01\0\0\0\0\0\0\x03www\0\0\x01\0\x01", Probe::No),
        (53, &question, Probe::No),
    ] {
        assert_eq!(NBNS.probe(Proto::UDP, ToServer, port, bytes), expected);
    }
}
