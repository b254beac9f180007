//! Whole connections, frame by frame.

use super::parser::CONTENT_MAX;
use super::{AMQP, ENTRY, slots};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn frame(kind: u8, channel: u16, payload: &[u8]) -> Vec<u8> {
    [&[kind][..], &channel.to_be_bytes(), &(payload.len() as u32).to_be_bytes(), payload, &[0xce]].concat()
}

fn method(channel: u16, class: u16, method: u16, arguments: &[u8]) -> Vec<u8> {
    frame(1, channel, &[&class.to_be_bytes()[..], &method.to_be_bytes(), arguments].concat())
}

fn content(channel: u16, size: u64, pieces: &[&[u8]]) -> Vec<u8> {
    let header = frame(2, channel, &[&[0, 60, 0, 0][..], &size.to_be_bytes(), &[0, 0]].concat());
    pieces.iter().fold(header, |all, piece| [all, frame(3, channel, piece)].concat())
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, b"AMQP\0\0\x09\x01".to_vec()),
        (ToClient, method(0, 10, 10, b"\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US")),
        (ToServer, method(0, 10, 11, b"\0\0\0\0\x05PLAIN\0\0\0\x0c\0guest\0guest\x05en_US")),
        (ToServer, [method(0, 10, 40, b"\x04shop\0\0"), method(1, 20, 10, b"\0")].concat()),
        (ToServer, method(1, 50, 10, b"\0\0\x06orders\0\0\0\0\0")),
        (ToClient, method(1, 50, 11, b"\x06orders\0\0\0\0\0\0\0\0")),
        (ToServer, method(1, 50, 20, b"\0\0\x06orders\x04shop\x03new\0\0\0\0\0")),
        (ToServer, [method(1, 60, 40, b"\0\0\x04shop\x03new\0"), content(1, 5, &[b"hel", b"lo"])].concat()),
        (
            ToClient,
            [
                frame(8, 0, b""),
                method(1, 60, 60, b"\x01c\0\0\0\0\0\0\0\x01\0\0\x03new"),
                content(1, 2, &[b"hi"]),
            ]
            .concat(),
        ),
        (
            ToServer,
            method(1, 60, 40, b"\0\0\x04shop\x05empty\0").into_iter().chain(content(1, 0, &[])).collect(),
        ),
        (ToClient, method(1, 20, 40, b"\x01\x94\x09NOT_FOUND\0\0\0\0")),
    ]
}

fn turns(talk: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    talk.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect()
}

fn talk() -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 5672, "{}")
}

#[test]
fn a_connection_is_read() {
    let mut talk = talk();
    talk.all(&turns(&session())).unwrap();
    let expected = [
        r#"{"method":"connection.start","channel":0}"#,
        r#"{"method":"connection.start-ok","channel":0,"mechanism":"PLAIN","user":"guest"}"#,
        r#"{"method":"connection.open","channel":0,"virtual_host":"shop"}"#,
        r#"{"method":"channel.open","channel":1}"#,
        r#"{"method":"queue.declare","channel":1,"queue":"orders"}"#,
        r#"{"method":"queue.declare-ok","channel":1,"queue":"orders"}"#,
        r#"{"method":"queue.bind","channel":1,"exchange":"shop","queue":"orders","routing_key":"new"}"#,
        r#"{"method":"basic.publish","channel":1,"exchange":"shop","routing_key":"new","size":5}"#,
        r#"{"method":"basic.deliver","channel":1,"exchange":"","routing_key":"new","size":2}"#,
        r#"{"method":"basic.publish","channel":1,"exchange":"shop","routing_key":"empty","size":0}"#,
        r#"{"method":"channel.close","channel":1,"code":404,"reply":"NOT_FOUND"}"#,
    ];
    assert_eq!(talk.records(), expected.map(|inside| format!(r#""amqp":{{"request":{inside}}}"#)));
    let each = talk.each();
    assert_eq!(each[7].bytes(slots::MESSAGE, 0), Some(&b"hello"[..]));
    assert!(each[7].concerns(ToServer) && !each[7].concerns(ToClient) && each[8].concerns(ToClient));
}

#[test]
fn cut_anywhere_it_is_the_same() {
    check_pieces(&ENTRY, 5672, "{}", &turns(&session()));
}

#[test]
fn whatever_comes() {
    check_mutations(&ENTRY, Proto::TCP, 5672, &turns(&session()));
}

#[test]
fn what_is_too_much_is_cut_or_refused() {
    let mut long = talk();
    long.say(ToServer, &method(1, 60, 40, b"\0\0\x01x\x01y\0")).unwrap();
    let piece = vec![b'x'; 100_000];
    long.say(ToServer, &content(1, 1_000_000, &[&piece[..]; 10])).unwrap();
    long.say(ToServer, &method(1, 20, 10, b"\0")).unwrap();
    assert_eq!(long.each()[0].bytes(slots::MESSAGE, 0).map(<[u8]>::len), Some(CONTENT_MAX));
    assert!(long.each().len() == 2 && long.memory() < 256 << 10, "{}", long.memory());
    let mut many = talk();
    for channel in 0..1000 {
        many.say(ToServer, &method(channel, 60, 40, b"\0\0\x01x\x01y\0")).unwrap();
        many.say(ToServer, &content(channel, 1 << 40, &[b"x"])).unwrap();
    }
    assert!(many.memory() < 1 << 20, "{}", many.memory());
    for (bytes, event) in [
        (b"AMQP\0\x01\0\0".to_vec(), "unknown_version"),
        (frame(9, 0, b""), "malformed_frame"),
        (b"\x01\0\0\0\0\0\x04\0\x0a\0\x0bx".to_vec(), "malformed_frame"),
        (b"\x01\0\0\xff\xff\xff\xff".to_vec(), "malformed_frame"),
    ] {
        let mut talk = talk();
        assert!(talk.say(ToServer, &bytes).is_err());
        assert_eq!(talk.events(), [event]);
    }
}

#[test]
fn a_hole_is_stood() {
    let mut one = talk();
    one.say(ToServer, b"AMQP\0\0\x09\x01").unwrap();
    one.gap(ToServer, 10).unwrap();
    one.say(ToServer, &method(1, 20, 10, b"\0")).unwrap();
    one.say(ToClient, &method(1, 20, 11, b"\0\0\0\0")).unwrap();
    assert_eq!(one.each().len(), 1);
}

#[test]
fn it_is_recognised() {
    let start = method(0, 10, 10, b"\0\x09\0\0\0\0\0\0\0\x05PLAIN\0\0\0\x05en_US");
    let publish = method(1, 60, 40, b"\0\0\x04shop\x03new\0");
    for (dir, port, bytes, expected) in [
        (ToServer, 1, &b"AMQP\0\0\x09\x01"[..], Probe::Yes),
        (ToServer, 1, b"AMQ", Probe::More),
        (ToServer, 1, b"AMQP\0\x01\0\0", Probe::No),
        (ToClient, 1, &start, Probe::Yes),
        (ToClient, 1, &start[..9], Probe::More),
        (ToServer, 1, &publish, Probe::No),
        (ToServer, 5672, &publish, Probe::Yes),
        (ToServer, 5672, b"GET / HTTP/1.1", Probe::No),
    ] {
        assert_eq!(
            AMQP.probe(Proto::TCP, dir, port, bytes),
            expected,
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    }
}
