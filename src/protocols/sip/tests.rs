//! Whole messages, made here.

use super::message::{BODY_MAX, HEAD_MAX};
use super::{ENTRY, SIP, slots};
use crate::app::{Probe, Protocol, Slot};
use crate::protocols::testing::{Talk, check_frames, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

const INVITE: &[u8] = b"INVITE sip:bob@example.com SIP/2.0\r\nVia: SIP/2.0/UDP a;branch=z9hG4bK1\r\nv: SIP/2.0/UDP b\r\n\
f: <sip:alice@example.com>;tag=1\r\nTo : <sip:bob@example.com>\r\nUser-Agent: folded\r\n \tagent \r\nc: application/sdp;x=y\r\n\
Content-Length: 121\r\n\r\nv=0\r\no=alice 1 2 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\nt=0 0\r\na=x\r\n\
m=audio 4000 RTP/AVP 0\r\nc=IN IP4 192.0.2.9\r\na=y:1\r\n";
const RINGING: &[u8] = b"SIP/2.0 180 Ringing, Bob\r\nVia: SIP/2.0/UDP a\r\nContent-Length: 0\r\n\r\n";

fn datagrams() -> Talk {
    Talk::new(&ENTRY, Proto::UDP, 5060, "{}")
}

#[test]
fn messages_are_taken_apart() {
    let mut talk = datagrams();
    talk.all(&[(ToServer, INVITE), (ToClient, RINGING)]).unwrap();
    assert_eq!(
        talk.records(),
        [
            r#""sip":{"method":"INVITE","uri":"sip:bob@example.com","version":"SIP/2.0","request_line":"INVITE sip:bob@example.com SIP/2.0"}"#,
            r#""sip":{"version":"SIP/2.0","code":"180","reason":"Ringing, Bob","response_line":"SIP/2.0 180 Ringing, Bob"}"#,
        ]
    );
    let transactions = talk.each();
    let texts = |nth: usize, slot: Slot| -> Vec<String> {
        (0..)
            .map_while(|at| transactions[nth].bytes(slot, at))
            .map(|text| String::from_utf8_lossy(text).into_owned())
            .collect()
    };
    for (slot, expected) in [
        (slots::VIA, &["SIP/2.0/UDP a;branch=z9hG4bK1", "SIP/2.0/UDP b"][..]),
        (slots::FROM, &["<sip:alice@example.com>;tag=1"]),
        (slots::TO, &["<sip:bob@example.com>"]),
        (slots::USER_AGENT, &["folded agent"]),
        (slots::CONTENT_TYPE, &["application/sdp;x=y"]),
        (slots::CONTENT_LENGTH, &["121"]),
        (slots::STAT_CODE, &[]),
        (slots::SDP_ORIGIN, &["alice 1 2 IN IP4 192.0.2.1"]),
        (slots::SDP_SESSION_NAME, &["-"]),
        (slots::SDP_CONNECTION_DATA, &["IN IP4 192.0.2.1"]),
        (slots::SDP_TIME, &["0 0"]),
        (slots::SDP_ATTRIBUTE, &["x", "y:1"]),
        (slots::SDP_MEDIA, &["audio 4000 RTP/AVP 0"]),
        (slots::SDP_MEDIA_CONNECTION_DATA, &["IN IP4 192.0.2.9"]),
        (slots::SDP_MEDIA_ENCRYPTION_KEY, &[]),
    ] {
        assert_eq!(texts(0, slot), expected, "{slot:?}");
    }
    assert_eq!(texts(1, slots::STAT_MSG), ["Ringing, Bob"]);
    assert_eq!((transactions[1].concerns(ToServer), transactions[1].concerns(ToClient)), (false, true));
}

#[test]
fn what_is_no_message_is_an_error_and_the_next_one_is_read() {
    for broken in [
        &b"INVITE sip:a\r\n\r\n"[..],
        b"INVITE  sip:a SIP/2.0\r\n\r\n",
        b"INVITE sip:a SIP/2.0 \r\n\r\n",
        b"INVITE sip:a SIP/20\r\n\r\n",
        b"INVITE1 sip:a SIP/2.0\r\n\r\n",
        b"ACK sip:a SIP/2.0\n\n",
        b"ACK sip:a SIP/2.0\r\nno header\r\n\r\n",
        b"ACK sip:a SIP/2.0\r\na: b",
        b"ACK sip:a SIP/2.0\r\na: b\r\n",
        b"ACK sip:a SIP/2.0\r\n: b\r\n\r\n",
        RINGING,
    ] {
        let mut talk = datagrams();
        assert!(talk.say(ToServer, broken).is_err(), "{}", broken.escape_ascii());
        talk.say(ToServer, INVITE).unwrap();
        assert_eq!(talk.each().len(), 1);
        assert_eq!(SIP.probe(Proto::UDP, ToServer, 5060, broken), Probe::No);
    }
    let mut talk = datagrams();
    for fine in [&b"\r\n\r\n"[..], b"\0\0"] {
        talk.say(ToServer, fine).unwrap();
    }
    assert!(talk.say(ToClient, INVITE).is_err());
    for end in 0..INVITE.len() {
        let mut talk = datagrams();
        let _ = talk.say(ToServer, &INVITE[..end]);
    }
}

#[test]
fn only_its_ports_are_looked_at() {
    for (port, expected) in [(5060, Probe::Yes), (5061, Probe::Yes), (5062, Probe::No)] {
        assert_eq!(SIP.probe(Proto::UDP, ToServer, port, INVITE), expected);
        assert_eq!(SIP.probe(Proto::TCP, ToServer, port, INVITE), expected);
    }
    for (dir, bytes, expected) in [
        (ToServer, &b"REGI"[..], Probe::More),
        (ToServer, b"REGISTER sip:a b", Probe::More),
        (ToServer, b"\x16\x03", Probe::No),
        (ToServer, b"GET / HTTP/1.1\r\n", Probe::No),
        (ToClient, b"SI", Probe::More),
        (ToClient, b"HTTP/1.1 200", Probe::No),
        (ToClient, RINGING, Probe::Yes),
    ] {
        assert_eq!(SIP.probe(Proto::TCP, dir, 5060, bytes), expected, "{}", bytes.escape_ascii());
    }
    assert!(SIP.factory(&crate::app::Settings::new(None)).speaks(Proto::UDP));
    assert!(!SIP.factory(&crate::app::Settings::new(None)).speaks(Proto::TCP));
    let settings = crate::app::Settings::new(serde_yaml::from_str("{tcp: {enabled: yes}}").ok());
    assert!(SIP.factory(&settings).speaks(Proto::TCP));
}

#[test]
fn streams_may_be_cut_anywhere() {
    let requests = [INVITE, b"\r\n\r\n", INVITE].concat();
    check_pieces(&ENTRY, 5060, "{}", &[(ToServer, &requests), (ToClient, RINGING), (ToClient, RINGING)]);
}

#[test]
fn a_stream_with_a_hole_is_taken_up_again() {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 5060, "{}");
    talk.say(ToServer, &INVITE[..40]).unwrap();
    talk.gap(ToServer, 9).unwrap();
    talk.say(ToServer, &[&INVITE[60..], INVITE, INVITE].concat()).unwrap();
    assert_eq!(talk.each().len(), 2);
}

#[test]
fn heads_and_bodies_are_bounded() {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 5060, "{}");
    let long = format!("INVITE sip:a SIP/2.0\r\nc: application/sdp\r\nl: {}\r\n\r\n", BODY_MAX + 1);
    talk.say(ToServer, long.as_bytes()).unwrap();
    assert_eq!(talk.each().len(), 1);
    talk.gap(ToServer, 1).unwrap();
    talk.say(ToServer, &vec![b'm'; BODY_MAX]).unwrap();
    talk.say(ToServer, INVITE).unwrap();
    assert_eq!(talk.each().len(), 2);
    let head = [&b"INVITE sip:a SIP/2.0\r\nx: "[..], &vec![b'x'; HEAD_MAX]].concat();
    assert!(talk.say(ToServer, &head).is_err());
    let mut talk = datagrams();
    let many = [&b"INVITE sip:a SIP/2.0\r\n"[..], &b"v: x\r\n".repeat(8000), b"\r\n"].concat();
    assert!(talk.say(ToServer, &many).is_err());
    let body =
        [&b"INVITE sip:a SIP/2.0\r\nc: application/sdp\r\n\r\n"[..], &b"a=x\r\n".repeat(12_000)].concat();
    talk.say(ToServer, &body).unwrap();
    assert!(talk.memory() < 128 << 10, "{}", talk.memory());
}

#[test]
fn mutations_never_panic() {
    for transport in [Proto::UDP, Proto::TCP] {
        check_mutations(
            &ENTRY,
            transport,
            5060,
            &[(ToServer, INVITE), (ToClient, RINGING), (ToServer, INVITE)],
        );
    }
}

#[test]
fn messages_and_their_parts_are_frames() {
    let request = b"OPTIONS a SIP/2.0\r\nl: 2\r\n\r\nhi";
    let expected = [
        (ToServer, "pdu", 0, Some(29)),
        (ToServer, "request.line", 0, Some(19)),
        (ToServer, "request.headers", 19, Some(6)),
        (ToServer, "request.body", 27, Some(2)),
        (ToClient, "pdu", 0, Some(RINGING.len() as u64)),
        (ToClient, "response.line", 0, Some(26)),
        (ToClient, "response.headers", 26, Some(RINGING.len() as u64 - 28)),
    ];
    check_frames(&ENTRY, 5060, &[(ToServer, request), (ToClient, RINGING)], &expected);
    let mut talk = Talk::watching(&ENTRY, Proto::UDP, 5060);
    talk.say(ToServer, request).unwrap();
    assert_eq!(talk.frames(ToServer).len(), 4);
}
