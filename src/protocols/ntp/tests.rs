use super::{ENTRY, NTP};
use crate::app::{Probe, Protocol, Slot};
use crate::protocols::testing::{Talk, check_bounded, check_mutations};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn message(first: u8, len: usize) -> Vec<u8> {
    let mut message = vec![0; len];
    message[0] = first;
    message
}

#[test]
fn whole_headers_on_its_port_are_recognised() {
    for (port, first, len, expected) in [
        (123, 0x23, 48, Probe::Yes),
        (123, 0x1b, 48, Probe::Yes),
        (123, 0x23, 47, Probe::No),
        (123, 0x16, 12, Probe::Yes),
        (123, 0x17, 8, Probe::Yes),
        (123, 0xff, 48, Probe::No),
        (1230, 0x23, 48, Probe::No),
    ] {
        assert_eq!(NTP.probe(Proto::UDP, ToServer, port, &message(first, len)), expected);
    }
    assert_eq!(NTP.probe(Proto::UDP, ToServer, 123, b""), Probe::No);
}

#[test]
fn what_is_malformed_is_told_and_nothing_is_recorded() {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 123, "{}");
    talk.say(ToServer, &message(0x23, 48)).unwrap();
    talk.say(ToClient, b"\x24short").unwrap();
    assert_eq!(talk.events(), ["malformed_data"]);
    assert!(talk.records().is_empty());
}

#[test]
fn rules_may_ask_of_a_header_what_is_in_it() {
    let mut answer = message(0x24, 48);
    answer[1] = 2;
    answer[12..16].copy_from_slice(b"GPS\0");
    let asked = |message: &[u8]| {
        let values = super::keywords::values(message);
        let numbers = [0, 1, 2].map(|slot| values.number(Slot(slot), 0));
        (numbers, values.text(Slot(3), 0).map(<[u8]>::to_vec))
    };
    assert_eq!(asked(&answer), ([Some(4), Some(4), Some(2)], Some(b"GPS\0".to_vec())));
    assert_eq!(asked(&message(0x16, 12)), ([Some(2), Some(6), None], None), "control");
    assert_eq!(asked(b"\x24short"), ([None; 3], None));
}

#[test]
fn whatever_comes_is_bounded() {
    check_mutations(
        &ENTRY,
        Proto::UDP,
        123,
        &[(ToServer, &message(0x23, 48)), (ToClient, &message(0x24, 48))],
    );
}

#[test]
fn memory_is_bounded() {
    let turns = [(ToServer, message(0x23, 48)), (ToClient, message(0x24, 48)), (ToClient, vec![0x24; 5])];
    let turns: Vec<_> = turns.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect();
    check_bounded(&ENTRY, Proto::UDP, 123, &turns, 16 << 10);
}
