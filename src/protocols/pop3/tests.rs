//! Sessions, line by line.

use super::parser::{DATA_MAX, LINE_MAX};
use super::{ENTRY, POP3, slots};
use crate::app::{Change, DONE, Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

const SESSION: &[(Direction, &[u8])] = &[
    (ToClient, b"+OK POP3 ready <1896.697170952@example.com>\r\n"),
    (ToServer, b"CAPA\r\n"),
    (ToClient, b"+OK\r\nTOP\r\nUIDL\r\n.\r\n"),
    (ToServer, b"user ann\r\n"),
    (ToClient, b"+OK\r\n"),
    (ToServer, b"PASS secret\r\n"),
    (ToClient, b"+OK 2 messages\r\n"),
    (ToServer, b"STAT\r\nLIST\r\nLIST 1\r\nRETR 1\r\n"),
    (ToClient, b"+OK 2 320\r\n+OK\r\n1 120\r\n2 200\r\n.\r\n+OK 1 120\r\n"),
    (ToClient, b"+OK 120 octets\r\nSubject: x\r\n\r\n..dot\r\n.\r\n"),
    (ToServer, b"RETR 9\r\n"),
    (ToClient, b"-ERR no such message\r\n"),
    (ToServer, b"AUTH PLAIN\r\n"),
    (ToClient, b"+ \r\n"),
    (ToServer, b"AGFubgBzZWNyZXQ=\r\n"),
    (ToClient, b"-ERR no\r\n"),
    (ToServer, b"QUIT\r\n"),
    (ToClient, b"+OK bye\r\n"),
];

fn talk() -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 110, "{}")
}

#[test]
fn a_session_is_read() {
    let mut talk = talk();
    talk.all(SESSION).unwrap();
    let record = |request: &str, response: &str| {
        let request = if request.is_empty() { String::new() } else { format!(r#""request":{{{request}}},"#) };
        format!(r#""pop3":{{{request}"response":{{{response}}}}}"#)
    };
    assert_eq!(
        talk.records(),
        [
            record("", r#""success":true,"status":"OK","header":"POP3 ready <1896.697170952@example.com>""#),
            record(r#""command":"CAPA""#, r#""success":true,"status":"OK","header":"","lines":2"#),
            record(r#""command":"USER","args":["ann"]"#, r#""success":true,"status":"OK","header":"""#),
            record(r#""command":"PASS""#, r#""success":true,"status":"OK","header":"2 messages""#),
            record(r#""command":"STAT""#, r#""success":true,"status":"OK","header":"2 320""#),
            record(r#""command":"LIST""#, r#""success":true,"status":"OK","header":"","lines":2"#),
            record(r#""command":"LIST","args":["1"]"#, r#""success":true,"status":"OK","header":"1 120""#),
            record(
                r#""command":"RETR","args":["1"]"#,
                r#""success":true,"status":"OK","header":"120 octets","lines":3"#
            ),
            record(
                r#""command":"RETR","args":["9"]"#,
                r#""success":false,"status":"ERR","header":"no such message""#
            ),
            record(r#""command":"AUTH","args":["PLAIN"]"#, r#""success":false,"status":"ERR","header":"no""#),
            record(r#""command":"QUIT""#, r#""success":true,"status":"OK","header":"bye""#),
        ]
    );
    let each = talk.each();
    assert_eq!(each[7].bytes(slots::DATA, 0), Some(&b"Subject: x\n\n.dot\n"[..]));
    assert_eq!(each[3].bytes(slots::ARGUMENT, 0), Some(&b"secret"[..]));
    assert_eq!(each[2].bytes(slots::USER, 0), Some(&b"ann"[..]));
    assert_eq!(talk.events(), [""; 0]);
}

#[test]
fn cut_anywhere_it_is_the_same_whatever_comes() {
    check_pieces(&ENTRY, 110, "{}", SESSION);
    check_mutations(&ENTRY, Proto::TCP, 110, SESSION);
}

#[test]
fn tls_takes_over() {
    let mut talk = talk();
    talk.all(&[(ToServer, b"STLS\r\n"), (ToClient, b"+OK go\r\n")]).unwrap();
    assert_eq!(talk.change, Some(Change::Probe));
    let mut refused = self::talk();
    refused.all(&[(ToServer, b"STLS\r\n"), (ToClient, b"-ERR no\r\n")]).unwrap();
    assert_eq!(refused.change, None);
}

#[test]
fn what_is_odd_or_too_much_is_told() {
    let mut odd = talk();
    odd.all(&[(ToServer, b"WHAT now\r\n"), (ToClient, b"hello\r\n")]).unwrap();
    assert_eq!(odd.events(), ["unknown_command", "unexpected_response"]);
    let mut long = talk();
    for _ in 0..10 {
        long.say(ToServer, &[b'x'; LINE_MAX]).unwrap();
    }
    long.say(ToServer, b"rest\r\nNOOP\r\n").unwrap();
    assert_eq!((long.events(), long.each().len()), (vec!["line_too_long"], 2));
    let mut message = talk();
    message.all(&[(ToServer, b"RETR 1\r\n"), (ToClient, b"+OK\r\n")]).unwrap();
    for _ in 0..1000 {
        message.say(ToClient, &[&[b'x'; 1000][..], b"\r\n"].concat()).unwrap();
    }
    message.say(ToClient, b".\r\n").unwrap();
    let data = message.each()[0].bytes(slots::DATA, 0).unwrap().len();
    assert!(data == DATA_MAX && message.memory() < 64 << 10, "{data} {}", message.memory());
    let mut many = talk();
    many.say(ToServer, &b"NOOP\r\n".repeat(10_000)).unwrap();
    assert!(many.memory() < 8 << 20);
}

#[test]
fn a_hole_is_stood() {
    let mut talk = talk();
    talk.say(ToServer, b"STAT\r\n").unwrap();
    talk.gap(ToClient, 10).unwrap();
    talk.say(ToClient, b"+OK\r\n").unwrap();
    talk.say(ToServer, b"QUIT\r\n").unwrap();
    assert!(talk.each().len() == 2 && talk.each().iter().all(|tx| tx.progress(ToClient) == DONE));
}

#[test]
fn it_is_recognised() {
    for (dir, port, bytes, expected) in [
        (ToClient, 110, &b"+OK hello\r\n"[..], Probe::Yes),
        (ToClient, 110, b"+", Probe::More),
        (ToClient, 110, b"220 hello\r\n", Probe::No),
        (ToClient, 2110, b"+OK Dovecot pop3 ready.\r\n", Probe::Yes),
        (ToClient, 2110, b"+OK <1.2@host>\r\n", Probe::Yes),
        (ToClient, 2110, b"+OK hello\r\n", Probe::No),
        (ToClient, 2110, b"+OK hel", Probe::More),
        (ToClient, 6379, b"+OK\r\n", Probe::No),
        (ToServer, 110, b"USER ann\r\n", Probe::Yes),
        (ToServer, 110, b"US", Probe::More),
        (ToServer, 110, b"EHLO x\r\n", Probe::No),
        (ToServer, 21, b"USER ann\r\n", Probe::No),
    ] {
        assert_eq!(POP3.probe(Proto::TCP, dir, port, bytes), expected, "{}", bytes.escape_ascii());
    }
}
