//! Whole messages, made here byte by byte.

use super::{ENTRY, SNMP, slots};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn element(tag: u8, inner: &[&[u8]]) -> Vec<u8> {
    let inner = inner.concat();
    let len = inner.len();
    let length = if len < 128 { vec![len as u8] } else { vec![0x82, (len >> 8) as u8, len as u8] };
    [&[tag], &length[..], &inner].concat()
}

fn number(number: u8) -> Vec<u8> {
    element(2, &[&[number]])
}

fn variables(count: usize) -> Vec<u8> {
    let one = element(0x30, &[&element(6, &[b"\x2b\x06\x01"]), b"\x05\0"]);
    element(0x30, &[&one.repeat(count)])
}

fn pdu(kind: u8, error: u8) -> Vec<u8> {
    element(0xa0 | kind, &[&number(5), &number(error), &number(0), &variables(1)])
}

fn community(version: u8, pdu: &[u8]) -> Vec<u8> {
    element(0x30, &[&number(version), &element(4, &[b"public"]), pdu])
}

fn v3(flags: u8, model: u8, data: &[u8]) -> Vec<u8> {
    let usm = element(
        0x30,
        &[b"\x04\x01e", &number(1), &number(2), &element(4, &[b"admin"]), b"\x04\0", b"\x04\0"],
    );
    let header = element(0x30, &[&number(7), &number(9), &element(4, &[&[flags]]), &number(model)]);
    element(0x30, &[&number(3), &header, &element(4, &[&usm]), data])
}

fn scoped() -> Vec<u8> {
    element(0x30, &[b"\x04\x01e", b"\x04\0", &pdu(0, 0)])
}

fn trap() -> Vec<u8> {
    element(
        0xa4,
        &[
            &element(6, &[b"\x2b\x06\x01\x04"]),
            b"\x40\x04\x0a\0\0\x01",
            &number(6),
            &number(17),
            b"\x43\x01\x05",
            &variables(2),
        ],
    )
}

#[track_caller]
fn check(message: &[u8], record: &str) {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 161, "{}");
    talk.say(ToServer, message).unwrap();
    assert_eq!(talk.records(), [record]);
}

#[test]
fn messages_of_each_version_are_read() {
    check(
        &community(0, &pdu(0, 0)),
        r#""snmp":{"version":1,"pdu_type":"get_request","vars":["1.3.6.1"],"community":"public"}"#,
    );
    check(
        &community(1, &pdu(2, 2)),
        r#""snmp":{"version":2,"pdu_type":"response","error":"NoSuchName","vars":["1.3.6.1"],"community":"public"}"#,
    );
    check(
        &community(1, &pdu(2, 99)),
        r#""snmp":{"version":2,"pdu_type":"response","error":"ErrorStatus(99)","vars":["1.3.6.1"],"community":"public"}"#,
    );
    check(
        &community(0, &trap()),
        concat!(
            r#""snmp":{"version":1,"pdu_type":"trap_v1","trap_type":"enterpriseSpecific","trap_oid":"1.3.6.1.4","#,
            r#""trap_address":"10.0.0.1","vars":["1.3.6.1","1.3.6.1"],"community":"public"}"#
        ),
    );
    check(
        &v3(4, 3, &scoped()),
        r#""snmp":{"version":3,"pdu_type":"get_request","vars":["1.3.6.1"],"usm":"admin"}"#,
    );
    check(&v3(7, 3, b"\x04\x02xy"), r#""snmp":{"version":3,"pdu_type":"encrypted"}"#);
}

#[test]
fn buffers_and_numbers_are_answered() {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 161, "{}");
    talk.say(ToServer, &v3(7, 3, b"\x04\x02xy")).unwrap();
    talk.say(ToClient, &v3(4, 4, &scoped())).unwrap();
    talk.say(ToClient, &community(1, &pdu(7, 0))).unwrap();
    let transactions = talk.each();
    assert_eq!(transactions[0].bytes(slots::USM, 0), Some(&b"admin"[..]));
    assert_eq!(
        (transactions[0].number(slots::PDU_TYPE, 0), transactions[0].number(slots::VERSION, 0)),
        (None, Some(3))
    );
    assert_eq!(
        (transactions[1].bytes(slots::USM, 0), transactions[1].number(slots::PDU_TYPE, 0)),
        (None, Some(0))
    );
    assert_eq!(transactions[2].bytes(slots::COMMUNITY, 0), Some(&b"public"[..]));
    assert_eq!(
        (transactions[2].number(slots::PDU_TYPE, 0), transactions[2].number(slots::VERSION, 0)),
        (Some(7), Some(3))
    );
    assert!(transactions[2].concerns(ToClient) && !transactions[2].concerns(ToServer));
    assert_eq!(talk.events(), ["unknown_security_model", "version_mismatch"]);
}

#[test]
fn what_is_no_message_is_an_error_and_the_next_one_is_read() {
    let good = community(1, &pdu(0, 0));
    for broken in [
        &good[..good.len() - 1],
        b"junk",
        &community(2, &pdu(0, 0)),
        &community(1, &pdu(9, 0)),
        &community(1, b"\xa0\x02\x02\x00"),
        &community(1, &[]),
        &element(0x30, &[&number(1), b"\x04\x01\xff", &pdu(0, 0)]),
        &v3(7, 3, &scoped()),
    ] {
        let mut talk = Talk::new(&ENTRY, Proto::UDP, 161, "{}");
        assert!(talk.say(ToServer, broken).is_err(), "{}", broken.escape_ascii());
        talk.say(ToServer, &good).unwrap();
        assert_eq!(talk.each().len(), 1);
    }
    for end in 0..good.len() {
        let mut talk = Talk::new(&ENTRY, Proto::UDP, 161, "{}");
        assert!(talk.say(ToServer, &good[..end]).is_err() || end == 0);
    }
}

#[test]
fn only_its_ports_are_looked_at() {
    let good = community(1, &pdu(0, 0));
    for (port, bytes, expected) in [
        (161, &good[..], Probe::Yes),
        (162, &good, Probe::Yes),
        (163, &good, Probe::No),
        (161, &good[..good.len() - 1], Probe::No),
        (161, &community(2, &pdu(0, 0)), Probe::No),
        (161, b"", Probe::No),
    ] {
        assert_eq!(SNMP.probe(Proto::UDP, ToServer, port, bytes), expected);
    }
}

#[test]
fn variables_are_bounded() {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 161, "{}");
    let many = element(0xa0, &[&number(5), &number(0), &number(0), &variables(6000)]);
    talk.say(ToServer, &community(1, &many)).unwrap();
    assert!(talk.memory() < 64 << 10, "{}", talk.memory());
}

#[test]
fn mutations_never_panic() {
    check_mutations(
        &ENTRY,
        Proto::UDP,
        161,
        &[
            (ToServer, &community(1, &pdu(0, 0))),
            (ToClient, &community(1, &pdu(2, 1))),
            (ToServer, &community(0, &trap())),
            (ToServer, &v3(4, 3, &scoped())),
        ],
    );
}
