//! Whole talks, requests in both forms made here.

use super::parser::KEPT_MAX;
use super::request::TOPICS_MAX;
use super::{ENTRY, KAFKA, slots};
use crate::app::{DONE, Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn framed(body: &[u8]) -> Vec<u8> {
    [&(body.len() as u32).to_be_bytes(), body].concat()
}

fn request(key: u16, version: u16, correlation: u32, body: &[u8]) -> Vec<u8> {
    let head =
        [&key.to_be_bytes()[..], &version.to_be_bytes(), &correlation.to_be_bytes(), b"\0\x03app"].concat();
    framed(&[&head, body].concat())
}

fn answer(correlation: u32) -> Vec<u8> {
    framed(&[&correlation.to_be_bytes()[..], b"whatever"].concat())
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    let produce = b"\xff\xff\0\x01\0\0\x75\x30\0\0\0\x01\0\x06orders\0\0\0\x01\0\0\0\0\0\0\0\x03abc";
    let produce_9 = b"\0\0\0\x01\0\0\x75\x30\x02\x07orders\x02\0\0\0\0\x04abc\0\0\0";
    let fetch =
        [&[0xff, 0xff, 0xff, 0xff][..], &[0; 13], &[0; 8], b"\0\0\0\x01\0\x03log\0\0\0\x01", &[0; 28]]
            .concat();
    let create = b"\0\0\0\x01\0\x03new\0\0\0\x01\0\x01\0\0\0\0\0\0\0\x01\0\x01k\0\x01v\0\0\x75\x30\0";
    vec![
        (ToServer, request(18, 0, 1, b"")),
        (ToClient, answer(1)),
        (
            ToServer,
            [
                request(3, 1, 2, b"\0\0\0\x02\0\x06orders\0\x03log"),
                request(3, 9, 3, b"\0\x02\x07orders\0\0\0"),
            ]
            .concat(),
        ),
        (ToClient, [answer(3), answer(2)].concat()),
        (
            ToServer,
            [request(0, 7, 4, produce), request(0, 9, 5, produce_9), request(1, 7, 6, &fetch)].concat(),
        ),
        (
            ToServer,
            [request(19, 1, 7, create), request(20, 1, 8, b"\0\0\0\x01\0\x06orders\0\0\x75\x30")].concat(),
        ),
        (
            ToServer,
            [request(17, 1, 9, b"\0\x05PLAIN"), request(36, 0, 10, b"\0\0\0\x0a\0anna\0pass")].concat(),
        ),
        (ToServer, request(11, 0, 11, b"\0\x02g1\0\0\x75\x30")),
        (ToClient, (4..=11).flat_map(answer).collect()),
    ]
}

fn turns(talk: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    talk.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect()
}

fn talk() -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 9092, "{}")
}

#[test]
fn a_session_is_read() {
    let mut talk = talk();
    talk.all(&turns(&session())).unwrap();
    let records = talk.records();
    let request = |nth: usize| {
        let text = records[nth].strip_prefix(r#""kafka":{"request":{"#).unwrap();
        text.split_once(r#","client_id":"app""#)
            .map(|(api, rest)| format!("{api}{}", rest.split('}').next().unwrap()))
            .unwrap()
    };
    for (nth, expected) in [
        r#""api":"api_versions","version":0"#,
        r#""api":"metadata","version":1,"topics":["orders","log"]"#,
        r#""api":"metadata","version":9,"topics":["orders"]"#,
        r#""api":"produce","version":7,"topics":["orders"]"#,
        r#""api":"produce","version":9,"topics":["orders"]"#,
        r#""api":"fetch","version":7,"topics":["log"]"#,
        r#""api":"create_topics","version":1,"topics":["new"]"#,
        r#""api":"delete_topics","version":1,"topics":["orders"]"#,
        r#""api":"sasl_handshake","version":1,"mechanism":"PLAIN""#,
        r#""api":"sasl_authenticate","version":0,"user":"anna""#,
        r#""api":"join_group","version":0,"group":"g1""#,
    ]
    .iter()
    .enumerate()
    {
        assert_eq!(&request(nth), expected);
    }
    assert!(records[0].ends_with(r#""response":{"size":12}}"#), "{}", records[0]);
    assert!(talk.each().iter().all(|tx| tx.progress(ToClient) == DONE));
    assert_eq!(talk.events(), <[&str; 0]>::default());
}

#[test]
fn cut_anywhere_it_is_the_same() {
    check_pieces(&ENTRY, 9092, "{}", &turns(&session()));
}

#[test]
fn whatever_comes() {
    check_mutations(&ENTRY, Proto::TCP, 9092, &turns(&session()));
}

#[test]
fn whoever_wants_no_answer_waits_for_none() {
    let mut talk = talk();
    talk.say(ToServer, &request(0, 7, 1, b"\xff\xff\0\0\0\0\x75\x30\0\0\0\0")).unwrap();
    assert_eq!(talk.each()[0].progress(ToClient), DONE);
}

#[test]
fn what_is_too_much_is_cut() {
    let mut topics = b"\0\0\x10\0".to_vec();
    topics.extend_from_slice(&b"\0\x01t".repeat(4096));
    let mut one = talk();
    one.say(ToServer, &request(3, 1, 1, &topics)).unwrap();
    let tx = one.each()[0];
    assert!(tx.bytes(slots::TOPIC, TOPICS_MAX - 1).is_some() && tx.bytes(slots::TOPIC, TOPICS_MAX).is_none());
    assert!(one.memory() < 32 << 10, "{}", one.memory());
    let mut long = talk();
    long.say(ToServer, &request(0, 0, 1, &vec![1; 4 * KEPT_MAX])).unwrap();
    long.say(ToServer, &request(3, 1, 2, b"\0\0\0\0")).unwrap();
    assert_eq!((long.each().len(), long.events().len()), (2, 0));
    for (dir, bytes, event) in [
        (ToServer, framed(b"abc"), "malformed_request"),
        (ToServer, request(3000, 1, 1, b""), "malformed_request"),
        (ToClient, framed(b""), "malformed_response"),
    ] {
        let mut talk = talk();
        assert!(talk.say(dir, &bytes).is_err());
        assert_eq!(talk.events(), [event]);
    }
    let mut short = talk();
    short.say(ToServer, &request(3, 1, 1, b"\0\0\0\x05\0\x01t")).unwrap();
    assert_eq!(short.events(), ["topics_unreadable"]);
}

#[test]
fn a_hole_is_stood() {
    let mut one = talk();
    one.say(ToServer, &request(18, 0, 1, b"")).unwrap();
    one.gap(ToClient, 10).unwrap();
    one.say(ToServer, &request(18, 0, 2, b"")).unwrap();
    assert!(one.each().len() == 2 && one.each().iter().all(|tx| tx.progress(ToClient) == DONE));
}

#[test]
fn it_is_recognised() {
    let versions = request(18, 0, 1, b"");
    let metadata = request(3, 1, 1, b"\0\0\0\0");
    for (dir, port, bytes, expected) in [
        (ToServer, 1, &versions[..], Probe::Yes),
        (ToServer, 1, &versions[..9], Probe::More),
        (ToServer, 1, &metadata[..], Probe::No),
        (ToServer, 9092, &metadata[..], Probe::Yes),
        (ToServer, 9092, b"GET / HTTP/1.1", Probe::No),
        (ToServer, 1, b"\0\0\0\x20\x05\0", Probe::No),
        (ToClient, 9092, b"\0\0\0\x10", Probe::Yes),
        (ToClient, 1, b"\0\0\0\x10", Probe::No),
    ] {
        assert_eq!(
            KAFKA.probe(Proto::TCP, dir, port, bytes),
            expected,
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    }
}
