//! Whole handshakes, made here byte by byte.

use super::parser::TEXT_MAX;
use super::{ENTRY, RFB, slots};
use crate::app::{DONE, Probe, Protocol};
use crate::protocols::testing::{Talk, Turns, check_bounded, check_frames, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

const V33: &[u8] = b"RFB 003.003\n";
const V37: &[u8] = b"RFB 003.007\n";
const V38: &[u8] = b"RFB 003.008\n";
const INIT: &[u8] = b"\x03\x20\x02\x58\x20\x18\0\x01\0\xff\0\xff\0\xff\x10\x08\0\0\0\0\0\0\0\x04desk";
const GOOD: &[u8] = b"\0\0\0\0";

const VNC: Turns<'static> = &[
    (ToClient, V38),
    (ToServer, V38),
    (ToClient, b"\x02\x01\x02"),
    (ToServer, b"\x02"),
    (ToClient, b"challengechallen"),
    (ToServer, b"responseresponse"),
    (ToClient, GOOD),
    (ToServer, b"\x01"),
    (ToClient, INIT),
];

fn after(turns: Turns<'_>) -> Talk {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 5900, "{}");
    talk.all(turns).unwrap();
    talk
}

#[test]
fn a_handshake_is_read() {
    let mut talk = after(VNC);
    talk.all(&[(ToServer, b"\x03\0\0\0\0\0\0\0\0\0"), (ToClient, &[0; 5000])]).unwrap();
    assert_eq!(
        talk.records(),
        [concat!(
            r#""rfb":{"server_protocol_version":{"major":"003","minor":"008"},"client_protocol_version":{"major":"003","minor":"008"},"#,
            r#""authentication":{"security_type":2,"vnc":{"challenge":"6368616c6c656e67656368616c6c656e","#,
            r#""response":"726573706f6e7365726573706f6e7365"},"security_result":"OK"},"screen_shared":true,"#,
            r#""framebuffer":{"width":800,"height":600,"name":"desk","pixel_format":{"bits_per_pixel":32,"depth":24,"#,
            r#""big_endian":false,"true_color":true,"red_max":255,"green_max":255,"blue_max":255,"red_shift":16,"green_shift":8,"blue_shift":0}}}"#
        )]
    );
    let tx = talk.each()[0];
    assert_eq!((tx.progress(ToServer), tx.progress(ToClient)), (DONE, DONE));
    assert_eq!(tx.bytes(slots::NAME, 0), Some(&b"desk"[..]));
    assert_eq!(
        (tx.number(slots::SECURITY_TYPE, 0), tx.number(slots::SECURITY_RESULT, 0)),
        (Some(2), Some(0))
    );
    talk.forget_done();
    talk.all(&[(ToServer, b"\x03"), (ToClient, V38)]).unwrap();
    assert!(talk.each().is_empty());
}

#[test]
fn each_version_has_its_own_order() {
    for turns in [
        &[
            (ToClient, V38),
            (ToServer, V38),
            (ToClient, b"\x01\x01"),
            (ToServer, b"\x01"),
            (ToClient, GOOD),
            (ToServer, b"\0"),
            (ToClient, INIT),
        ][..],
        &[
            (ToClient, V37),
            (ToServer, V37),
            (ToClient, b"\x01\x01"),
            (ToServer, b"\x01"),
            (ToServer, b"\0"),
            (ToClient, INIT),
        ],
        &[(ToClient, V38), (ToServer, V33), (ToClient, b"\0\0\0\x01"), (ToServer, b"\0"), (ToClient, INIT)],
        &[
            (ToClient, V33),
            (ToServer, V33),
            (ToClient, b"\0\0\0\x02"),
            (ToClient, b"challengechallen"),
            (ToServer, b"responseresponse"),
            (ToClient, GOOD),
            (ToServer, b"\0"),
            (ToClient, INIT),
        ],
    ] {
        let talk = after(turns);
        assert!(
            talk.records()[0].contains(r#""screen_shared":false,"framebuffer":{"width":800"#),
            "{:?}",
            talk.records()
        );
        assert_eq!((talk.each()[0].progress(ToServer), talk.events()), (DONE, vec![]));
    }
}

#[test]
fn what_ends_a_handshake_is_told() {
    let reason: &[u8] = b"\0\0\0\x04oops";
    let failed = [b"\0\0\0\x01", reason].concat();
    for (turns, expected, event) in [
        (
            &[(ToClient, V33), (ToServer, V33), (ToClient, b"\0\0\0\0\0\0\0\x04oops")][..],
            r#""authentication":{"security_type":0},"server_security_failure_reason":"oops""#,
            None,
        ),
        (
            &[(ToClient, V38), (ToServer, V38), (ToClient, b"\0\0\0\0\x04oops")],
            r#""authentication":{},"server_security_failure_reason":"oops""#,
            None,
        ),
        (
            &[VNC[0], VNC[1], VNC[2], VNC[3], VNC[4], VNC[5], (ToClient, &failed)],
            r#"},"server_security_failure_reason":"oops""#,
            None,
        ),
        (
            &[VNC[0], VNC[1], VNC[2], VNC[3], VNC[4], VNC[5], (ToClient, b"\0\0\0\x02")],
            r#""vnc""#,
            Some("unknown_security_result"),
        ),
        (
            &[VNC[0], VNC[1], VNC[2], (ToServer, b"\x1e")],
            r#""security_type":30"#,
            Some("unimplemented_security_type"),
        ),
        (
            &[(ToClient, V38), (ToServer, b"hello, world")],
            r#""authentication":{}"#,
            Some("malformed_message"),
        ),
        (&[(ToClient, V38), (ToClient, &[0; 5000])], r#""authentication":{}"#, Some("confused_state")),
    ] {
        let talk = after(turns);
        assert!(talk.records()[0].contains(expected), "{:?}", talk.records());
        assert_eq!(talk.events(), event.into_iter().collect::<Vec<_>>());
        let over = event != Some("unimplemented_security_type");
        assert_eq!(talk.each()[0].progress(ToClient) == DONE, over);
    }
    let talk = after(&[VNC[0], VNC[1], VNC[2], VNC[3], VNC[4], VNC[5], (ToClient, &failed)]);
    assert_eq!(talk.each()[0].number(slots::SECURITY_RESULT, 0), Some(1));
    let long = [&INIT[..20], &(TEXT_MAX as u32 + 1).to_be_bytes()[..]].concat();
    let mut turns = VNC.to_vec();
    turns[8] = (ToClient, &long);
    assert_eq!(after(&turns).events(), ["malformed_message"]);
}

#[test]
fn it_is_known_anywhere_by_its_first_bytes() {
    for (bytes, expected) in [
        (&b""[..], Probe::More),
        (b"RF", Probe::More),
        (b"RFB 003", Probe::Yes),
        (b"RFC 003", Probe::No),
        (b"GET /", Probe::No),
    ] {
        for dir in Direction::BOTH {
            assert_eq!(RFB.probe(Proto::TCP, dir, 80, bytes), expected);
        }
    }
}

#[test]
fn streams_may_be_cut_anywhere() {
    check_pieces(&ENTRY, 5900, "{}", VNC);
    let mut talk = after(&VNC[..4]);
    talk.gap(ToClient, 16).unwrap();
    talk.all(&VNC[6..]).unwrap();
    assert_eq!(talk.each()[0].progress(ToClient), 1);
}

#[test]
fn mutations_never_panic() {
    check_mutations(&ENTRY, Proto::TCP, 5900, VNC);
}

#[test]
fn messages_are_frames() {
    let turns =
        [(ToClient, V38), (ToServer, V38), (ToClient, b"\x01\x01"), (ToServer, b"\x01"), (ToClient, GOOD)];
    let turns = [&turns[..], &[(ToServer, b"\x01"), (ToClient, INIT)]].concat();
    let places = [
        (ToClient, 0, 12),
        (ToClient, 12, 2),
        (ToClient, 14, 4),
        (ToClient, 18, 28),
        (ToServer, 0, 12),
        (ToServer, 12, 1),
        (ToServer, 13, 1),
    ];
    check_frames(&ENTRY, 5900, &turns, &places.map(|(dir, at, len)| (dir, "pdu", at, Some(len))));
}

#[test]
fn memory_is_bounded() {
    check_bounded(&ENTRY, Proto::TCP, 5900, VNC, 64 << 10);
}
