use super::keywords::KEYWORDS;
use super::{ENTRY, MODBUS};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, Turns, check_bounded, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn message(transaction: u8, pdu: &[u8]) -> Vec<u8> {
    [&[0, transaction, 0, 0, 0, pdu.len() as u8 + 1, 3][..], pdu].concat()
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, message(1, b"\x01\0\x01\0\x09")),
        (ToClient, message(1, b"\x01\x02\x01\x01")),
        (ToServer, message(2, b"\x10\0\x04\0\x02\x04\0\x01\0\x02")),
        (ToServer, message(3, b"\x08\0\x01\0\0")),
        (ToClient, message(3, b"\x88\x0b")),
        (ToClient, message(2, b"\x10\0\x04\0\x02")),
        (ToServer, message(4, b"\x17\0\x03\0\x01\0\x0e\0\x01\x02\0\xff")),
        (ToServer, message(5, b"\x16\0\x04\0\xf2\0\x25")),
        (ToServer, message(6, b"\x2b\x0e\x01\0")),
    ]
}

fn turns(session: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    session.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect()
}

fn talk(turns: Turns<'_>) -> Talk {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 502, "{}");
    talk.all(turns).unwrap();
    talk
}

#[test]
fn requests_and_responses_are_put_together() {
    let session = session();
    let records = talk(&turns(&session)).records();
    assert_eq!(
        records[0],
        concat!(
            r#""modbus":{"id":1,"request":{"transaction_id":1,"protocol_id":0,"unit_id":3,"function_raw":1,"#,
            r#""function_code":"RdCoils","access_type":"READ | COILS","category":"PUBLIC_ASSIGNED","error_flags":"NONE","#,
            r#""read":{"address":1,"quantity":9}},"response":{"transaction_id":1,"protocol_id":0,"unit_id":3,"#,
            r#""function_raw":1,"function_code":"RdCoils","access_type":"READ | COILS","category":"PUBLIC_ASSIGNED","#,
            r#""error_flags":"NONE","read":{"data":"\u0001\u0001"}}}"#
        )
    );
    assert!(records[1].contains(r#""write":{"address":4,"quantity":2,"data":"\u0000\u0001\u0000\u0002"}}"#));
    assert!(records[1].contains(r#""access_type":"WRITE | HOLDING | MULTIPLE | WRITE_MULTIPLE""#));
    assert!(records[1].ends_with(r#""write":{"address":4,"data":2}}}"#));
    assert!(records[2].contains(r#""diagnostic":{"raw":1,"code":"RestartCommOpt","data":"\u0000\u0000"}"#));
    assert!(records[2].ends_with(
        r#""category":"NONE","error_flags":"NONE","exception":{"raw":11,"code":"GatewayTargetFailToResp"}}}"#
    ));
    assert!(
        records[3].contains(r#""read":{"address":3,"quantity":1},"write":{"address":14,"quantity":1,"data""#)
    );
    assert!(records[4].ends_with(r#""write":{"address":4,"and_mask":242,"or_mask":37}}}"#));
    assert!(records[5].ends_with(r#""mei":{"raw":14,"code":"RdDevId","data":"\u0001\u0000"}}}"#));
}

#[test]
fn what_is_wrong_is_named() {
    for (session, expected) in [
        (vec![(ToServer, message(1, b"\x05\0\x01\x12\x34"))], &["invalid_value"][..]),
        (vec![(ToServer, message(1, b"\x0f\0\x01"))], &["invalid_length"]),
        (vec![(ToServer, message(1, b"\x01\0\x01\x08\0"))], &["invalid_value"]),
        (vec![(ToServer, message(1, b"\x41\0"))], &["invalid_function_code"]),
        (vec![(ToClient, message(1, b"\x01\x01\x01"))], &["unsolicited_response"]),
        (
            vec![(ToServer, message(1, b"\x06\0\x01\0\x03")), (ToClient, message(1, b"\x06\0\x02\0\x03"))],
            &["value_mismatch"],
        ),
        (
            vec![(ToServer, message(1, b"\x03\0\x01\0\x01")), (ToClient, message(1, b"\x83\x63"))],
            &["invalid_exception_code"],
        ),
    ] {
        assert_eq!(talk(&turns(&session)).events(), expected);
    }
    for (bytes, event) in
        [(&b"\0\x01\0\x01\0\x02\x03\x01"[..], "invalid_protocol_id"), (b"\0\x01\0\0\x09\0", "invalid_length")]
    {
        let mut talk = Talk::new(&ENTRY, Proto::TCP, 502, "{}");
        assert!(talk.say(ToServer, bytes).is_err());
        assert_eq!(talk.events(), [event]);
    }
}

#[test]
fn requests_without_a_response_are_bounded() {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 502, "request-flood: 3");
    for at in 0..5 {
        talk.say(ToServer, &message(at, b"\x01\0\x01\0\x01")).unwrap();
    }
    assert_eq!(talk.events(), ["flooded", "flooded"]);
    talk.forget_done();
    assert_eq!(talk.each().len(), 3);
}

#[test]
fn only_its_port_and_its_functions_are_looked_at() {
    let request = message(1, b"\x01\0\x01\0\x09");
    for (port, bytes, expected) in [
        (502, &request[..], Probe::Yes),
        (502, &request[..7], Probe::More),
        (1502, &request[..], Probe::No),
        (502, b"GET / HTTP/1.1", Probe::No),
        (502, &message(1, b"\x63\0"), Probe::No),
    ] {
        assert_eq!(MODBUS.probe(Proto::TCP, ToServer, port, bytes), expected);
    }
    assert_eq!(KEYWORDS.len(), 1);
}

#[test]
fn streams_may_be_cut_anywhere_and_mutated() {
    let session = session();
    check_pieces(&ENTRY, 502, "{}", &turns(&session));
    check_mutations(&ENTRY, Proto::TCP, 502, &turns(&session));
}

#[test]
fn memory_is_bounded() {
    check_bounded(&ENTRY, Proto::TCP, 502, &turns(&session()), 1 << 20);
}

#[test]
fn lost_bytes_end_a_side_and_nothing_waits_for_it() {
    let session = session();
    for at in 0..session.len() {
        let mut talk = Talk::new(&ENTRY, Proto::TCP, 502, "{}");
        talk.all(&turns(&session[..at])).unwrap();
        let before = talk.records();
        let _ = talk.gap(session[at].0, 20);
        let _ = talk.all(&turns(&session[at + 1..]));
        assert!(talk.records().len() >= before.len());
        talk.end();
    }
}
