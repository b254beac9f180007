//! Sessions, line by line.

use super::parser::{ANSWER_MAX, LINE_MAX, LITERAL_MAX};
use super::{ENTRY, IMAP, slots};
use crate::app::{Change, DONE, Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

const SESSION: &[(Direction, &[u8])] = &[
    (ToClient, b"* OK [CAPABILITY IMAP4rev1] ready\r\n"),
    (ToServer, b"a1 capability\r\n"),
    (ToClient, b"* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\na1 OK done\r\n"),
    (ToServer, b"a2 LOGIN \"ann\" \"secret\"\r\n"),
    (ToClient, b"a2 NO wrong\r\n"),
    (ToServer, b"a3 LOGIN {3}\r\n"),
    (ToClient, b"+ go\r\n"),
    (ToServer, b"bob {3+}\r\npwd\r\n"),
    (ToClient, b"a3 OK in\r\n"),
    (ToServer, b"a4 SELECT \"In box\"\r\na5 UID FETCH 1 (BODY[])\r\n"),
    (
        ToClient,
        b"* 3 EXISTS\r\na4 OK [READ-WRITE] done\r\n* 1 FETCH (BODY[] {9}\r\nSubject:x)\r\na5 OK done\r\n",
    ),
    (ToServer, b"a6 AUTHENTICATE PLAIN\r\n"),
    (ToClient, b"+ \r\n"),
    (ToServer, b"AGFubgBzZWNyZXQ=\r\n"),
    (ToClient, b"a6 OK in\r\n"),
    (ToServer, b"a7 COPY 1 Trash\r\na8 LOGOUT\r\n"),
    (ToClient, b"a7 OK done\r\n* BYE\r\na8 OK done\r\n"),
];

fn talk() -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 143, "{}")
}

#[test]
fn a_session_is_read() {
    let mut talk = talk();
    talk.all(SESSION).unwrap();
    let records = talk.records();
    let record = |request: &str, status: &str, text: &str| {
        format!(r#""imap":{{"request":{{{request}}},"response":{{"status":"{status}","text":"{text}"}}}}"#)
    };
    assert_eq!(records[0], r#""imap":{"response":{"status":"OK","text":"[CAPABILITY IMAP4rev1] ready"}}"#);
    assert_eq!(
        records[1..],
        [
            record(r#""tag":"a1","command":"CAPABILITY""#, "OK", "done"),
            record(r#""tag":"a2","command":"LOGIN","user":"ann""#, "NO", "wrong"),
            record(r#""tag":"a3","command":"LOGIN","user":"bob""#, "OK", "in"),
            record(
                r#""tag":"a4","command":"SELECT","arguments":"\"In box\"","mailbox":"In box""#,
                "OK",
                "[READ-WRITE] done"
            ),
            record(r#""tag":"a5","command":"UID FETCH","arguments":"1 (BODY[])""#, "OK", "done"),
            record(r#""tag":"a6","command":"AUTHENTICATE","arguments":"PLAIN","user":"ann""#, "OK", "in"),
            record(r#""tag":"a7","command":"COPY","arguments":"1 Trash","mailbox":"Trash""#, "OK", "done"),
            record(r#""tag":"a8","command":"LOGOUT""#, "OK", "done"),
        ]
    );
    let fetched = talk.each()[5].bytes(slots::RESPONSE, 0).unwrap();
    assert_eq!(fetched, b"* 1 FETCH (BODY[] {9}\r\nSubject:x)");
    assert_eq!(talk.events(), [""; 0]);
}

#[test]
fn cut_anywhere_it_is_the_same_whatever_comes() {
    check_pieces(&ENTRY, 143, "{}", SESSION);
    check_mutations(&ENTRY, Proto::TCP, 143, SESSION);
}

#[test]
fn tls_and_compression_take_over() {
    for (command, answer, change, opaque) in [
        (&b"a STARTTLS\r\n"[..], &b"a OK\r\n"[..], Some(Change::Probe), false),
        (b"a STARTTLS\r\n", b"a BAD\r\n", None, false),
        (b"a COMPRESS DEFLATE\r\n", b"a OK\r\n", None, true),
    ] {
        let mut talk = talk();
        talk.all(&[(ToServer, command), (ToClient, answer)]).unwrap();
        assert_eq!((talk.change, talk.opaque), (change, opaque));
    }
}

#[test]
fn what_is_odd_or_too_much_is_told() {
    let mut odd = talk();
    odd.all(&[(ToServer, b"nonsense\r\n"), (ToClient, b"b7 OK what\r\n")]).unwrap();
    assert_eq!(odd.events(), ["malformed_command", "request_not_found"]);
    let mut long = talk();
    for _ in 0..20 {
        long.say(ToServer, &[b'x'; LINE_MAX]).unwrap();
    }
    long.say(ToServer, b"rest\r\na1 NOOP\r\n").unwrap();
    assert_eq!((long.events(), long.each().len()), (vec!["line_too_long"], 2));
    // a literal beyond the limit is passed over, and the line ends behind it
    let mut literal = talk();
    let len = LITERAL_MAX * 10;
    literal.say(ToServer, format!("a1 APPEND Sent {{{len}}}\r\n").as_bytes()).unwrap();
    literal.say(ToServer, &vec![b'\n'; len]).unwrap();
    literal.say(ToServer, b"\r\na2 NOOP\r\n").unwrap();
    assert_eq!((literal.events(), literal.each().len()), (vec!["literal_too_long"], 2));
    assert_eq!(literal.each()[0].bytes(slots::MAILBOX, 0), Some(&b"Sent"[..]));
    let mut endless = talk();
    endless.say(ToServer, b"a1 FETCH 1:* FLAGS\r\n").unwrap();
    for nth in 0..10_000 {
        endless.say(ToClient, format!("* {nth} FETCH ({})\r\n", "x".repeat(1000)).as_bytes()).unwrap();
    }
    assert!(endless.memory() < 3 * ANSWER_MAX, "{}", endless.memory());
    let mut huge = talk();
    huge.say(ToServer, b"a1 X {999999999999999999}\r\n").unwrap();
    huge.say(ToServer, b"a2 NOOP\r\n").unwrap();
    assert_eq!(huge.each().len(), 1);
}

#[test]
fn a_hole_is_stood() {
    let mut talk = talk();
    talk.say(ToServer, b"a1 NOOP\r\n").unwrap();
    talk.say(ToClient, b"* 1 FETCH (BODY[] {100000}\r\nabc").unwrap();
    talk.gap(ToClient, 99_990).unwrap();
    talk.say(ToClient, b"defghij)\r\na1 OK done\r\n").unwrap();
    assert!(talk.each()[0].bytes(slots::STATUS, 0) == Some(b"OK"));
    talk.gap(ToClient, 10).unwrap();
    talk.say(ToServer, b"a2 NOOP\r\n").unwrap();
    assert!(talk.each().iter().all(|tx| tx.progress(ToClient) == DONE));
}

#[test]
fn it_is_recognised() {
    for (dir, port, bytes, expected) in [
        (ToClient, 143, &b"* OK hello\r\n"[..], Probe::Yes),
        (ToClient, 1143, b"* OK Dovecot IMAP ready\r\n", Probe::Yes),
        (ToClient, 1143, b"* OK hello\r\n", Probe::No),
        (ToClient, 1143, b"* OK hel", Probe::More),
        (ToClient, 143, b"220 x", Probe::No),
        (ToServer, 1143, b"a001 CAPABILITY\r\n", Probe::Yes),
        (ToServer, 1143, b"a001 CAPA", Probe::More),
        (ToServer, 1143, b"a001 CAPA\r\n", Probe::No),
        (ToServer, 1143, b"GET / HTTP/1.1\r\n", Probe::No),
        (ToServer, 143, b"x LOGIN a b\r\n", Probe::Yes),
        (ToServer, 25, b"HELO a1\r\n", Probe::No),
    ] {
        assert_eq!(IMAP.probe(Proto::TCP, dir, port, bytes), expected, "{}", bytes.escape_ascii());
    }
}
