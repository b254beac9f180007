//! Sessions, message by message.

use super::cip::{packed, unpacked};
use super::{ENIP, ENTRY, slots};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn message(command: u16, status: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = [&command.to_le_bytes()[..], &(body.len() as u16).to_le_bytes(), &[9, 0, 0, 0]].concat();
    bytes.extend([status, 0, 0, 0]);
    bytes.extend([0; 12]);
    bytes.extend(body);
    bytes
}

/// A connected CIP message in SendUnitData.
fn unit(cip: &[u8]) -> Vec<u8> {
    let len = (cip.len() as u16 + 2).to_le_bytes();
    let items = [&[0; 6][..], b"\x02\0\xa1\0\x04\0\x01\0\0\0\xb1\0", &len, b"\x07\0", cip].concat();
    message(0x70, 0, &items)
}

fn identity() -> Vec<u8> {
    let item =
        [&b"\x01\0"[..], &[0; 16], b"\x01\0\x0c\0\x59\0\x14\x04\x60\0\x01\x02\x03\x04\x05Plant\x03"].concat();
    [b"\x01\0\x0c\0", &(item.len() as u16).to_le_bytes()[..], &item].concat()
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, message(0x63, 0, b"")),
        (ToClient, message(0x63, 0, &identity())),
        (ToServer, message(0x65, 0, b"\x01\0\0\0")),
        (ToClient, message(0x65, 0, b"\x01\0\0\0")),
        (ToServer, unit(b"\x10\x03\x20\xf6\x24\x01\x30\x06\x05\0")),
        (ToClient, unit(b"\x90\0\x08\x01\x02\x01")),
        (ToServer, unit(b"\x03\x02\x20\x01\x24\x01\x02\0\x01\0\x07\0")),
        (
            ToServer,
            unit(b"\x0a\x02\x20\x02\x24\x01\x02\0\x06\0\x0e\0\x0e\x03\x20\x01\x24\x01\x30\x07\x4c\x02\x91\x02ab\x01\0"),
        ),
        (ToClient, unit(b"\x8a\0\0\0\x02\0\x06\0\x0b\0\x8e\0\0\0\x01\xcc\0\x05\0")),
        (ToServer, message(0x66, 0, b"")),
    ]
}

fn turns(session: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    session.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect()
}

fn talk() -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 44_818, "{}")
}

#[test]
fn a_session_is_read() {
    let mut talk = talk();
    talk.all(&turns(&session())).unwrap();
    let request = |inside: &str| format!(r#""enip":{{"request":{{{inside}}}}}"#);
    let response = |inside: &str| format!(r#""enip":{{"response":{{{inside}}}}}"#);
    let records = talk.records();
    assert_eq!(records[0], request(r#""command":"list_identity","status":"success","session":9"#));
    assert_eq!(
        records[1],
        response(concat!(
            r#""command":"list_identity","status":"success","session":9,"identity":{"product_name":"Plant","#,
            r#""vendor_id":1,"device_type":12,"product_code":89,"revision":5124,"status":96,"serial":67305985,"state":3}"#
        ))
    );
    assert!(records[4].ends_with(
        r#""cip":{"services":["set_attribute_single"],"classes":[246],"instances":[1],"attributes":[6]}}}"#
    ));
    assert!(
        records[5].ends_with(
            r#""cip":{"services":["set_attribute_single"],"status":[8],"extended_status":[258]}}}"#
        )
    );
    assert!(records[7].contains(r#""services":["multiple_service","get_attribute_single","read_tag"]"#));
    assert!(
        records[8].contains(
            r#""services":["multiple_service","get_attribute_single","read_tag"],"status":[0,0,5]"#
        )
    );
    let each = talk.each();
    let asked = |tx: usize| {
        (0..).map_while(|nth| each[tx].number(slots::SERVICE, nth)).map(unpacked).collect::<Vec<_>>()
    };
    assert_eq!(asked(4), [(16, Some(246), Some(6))]);
    assert_eq!(asked(6), [(3, Some(1), None), (3, Some(1), Some(1)), (3, Some(1), Some(7))]);
    assert_eq!(asked(7), [(10, Some(2), None), (14, Some(1), Some(7)), (0x4c, None, None)]);
    assert!(each[4].concerns(ToServer) && !each[4].concerns(ToClient) && each[5].concerns(ToClient));
    assert_eq!(talk.events(), [""; 0]);
    assert_eq!(unpacked(packed(255, Some(65_535), Some(0))), (255, Some(65_535), Some(0)));
}

#[test]
fn streams_may_be_cut_anywhere_and_mutated() {
    let session = session();
    check_pieces(&ENTRY, 44_818, "{}", &turns(&session));
    check_mutations(&ENTRY, Proto::TCP, 44_818, &turns(&session));
    check_mutations(&ENTRY, Proto::UDP, 44_818, &turns(&session));
}

#[test]
fn what_is_wrong_or_too_much_is_told() {
    for (bytes, event) in
        [(message(0x1234, 0, b""), "malformed_header"), (vec![0xff; 24], "malformed_header")]
    {
        let mut talk = talk();
        assert!(talk.say(ToServer, &bytes).is_err());
        assert_eq!(talk.events(), [event]);
    }
    for cip in
        [&b"\x10\xff\x20"[..], b"\x0a\x02\x20\x02\x24\x01\xff\xff\0\0", b"\x0a\0\x02\0\x06\0\x02\0xxxx"]
    {
        let mut talk = talk();
        talk.say(ToServer, &unit(cip)).unwrap();
        assert_eq!(talk.events(), ["malformed_message"], "{}", cip.escape_ascii());
    }
    // within each other as deep as it goes
    let mut cip = b"\x0e\x03\x20\x01\x24\x01\x30\x07".to_vec();
    for _ in 0..2000 {
        cip = [b"\x0a\x02\x20\x02\x24\x01\x01\0\x04\0", &cip[..]].concat();
    }
    let mut talk = talk();
    talk.say(ToServer, &unit(&cip)).unwrap();
    assert_eq!(
        (talk.each()[0].number(slots::SERVICE, 2).is_some(), talk.each()[0].number(slots::SERVICE, 3)),
        (true, None)
    );
    // more services than are kept
    let mut many = b"\x0a\x02\x20\x02\x24\x01".to_vec();
    many.extend(10_000u16.to_le_bytes());
    many.extend((0..10_000u16).flat_map(|nth| (20_002 + nth * 2).to_le_bytes()));
    many.extend([1, 0].repeat(10_000));
    let mut talk = self::talk();
    talk.say(ToServer, &unit(&many)).unwrap();
    assert!(talk.memory() < 64 << 10, "{}", talk.memory());
}

#[test]
fn a_hole_ends_a_side() {
    let mut talk = talk();
    talk.say(ToServer, &message(0x63, 0, b"")).unwrap();
    talk.gap(ToServer, 5).unwrap();
    talk.say(ToServer, b"whatever").unwrap();
    talk.say(ToClient, &message(0x63, 0, &identity())).unwrap();
    assert_eq!(talk.each().len(), 2);
}

#[test]
fn only_its_port_and_its_commands_are_looked_at() {
    let register = message(0x65, 0, b"\x01\0\0\0");
    for (transport, port, bytes, expected) in [
        (Proto::TCP, 44_818, &register[..], Probe::Yes),
        (Proto::TCP, 44_818, &register[..9], Probe::More),
        (Proto::UDP, 44_818, &register, Probe::Yes),
        (Proto::UDP, 44_818, &register[..26], Probe::No),
        (Proto::TCP, 80, &register, Probe::No),
        (Proto::TCP, 44_818, b"GET / HTTP/1.1", Probe::No),
        (Proto::TCP, 44_818, &message(0x65, 99, b""), Probe::No),
    ] {
        assert_eq!(ENIP.probe(transport, ToServer, port, bytes), expected);
    }
}
