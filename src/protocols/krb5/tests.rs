//! Whole messages, made here byte by byte.

use super::parser::MESSAGE_MAX;
use super::{ENTRY, KRB5, slots};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_bounded, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn element(tag: u8, inner: &[&[u8]]) -> Vec<u8> {
    let inner = inner.concat();
    let len = inner.len();
    let length = if len < 128 { vec![len as u8] } else { vec![0x82, (len >> 8) as u8, len as u8] };
    [&[tag], &length[..], &inner].concat()
}

fn member(number: u8, inner: &[u8]) -> Vec<u8> {
    element(0xa0 | number, &[inner])
}

fn number(number: u8) -> Vec<u8> {
    element(2, &[&[number]])
}

fn text(text: &str) -> Vec<u8> {
    element(0x1b, &[text.as_bytes()])
}

fn name(parts: &[&str]) -> Vec<u8> {
    let parts: Vec<u8> = parts.iter().flat_map(|part| text(part)).collect();
    element(0x30, &[&member(0, &number(1)), &member(1, &element(0x30, &[&parts]))])
}

fn encrypted(kind: u8) -> Vec<u8> {
    element(0x30, &[&member(0, &number(kind)), &member(2, b"\x04\x02xy")])
}

fn request(kind: u8) -> Vec<u8> {
    let asked = element(
        0x30,
        &[
            &member(0, b"\x03\x05\0\0\0\0\0"),
            &member(1, &name(&["robin"])),
            &member(2, &text("LAB")),
            &member(3, &name(&["krbtgt", "LAB"])),
            &member(7, &number(9)),
        ],
    );
    let body = element(0x30, &[&member(1, &number(5)), &member(2, &number(kind)), &member(4, &asked)]);
    element(0x60 | kind, &[&body])
}

fn reply(kind: u8, answer: u8, ticket: u8) -> Vec<u8> {
    let ticket = element(
        0x61,
        &[&element(
            0x30,
            &[
                &member(0, &number(5)),
                &member(1, &text("LAB")),
                &member(2, &name(&["ldap", "dc"])),
                &member(3, &encrypted(ticket)),
            ],
        )],
    );
    let body = element(
        0x30,
        &[
            &member(0, &number(5)),
            &member(1, &number(kind)),
            &member(3, &text("LAB")),
            &member(4, &name(&["robin"])),
            &member(5, &ticket),
            &member(6, &encrypted(answer)),
        ],
    );
    element(0x60 | kind, &[&body])
}

fn failure(code: u8) -> Vec<u8> {
    let body = element(
        0x30,
        &[
            &member(0, &number(5)),
            &member(1, &number(30)),
            &member(4, b"\x18\x01x"),
            &member(5, &number(1)),
            &member(6, &number(code)),
            &member(9, &text("LAB")),
            &member(10, &name(&["krbtgt", "LAB"])),
        ],
    );
    element(0x7e, &[&body])
}

fn framed(message: &[u8]) -> Vec<u8> {
    [&(message.len() as u32).to_be_bytes()[..], message].concat()
}

#[test]
fn messages_of_both_services_are_read() {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 88, "{}");
    for (dir, bytes) in [
        (ToServer, request(10)),
        (ToClient, failure(25)),
        (ToServer, request(12)),
        (ToClient, reply(13, 18, 23)),
        (ToClient, failure(99)),
        (ToClient, reply(11, 3, 18)),
    ] {
        talk.say(dir, &bytes).unwrap();
    }
    assert_eq!(
        talk.records(),
        [
            r#""krb5":{"msg_type":"KRB_AS_REQ","cname":"robin","realm":"LAB","sname":"krbtgt/LAB","encryption":"<none>","weak_encryption":false}"#,
            concat!(
                r#""krb5":{"msg_type":"KRB_ERROR","failed_request":"KRB_AS_REQ","error_code":"KDC_ERR_PREAUTH_REQUIRED","#,
                r#""cname":"<empty>","realm":"<empty>","sname":"krbtgt/LAB","encryption":"<none>","weak_encryption":false}"#
            ),
            r#""krb5":{"msg_type":"KRB_TGS_REQ","cname":"robin","realm":"LAB","sname":"krbtgt/LAB","encryption":"<none>","weak_encryption":false}"#,
            concat!(
                r#""krb5":{"msg_type":"KRB_TGS_REP","cname":"robin","realm":"LAB","sname":"ldap/dc","encryption":"aes256-cts-hmac-sha1-96","#,
                r#""weak_encryption":false,"ticket_encryption":"rc4-hmac","ticket_weak_encryption":true}"#
            ),
            concat!(
                r#""krb5":{"msg_type":"KRB_ERROR","failed_request":"UNKNOWN","error_code":"99","#,
                r#""cname":"<empty>","realm":"<empty>","sname":"krbtgt/LAB","encryption":"<none>","weak_encryption":false}"#
            ),
            concat!(
                r#""krb5":{"msg_type":"KRB_AS_REP","cname":"robin","realm":"LAB","sname":"ldap/dc","encryption":"des-cbc-md5","#,
                r#""weak_encryption":true,"ticket_encryption":"aes256-cts-hmac-sha1-96","ticket_weak_encryption":false}"#
            ),
        ]
    );
    assert_eq!(talk.events(), ["weak_encryption"]);
    let each = talk.each();
    assert_eq!(
        (each[3].bytes(slots::SNAME, 0), each[3].bytes(slots::SNAME, 1)),
        (Some(&b"ldap"[..]), Some(&b"dc"[..]))
    );
    assert_eq!(
        (each[3].number(slots::TICKET_ENCRYPTION, 0), each[0].number(slots::TICKET_ENCRYPTION, 0)),
        (Some(23), None)
    );
    assert_eq!(
        (each[1].number(slots::ERR_CODE, 0), each[1].number(slots::MSG_TYPE, 0)),
        (Some(25), Some(30))
    );
}

#[test]
fn what_cannot_be_read_is_told() {
    let good = request(10);
    for broken in [&good[..good.len() - 1], b"junk", &element(0x6e, &[&good[2..]]), &reply(12, 1, 1)] {
        let mut talk = Talk::new(&ENTRY, Proto::TCP, 88, "{}");
        talk.say(ToServer, &[framed(broken), framed(&good)].concat()).unwrap();
        assert_eq!((talk.events(), talk.records().len(), talk.each().len()), (vec!["malformed_data"], 1, 2));
    }
    for end in 1..good.len() {
        let mut talk = Talk::new(&ENTRY, Proto::UDP, 88, "{}");
        talk.say(ToServer, &good[..end]).unwrap();
        assert_eq!(talk.events(), ["malformed_data"]);
    }
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 88, "{}");
    assert!(talk.say(ToServer, &(MESSAGE_MAX as u32 + 1).to_be_bytes()).is_err());
}

#[test]
fn only_its_port_is_looked_at() {
    let good = request(10);
    for (transport, port, bytes, expected) in [
        (Proto::UDP, 88, &good[..], Probe::Yes),
        (Proto::UDP, 89, &good, Probe::No),
        (Proto::UDP, 88, &good[..good.len() - 1], Probe::No),
        (Proto::UDP, 88, b"\x6e\x03\x30\x01\0", Probe::No),
        (Proto::TCP, 88, &framed(&good), Probe::Yes),
        (Proto::TCP, 88, &framed(&good)[..6], Probe::More),
        (Proto::TCP, 88, b"GET / HTTP", Probe::No),
        (Proto::TCP, 88, b"\0\0\0\0", Probe::No),
    ] {
        assert_eq!(KRB5.probe(transport, ToServer, port, bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn streams_may_be_cut_anywhere() {
    let requests = [framed(&request(10)), framed(b""), framed(&request(12))].concat();
    let replies = [framed(&failure(25)), framed(&reply(13, 18, 23))].concat();
    check_pieces(&ENTRY, 88, "{}", &[(ToServer, &requests), (ToClient, &replies)]);
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 88, "{}");
    talk.say(ToServer, &requests[..20]).unwrap();
    talk.gap(ToServer, 10).unwrap();
    talk.say(ToServer, &requests).unwrap();
    assert!(talk.each().is_empty());
}

#[test]
fn mutations_never_panic() {
    let (request, failure, reply) = (request(10), failure(25), reply(13, 18, 23));
    check_mutations(
        &ENTRY,
        Proto::UDP,
        88,
        &[(ToServer, &request), (ToClient, &failure), (ToClient, &reply)],
    );
    let (request, failure, reply) = (framed(&request), framed(&failure), framed(&reply));
    check_mutations(
        &ENTRY,
        Proto::TCP,
        88,
        &[(ToServer, &request), (ToClient, &failure), (ToClient, &reply)],
    );
}

#[test]
fn memory_is_bounded() {
    let (asked, answered) = (request(10), reply(11, 18, 18));
    for transport in [Proto::UDP, Proto::TCP] {
        let framed = |message: &[u8]| match transport {
            Proto::UDP => message.to_vec(),
            _ => [&(message.len() as u32).to_be_bytes(), message].concat(),
        };
        let turns = [(ToServer, framed(&asked)), (ToClient, framed(&answered))];
        let turns: Vec<_> = turns.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect();
        check_bounded(&ENTRY, transport, 88, &turns, 512 << 10);
    }
}
