//! Sessions, line by line.

use super::parser::{ANSWER_MAX, LINE_MAX, LITERAL_MAX};
use super::{ENTRY, IMAP, slots};
use crate::app::FileState;
use crate::app::{Change, DONE, Probe, Protocol};
use crate::protocols::mime::mail;
use crate::protocols::testing::{MESSAGE, Talk, check_mutations, check_pieces, files};
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
            record(r#""tag":"a5","command":"UID FETCH","arguments":"1 (BODY[])""#, "OK", "done")
                + r#","email":{"status":"PARSE_DONE"}"#,
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

fn fetched(item: &str, message: &[u8]) -> Vec<u8> {
    let head = format!("* 7 FETCH (UID 9 {item} {{{}}}\r\n", message.len());
    [head.as_bytes(), message, b" FLAGS (\\Seen))\r\n"].concat()
}

#[test]
fn messages_are_taken_apart() {
    let long = [MESSAGE, &b"epilogue\r\n".repeat(5000)].concat();
    let appended =
        [format!("a5 APPEND {{4}}\r\nSent (\\Seen) {{{}+}}\r\n", long.len()).as_bytes(), &long, b"\r\n"]
            .concat();
    let turns: &[(Direction, &[u8])] = &[
        (ToServer, b"a1 FETCH 1 (UID BODY.PEEK[])\r\n"),
        (ToClient, &fetched("BODY[]", MESSAGE)),
        (ToClient, &fetched("RFC822", &long)),
        (ToClient, b"a1 OK done\r\n"),
        (ToServer, b"a2 FETCH 1 BODY[]<0.300>\r\n"),
        (ToClient, &fetched("BODY[]<0>", &MESSAGE[..MESSAGE.len() - 20])),
        (ToClient, b"a2 OK done\r\n"),
        (ToServer, b"a3 FETCH 1 BODY[2]\r\n"),
        (ToClient, &fetched("BODY[2]", MESSAGE)),
        (ToClient, b"a3 OK done\r\n"),
        (ToServer, &appended),
        (ToClient, b"+ go\r\na5 OK done\r\n"),
    ];
    let mut talk = talk();
    talk.all(turns).unwrap();
    let whole = ("att.bin".to_owned(), 14, FileState::Closed, "attached bytes".to_owned());
    let found = files(&talk, ToClient, mail::FILE_DATA_ROW.places[1].slot);
    assert_eq!(found[..2], [whole.clone(), whole.clone()], "a short literal and a long one");
    assert_eq!((found.len(), found[2].2), (3, FileState::Truncated), "a part alone is none");
    let added = files(&talk, ToServer, mail::FILE_DATA_ROW.places[0].slot);
    assert_eq!(added, [whole]);
    assert_eq!(talk.events(), [""; 0]);
    let records = talk.records();
    assert!(records[0].contains(r#""attachment":["att.bin","att.bin"]"#), "{}", records[0]);
    assert!(talk.each().iter().all(|tx| tx.progress(ToServer) == DONE && tx.progress(ToClient) == DONE));
    for size in (1..400).chain([1000, 4096, 20_000]) {
        let mut cut = self::talk();
        for (dir, bytes) in turns {
            bytes.chunks(size).for_each(|piece| cut.say(*dir, piece).unwrap());
        }
        assert_eq!(files(&cut, ToClient, mail::FILE_DATA_ROW.places[1].slot), found, "pieces of {size}");
        assert_eq!(files(&cut, ToServer, mail::FILE_DATA_ROW.places[0].slot), added, "pieces of {size}");
        assert_eq!(cut.records(), records, "pieces of {size}");
    }
    let short: Vec<_> = turns.iter().copied().filter(|(_, bytes)| bytes.len() < 1000).collect();
    check_mutations(&ENTRY, Proto::TCP, 143, &short);
}

#[test]
fn an_appended_message_is_open_until_its_end() {
    let mut talk = talk();
    talk.say(ToServer, b"a1 APPEND Sent {20000}\r\nContent-Disposition: x; filename=f\r\n\r\n").unwrap();
    talk.say(ToServer, &b"some line of it\r\n".repeat(100)).unwrap();
    let tx = talk.each()[0];
    assert_eq!((tx.progress(ToServer), tx.files(ToServer)[0].state), (mail::BEGUN, FileState::Opened));
    assert!(!tx.body(mail::FILE_DATA_ROW.places[0].slot, 0).unwrap().complete);
    talk.gap(ToServer, 10_000).unwrap();
    talk.say(ToServer, &[b'y'; 10_000]).unwrap();
    let tx = talk.each()[0];
    assert_eq!((tx.progress(ToServer), tx.files(ToServer)[0].state), (DONE, FileState::Truncated));
    talk.say(ToServer, b"\r\na2 NOOP\r\n").unwrap();
    assert!(talk.each().len() >= 2, "what is behind the hole is read");
}

#[test]
fn messages_are_bounded() {
    let mut many = talk();
    many.say(ToServer, b"a1 FETCH 1:* RFC822\r\n").unwrap();
    for _ in 0..1000 {
        many.say(ToClient, &fetched("RFC822", MESSAGE)).unwrap();
    }
    assert_eq!(files(&many, ToClient, mail::FILE_DATA_ROW.places[1].slot).len(), mail::MESSAGES_MAX);
    let mut endless = talk();
    endless.say(ToServer, b"a1 FETCH 1 RFC822\r\n").unwrap();
    endless
        .say(ToClient, b"* 1 FETCH (RFC822 {999999999999}\r\nContent-Disposition: x; filename=f\r\n\r\n")
        .unwrap();
    for _ in 0..1000 {
        endless.say(ToClient, &[b'x'; 10_000]).unwrap();
    }
    assert!(many.memory() + endless.memory() < 2 << 20, "{} {}", many.memory(), endless.memory());
    // the last line is not there yet
    assert!(files(&endless, ToClient, mail::FILE_DATA_ROW.places[1].slot)[0].1 > 10_000_000 - 4096);
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
    literal.say(ToServer, format!("a1 CREATE Sent {{{len}}}\r\n").as_bytes()).unwrap();
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
