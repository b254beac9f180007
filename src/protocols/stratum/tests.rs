//! Sessions, line by line.

use super::parser::LINE_MAX;
use super::{ENTRY, STRATUM};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

const BITCOIN: &[(Direction, &[u8])] = &[
    (ToServer, b"{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[\"cgminer/4.9\"]}\n"),
    (ToClient, b"{\"id\":1,\"result\":[[],\"08000002\",4],\"error\":null}\n"),
    (ToServer, b"{\"id\":2,\"method\":\"mining.authorize\",\"params\":[\"bc1wallet.rig\",\"x\"]}\n"),
    (ToClient, b"{\"id\":2,\"result\":false,\"error\":[24,\"Unauthorized worker\",null]}\n"),
    (ToClient, b"{\"id\":null,\"method\":\"mining.notify\",\"params\":[]}\n"),
];

const MONERO: &[(Direction, &[u8])] = &[
    (ToServer, b"{\"id\":1,\"jsonrpc\":\"2.0\",\"method\":\"login\",\"params\":{\"login\":\"4Wallet\",\"pass\":\"x\",\"agent\":\"XMRig/6\"}}\r\n"),
    (ToClient, b"{\"id\":1,\"jsonrpc\":\"2.0\",\"error\":{\"code\":-1,\"message\":\"banned\"}}\r\n"),
];

fn talk(turns: &[(Direction, &[u8])]) -> Talk {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 3333, "{}");
    talk.all(turns).unwrap();
    talk
}

#[test]
fn sessions_are_read() {
    assert_eq!(
        talk(BITCOIN).records(),
        [
            r#""stratum":{"request":{"method":"mining.subscribe","agent":"cgminer/4.9"}}"#,
            r#""stratum":{"request":{"method":"mining.authorize","user":"bc1wallet.rig"},"response":{"error":"Unauthorized worker"}}"#,
            r#""stratum":{"request":{"method":"mining.notify"}}"#,
        ]
    );
    assert_eq!(
        talk(MONERO).records(),
        [
            r#""stratum":{"request":{"method":"login","user":"4Wallet","agent":"XMRig/6"},"response":{"error":"banned"}}"#
        ]
    );
}

#[test]
fn cut_anywhere_it_is_the_same_whatever_comes() {
    for session in [BITCOIN, MONERO] {
        check_pieces(&ENTRY, 3333, "{}", session);
        check_mutations(&ENTRY, Proto::TCP, 3333, session);
    }
}

#[test]
fn what_is_wrong_or_too_long_is_told() {
    let nested = [&b"{\"id\":"[..], &[b'['; 10_000], b"\n"].concat();
    for (bytes, event) in [
        (&b"[]\n"[..], "malformed_line"),
        (b"{\n", "malformed_line"),
        (&nested, "malformed_line"),
        (&[b' '; LINE_MAX], "line_too_long"),
    ] {
        let mut talk = talk(&[]);
        assert!(talk.say(ToServer, bytes).is_err());
        assert_eq!(talk.events(), [event]);
    }
    let mut many = talk(&[]);
    for nth in 0..5000 {
        many.say(ToServer, format!("{{\"id\":{nth},\"method\":\"submit\"}}\n").as_bytes()).unwrap();
    }
    assert!(many.memory() < 8 << 20, "{}", many.memory());
}

#[test]
fn a_hole_ends_a_side() {
    let mut talk = talk(&BITCOIN[..1]);
    talk.gap(ToClient, 3).unwrap();
    talk.say(ToClient, b"whatever").unwrap();
    talk.say(ToServer, BITCOIN[2].1).unwrap();
    assert_eq!(talk.each().len(), 2);
}

#[test]
fn it_is_recognised() {
    for (dir, bytes, expected) in [
        (ToServer, BITCOIN[0].1, Probe::Yes),
        (ToServer, MONERO[0].1, Probe::Yes),
        (ToServer, &MONERO[0].1[..20], Probe::More),
        (ToServer, b"{\"method\":\"ping\"}\n", Probe::No),
        (ToServer, b"{}\n", Probe::No),
        (ToClient, BITCOIN[4].1, Probe::No),
        (ToServer, b"GET / HTTP/1.1\r\n", Probe::No),
    ] {
        assert_eq!(STRATUM.probe(Proto::TCP, dir, 8080, bytes), expected, "{}", bytes.escape_ascii());
    }
}
