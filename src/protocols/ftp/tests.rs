//! Control connections made here line by line.

use super::FTP;
use super::slots::*;
use crate::app::{Change, DONE, Expected, Input, Parser, Probe, Protocol, Settings, Transaction};
use crate::json::JsonWriter;
use crate::protocols::ftp_data::Transfer;
use crate::types::{Direction, Proto, Timestamp};

use Direction::{ToClient, ToServer};

type Talk<'t> = &'t [(Direction, &'t [u8])];

fn parser(settings: &str) -> Box<dyn Parser> {
    let settings = Settings::new(serde_yaml::from_str(settings).ok());
    FTP.factory(&settings).parser(Proto::TCP, 40_000, 21)
}

/// What came of a talk.
#[derive(Debug, Default, PartialEq)]
struct Told {
    records: Vec<String>,
    expected: Vec<(Direction, u16, Transfer)>,
    changes: Vec<Change>,
}

fn note(expected: &Expected) -> (Direction, u16, Transfer) {
    assert_eq!((expected.protocol, expected.transport), ("ftp-data", Proto::TCP));
    let transfer = expected.context.downcast_ref::<Transfer>().unwrap().clone();
    (expected.listener, expected.port, transfer)
}

/// Feeds in pieces, as the engine does: what is not taken is given again with more.
fn feed(parser: &mut dyn Parser, talk: Talk<'_>, piece: usize) -> Told {
    let mut told = Told::default();
    let mut left: [Vec<u8>; 2] = Default::default();
    for (dir, bytes) in talk {
        for part in bytes.chunks(piece) {
            let left = &mut left[dir.index()];
            left.extend_from_slice(part);
            loop {
                let input = Input { dir: *dir, bytes: left, eof: false, timestamp: Timestamp(0) };
                let parsed = parser.parse(input).unwrap();
                assert!(parsed.consumed <= left.len());
                left.drain(..parsed.consumed);
                told.changes.extend(parsed.change);
                if parsed.consumed == 0 || left.is_empty() {
                    break;
                }
            }
            told.expected.extend(parser.take_expected().iter().map(note));
        }
    }
    told.records = records(parser);
    told
}

fn records(parser: &dyn Parser) -> Vec<String> {
    let all = parser.transactions();
    (0..all.count()).map(|nth| record(all.at(nth).unwrap())).collect()
}

fn record(tx: &dyn Transaction) -> String {
    let mut json = JsonWriter::new();
    json.open();
    tx.log(&mut json);
    json.close();
    String::from_utf8(json.take()).unwrap()
}

const DOWNLOAD: Talk<'static> = &[
    (ToClient, b"220-Welcome\r\n220-to us\r\n220 (ready)\r\n"),
    (ToServer, b"USER anonymous\r\n"),
    (ToClient, b"331 Password?\r\n"),
    (ToServer, b"pass me\r\nTYPE I\r\n"),
    (ToClient, b"230 In\r\n200 Binary\r\n"),
    (ToServer, b"PASV\r\n"),
    (ToClient, b"227 Entering Passive Mode (10,0,0,2,200,10).\r\n"),
    (ToServer, b"RETR dir/evil.exe\r\n"),
    (ToClient, b"150 Opening\r\n"),
    (ToClient, b"226 Done\r\n"),
    (ToServer, b"EPRT |1|10.0.0.1|5282|\r\n"),
    (ToClient, b"200 Fine\r\n"),
    (ToServer, b"STOR up.txt\r\n"),
    (ToClient, b"150 Go\r\n226 Thanks\r\n"),
    (ToServer, b"FEAT\r\n"),
    (ToClient, b"211-Features:\r\n UTF8\r\n 211 in it\r\n211 End\r\n"),
];

#[test]
fn commands_find_their_replies_however_the_stream_is_cut() {
    let whole = feed(&mut *parser(""), DOWNLOAD, usize::MAX);
    let expected = [
        r#"{"ftp":{"completion_code":["220","220","220"],"reply":["Welcome","to us","(ready)"],"reply_received":"yes","reply_truncated":false}}"#,
        r#"{"ftp":{"command":"USER","command_data":"anonymous","command_truncated":false,"completion_code":["331"],"reply":["Password?"],"reply_received":"yes","reply_truncated":false}}"#,
        r#"{"ftp":{"command":"PASS","command_data":"me","command_truncated":false,"completion_code":["230"],"reply":["In"],"reply_received":"yes","reply_truncated":false}}"#,
        r#"{"ftp":{"command":"TYPE","command_data":"I","command_truncated":false,"completion_code":["200"],"reply":["Binary"],"reply_received":"yes","reply_truncated":false}}"#,
        r#"{"ftp":{"command":"PASV","completion_code":["227"],"reply":["Entering Passive Mode (10,0,0,2,200,10)."],"dynamic_port":51210,"reply_received":"yes","reply_truncated":false}}"#,
        r#"{"ftp":{"command":"RETR","command_data":"dir/evil.exe","command_truncated":false,"completion_code":["150","226"],"reply":["Opening","Done"],"reply_received":"yes","reply_truncated":false}}"#,
        r#"{"ftp":{"command":"EPRT","command_data":"|1|10.0.0.1|5282|","command_truncated":false,"completion_code":["200"],"reply":["Fine"],"dynamic_port":5282,"mode":"active","reply_received":"yes","reply_truncated":false}}"#,
        r#"{"ftp":{"command":"STOR","command_data":"up.txt","command_truncated":false,"completion_code":["150","226"],"reply":["Go","Thanks"],"reply_received":"yes","reply_truncated":false}}"#,
        r#"{"ftp":{"command":"FEAT","completion_code":["211","211"],"reply":["Features:"," UTF8"," 211 in it","End"],"reply_received":"yes","reply_truncated":false}}"#,
    ];
    assert_eq!(whole.records, expected);
    assert_eq!(
        whole.expected,
        [
            (ToServer, 51_210, Transfer { name: b"dir/evil.exe".to_vec(), upload: false }),
            (ToClient, 5282, Transfer { name: b"up.txt".to_vec(), upload: true }),
        ]
    );
    for piece in 1..48 {
        assert_eq!(feed(&mut *parser(""), DOWNLOAD, piece), whole, "pieces of {piece}");
    }
}

#[test]
fn buffers_and_numbers() {
    let mut parser = parser("");
    feed(&mut *parser, DOWNLOAD, usize::MAX);
    let at = |nth| parser.transactions().at(nth).unwrap();
    assert_eq!(at(0).bytes(COMMAND, 0), None);
    assert_eq!(at(2).bytes(COMMAND, 0), Some(&b"PASS"[..]));
    assert_eq!(at(5).bytes(COMMAND_DATA, 0), Some(&b"dir/evil.exe"[..]));
    assert_eq!(at(5).bytes(REPLIES, 1), Some(&b"Done"[..]));
    assert_eq!((at(5).bytes(CODES, 1), at(5).bytes(CODES, 2)), (Some(&b"226"[..]), None));
    assert_eq!((at(4).number(MODE, 0), at(4).number(PASSIVE_PORT, 0)), (Some(2), Some(51_210)));
    assert_eq!((at(6).number(MODE, 0), at(6).number(ACTIVE_PORT, 0)), (Some(1), Some(5282)));
    assert_eq!((at(6).number(PASSIVE_PORT, 0), at(5).number(MODE, 0)), (None, None));
    assert_eq!(at(6).address(), Some(std::net::Ipv4Addr::new(10, 0, 0, 1).into()));
    assert!((0..9).all(|nth| at(nth).number(REPLIED, 0) == Some(1) && at(nth).progress(ToClient) == DONE));
}

#[test]
fn a_greeting_that_is_read_late_answers_no_command() {
    let talk: Talk<'_> =
        &[(ToServer, b"USER a\r\n"), (ToClient, b"220 x\r\n331 y\r\n"), (ToServer, b"PASS b\r\n")];
    let told = feed(&mut *parser(""), talk, usize::MAX);
    assert!(told.records[0].contains("\"331\"") && told.records[1].contains("\"220\""), "{:?}", told.records);
    assert!(told.records[2].contains("\"reply_received\":\"no\""));
}

#[test]
fn tls_begins_behind_its_reply() {
    let talk: Talk<'_> = &[(ToServer, b"AUTH TLS\r\n"), (ToClient, b"234 Go ahead\r\n")];
    assert_eq!(feed(&mut *parser(""), talk, usize::MAX).changes, [Change::To("tls")]);
    let refused: Talk<'_> = &[(ToServer, b"AUTH TLS\r\n"), (ToClient, b"534 No\r\n")];
    assert_eq!(feed(&mut *parser(""), refused, usize::MAX).changes, []);
}

#[test]
fn lines_that_are_too_long_are_cut_and_told() {
    let long = [&b"RETR "[..], &[b'A'; 5000], b"\r\nNOOP\r\n"].concat();
    for piece in [usize::MAX, 4096, 1000, 1] {
        let mut parser = parser("");
        feed(&mut *parser, &[(ToServer, &long)], piece);
        let tx = parser.transactions().at(0).unwrap();
        assert_eq!(tx.bytes(COMMAND_DATA, 0).map(<[u8]>::len), Some(4091));
        assert_eq!(tx.events(), [(ToServer, "request_command_too_long")]);
        assert_eq!(parser.transactions().at(1).unwrap().bytes(COMMAND, 0), Some(&b"NOOP"[..]));
    }
    let mut short = parser("{max-line-length: 64}");
    feed(&mut *short, &[(ToServer, b"NOOP\r\n"), (ToClient, &[b'2'; 300])], usize::MAX);
    let tx = short.transactions().at(0).unwrap();
    assert_eq!(tx.events(), [(ToClient, "response_command_too_long")]);
}

#[test]
fn memory_is_bounded() {
    let mut parser = parser("{max-tx: 10}");
    let commands = b"NOOP\r\n".repeat(1000);
    feed(&mut *parser, &[(ToServer, &commands)], usize::MAX);
    let open = (0..parser.transactions().count())
        .filter(|nth| parser.transactions().at(*nth).unwrap().progress(ToClient) != DONE)
        .count();
    assert_eq!(open, 10);
    let mut parser = self::parser("");
    feed(&mut *parser, &[(ToServer, b"HELP\r\n"), (ToClient, b"214-x\r\n")], usize::MAX);
    feed(&mut *parser, &[(ToClient, &b" line of help\r\n".repeat(10_000))], usize::MAX);
    assert!(parser.memory() < 100_000 && parser.transactions().count() == 1);
    // announcements that nobody takes
    let mut parser = self::parser("");
    let many = b"PORT 10,0,0,1,1,1\r\nRETR x\r\n".repeat(1000);
    let input = Input { dir: ToServer, bytes: &many, eof: false, timestamp: Timestamp(0) };
    parser.parse(input).unwrap();
    assert!(parser.take_expected().len() <= 64);
}

#[test]
fn a_gap_ends_what_was_open() {
    let mut parser = parser("");
    feed(&mut *parser, &[(ToServer, b"USER a\r\n"), (ToClient, b"331-x\r\n")], usize::MAX);
    parser.gap(ToClient, 100).unwrap();
    feed(&mut *parser, &[(ToClient, b"rest of a line\r\n230 in\r\n")], usize::MAX);
    assert_eq!(parser.transactions().count(), 2);
    assert_eq!(parser.transactions().at(0).unwrap().number(REPLIED, 0), Some(0));
}

#[test]
fn recognition() {
    let probe = |dir, bytes: &[u8]| FTP.probe(Proto::TCP, dir, 21, bytes);
    for (dir, bytes, expected) in [
        (ToServer, &b"USER x"[..], Probe::Yes),
        (ToServer, b"user x", Probe::Yes),
        (ToServer, b"FEAT\r\n", Probe::Yes),
        (ToServer, b"USE", Probe::More),
        (ToServer, b"QUIT\r\n", Probe::No),
        (ToServer, b"220 (x)", Probe::Reversed),
        (ToClient, b"220 (x)", Probe::Yes),
        (ToClient, b"220 x", Probe::No),
        (ToClient, b"22", Probe::More),
    ] {
        assert_eq!(probe(dir, bytes), expected, "{}", bytes.escape_ascii());
    }
}

#[test]
fn mutated_talks_never_break_anything() {
    let mut state = 5u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for round in 0..2000 {
        let mut parser = parser("{max-line-length: 64}");
        for (dir, bytes) in DOWNLOAD {
            let mut bytes = bytes.to_vec();
            for _ in 0..random(3) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            bytes.truncate(random(bytes.len()) + 1);
            feed(&mut *parser, &[(*dir, &bytes)], 1 + random(20));
            if round % 7 == 0 && random(4) == 0 {
                parser.gap(*dir, 10).unwrap();
            }
        }
        records(&*parser);
        assert!(parser.memory() < 100_000);
    }
}
