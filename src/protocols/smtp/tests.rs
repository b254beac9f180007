//! Whole connections: what the parser makes of them, however the bytes are cut.

use std::collections::BTreeMap;

use super::keywords::BUFFERS;
use super::*;
use crate::app::{Change, DONE, Input, ParseError};
use crate::detect::Kind;
use crate::json::JsonWriter;
use crate::types::Direction::{self, ToClient, ToServer};
use crate::types::Timestamp;

/// What one side sends, in turn.
type Turn<'a> = (Direction, &'a [u8]);

struct Seen {
    /// Transaction and keyword to what it has there.
    buffers: BTreeMap<(u64, &'static str), Vec<String>>,
    events: Vec<(u64, &'static str)>,
    files: Vec<(u64, String, u64, &'static str)>,
    records: Vec<String>,
    done: Vec<bool>,
    change: Option<Change>,
    error: Option<ParseError>,
}

fn parser(yaml: &str) -> Box<dyn Parser> {
    let settings = Settings::new(serde_yaml::from_str(yaml).ok());
    Smtp.factory(&settings).parser(Proto::TCP, 40000, 25)
}

fn feed(parser: &mut dyn Parser, turns: &[Turn<'_>], step: usize, close: bool) -> Seen {
    let mut seen = Seen {
        buffers: BTreeMap::new(),
        events: Vec::new(),
        files: Vec::new(),
        records: Vec::new(),
        done: Vec::new(),
        change: None,
        error: None,
    };
    let mut give = |parser: &mut dyn Parser, dir, bytes: &[u8], eof| {
        if seen.change.is_some() {
            return;
        }
        match parser.parse(Input { dir, bytes, eof, timestamp: Timestamp(0) }) {
            Ok(parsed) => {
                assert!(parsed.consumed == bytes.len() || parsed.change.is_some(), "nothing is given twice");
                seen.change = parsed.change;
            }
            Err(error) => seen.error = Some(error),
        }
    };
    for (dir, bytes) in turns {
        for piece in bytes.chunks(step.max(1)) {
            give(parser, *dir, piece, false);
        }
    }
    if close {
        for dir in Direction::BOTH {
            give(parser, dir, b"", true);
        }
    }
    let list = parser.transactions();
    for nth in 0..list.count() {
        let tx = list.at(nth).unwrap();
        for (spec, place) in
            BUFFERS.iter().flat_map(|spec| spec.places.iter().map(move |place| (spec, place)))
        {
            let values: Vec<String> = (0..600)
                .map_while(|nth| match place.kind {
                    Kind::Bytes | Kind::Multi => tx.bytes(place.slot, nth).map(<[u8]>::to_vec),
                    Kind::Body => tx.body(place.slot, nth).map(|body| body.bytes.to_vec()),
                })
                .map(|value| value.escape_ascii().to_string())
                .collect();
            if !values.is_empty() {
                seen.buffers.insert((tx.id(), spec.name), values);
            }
        }
        seen.events.extend(tx.events().iter().map(|(_, name)| (tx.id(), *name)));
        for file in tx.files(ToServer) {
            seen.files.push((tx.id(), file.name.escape_ascii().to_string(), file.size, file.state.name()));
        }
        let mut json = JsonWriter::new();
        json.open();
        tx.log(&mut json);
        json.close();
        seen.records.push(String::from_utf8_lossy(json.as_bytes()).into_owned());
        seen.done.push(Direction::BOTH.iter().all(|dir| tx.progress(*dir) == DONE));
    }
    seen
}

fn run(turns: &[Turn<'_>]) -> Seen {
    feed(&mut *parser(""), turns, usize::MAX, true)
}

fn events(turns: &[Turn<'_>]) -> Vec<&'static str> {
    run(turns).events.into_iter().map(|(_, name)| name).collect()
}

const WELCOME: Turn<'_> = (ToClient, b"220 mx ESMTP\r\n");
const EHLO: Turn<'_> = (ToServer, b"EHLO me.example\r\n");
const HELLO: Turn<'_> = (ToClient, b"250-mx\r\n250 PIPELINING\r\n");
const MAIL: Turn<'_> = (ToServer, b"MAIL FROM:<a@b.c> SIZE=10\r\nRCPT TO:<d@e.f>\r\nRCPT TO:<g@h>\r\n");
const OK3: Turn<'_> = (ToClient, b"250 ok\r\n250 ok\r\n250 ok\r\n");
const DATA: Turn<'_> = (ToServer, b"DATA\r\n");
const GO: Turn<'_> = (ToClient, b"354 go\r\n");
const OK: Turn<'_> = (ToClient, b"250 ok\r\n");
const QUIT: Turn<'_> = (ToServer, b"QUIT\r\n");
const BYE: Turn<'_> = (ToClient, b"221 bye\r\n");

/// A message with much of what can be in one.
const MESSAGE: &[u8] = b"Received: from x\r\n by y\r\nReceived: from z\r\nFrom: \"A, B\" <a@b.c>\r\nTo: D <d@e.f>, <g@h>\r\nCc: i@j\r\n\
    Subject: hello\r\nDate: Mon, 1 Jan 2024 00:00:00 +0000\r\nMessage-ID: <1@x>\r\nX-Mailer: mine\r\n\
    Content-Type: multipart/mixed;\r\n\tboundary=\"OO\"\r\n\r\npre http://pre.am/\r\n--OO\r\n\
    Content-Type: multipart/alternative; boundary=OOI\r\n\r\n--OOI\r\nContent-Type: text/plain\r\n\r\n\
    ..see http://1.2.3.4/x.exe\r\n--OOI\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
    <a href=3D\"http://h.t=\r\nml/y\">\r\n--OOI--\r\n--OO\r\nContent-Type: application/zip; name=\"old.zip\"\r\n\
    Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=\"new.zip\"\r\n\r\n\
    aGVsbG8gd29y\r\nbGQ=\r\n\r\n--OO\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\nContent-Type: text/x; name=in.txt\r\n\
    \r\nline one\r\nline two\r\n--OO\r\nContent-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 uu.txt\r\n\
    +:&5L;&\\@=V]R;&0 \r\n`\r\nend\r\n--OO--\r\nepilogue http://epi.log/\r\n.\r\n";

/// Two mails, with much of what can be in a connection.
fn rich() -> Vec<Turn<'static>> {
    let mut turns = vec![WELCOME, EHLO, HELLO, MAIL, OK3, DATA, GO, (ToServer, MESSAGE), OK];
    turns.extend([
        (ToServer, &b"AUTH LOGIN\r\n"[..]),
        (ToClient, b"334 VXNlcm5hbWU6\r\n"),
        (ToServer, b"DATA\r\n"),
        (ToClient, b"235 ok\r\n"),
        (ToServer, b"MAIL FROM:<k@l>\r\nBDAT 32\r\nSubject: chunks\r\nContent-Type: xBDAT 19 LAST\r\n/y; name=c\r\n\r\nchunk"),
        (ToClient, b"250 ok\r\n250 ok\r\n250 ok\r\n"),
    ]);
    turns.extend([QUIT, BYE]);
    turns
}

#[test]
fn every_buffer_of_a_rich_connection() {
    let seen = run(&rich());
    for (tx, keyword, expected) in [
        (0, "smtp.helo", &["me.example"][..]),
        (0, "smtp.mail_from", &["<a@b.c>"]),
        (0, "smtp.rcpt_to", &["<d@e.f>", "<g@h>"]),
        (0, "email.from", &["\\\"A, B\\\" <a@b.c>"]),
        (0, "email.to", &["D <d@e.f>, <g@h>"]),
        (0, "email.cc", &["i@j"]),
        (0, "email.subject", &["hello"]),
        (0, "email.date", &["Mon, 1 Jan 2024 00:00:00 +0000"]),
        (0, "email.message_id", &["<1@x>"]),
        (0, "email.x_mailer", &["mine"]),
        (0, "email.received", &["from z", "from x by y"]),
        (0, "email.url", &["pre.am/", "1.2.3.4/x.exe", "h.tml/y", "epi.log/"]),
        (0, "file.name", &["new.zip", "in.txt", "uu.txt"]),
        (0, "file.data", &["hello world", "line one\\r\\nline two", "hello world"]),
        (1, "smtp.helo", &["me.example"]),
        (1, "smtp.mail_from", &["<k@l>"]),
        (1, "email.subject", &["chunks"]),
        (1, "file.name", &["c"]),
        (1, "file.data", &["chunk"]),
    ] {
        let got = seen.buffers.get(&(tx, keyword)).cloned().unwrap_or_default();
        assert_eq!(got, expected, "{keyword} of {tx}");
    }
    assert_eq!(seen.events, [], "and nothing is wrong with it");
    assert_eq!((seen.error, seen.change), (None, None));
    assert_eq!(
        seen.files,
        [
            (0, "new.zip".to_owned(), 11, "CLOSED"),
            (0, "in.txt".to_owned(), 18, "CLOSED"),
            (0, "uu.txt".to_owned(), 11, "CLOSED"),
            (1, "c".to_owned(), 5, "CLOSED"),
        ]
    );
    assert_eq!(
        seen.records[0],
        r#"{"smtp":{"helo":"me.example","mail_from":"<a@b.c>","rcpt_to":["<d@e.f>","<g@h>"]},"email":{"status":"PARSE_DONE","from":"\"A, B\" <a@b.c>","to":["D <d@e.f>","<g@h>"],"cc":["i@j"],"has_ipv6_url":false,"has_ipv4_url":true,"has_exe_url":true,"attachment":["new.zip","in.txt","uu.txt"],"url":["epi.log/","pre.am/","1.2.3.4/x.exe","h.tml/y"]}}"#
    );
    assert_eq!(seen.records.len(), 2, "while the last one is at hand, what ends the session begins no other");
}

#[test]
fn cutting_changes_nothing() {
    let turns = rich();
    let whole = run(&turns);
    for step in (1..80).chain([100, 200, 500, 1000]) {
        let cut = feed(&mut *parser(""), &turns, step, true);
        assert_eq!(cut.buffers, whole.buffers, "cut at {step}");
        assert_eq!(cut.records, whole.records, "cut at {step}");
        assert_eq!(cut.files, whole.files, "cut at {step}");
        assert_eq!(cut.events, whole.events, "cut at {step}");
    }
    // one cut, everywhere in the message
    let at = turns.iter().position(|(_, bytes)| *bytes == MESSAGE).unwrap();
    for cut in 0..MESSAGE.len() {
        let mut turns = turns.clone();
        let (one, two) = MESSAGE.split_at(cut);
        turns.splice(at..=at, [(ToServer, one), (ToServer, two)]);
        assert_eq!(run(&turns).buffers, whole.buffers, "cut at {cut}");
    }
}

#[test]
fn records_hold_what_is_asked_for() {
    let turns = [
        WELCOME,
        EHLO,
        HELLO,
        DATA,
        GO,
        (ToServer, &b"Subject: x\r\nReceived: a\r\nReceived: b\r\nBcc: c, d\r\nDate: e\r\n\r\nhello\r\nworld\r\n.\r\n"[..]),
    ];
    let record = |yaml: &str| feed(&mut *parser(yaml), &turns, usize::MAX, true).records[0].clone();
    let tail = |yaml: &str| record(yaml).split_once(r#""PARSE_DONE""#).unwrap().1.to_owned();
    assert_eq!(tail(""), "}}");
    assert_eq!(tail("{eve: {extended: yes}}"), r#","bcc":["c","d"],"subject":"x"}}"#);
    assert_eq!(tail("{eve: {custom: [received, date]}}"), r#","received":["b","a"],"date":"e"}}"#);
    assert_eq!(
        tail("{eve: {md5: [body, subject]}, mime: {body-md5: yes}}"),
        r#","subject_md5":"9dd4e461268c8034f5c8564e155c67a6","body_md5":"7ac062d8a84466e70d9b899c0821a51c"}}"#
    );
    assert_eq!(record("{mime: {decode-mime: no}}"), r#"{"smtp":{"helo":"me.example"}}"#);
    let raw = feed(&mut *parser("{raw-extraction: yes, mime: {decode-mime: no}}"), &turns, usize::MAX, true);
    assert_eq!(raw.files, [(0, "rawmsg".to_owned(), 74, "CLOSED")]);
    let md5 = feed(&mut *parser("{used: {email: true}}"), &turns, usize::MAX, true);
    assert_eq!(md5.buffers[&(0, "email.body_md5")], ["7ac062d8a84466e70d9b899c0821a51c"]);
}

#[test]
fn what_is_wrong_is_told() {
    let mail = [WELCOME, EHLO, HELLO, MAIL, OK3];
    let with = |turns: &[Turn<'static>]| events(&[&mail[..], turns].concat());
    assert_eq!(events(&[EHLO]), ["no_server_welcome_message"]);
    assert_eq!(
        events(&[EHLO, (ToClient, b"220 mx\r\n250 ok\r\n")]),
        ["no_server_welcome_message", "invalid_reply"]
    );
    assert_eq!(with(&[EHLO, OK]), ["duplicate_fields"]);
    assert_eq!(with(&[(ToServer, b"MAIL FROM:<x>\r\n")]), ["duplicate_fields"]);
    assert_eq!(with(&[DATA, (ToClient, b"554 no\r\n"), QUIT, BYE]), ["data_command_rejected"]);
    assert_eq!(with(&[(ToServer, b"STARTTLS\r\n"), (ToClient, b"502 no\r\n")]), ["tls_rejected"]);
    assert_eq!(with(&[(ToServer, b"NOOP\r\n"), (ToClient, b"599 x\r\n")]), ["invalid_reply"]);
    assert_eq!(with(&[(ToServer, b"BDAT x\r\nNOOP\r\n")]), ["bdat_chunk_len_exceeded"]);
    let twice = [DATA, (ToClient, &b"554 no\r\n"[..]), DATA, GO];
    assert_eq!(with(&twice), ["data_command_rejected", "unparsable_content"]);
    assert_eq!(with(&[(ToServer, b"DATA\r\nQUIT\r\n")]), ["invalid_pipelined_sequence"]);
    let message = |text: &'static [u8]| with(&[DATA, GO, (ToServer, text), (ToServer, b"\r\n.\r\n")]);
    for (text, name) in [
        (&b"Content-Type: multipart/x; boundary=B\r\n\r\n--B\r\n\r\nx"[..], "mime_malformed_msg"),
        (b"Content-Transfer-Encoding: quoted-printable\r\n\r\n=zz", "mime_invalid_qp"),
    ] {
        assert_eq!(message(text), [name]);
    }
    for (text, names) in [
        (format!("a: b\r\n\r\n{}", "x".repeat(999)), &["mime_long_line"][..]),
        (format!("Content-Transfer-Encoding: base64\r\n\r\n{}", "x".repeat(77)), &["mime_long_enc_line"]),
        (format!("{}: v\r\n", "n".repeat(76)), &["mime_long_header_name"]),
        (
            format!("a: {}\r\n{}", "v".repeat(900), " w".repeat(600)),
            &["mime_long_line", "mime_long_header_value"],
        ),
        (format!("Content-Type: x/y; name={}\r\n", "n".repeat(256)), &["mime_long_filename"]),
        (
            format!("Content-Type: multipart/x; boundary={0}\r\n\r\n--{0}--\r\n", "b".repeat(255)),
            &["mime_long_boundary", "mime_parse_failed"],
        ),
    ] {
        let mut turns = mail.to_vec();
        turns.extend([DATA, GO, (ToServer, text.as_bytes()), (ToServer, b"\r\n.\r\n")]);
        let mut found = events(&turns);
        found.sort_unstable();
        let mut names = names.to_vec();
        names.sort_unstable();
        assert_eq!(found, names);
    }
    assert_eq!([with(&[]), with(&[QUIT])].concat(), [""; 0], "nothing is wrong with a talk that is good");
}

#[test]
fn transactions_end_where_they_should() {
    let heloes = |seen: &Seen| seen.records.len();
    let mail = [WELCOME, EHLO, HELLO, MAIL, OK3];
    let with = |turns: &[Turn<'static>]| run(&[&mail[..], turns].concat());
    let reset: [Turn<'static>; 2] = [(ToServer, b"RSET\r\n"), OK];
    // what only ends the session begins no other transaction while the last one is at hand
    assert_eq!(heloes(&with(&[reset[0], reset[1], QUIT, BYE])), 1);
    assert_eq!(heloes(&with(&[reset[0], reset[1], MAIL, OK3, QUIT, BYE])), 2);
    let mut used = self::parser("");
    feed(&mut *used, &[&mail[..], &reset].concat(), usize::MAX, false);
    used.transactions_mut().remove(0);
    assert_eq!(feed(&mut *used, &[QUIT, BYE], usize::MAX, true).records.len(), 1);
    // open until the end
    let open = feed(&mut *parser(""), &mail, usize::MAX, false);
    assert_eq!(open.done, [false]);
    assert_eq!(run(&mail).done, [true]);
    let cut = with(&[DATA, GO, (ToServer, b"Content-Type: x/y; name=n\r\n\r\nhalf")]);
    assert_eq!(cut.files, [(0, "n".to_owned(), 4, "TRUNCATED")]);
    assert!(cut.records[0].contains("BODY_STARTED"), "{}", cut.records[0]);
}

#[test]
fn a_message_may_begin_before_the_server_agrees() {
    let text: &[u8] = b"DATA\r\nSubject: early\r\nContent-Type: x/y; name=n\r\n\r\nbytes\r\n.\r\n";
    let seen = run(&[WELCOME, EHLO, HELLO, (ToServer, text), GO, OK, QUIT, BYE]);
    assert_eq!(seen.buffers[&(0, "file.data")], ["bytes"]);
    assert_eq!(seen.events, [(0, "invalid_pipelined_sequence")]);
    // and when it does not, commands are commands again
    let seen =
        run(&[WELCOME, EHLO, HELLO, (ToServer, b"DATA\r\nSubject: x\r\n"), (ToClient, b"554 no\r\n"), MAIL]);
    assert_eq!(seen.buffers[&(0, "smtp.mail_from")], ["<a@b.c>"]);
    // a reset before it does not end it
    let seen = run(&[
        WELCOME,
        EHLO,
        HELLO,
        (ToServer, b"RSET\r\nDATA\r\n.\r\n"),
        (ToClient, b"250 r\r\n354 c\r\n250 q\r\n"),
    ]);
    assert_eq!(seen.records.len(), 1);
    assert!(seen.records[0].contains("PARSE_DONE"));
}

#[test]
fn what_follows_starttls_is_left() {
    let mut parser = parser("");
    feed(&mut *parser, &[WELCOME, EHLO, HELLO, (ToServer, b"STARTTLS\r\n")], usize::MAX, false);
    let reply = b"220 go\r\n\x16\x03\x01";
    let input = Input { dir: ToClient, bytes: reply, eof: false, timestamp: Timestamp(0) };
    let parsed = parser.parse(input).unwrap();
    assert_eq!((parsed.consumed, parsed.change), (8, Some(Change::Expect("tls"))));
    let seen = feed(&mut *parser, &[], 1, false);
    assert_eq!(seen.done, [true]);
    parser.change_refused();
    assert_eq!(feed(&mut *parser, &[], 1, false).events, [(0, "failed_protocol_change")]);
}

#[test]
fn who_does_not_speak_smtp_is_given_up() {
    let mut parser = parser("");
    let seen = feed(&mut *parser, &[WELCOME, EHLO, (ToClient, b"<html>\r\n"), MAIL, DATA], usize::MAX, true);
    assert_eq!(seen.error, Some(ParseError("invalid_reply")));
    assert_eq!((seen.records.len(), seen.done), (1, vec![true]));
}

#[test]
fn lost_bytes_are_survived() {
    let mut parser = parser("");
    let head: &[u8] = b"Content-Type: x/y; name=n\r\n\r\nfirst ";
    feed(&mut *parser, &[WELCOME, EHLO, HELLO, DATA, GO, (ToServer, head)], usize::MAX, false);
    parser.gap(ToServer, 1000).unwrap();
    let seen =
        feed(&mut *parser, &[(ToServer, b"rest of a line\r\nlast\r\n.\r\n"), OK, MAIL], usize::MAX, false);
    assert_eq!(seen.files, [(0, "n".to_owned(), 10, "TRUNCATED")]);
    assert_eq!(seen.buffers[&(1, "smtp.mail_from")], ["<a@b.c>"]);
    // the reply to DATA is lost: what follows is the message
    let mut parser = self::parser("");
    feed(&mut *parser, &[WELCOME, EHLO, HELLO, DATA], usize::MAX, false);
    parser.gap(ToClient, 8).unwrap();
    let seen = feed(&mut *parser, &[(ToServer, b"Subject: x\r\n\r\n.\r\n"), QUIT], usize::MAX, false);
    assert_eq!(seen.buffers[&(0, "email.subject")], ["x"]);
    // within a chunk, and beyond it
    for len in [3, 5, 50] {
        let mut parser = self::parser("");
        feed(&mut *parser, &[WELCOME, EHLO, HELLO, (ToServer, b"BDAT 10\r\nSubje")], usize::MAX, false);
        parser.gap(ToServer, len).unwrap();
        feed(&mut *parser, &[(ToServer, b"x\r\nQUIT\r\n")], usize::MAX, true);
    }
}

#[test]
fn probes() {
    for (bytes, expected) in [
        (&b"EHLO x\r\n"[..], Probe::Yes),
        (b"helo", Probe::Yes),
        (b"QUIT\r\n", Probe::Yes),
        (b"EH", Probe::More),
        (b"", Probe::More),
        (b"MAIL FROM", Probe::No),
        (b" EHLO", Probe::No),
        (b"HELP", Probe::No),
    ] {
        assert_eq!(Smtp.probe(Proto::TCP, ToServer, 25, bytes), expected, "{bytes:?}");
    }
    assert_eq!(Smtp.probe(Proto::TCP, ToClient, 25, b"220 mx ESMTP\r\n"), Probe::No);
}

#[test]
fn there_are_bounds() {
    // long lines of both sides
    let mut parser = parser("");
    let long = [&b"EHLO "[..], &vec![b'x'; 100_000], b"\r\nMAIL FROM:<a>\r\n"].concat();
    let reply = [&b"250 "[..], &vec![b'x'; 100_000], b"\r\n250 ok\r\n"].concat();
    let seen = feed(&mut *parser, &[WELCOME, (ToServer, &long), (ToClient, &reply)], 1000, false);
    assert_eq!(seen.events, [(0, "truncated_line"), (0, "truncated_line"), (0, "invalid_reply")]);
    assert_eq!(seen.buffers[&(0, "smtp.mail_from")], ["<a>"]);
    assert!(parser.memory() < 64 << 10, "{}", parser.memory());
    // a long line that is no reply counts when its end is there
    let mut parser = self::parser("");
    let garbage = [&b"220 mx\r\n"[..], &vec![b'A'; 5000]].concat();
    let seen = feed(&mut *parser, &[(ToClient, &garbage), EHLO], 1000, false);
    assert_eq!((seen.error, seen.done), (None, vec![false]));
    let seen = feed(&mut *parser, &[OK], 1000, false);
    assert_eq!((seen.error, seen.done), (Some(ParseError("invalid_reply")), vec![true]));
    // commands without replies
    let mut parser = self::parser("");
    let many = b"NOOP\r\n".repeat(10_000);
    feed(&mut *parser, &[WELCOME, (ToServer, &many), (ToClient, &b"250 ok\r\n".repeat(20_000))], 7000, false);
    assert!(parser.memory() < 128 << 10);
    // recipients, headers, parts, files, depth
    let mut parser = self::parser("");
    let recipients = b"RCPT TO:<aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa>\r\n".repeat(10_000);
    let mut message = b"X-Header: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n".repeat(10_000);
    message.extend_from_slice(b"Content-Type: multipart/x; boundary=b\r\n\r\n");
    message.extend(b"--b\r\nContent-Type: multipart/x; boundary=b\r\n\r\n".repeat(5000));
    message.extend(b"--b\r\nContent-Type: x/y; name=n\r\n\r\nbytes\r\n".repeat(5000));
    message.extend(b"http://a/ ".repeat(5000));
    message.extend_from_slice(&vec![b'='; 200_000]);
    message.extend_from_slice(b"\r\n.\r\n");
    let turns = [WELCOME, EHLO, HELLO, (ToServer, &recipients[..]), DATA, GO, (ToServer, &message[..])];
    feed(&mut *parser, &turns, 1460, true);
    assert!(parser.memory() < 1 << 20, "{}", parser.memory());
    // transactions
    let mut parser = self::parser("{max-tx: 5}");
    let resets =
        [(ToServer, &b"MAIL FROM:<a>\r\nRSET\r\n"[..]), (ToClient, b"250 ok\r\n250 ok\r\n")].repeat(10);
    let seen = feed(&mut *parser, &[&[WELCOME, EHLO, HELLO][..], &resets].concat(), usize::MAX, true);
    assert_eq!((seen.records.len(), seen.error), (5, Some(ParseError("too_many_tx"))));
}

#[test]
fn mutations_do_no_harm() {
    let turns = rich();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    for _ in 0..400 {
        let mut mutated: Vec<(Direction, Vec<u8>)> =
            turns.iter().map(|(dir, bytes)| (*dir, bytes.to_vec())).collect();
        for _ in 0..1 + random(8) {
            let at = random(mutated.len());
            let bytes = &mut mutated[at].1;
            let len = bytes.len();
            match random(6) {
                0 if len > 0 => bytes[random(len)] = random(256) as u8,
                1 if len > 0 => {
                    bytes.remove(random(len));
                }
                2 => bytes.insert(random(len + 1), b"\r\n.-=;:\"* \0"[random(11)]),
                3 => bytes.truncate(random(len + 1)),
                4 => {
                    let copy = bytes.clone();
                    bytes.extend(copy);
                }
                _ => mutated[at].0 = mutated[at].0.opposite(),
            }
        }
        let mut parser = parser("{mime: {body-md5: yes}}");
        let turns: Vec<Turn<'_>> = mutated.iter().map(|(dir, bytes)| (*dir, bytes.as_slice())).collect();
        let half = random(turns.len());
        feed(&mut *parser, &turns[..half], 1 + random(50), false);
        if random(3) == 0 {
            let _ = parser.gap(if random(2) == 0 { ToServer } else { ToClient }, random(100) as u64);
        }
        let seen = feed(&mut *parser, &turns[half..], 1 + random(50), true);
        assert!(seen.done.iter().all(|done| *done) || seen.change.is_some());
        assert!(parser.memory() < 1 << 20);
    }
}
