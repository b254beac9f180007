//! Requests and answers.

use super::{ENTRY, RADIUS};
use crate::app::{DONE, Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn packet(code: u8, number: u8, attributes: &[u8]) -> Vec<u8> {
    [&[code, number][..], &(20 + attributes.len() as u16).to_be_bytes(), &[0; 16], attributes].concat()
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, packet(1, 7, b"\x01\x05ann\x02\x12................\x1f\x05tel\x20\x04ap")),
        (ToClient, packet(3, 7, b"\x12\x04no\x12\x04go")),
        (ToServer, packet(4, 8, b"\x28\x06\0\0\0\x01")),
        (ToServer, packet(4, 8, b"")),
        (ToClient, packet(5, 9, b"")),
    ]
}

fn talk() -> Talk {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 1812, "{}");
    let session = session();
    let turns: Vec<_> = session.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect();
    talk.all(&turns).unwrap();
    talk
}

#[test]
fn requests_and_answers_are_put_together() {
    let talk = talk();
    assert_eq!(
        talk.records(),
        [
            r#""radius":{"request":{"code":"access_request","user":"ann","calling_station":"tel","nas_identifier":"ap"},"response":{"code":"access_reject","messages":["no","go"]}}"#,
            r#""radius":{"request":{"code":"accounting_request"}}"#,
            r#""radius":{"request":{"code":"accounting_request"}}"#,
            r#""radius":{"response":{"code":"accounting_response"}}"#,
        ]
    );
    assert!(talk.each()[1].progress(ToClient) == DONE && talk.each()[2].progress(ToClient) != DONE);
}

#[test]
fn whatever_comes() {
    let session = session();
    let turns: Vec<_> = session.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect();
    check_mutations(&ENTRY, Proto::UDP, 1812, &turns);
    let mut odd = talk();
    odd.say(ToServer, &packet(1, 1, b"\x01\x00")).unwrap();
    assert_eq!(odd.events(), ["malformed_packet"]);
    assert!(odd.say(ToServer, b"nonsense").is_err());
    odd.say(ToServer, &packet(1, 2, b"")).unwrap();
}

#[test]
fn its_port_and_a_whole_packet_tell() {
    let request = packet(1, 7, b"\x01\x05ann");
    for (port, bytes, expected) in [
        (1812, &request[..], Probe::Yes),
        (1813, &request, Probe::Yes),
        (1812, &request[..22], Probe::No),
        (1812, &packet(99, 7, b""), Probe::No),
        (1812, &packet(1, 7, b"\x01\x09ann"), Probe::No),
        (53, &request, Probe::No),
    ] {
        assert_eq!(RADIUS.probe(Proto::UDP, ToServer, port, bytes), expected);
    }
}
