//! Sessions, message by message.

use super::parser::MESSAGE_MAX;
use super::{ENTRY, LDAP, slots};
use crate::app::{Change, DONE, Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

/// An element with its tag.
fn ber(tag: u8, inner: &[u8]) -> Vec<u8> {
    let len = inner.len();
    let head = match len {
        0..0x80 => vec![tag, len as u8],
        _ => [&[tag, 0x84][..], &(len as u32).to_be_bytes()].concat(),
    };
    [head, inner.to_vec()].concat()
}

fn text(text: &str) -> Vec<u8> {
    ber(4, text.as_bytes())
}

fn message(id: u8, tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    ber(0x30, &[vec![2, 1, id], ber(tag, &parts.concat())].concat())
}

fn result(id: u8, tag: u8, code: u8, message_text: &str) -> Vec<u8> {
    message(id, tag, &[&[0x0a, 1, code], &text(""), &text(message_text)])
}

fn bind(id: u8) -> Vec<u8> {
    message(id, 0x60, &[&[2, 1, 3], &text("cn=admin"), &ber(0x80, b"secret")])
}

fn search(id: u8) -> Vec<u8> {
    let head = [&text("dc=example,dc=com")[..], &[10, 1, 2, 10, 1, 0, 2, 1, 0, 2, 1, 0, 1, 1, 0]].concat();
    let filter = ber(0x87, b"servicePrincipalName");
    message(id, 0x63, &[&head, &filter, &ber(0x30, &[text("cn"), text("mail")].concat())])
}

fn entry(id: u8) -> Vec<u8> {
    let one = ber(0x30, &[text("cn"), ber(0x31, &[text("a"), text("b")].concat())].concat());
    message(id, 0x64, &[&text("cn=a,dc=example"), &ber(0x30, &one)])
}

fn start_tls(id: u8) -> Vec<u8> {
    message(id, 0x77, &[&ber(0x80, b"1.3.6.1.4.1.1466.20037")])
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    let change =
        ber(0x30, &[vec![10, 1, 2], ber(0x30, &[text("mail"), ber(0x31, &text("x"))].concat())].concat());
    vec![
        (ToServer, bind(1)),
        (ToClient, result(1, 0x61, 49, "no such user")),
        (ToServer, search(2)),
        (ToClient, [entry(2), entry(2), message(2, 0x73, &[&text("ldap://other")])].concat()),
        (ToClient, result(2, 0x65, 0, "")),
        (ToServer, message(3, 0x66, &[&text("cn=a"), &ber(0x30, &change)])),
        (ToServer, message(4, 0x4a, &[b"cn=b"])),
        (ToClient, [result(4, 0x6b, 50, "no"), result(3, 0x67, 0, "")].concat()),
        (
            ToServer,
            message(
                5,
                0x68,
                &[&text("cn=c"), &ber(0x30, &ber(0x30, &[text("cn"), ber(0x31, &text("c"))].concat()))],
            ),
        ),
        (ToServer, message(6, 0x6c, &[&text("cn=c"), &text("cn=d"), &[1, 1, 0xff]])),
        (ToServer, message(7, 0x6e, &[&text("cn=d"), &ber(0x30, &[text("cn"), text("d")].concat())])),
        (ToServer, message(8, 0x50, &[&[7]])),
        (ToServer, message(9, 0x42, &[])),
    ]
}

fn turns(session: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    session.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect()
}

fn talk() -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 389, "{}")
}

#[test]
fn a_session_is_read() {
    let mut talk = talk();
    talk.all(&turns(&session())).unwrap();
    let records = talk.records();
    let expected = [
        (
            0,
            concat!(
                r#""ldap":{"request":{"message_id":1,"operation":"bind_request","bind_request":{"version":3,"name":"cn=admin"}},"#,
                r#""responses":[{"message_id":1,"operation":"bind_response","bind_response":{"result_code":"invalid_credentials","#,
                r#""matched_dn":"","message":"no such user"}}]}"#
            ),
        ),
        (
            1,
            concat!(
                r#""ldap":{"request":{"message_id":2,"operation":"search_request","search_request":{"base_object":"dc=example,dc=com","#,
                r#""scope":2,"deref_alias":0,"size_limit":0,"time_limit":0,"types_only":false,"filter":"(servicePrincipalName=*)","#,
                r#""attributes":[{"name":"cn"},{"name":"mail"}]}},"responses":[{"message_id":2,"operation":"search_result_entry","#,
                r#""search_result_entry":{"base_object":"cn=a,dc=example","attributes":[{"type":"cn","values":["a","b"]}]}},"#,
                r#"{"message_id":2,"operation":"search_result_entry","search_result_entry":{"base_object":"cn=a,dc=example","#,
                r#""attributes":[{"type":"cn","values":["a","b"]}]}},{"message_id":2,"operation":"search_result_reference","#,
                r#""search_result_reference":{}},{"message_id":2,"operation":"search_result_done","search_result_done":"#,
                r#"{"result_code":"success","matched_dn":"","message":""}}]}"#
            ),
        ),
        (
            2,
            concat!(
                r#""ldap":{"request":{"message_id":3,"operation":"modify_request","modify_request":{"object":"cn=a","#,
                r#""changes":[{"operation":"replace","modification_type":"mail"}]}},"responses":[{"message_id":3,"#,
                r#""operation":"modify_response","modify_response":{"result_code":"success","matched_dn":"","message":""}}]}"#
            ),
        ),
    ];
    for (at, record) in expected {
        assert_eq!(records[at], record);
    }
    assert!(!records.iter().any(|record| record.contains("secret")));
    let each = talk.each();
    assert_eq!(each.len(), 9);
    assert_eq!(each[1].number(slots::RESPONSES_COUNT, 0), Some(4));
    assert_eq!(each[1].bytes(slots::RESPONSES_VALUE, 4), Some(&b"ldap://other"[..]));
    assert_eq!(each[3].bytes(slots::REQUEST_DN, 0), Some(&b"cn=b"[..]));
    let waiting = |at: usize| each[at].progress(ToClient) != DONE;
    assert!(!waiting(3) && waiting(4) && waiting(6) && !waiting(7) && !waiting(8));
    assert_eq!(talk.events(), [""; 0]);
}

#[test]
fn cut_anywhere_it_is_the_same_whatever_comes() {
    check_pieces(&ENTRY, 389, "{}", &turns(&session()));
    check_mutations(&ENTRY, Proto::TCP, 389, &turns(&session()));
    check_mutations(&ENTRY, Proto::UDP, 389, &turns(&session()));
}

#[test]
fn what_is_wrong_or_too_much_is_told() {
    for (dir, bytes) in [
        (ToServer, b"GET / HTTP/1.1\r\n".to_vec()),
        (ToServer, vec![0x30, 0x80, 0, 0]),
        (ToServer, result(1, 0x61, 0, "")),
        (ToClient, bind(1)),
        (ToServer, message(1, 0x7e, &[])),
        (ToServer, vec![0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0]),
    ] {
        let mut talk = talk();
        assert!(talk.say(dir, &bytes).is_err(), "{}", bytes.escape_ascii());
        assert_eq!(talk.events(), ["invalid_data"]);
    }
    let mut odd = talk();
    odd.say(ToServer, &message(1, 0x63, &[b"\x04\x03abc"])).unwrap();
    odd.say(ToClient, &result(9, 0x61, 0, "")).unwrap();
    odd.say(ToClient, &message(1, 0x65, &[b"\x04\0"])).unwrap();
    assert_eq!(odd.events(), ["invalid_data", "invalid_data", "request_not_found"]);
    // a message beyond the limit is passed over, and the next one read
    let mut long = talk();
    let huge = message(1, 0x60, &[&[2, 1, 3], &text(&"x".repeat(MESSAGE_MAX))]);
    for piece in [huge, bind(2)].concat().chunks(1000) {
        long.say(ToServer, piece).unwrap();
    }
    assert_eq!((long.events(), long.each().len()), (vec!["incomplete_data"], 2));
    // an answer of more than is kept
    let mut many = talk();
    many.say(ToServer, &search(1)).unwrap();
    let one = ber(0x30, &[text("photo"), ber(0x31, &text(&"x".repeat(50_000)))].concat());
    for _ in 0..200 {
        many.say(ToClient, &message(1, 0x64, &[&text("cn=a"), &ber(0x30, &one)])).unwrap();
    }
    many.say(ToClient, &result(1, 0x65, 0, "")).unwrap();
    assert_eq!(many.each()[0].number(slots::RESPONSES_COUNT, 0), Some(201));
    assert!(many.memory() < 1 << 20, "{}", many.memory());
}

#[test]
fn tls_and_seals_end_it() {
    let mut talk = self::talk();
    talk.say(ToServer, &start_tls(1)).unwrap();
    talk.say(ToClient, &result(1, 0x78, 0, "")).unwrap();
    assert_eq!(talk.change, Some(Change::Probe));
    let mut refused = self::talk();
    refused.say(ToServer, &start_tls(1)).unwrap();
    refused.say(ToClient, &result(1, 0x78, 2, "")).unwrap();
    assert_eq!(refused.change, None);
    let mut sealed = self::talk();
    let sasl = ber(0xa3, &[text("GSS-SPNEGO"), text("token")].concat());
    sealed.say(ToServer, &message(1, 0x60, &[&[2, 1, 3], &text(""), &sasl])).unwrap();
    assert!(sealed.records()[0].contains(r#""name":"","sasl":{"mechanism":"GSS-SPNEGO"}"#));
    sealed.say(ToClient, &result(1, 0x61, 0, "")).unwrap();
    sealed.say(ToServer, b"\0\0\x01\0sealed").unwrap();
    assert!(sealed.opaque);
}

#[test]
fn a_hole_ends_a_side() {
    let mut talk = talk();
    talk.say(ToServer, &search(1)).unwrap();
    talk.gap(ToClient, 100).unwrap();
    talk.say(ToClient, b"whatever").unwrap();
    talk.say(ToServer, &search(2)).unwrap();
    assert!(talk.each().len() == 2 && talk.each().iter().all(|tx| tx.progress(ToClient) == DONE));
}

#[test]
fn it_is_recognised() {
    for (transport, dir, port, bytes, expected) in [
        (Proto::TCP, ToServer, 1389, &bind(1)[..], Probe::Yes),
        (Proto::TCP, ToServer, 1389, &bind(1)[..6], Probe::More),
        (Proto::TCP, ToServer, 1389, &search(1), Probe::Yes),
        (Proto::UDP, ToServer, 389, &search(1), Probe::Yes),
        (Proto::UDP, ToServer, 389, &search(1)[..20], Probe::No),
        (Proto::TCP, ToClient, 1389, &result(1, 0x61, 0, ""), Probe::Yes),
        (Proto::TCP, ToClient, 1389, &bind(1), Probe::No),
        (Proto::TCP, ToServer, 1389, &start_tls(1), Probe::No),
        (Proto::TCP, ToServer, 389, &start_tls(1), Probe::Yes),
        // SNMP
        (Proto::UDP, ToServer, 161, b"\x30\x0d\x02\x01\0\x04\x06public\xa0\0", Probe::No),
        (Proto::TCP, ToServer, 389, b"\x16\x03\x01\0\x05", Probe::No),
    ] {
        assert_eq!(LDAP.probe(transport, dir, port, bytes), expected, "{}", bytes.escape_ascii());
    }
}
