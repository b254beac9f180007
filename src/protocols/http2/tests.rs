//! Connections, made here frame by frame.

use super::{Http2, PREFACE};
use crate::app::{DONE, FileState, Input, ParseError, Parser, Probe, Protocol, Settings, Slot, Transaction};
use crate::json::JsonWriter;
use crate::protocols::http::{Upgrade, slots as slot};
use crate::types::{Direction, Proto, Timestamp};

use Direction::{ToClient, ToServer};

pub(in crate::protocols) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let len = (payload.len() as u32).to_be_bytes();
    [&len[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Headers without compression.
pub(in crate::protocols) fn block(headers: &[(&str, &str)]) -> Vec<u8> {
    let text = |text: &str| [&[text.len() as u8][..], text.as_bytes()].concat();
    headers.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat()).collect()
}

const REQUEST: &[(&str, &str)] = &[
    (":method", "POST"),
    (":path", "/a?b"),
    (":authority", "Shop.example:8080"),
    ("user-agent", "curl"),
    ("cookie", "a=1"),
    ("cookie", "b=2"),
];

/// A request with a body and its answer.
fn talk() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (
            ToServer,
            [
                PREFACE.to_vec(),
                frame(4, 0, 0, &[0, 3, 0, 0, 0, 100]),
                frame(8, 0, 0, &[0, 0, 1, 0]),
                frame(1, 0x20, 1, &[&[0, 0, 0, 0, 200][..], &block(&REQUEST[..2])].concat()),
                frame(9, 4, 1, &block(&REQUEST[2..])),
                frame(0, 8, 1, b"\x02helloxx"),
                frame(0, 1, 1, b" world"),
            ]
            .concat(),
        ),
        (
            ToClient,
            [
                frame(4, 0, 0, &[]),
                frame(4, 1, 0, &[]),
                frame(
                    1,
                    4,
                    1,
                    &block(&[(":status", "200"), ("content-type", "text/plain"), ("content-length", "3")]),
                ),
                frame(0, 0, 1, b"f"),
                frame(0, 0, 1, b"oo"),
                frame(1, 5, 1, &block(&[("x-trailer", "t")])),
            ]
            .concat(),
        ),
        (ToServer, frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 11])),
    ]
}

fn parser() -> Box<dyn Parser> {
    Http2.factory(&Settings::default()).parser(Proto::TCP, 40_000, 80)
}

/// Gives each direction's bytes in steps of that many, keeping what is not taken.
fn run(talk: &[(Direction, Vec<u8>)], step: usize) -> (Box<dyn Parser>, Result<(), ParseError>) {
    let mut parser = parser();
    let mut held: [Vec<u8>; 2] = Default::default();
    for (dir, bytes) in talk {
        for piece in bytes.chunks(step) {
            let held = &mut held[dir.index()];
            held.extend_from_slice(piece);
            let input = Input { dir: *dir, bytes: held, eof: false, timestamp: Timestamp(0) };
            match parser.parse(input) {
                Ok(parsed) => {
                    assert!(parsed.consumed <= held.len());
                    held.drain(..parsed.consumed);
                }
                Err(error) => return (parser, Err(error)),
            }
        }
    }
    (parser, Ok(()))
}

fn tx(parser: &dyn Parser, nth: usize) -> &dyn Transaction {
    parser.transactions().at(nth).unwrap()
}

#[track_caller]
fn check(tx: &dyn Transaction, which: Slot, expected: &str) {
    let bytes = tx.bytes(which, 0).map(|bytes| String::from_utf8_lossy(bytes).into_owned());
    assert_eq!(bytes.as_deref(), Some(expected));
}

fn logged(tx: &dyn Transaction) -> String {
    let mut out = JsonWriter::new();
    out.open();
    tx.log(&mut out);
    out.close();
    String::from_utf8_lossy(out.as_bytes()).into_owned()
}

#[test]
fn a_request_and_its_answer_whatever_the_pieces() {
    for step in [1, 2, 3, 7, 10, 11, 64, 10_000] {
        let (parser, result) = run(&talk(), step);
        assert_eq!(result, Ok(()));
        assert_eq!(parser.transactions().count(), 5, "{step}");
        assert_eq!(tx(&*parser, 0).number(super::slots::SETTING_REQUEST, 0), Some(3));
        assert_eq!(tx(&*parser, 1).number(super::slots::WINDOW_REQUEST, 0), Some(256));
        assert_eq!(tx(&*parser, 4).number(super::slots::ERROR_REQUEST, 0), Some(11));
        let tx = tx(&*parser, 2);
        assert_eq!((tx.progress(ToServer), tx.progress(ToClient)), (DONE, DONE));
        check(tx, slot::METHOD, "POST");
        check(tx, slot::URI, "/a?b");
        check(tx, slot::HOST, "shop.example");
        check(tx, slot::HOST_RAW, "Shop.example:8080");
        check(tx, slot::COOKIE_REQUEST, "a=1; b=2");
        check(tx, slot::REQUEST_LINE, "POST /a?b HTTP/2\r\n");
        check(tx, slot::RESPONSE_LINE, "HTTP/2 200\r\n");
        check(
            tx,
            slot::HEADER_NAMES_RESPONSE,
            "\r\n:status\r\ncontent-type\r\ncontent-length\r\nx-trailer\r\n\r\n",
        );
        check(tx, slot::STAT_MSG, "");
        assert_eq!(tx.body(slot::REQUEST_BODY, 0).unwrap().bytes, b"hello world");
        assert!(tx.body(slot::RESPONSE_BODY, 0).unwrap().end_seen);
        assert_eq!(tx.files(ToClient)[0].size, 3);
        assert_eq!(tx.files(ToClient)[0].state, FileState::Closed);
        assert_eq!(tx.number(super::slots::PRIORITY_REQUEST, 0), Some(200));
        assert!(tx.events().is_empty());
        let frames: Vec<_> = (0..4).map_while(|nth| tx.number(super::slots::FRAME_RESPONSE, nth)).collect();
        assert_eq!(frames, [1, 0, 1]);
    }
}

#[test]
fn records_have_the_shape_of_the_reference() {
    let (parser, _) = run(&talk(), 10_000);
    let json = logged(tx(&*parser, 2));
    for part in [
        r#"{"http":{"version":"2","request_headers":[{"name":":method","value":"POST"},"#,
        r#""response_headers":[{"name":":status","value":"200"},"#,
        r#""http_user_agent":"curl","http_method":"POST","url":"/a?b","length":3,"status":200,"#,
        r#""http2":{"stream_id":1,"request":{"priority":200},"response":{}}}}"#,
    ] {
        assert!(json.contains(part), "{json}");
    }
    assert!(logged(tx(&*parser, 0)).contains(
        r#""request":{"settings":[{"settings_id":"SETTINGSMAXCONCURRENTSTREAMS","settings_value":100}]}"#
    ));
    assert!(logged(tx(&*parser, 4)).contains(r#""request":{"error_code":"ENHANCEYOURCALM"}"#));
    assert!(!tx(&*parser, 1).logs() && tx(&*parser, 2).logs());
}

#[test]
fn what_http1_said_is_the_first_stream() {
    let mut parser = parser();
    parser.take_over(Box::new(Upgrade {
        method: b"GET".to_vec(),
        target: b"/robots.txt".to_vec(),
        headers: [("Host", "a.example"), ("HTTP2-Settings", "AAMAAABkAAQAAP__"), ("Accept", "*/*")]
            .map(|(name, value)| (name.as_bytes().to_vec(), value.as_bytes().to_vec()))
            .to_vec(),
    }));
    check(tx(&*parser, 0), slot::URI, "/robots.txt");
    check(tx(&*parser, 0), slot::HOST, "a.example");
    assert_eq!(tx(&*parser, 1).number(super::slots::VALUE_REQUEST, 1), Some(0xffff));
    let bytes = frame(1, 5, 1, &[0x88]);
    parser.parse(Input { dir: ToClient, bytes: &bytes, eof: false, timestamp: Timestamp(0) }).unwrap();
    assert_eq!(tx(&*parser, 0).number(slot::STATUS, 0), Some(200));
}

#[track_caller]
fn check_event(dir: Direction, frames: &[Vec<u8>], expected: &str) {
    let begin = if dir == ToServer { PREFACE.to_vec() } else { Vec::new() };
    let (parser, _) = run(&[(dir, [begin, frames.concat()].concat())], 10_000);
    let transactions = parser.transactions();
    let events: Vec<_> = (0..transactions.count())
        .flat_map(|nth| tx(&*parser, nth).events().to_vec())
        .map(|(_, name)| name)
        .collect();
    assert_eq!(events, [expected]);
}

#[test]
fn what_is_wrong_is_told() {
    let with = |headers: &[(&str, &str)]| frame(1, 5, 1, &block(headers));
    check_event(ToServer, &[with(&[(":authority", "a"), ("host", "b")])], "authority_host_mismatch");
    check_event(ToServer, &[with(&[(":authority", "me@a")])], "userinfo_in_uri");
    check_event(ToServer, &[frame(1, 5, 1, &[0xff; 20])], "header_integer_overflow");
    check_event(ToServer, &[frame(1, 5, 1, &[0xbe])], "invalid_header");
    check_event(ToServer, &[frame(8, 0, 0, &[0])], "invalid_frame_length");
    check_event(ToServer, &[frame(4, 0, 0, &[0])], "invalid_frame_length");
    check_event(ToServer, &[frame(9, 4, 1, &[])], "invalid_frame_header");
    check_event(ToServer, &[with(&[]), frame(3, 0, 1, &[0; 4]), frame(1, 4, 1, &[])], "stream_id_reuse");
    check_event(ToServer, &[frame(6, 0, 0, &vec![0; 200_000])], "long_frame_data");
    let long: Vec<Vec<u8>> =
        (0..8).map(|nth| frame(if nth == 0 { 1 } else { 9 }, 0, 1, &[0; 16_000])).collect();
    check_event(ToServer, &long, "reassembly_limit_reached");
    let broken = [frame(1, 4, 1, &block(&[("content-encoding", "br")])), frame(0, 1, 1, &[0x11; 8])];
    check_event(ToClient, &broken, "failed_decompression");
    let (parser, result) = run(&[(ToServer, b"GET / HTTP/1.1\r\n\r\n".to_vec())], 100);
    assert!(result.is_err());
    assert_eq!(tx(&*parser, 0).events(), [(ToServer, "invalid_client_magic")]);
}

#[test]
fn bodies_are_decompressed() {
    use std::io::Write as _;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"hello").unwrap();
    for (coding, bytes) in [("gzip", gzip.finish().unwrap()), ("br", b"\x0b\x02\x80hello\x03".to_vec())] {
        let talk = [frame(1, 4, 1, &block(&[("content-encoding", coding)])), frame(0, 1, 1, &bytes)].concat();
        for step in [1, 10_000] {
            let (parser, _) = run(&[(ToClient, talk.clone())], step);
            assert_eq!(tx(&*parser, 0).body(slot::RESPONSE_BODY, 0).unwrap().bytes, b"hello", "{coding}");
        }
    }
}

#[test]
fn many_streams_stay_bounded() {
    let yaml = serde_yaml::from_str("{max-streams: 10}").ok();
    let mut parser = Http2.factory(&Settings::new(yaml)).parser(Proto::TCP, 40_000, 80);
    let mut give = |bytes: &[u8]| {
        parser.parse(Input { dir: ToServer, bytes, eof: false, timestamp: Timestamp(0) }).unwrap();
        let transactions = parser.transactions();
        let open =
            (0..transactions.count()).filter(|nth| transactions.at(*nth).unwrap().progress(ToServer) != DONE);
        assert!(open.count() <= 10);
        parser.memory()
    };
    give(PREFACE);
    for nth in 0..100 {
        give(&frame(1, 4, 1 + 2 * nth, &[0x82]));
        give(&frame(0, 0, 1 + 2 * nth, &[7; 1000]));
    }
    // a table entry that is repeated costs no more than there may be
    give(&frame(1, 4, 301, &[&[0x40, 1, b'n', 0x7f, 0x81, 0x1e][..], &[b'v'; 4000]].concat()));
    let memory = give(&frame(1, 4, 303, &vec![0xbe; 100_000]));
    assert!(memory < 2 << 20, "{memory}");
}

#[test]
fn a_gap_in_a_body_is_no_end() {
    let mut parser = parser();
    let begin = [frame(1, 4, 1, &[0x88]), frame(0, 1, 1, &[b'a'; 100])[..50].to_vec()].concat();
    parser.parse(Input { dir: ToClient, bytes: &begin, eof: false, timestamp: Timestamp(0) }).unwrap();
    assert_eq!(parser.gap(ToClient, 30), Ok(()));
    parser.parse(Input { dir: ToClient, bytes: &[b'a'; 29], eof: false, timestamp: Timestamp(0) }).unwrap();
    let file = &tx(&*parser, 0).files(ToClient)[0];
    assert_eq!((file.size, file.state), (100, FileState::Truncated));
    assert!(parser.gap(ToClient, 1).is_err());
}

#[test]
fn it_is_recognised_by_its_preface() {
    let settings = frame(4, 0, 0, &[0; 6]);
    for (dir, bytes, expected) in [
        (ToServer, PREFACE, Probe::Yes),
        (ToClient, PREFACE, Probe::Reversed),
        (ToServer, b"PRI * HTTP/2", Probe::More),
        (ToServer, b"PRI * HTTP/1.0\r\n\r\nSM\r\n\r\n", Probe::No),
        (ToClient, &settings, Probe::More),
        (ToServer, &settings, Probe::No),
        (ToClient, b"HTTP/1.1 200 OK\r\n", Probe::No),
    ] {
        assert_eq!(Http2.probe(Proto::TCP, dir, 80, bytes), expected, "{bytes:x?}");
    }
}

#[test]
fn cuts_and_mutations_are_survived() {
    let whole = talk();
    for cut in 0..whole[0].1.len() {
        let (parser, _) = run(&[(ToServer, whole[0].1[..cut].to_vec())], 10_000);
        assert!(parser.memory() < 1 << 20);
    }
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..2_000 {
        let mut talk = whole.clone();
        for _ in 0..1 + random(6) {
            let piece = random(talk.len());
            let bytes = &mut talk[piece].1;
            let at = random(bytes.len()).max(if piece == 0 { PREFACE.len() } else { 0 });
            match random(3) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes[at] ^= 1 << random(8),
                _ => {
                    bytes.remove(at);
                }
            }
        }
        let (parser, _) = run(&talk, 1 + random(50));
        assert!(parser.memory() < 4 << 20);
        for nth in 0..parser.transactions().count() {
            let tx = tx(&*parser, nth);
            logged(tx);
            for slot in 0..120 {
                tx.bytes(Slot(slot), 0);
                tx.bytes(Slot(slot), 1);
                tx.number(Slot(slot), 0);
                tx.body(Slot(slot), 0);
            }
        }
    }
}
