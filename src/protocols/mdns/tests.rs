//! Questions and answers.

use super::{ENTRY, MDNS};
use crate::app::{Probe, Protocol};
use crate::protocols::dns::slots;
use crate::protocols::testing::{Talk, check_mutations};
use crate::types::{Direction, Proto};

use Direction::ToServer;

const QUESTION: &[u8] = b"\0\0\0\0\0\x01\0\0\0\0\0\0\x04wpad\x05local\0\0\x01\x80\x01";
const ANSWER: &[u8] = b"\0\0\x84\0\0\0\0\x01\0\0\0\x01\x04wpad\x05local\0\0\x01\x80\x01\0\0\0\x78\0\x04\x0a\0\0\x01\xc0\x0c\0\x1c\0\x01\0\0\0\x78\0\x10\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01";

#[test]
fn messages_are_told() {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 5353, "{}");
    talk.all(&[(ToServer, QUESTION), (ToServer, ANSWER), (ToServer, b"nonsense")]).unwrap();
    assert_eq!(
        talk.records(),
        [
            r#""mdns":{"type":"request","tx_id":0,"id":0,"flags":"0","opcode":0,"queries":[{"rrname":"wpad.local","rrtype":"A"}]}"#,
            concat!(
                r#""mdns":{"type":"response","tx_id":1,"id":0,"flags":"8400","qr":true,"aa":true,"opcode":0,"rcode":"NOERROR","#,
                r#""answers":[{"rrname":"wpad.local","rrtype":"A","ttl":120,"rdata":"10.0.0.1"}],"#,
                r#""additionals":[{"rrname":"wpad.local","rrtype":"AAAA","ttl":120,"#,
                r#""rdata":"fe80:0000:0000:0000:0000:0000:0000:0001"}]}"#
            ),
        ]
    );
    let each = talk.each();
    assert_eq!(each[0].bytes(slots::QUERIES_RRNAME, 0), Some(&b"wpad.local"[..]));
    assert_eq!(each[1].bytes(slots::ADDITIONALS_RRNAME, 0), Some(&b"wpad.local"[..]));
    assert_eq!(each[1].bytes(slots::RESPONSE_RRNAME, 1), Some(&b"wpad.local"[..]));
    assert_eq!(talk.events(), ["malformed_data"]);
}

#[test]
fn whatever_comes() {
    check_mutations(&ENTRY, Proto::UDP, 5353, &[(ToServer, QUESTION), (ToServer, ANSWER)]);
}

#[test]
fn its_port_tells() {
    for (port, bytes, expected) in [
        (5353, QUESTION, Probe::Yes),
        (5353, ANSWER, Probe::Yes),
        (5353, &QUESTION[..20], Probe::No),
        (53, QUESTION, Probe::No),
    ] {
        assert_eq!(MDNS.probe(Proto::UDP, ToServer, port, bytes), expected);
    }
    for end in 0..ANSWER.len() {
        assert_eq!(MDNS.probe(Proto::UDP, ToServer, 5353, &ANSWER[..end]), Probe::No, "{end}");
    }
}
