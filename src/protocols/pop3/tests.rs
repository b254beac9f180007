//! Sessions, line by line.

use super::parser::{DATA_MAX, LINE_MAX};
use super::{ENTRY, POP3, slots};
use crate::app::FileState;
use crate::app::{Change, DONE, Probe, Protocol};
use crate::protocols::mime::mail;
use crate::protocols::testing::{MESSAGE, Talk, check_mutations, check_pieces, files};
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
            ) + r#","email":{"status":"PARSE_DONE"}"#,
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

/// The answer to RETR with that message.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = b"+OK\r\n".to_vec();
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        out.extend_from_slice(if line.starts_with(b".") { b"." } else { b"" });
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b".\r\n");
    out
}

#[test]
fn messages_are_taken_apart() {
    let message = stuffed(MESSAGE);
    let part = &message[..message.len() - 20];
    let turns: &[(Direction, &[u8])] = &[
        (ToServer, b"RETR 1\r\nRETR 2\r\n"),
        (ToClient, &message),
        (ToClient, &message),
        (ToServer, b"TOP 1 5\r\n"),
        (ToClient, &[part, b"\r\n.\r\n"].concat()),
        (ToServer, b"LIST\r\n"),
        (ToClient, &message),
    ];
    let mut talk = talk();
    talk.all(turns).unwrap();
    let whole = ("att.bin".to_owned(), 14, FileState::Closed, "attached bytes".to_owned());
    let found = files(&talk, ToClient, mail::FILE_DATA_ROW.places[1].slot);
    assert_eq!(found[..2], [whole.clone(), whole]);
    assert_eq!((found.len(), found[2].2), (3, FileState::Truncated), "a list is no message");
    let records = talk.records();
    assert!(
        records[0].ends_with(
            r#","email":{"status":"PARSE_DONE","from":"ann","has_ipv6_url":false,"has_ipv4_url":false,"has_exe_url":false,"attachment":["att.bin"],"url":["evil.example/x"]}"#
        ),
        "{}",
        records[0]
    );
    assert_eq!(talk.each()[0].bytes(mail::FILE_NAME_ROW.places[1].slot, 0), Some(&b"att.bin"[..]));
    assert_eq!(talk.each()[0].bytes(mail::SUBJECT_ROW.places[1].slot, 0), Some(&b"hello"[..]));
    for size in 1..message.len() {
        let mut cut = self::talk();
        for (dir, bytes) in turns {
            bytes.chunks(size).for_each(|piece| cut.say(*dir, piece).unwrap());
        }
        assert_eq!(
            (files(&cut, ToClient, mail::FILE_DATA_ROW.places[1].slot), cut.records()),
            (found.clone(), records.clone()),
            "{size}"
        );
    }
    check_mutations(&ENTRY, Proto::TCP, 110, turns);
}

#[test]
fn a_line_of_a_message_may_be_of_any_length() {
    let name = "Content-Disposition: attachment; filename=a\r\n\r\n";
    let body = "x".repeat(3 * LINE_MAX + 5);
    let mut long = talk();
    long.all(&[
        (ToServer, b"RETR 1\r\n"),
        (ToClient, &stuffed(format!("{name}{body}\r\n.y\r\n").as_bytes())),
    ])
    .unwrap();
    let found = files(&long, ToClient, mail::FILE_DATA_ROW.places[1].slot);
    assert_eq!((found[0].1, found[0].3.clone()), (body.len() as u64 + 4, format!("{body}\\r\\n.y")));
    assert_eq!(long.events(), ["mime_long_line"]);
    let mut lost = talk();
    lost.all(&[(ToServer, b"RETR 1\r\n"), (ToClient, format!("+OK\r\n{name}abc\r\n").as_bytes())]).unwrap();
    lost.gap(ToClient, 10).unwrap();
    assert_eq!(files(&lost, ToClient, mail::FILE_DATA_ROW.places[1].slot)[0].2, FileState::Truncated);
}

#[test]
fn a_sign_in_whose_beginning_was_lost_stands_in_no_record() {
    let mut talk = talk();
    talk.gap(ToServer, 12).unwrap();
    talk.all(&[(ToServer, b"AGFubgBzZWNyZXQ= more\r\n"), (ToClient, b"-ERR no\r\n")]).unwrap();
    assert_eq!(talk.records(), [r#""pop3":{"response":{"success":false,"status":"ERR","header":"no"}}"#]);
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
