//! Names that are asked for over HTTP/2.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::app::{DONE, Slot, Transaction};
use crate::protocols::dns::slots as dns;
use crate::protocols::http2::tests::{block, frame};
use crate::protocols::http2::{ENTRY, PREFACE, slots};
use crate::protocols::testing::{Talk, check_cut, check_mutations, written};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

const QUERY: &[u8] = b"\0\x07\x01\0\0\x01\0\0\0\0\0\0\x04evil\x07example\0\0\x10\0\x01";
const ANSWER: &[u8] =
    b"\0\x07\x81\x80\0\x01\0\x01\0\0\0\0\x04evil\x07example\0\0\x10\0\x01\xc0\x0c\0\x10\0\x01\0\0\0\x3c\0\x05\x04text";

const KIND: (&str, &str) = ("content-type", "application/dns-message");

fn asked(stream: u32, headers: &[(&str, &str)], body: Option<&[u8]>) -> Vec<u8> {
    let flags = if body.is_some() { 4 } else { 5 };
    let head = frame(1, flags, stream, &block(headers));
    [head, body.map(|body| frame(0, 1, stream, body)).unwrap_or_default()].concat()
}

fn post(stream: u32, body: &[u8]) -> Vec<u8> {
    asked(stream, &[(":method", "POST"), (":path", "/dns-query"), KIND], Some(body))
}

fn get(stream: u32, message: &[u8]) -> Vec<u8> {
    let path = format!("/q?x=1&dns={}", URL_SAFE_NO_PAD.encode(message));
    asked(stream, &[(":method", "GET"), (":path", &path), (":authority", "dns.example")], None)
}

fn answer(stream: u32, body: &[u8]) -> Vec<u8> {
    asked(stream, &[(":status", "200"), KIND], Some(body))
}

fn begin() -> Vec<u8> {
    [PREFACE, &frame(4, 0, 0, &[])].concat()
}

fn turns() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, [begin(), post(1, QUERY)].concat()),
        (ToClient, answer(1, ANSWER)),
        (ToServer, get(3, QUERY)),
        (ToClient, answer(3, ANSWER)),
    ]
}

fn talk(turns: &[(Direction, Vec<u8>)]) -> Talk {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 80, "{}");
    turns.iter().for_each(|(dir, bytes)| talk.say(*dir, bytes).unwrap());
    talk
}

fn text(tx: &dyn Transaction, base: u16, slot: Slot) -> String {
    tx.bytes(Slot(base + slot.0), 0).unwrap_or_default().escape_ascii().to_string()
}

#[test]
fn posts_and_gets_have_the_buffers_of_dns() {
    let talk = talk(&turns());
    let asking: Vec<_> = talk.each().into_iter().filter(|tx| tx.records() == 3).collect();
    assert_eq!(asking.len(), 2, "a request, and the messages of both sides");
    for tx in asking {
        assert_eq!(tx.progress(ToClient), DONE);
        assert_eq!(text(tx, slots::DNS_REQUEST, dns::QUERY), "evil.example");
        assert_eq!(text(tx, slots::DNS_RESPONSE, dns::QUERY), "", "an answer asks nothing");
        assert_eq!(text(tx, slots::DNS_RESPONSE, dns::ANSWERS_RRNAME), "evil.example");
        assert_eq!(tx.number(Slot(slots::DNS_REQUEST + dns::RRTYPE.0), 0), Some(16));
        assert_eq!(tx.number(Slot(slots::DNS_RESPONSE + dns::RCODE.0), 0), Some(0));
        let types: Vec<_> = (0..3).map(|nth| tx.record_type(nth)).collect();
        assert_eq!(types, [None, Some("dns"), Some("dns")]);
        let records: Vec<String> = (0..3).map(|nth| written(|out| tx.log_record(nth, out))).collect();
        assert!(records[0].contains(r#""doh":{"rrname":["evil.example"]"#), "{}", records[0]);
        assert!(
            records[1].starts_with(
                r#""dns":{"version":2,"type":"query","id":7,"rrname":"evil.example","rrtype":"TXT""#
            ),
            "{}",
            records[1]
        );
        assert!(records[2].contains(r#""rdata":"text""#), "{}", records[2]);
        let alert = written(|out| tx.log_in_alert(out));
        assert!(
            alert.contains(r#""http":{"#) && alert.contains(r#""dns":{"version":2,"query":[{"#),
            "{alert}"
        );
    }
}

#[test]
fn what_is_no_message_is_none() {
    for (ask, answer) in [
        // another kind, another parameter, a broken message
        (
            asked(1, &[(":method", "POST"), (":path", "/"), ("content-type", "text/plain")], Some(QUERY)),
            answer(1, ANSWER),
        ),
        (asked(1, &[(":method", "GET"), (":path", "/?dns=AAAA")], None), answer(1, ANSWER)),
        (asked(1, &[(":method", "GET"), (":path", "/?q=AAABAAABAAAAAAAAA3d3dwA")], None), answer(1, ANSWER)),
        (post(1, &QUERY[..20]), answer(1, &ANSWER[..30])),
        (post(1, b""), answer(1, b"")),
    ] {
        let talk = talk(&[(ToServer, [begin(), ask].concat()), (ToClient, answer)]);
        for tx in talk.each() {
            assert_eq!(text(tx, slots::DNS_REQUEST, dns::QUERY), "");
            assert!((0..tx.records()).all(|nth| tx.record_type(nth).is_none()));
        }
    }
    // asked, not answered yet
    let open =
        talk(&[(ToServer, [begin(), post(1, QUERY)].concat()), (ToClient, answer(1, ANSWER)[..30].to_vec())]);
    let tx = *open.each().last().unwrap();
    assert_eq!(text(tx, slots::DNS_REQUEST, dns::QUERY), "evil.example");
    assert_eq!(text(tx, slots::DNS_RESPONSE, dns::ANSWERS_RRNAME), "");
}

#[test]
fn cut_anywhere_it_is_the_same_whatever_comes() {
    let owned = turns();
    let turns: Vec<(Direction, &[u8])> = owned.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect();
    check_cut(&ENTRY, 80, "{}", &turns);
    check_mutations(&ENTRY, Proto::TCP, 80, &turns);
    // many names in one flow are as many streams as HTTP/2 holds
    let mut many = Talk::new(&ENTRY, Proto::TCP, 80, "{}");
    many.say(ToServer, &begin()).unwrap();
    for nth in 0..2000 {
        many.say(ToServer, &post(2 * nth + 1, QUERY)).unwrap();
    }
    assert_eq!(many.each().iter().filter(|tx| tx.records() > 0).count(), 2000);
    assert!(many.memory() < 64 << 20, "{}", many.memory());
}
