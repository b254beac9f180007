//! Whole sessions, made here byte by byte.

use super::{ENTRY, MQTT, slots};
use crate::app::{DONE, Probe, Protocol, Slot};
use crate::protocols::testing::{Talk, check_frames, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn message(first: u8, body: &[u8]) -> Vec<u8> {
    let mut out = vec![first];
    let mut len = body.len();
    loop {
        out.push((len & 0x7f) as u8 | if len > 0x7f { 0x80 } else { 0 });
        len >>= 7;
        if len == 0 {
            break;
        }
    }
    [&out[..], body].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u16).to_be_bytes()[..], text.as_bytes()].concat()
}

fn connect(version: u8) -> Vec<u8> {
    let properties: &[u8] = if version == 5 { b"\x03\x21\0\x14" } else { b"" };
    let body = [
        &text("MQTT")[..],
        &[version, 0xc6, 0, 60],
        properties,
        &text("c1"),
        if version == 5 { b"\0" } else { b"" },
        &text("wt"),
        &text("wm"),
        &text("user"),
        &text("pw"),
    ];
    message(0x10, &body.concat())
}

fn publish(qos: u8, id: u16) -> Vec<u8> {
    let id = if qos > 0 { id.to_be_bytes().to_vec() } else { Vec::new() };
    message(0x30 | qos << 1, &[&text("t/a")[..], &id, b"hello"].concat())
}

const CONNACK: &[u8] = b"\x20\x02\x01\x00";

fn talk() -> Talk {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 1883, "{}");
    talk.say(ToServer, &connect(4)).unwrap();
    talk.say(ToClient, CONNACK).unwrap();
    talk.forget_done();
    talk
}

#[test]
fn a_session_is_read() {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 1883, "{}");
    let subscribe = message(0x82, &[b"\0\x01", &text("a/#")[..], b"\x01", &text("b"), b"\x02"].concat());
    let unsubscribe = message(0xa2, &[b"\0\x02", &text("a/#")[..]].concat());
    for (dir, bytes) in [
        (ToServer, connect(4)),
        (ToClient, CONNACK.to_vec()),
        (ToServer, publish(2, 5)),
        (ToClient, message(0x50, b"\0\x05")),
        (ToServer, message(0x62, b"\0\x05")),
        (ToClient, message(0x70, b"\0\x05")),
        (ToServer, subscribe),
        (ToClient, message(0x90, b"\0\x01\x01\x80")),
        (ToServer, unsubscribe),
        (ToClient, message(0xb0, b"\0\x02")),
        (ToClient, publish(0, 0)),
        (ToServer, message(0xc0, b"")),
        (ToServer, message(0xe0, b"")),
    ] {
        talk.say(dir, &bytes).unwrap();
    }
    assert!(talk.each().iter().all(|tx| tx.progress(ToServer) == DONE));
    assert_eq!(talk.events(), [""; 0]);
    assert_eq!(
        talk.records(),
        [
            concat!(
                r#""mqtt":{"connect":{"qos":0,"retain":false,"dup":false,"protocol_string":"MQTT","protocol_version":4,"#,
                r#""client_id":"c1","flags":{"username":true,"password":true,"will_retain":false,"will":true,"clean_session":true},"#,
                r#""username":"user","password":"pw","will":{"topic":"wt","message":"wm"}},"#,
                r#""connack":{"qos":0,"retain":false,"dup":false,"session_present":true,"return_code":0}}"#
            ),
            concat!(
                r#""mqtt":{"publish":{"qos":2,"retain":false,"dup":false,"topic":"t/a","message_id":5,"message":"hello"},"#,
                r#""pubrec":{"qos":0,"retain":false,"dup":false,"message_id":5},"#,
                r#""pubrel":{"qos":1,"retain":false,"dup":false,"message_id":5},"#,
                r#""pubcomp":{"qos":0,"retain":false,"dup":false,"message_id":5}}"#
            ),
            concat!(
                r#""mqtt":{"subscribe":{"qos":1,"retain":false,"dup":false,"message_id":1,"#,
                r#""topics":[{"topic":"a/#","qos":1},{"topic":"b","qos":2}]},"#,
                r#""suback":{"qos":0,"retain":false,"dup":false,"message_id":1,"qos_granted":[1,128]}}"#
            ),
            concat!(
                r#""mqtt":{"unsubscribe":{"qos":1,"retain":false,"dup":false,"message_id":2,"topics":["a/#"]},"#,
                r#""unsuback":{"qos":0,"retain":false,"dup":false,"message_id":2}}"#
            ),
            r#""mqtt":{"publish":{"qos":0,"retain":false,"dup":false,"topic":"t/a","message":"hello"}}"#,
            r#""mqtt":{"pingreq":{"qos":0,"retain":false,"dup":false}}"#,
            r#""mqtt":{"disconnect":{"qos":0,"retain":false,"dup":false}}"#,
        ]
    );
    let transactions = talk.each();
    let numbers = |nth: usize, slot: Slot| -> Vec<u64> {
        (0..).map_while(|at| transactions[nth].number(slot, at)).collect()
    };
    assert_eq!(transactions[0].bytes(slots::WILL_TOPIC, 0), Some(&b"wt"[..]));
    assert_eq!(transactions[0].bytes(slots::CLIENT_ID, 0), Some(&b"c1"[..]));
    assert_eq!(transactions[2].bytes(slots::SUBSCRIBE_TOPIC, 1), Some(&b"b"[..]));
    assert_eq!((numbers(0, slots::TYPE), numbers(0, slots::CONNECT_FLAGS)), (vec![1, 2], vec![0xc6]));
    assert_eq!((numbers(1, slots::QOS), numbers(1, slots::PROTOCOL_VERSION)), (vec![2, 0, 1, 0], vec![4]));
    assert_eq!((numbers(0, slots::REASON_CODE), numbers(2, slots::REASON_CODE)), (vec![0], vec![1, 128]));
    assert!(transactions[4].concerns(ToClient) && !transactions[4].concerns(ToServer));
}

#[test]
fn version_five_has_reasons_and_properties() {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 1883, "{eve: {passwords: no}}");
    for (dir, bytes) in [
        (ToServer, connect(5)),
        (ToClient, message(0x20, &[b"\0\0\x0a\x22\0\x03", &b"\x26\0\x01k\0\x01v"[..]].concat())),
        (ToServer, message(0x32, &[&text("t")[..], b"\0\x07\x02\x01\x01", b"x"].concat())),
        (ToClient, message(0x40, b"\0\x07")),
        (ToClient, message(0xb0, b"\0\x09\0\x11")),
        (ToServer, message(0xe0, b"\x04\0")),
        (ToServer, message(0xf0, b"\x18\x06\x15\0\x03foo")),
    ] {
        talk.say(dir, &bytes).unwrap();
    }
    let records = talk.records();
    for (nth, expected) in [
        (0, r#""properties":{"receive_maximum":20}},"connack""#),
        (0, r#""properties":{"topic_alias_maximum":3,"k":"v"}}"#),
        (
            1,
            r#""message":"x","properties":{"payload_format_indicator":1}},"puback":{"qos":0,"retain":false,"dup":false,"message_id":7,"reason_code":0}"#,
        ),
        (2, r#""unsuback":{"qos":0,"retain":false,"dup":false,"message_id":9,"reason_codes":[17]}"#),
        (3, r#""disconnect":{"qos":0,"retain":false,"dup":false,"reason_code":4}"#),
        (4, r#""reason_code":24,"properties":{"authentication_method":"foo"}"#),
    ] {
        assert!(records[nth].contains(expected), "{}", records[nth]);
    }
    assert!(!records[0].contains("\"pw\""));
    assert_eq!(talk.events(), ["missing_unsubscribe"]);
}

#[test]
fn what_is_wrong_is_named() {
    for (dir, bytes, expected) in [
        (ToServer, connect(4), &["double_connect"][..]),
        (ToClient, CONNACK.to_vec(), &["missing_connect"]),
        (ToServer, publish(3, 1), &["invalid_qos_level"]),
        (ToServer, message(0x00, b"x"), &["unassigned_msg_type"]),
        (ToClient, message(0x40, b"\0\x01"), &["missing_publish"]),
        (ToServer, message(0x60, b"\0\x01"), &["missing_publish"]),
        (ToClient, message(0x90, b"\0\x01\x01"), &["missing_subscribe"]),
        (ToClient, message(0xb0, b"\0\x01"), &["missing_unsubscribe"]),
        (ToServer, publish(1, 1), &[]),
    ] {
        let mut talk = talk();
        talk.say(dir, &bytes).unwrap();
        assert_eq!(talk.events(), expected);
    }
    for broken in [
        message(0x30, b"\0\xff"),
        message(0x40, b"\0"),
        message(0x82, b"\0\x01"),
        message(0x82, b"\0\x01\0\x01a"),
        message(0x90, b"\0\x01"),
        message(0xf0, b""),
        b"\x30\xff\xff\xff\xff\x7f".to_vec(),
    ] {
        let mut talk = talk();
        assert!(talk.say(ToServer, &broken).is_err());
        assert_eq!(
            (talk.events(), talk.records()),
            (vec!["malformed_traffic"], vec![r#""mqtt":{}"#.to_owned()])
        );
    }
    let mut early = Talk::new(&ENTRY, Proto::TCP, 1883, "{}");
    early.say(ToServer, &publish(0, 0)).unwrap();
    assert_eq!(early.events(), ["unintroduced_message"]);
    let mut five = Talk::new(&ENTRY, Proto::TCP, 1883, "{}");
    five.say(ToServer, &connect(5)).unwrap();
    assert!(five.say(ToClient, &message(0x20, b"\0\0\x7f\x01")).is_err());
}

#[test]
fn an_exchange_is_looked_at_once_it_is_whole() {
    let mut talk = talk();
    talk.say(ToServer, &publish(1, 5)).unwrap();
    assert_eq!((talk.each()[0].progress(ToServer), talk.each()[0].number(slots::TYPE, 0)), (1, None));
    // the server's own of the same number
    talk.say(ToClient, &publish(1, 5)).unwrap();
    talk.say(ToServer, &message(0x40, b"\0\x05")).unwrap();
    assert_eq!((talk.each()[0].progress(ToServer), talk.each()[1].progress(ToServer)), (1, DONE));
    talk.say(ToClient, &message(0x40, b"\0\x05")).unwrap();
    assert_eq!(talk.each()[0].number(slots::TYPE, 1), Some(4));
}

#[test]
fn only_its_port_is_looked_at() {
    for (bytes, expected) in [
        (&connect(4)[..], Probe::Yes),
        (b"\x10", Probe::More),
        (b"", Probe::More),
        (b"\0\0", Probe::No),
        (b"\0", Probe::No),
        (b"\x30\xff\xff\xff\xff\x7f", Probe::No),
    ] {
        assert_eq!(MQTT.probe(Proto::TCP, ToServer, 1883, bytes), expected);
        assert_eq!(MQTT.probe(Proto::TCP, ToServer, 1884, bytes), Probe::No);
    }
}

#[test]
fn streams_may_be_cut_anywhere() {
    let to_server =
        [connect(5), message(0x33, &[&text("t")[..], b"\0\x07\0x"].concat()), message(0xc0, b"")].concat();
    let to_client = [message(0x20, b"\0\0\0"), message(0x40, b"\0\x07\x10\0"), message(0xd0, b"")].concat();
    check_pieces(&ENTRY, 1883, "{}", &[(ToServer, &to_server), (ToClient, &to_client)]);
}

#[test]
fn what_is_held_is_bounded() {
    let mut long = Talk::new(&ENTRY, Proto::TCP, 1883, "{max-msg-length: 100, max-tx: 10}");
    long.say(ToServer, &connect(4)).unwrap();
    long.say(ToClient, CONNACK).unwrap();
    let body = [&text("t")[..], &[b'x'; 200]].concat();
    long.say(ToServer, &[message(0x30, &body), publish(0, 0)].concat()).unwrap();
    assert_eq!(
        long.records()[1],
        r#""mqtt":{"publish":{"qos":0,"retain":false,"dup":false,"truncated":true,"skipped_length":206}}"#
    );
    assert_eq!(long.each().len(), 3);
    // lost within what is skipped, and elsewhere
    long.say(ToServer, &message(0x30, &body)[..3]).unwrap();
    long.gap(ToServer, 203).unwrap();
    long.say(ToServer, &publish(0, 0)).unwrap();
    assert_eq!(long.each().len(), 5);
    long.gap(ToServer, 1).unwrap();
    long.say(ToServer, &publish(0, 0)).unwrap();
    assert_eq!(long.each().len(), 5);
    let mut many = talk();
    let mut failed = None;
    for _ in 0..200 {
        failed = failed.or(many.say(ToServer, &message(0xc0, b"").repeat(1000)).err());
    }
    assert!(failed.is_some() && many.memory() < 64 << 20, "{}", many.memory());
    let mut open = Talk::new(&ENTRY, Proto::TCP, 1883, "{max-tx: 10}");
    open.say(ToServer, &connect(4)).unwrap();
    open.say(ToClient, CONNACK).unwrap();
    for id in 0..20 {
        open.say(ToServer, &publish(1, id)).unwrap();
    }
    assert_eq!(open.events(), ["too_many_transactions"; 10]);
    let topics = [b"\0\x01", &b"\0\0\x01".repeat(50_000)[..]].concat();
    let properties = message(0x20, &[b"\0\0\xa0\x9c\x01", &b"\x24\x01".repeat(10_000)[..]].concat());
    let mut wide = Talk::new(&ENTRY, Proto::TCP, 1883, "{}");
    wide.say(ToServer, &connect(5)).unwrap();
    wide.say(ToClient, &properties).unwrap();
    wide.say(ToServer, &message(0x82, &[b"\0\x01\0", &topics[2..]].concat())).unwrap();
    assert!(wide.memory() < 256 << 10, "{}", wide.memory());
    assert_eq!(wide.each()[1].bytes(slots::SUBSCRIBE_TOPIC, 100), None);
}

#[test]
fn mutations_never_panic() {
    let turns = [
        (ToServer, connect(5)),
        (ToClient, message(0x20, b"\0\0\x03\x22\0\x03")),
        (ToServer, message(0x34, &[&text("t")[..], b"\0\x07\0x"].concat())),
        (ToClient, message(0x50, b"\0\x07\x10\0")),
        (ToServer, message(0x62, b"\0\x07")),
        (ToClient, message(0x70, b"\0\x07")),
        (ToServer, message(0x82, &[b"\0\x01\0", &text("a")[..], b"\x01"].concat())),
        (ToClient, message(0x90, b"\0\x01\0\x01")),
        (ToServer, message(0xe0, b"\x04\0")),
    ];
    let turns: Vec<(Direction, &[u8])> = turns.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect();
    check_mutations(&ENTRY, Proto::TCP, 1883, &turns);
}

#[test]
fn messages_and_their_parts_are_frames() {
    let expected = [
        (ToServer, "pdu", 0, Some(2)),
        (ToServer, "header", 0, Some(2)),
        (ToClient, "pdu", 0, Some(4)),
        (ToClient, "header", 0, Some(2)),
        (ToClient, "data", 2, Some(2)),
    ];
    check_frames(&ENTRY, 1883, &[(ToServer, b"\xc0\x00"), (ToClient, CONNACK)], &expected);
}
