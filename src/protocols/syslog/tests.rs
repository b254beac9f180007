//! Messages in each of their framings.

use super::parser::MESSAGE_MAX;
use super::{ENTRY, SYSLOG};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::ToServer;

const SESSION: &[(Direction, &[u8])] = &[
    (ToServer, b"<34>Oct 11 22:14:15 host su: 'su root' failed\n<0>x\n"),
    (ToServer, b"12 <165>1 - - -<13>line\n"),
];

#[test]
fn messages_are_told() {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 514, "{}");
    talk.all(SESSION).unwrap();
    assert_eq!(
        talk.records(),
        [
            r#""syslog":{"facility":"auth","severity":"crit","message":"Oct 11 22:14:15 host su: 'su root' failed"}"#,
            r#""syslog":{"facility":"kern","severity":"emerg","message":"x"}"#,
            r#""syslog":{"facility":"local4","severity":"notice","message":"1 - - -"}"#,
            r#""syslog":{"facility":"user","severity":"notice","message":"line"}"#,
        ]
    );
    let mut datagrams = Talk::new(&ENTRY, Proto::UDP, 514, "{}");
    datagrams.say(ToServer, b"<191>a\nb").unwrap();
    assert!(datagrams.say(ToServer, b"<192>no").is_err());
    datagrams.say(ToServer, b"<1>c").unwrap();
    assert_eq!(datagrams.records().len(), 2);
}

#[test]
fn cut_anywhere_it_is_the_same_whatever_comes() {
    check_pieces(&ENTRY, 514, "{}", SESSION);
    check_mutations(&ENTRY, Proto::TCP, 514, SESSION);
    check_mutations(&ENTRY, Proto::UDP, 514, SESSION);
}

#[test]
fn what_is_wrong_or_too_long_is_told() {
    for (bytes, event) in [
        (&b"hello\n"[..], "malformed_message"),
        (b"99999999 x", "malformed_message"),
        (&[b'<'; MESSAGE_MAX], "message_too_long"),
    ] {
        let mut talk = Talk::new(&ENTRY, Proto::TCP, 514, "{}");
        assert!(talk.say(ToServer, bytes).is_err());
        assert_eq!(talk.events(), [event]);
    }
    let mut long = Talk::new(&ENTRY, Proto::TCP, 514, "{}");
    long.say(ToServer, &[&b"20004 <1>"[..], &[b'x'; 20_001], b"<2>next\n"].concat()).unwrap();
    assert_eq!((long.events(), long.each().len()), (vec!["message_too_long"], 2));
}

#[test]
fn a_hole_ends_it() {
    let mut talk = Talk::new(&ENTRY, Proto::TCP, 514, "{}");
    talk.all(&SESSION[..1]).unwrap();
    talk.gap(ToServer, 3).unwrap();
    talk.say(ToServer, b"whatever").unwrap();
    assert_eq!(talk.each().len(), 2);
}

#[test]
fn its_port_and_a_priority_tell() {
    for (port, bytes, expected) in [
        (514, &b"<34>x"[..], Probe::Yes),
        (514, b"5 <34>x", Probe::Yes),
        (514, b"<3", Probe::More),
        (514, b"GET /", Probe::No),
        (514, b"<999>x", Probe::No),
        (80, b"<34>x", Probe::No),
    ] {
        assert_eq!(SYSLOG.probe(Proto::TCP, ToServer, port, bytes), expected, "{}", bytes.escape_ascii());
    }
}
