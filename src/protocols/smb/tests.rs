//! Whole sessions, made here byte by byte.

use super::{SMB, slots};
use crate::app::{DONE, FileState, Input, Parser, Probe, Protocol, Settings, Transaction};
use crate::json::JsonWriter;
use crate::protocols::dcerpc::slots as calls;
use crate::protocols::testing::check_frames;
use crate::types::{Direction, Proto, Timestamp};

use Direction::{ToClient, ToServer};

fn framed(message: &[u8]) -> Vec<u8> {
    let length = message.len() as u32;
    [&length.to_be_bytes()[..], message].concat()
}

/// A message of SMB2.
fn smb2(command: u16, response: bool, status: u32, message: u64, tree: u32, body: &[u8]) -> Vec<u8> {
    let mut bytes = b"\xfeSMB\x40\0\0\0".to_vec();
    bytes.extend(status.to_le_bytes());
    bytes.extend(command.to_le_bytes());
    bytes.extend([1, 0]);
    bytes.extend(u32::from(response).to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(message.to_le_bytes());
    bytes.extend([0; 4]);
    bytes.extend(tree.to_le_bytes());
    bytes.extend(7u64.to_le_bytes());
    bytes.extend([0; 16]);
    bytes.extend(body);
    bytes
}

fn wide(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_le_bytes).collect()
}

fn tree_connect(message: u64, share: &str) -> Vec<u8> {
    let name = wide(share);
    let body = [&[9, 0, 0, 0, 72, 0][..], &(name.len() as u16).to_le_bytes(), &name].concat();
    smb2(3, false, 0, message, 0, &body)
}

fn tree_connected(message: u64, tree: u32, kind: u8) -> Vec<u8> {
    let mut body = vec![16, 0, kind, 0];
    body.extend([0; 12]);
    smb2(3, true, 0, message, tree, &body)
}

fn create(message: u64, name: &str) -> Vec<u8> {
    let name = wide(name);
    let mut body = vec![57, 0];
    body.extend([0; 34]);
    body.extend([1, 0, 0, 0, 0, 0, 0, 0]);
    body.extend(120u16.to_le_bytes());
    body.extend((name.len() as u16).to_le_bytes());
    body.extend([0; 8]);
    body.extend(name);
    smb2(5, false, 0, message, 1, &body)
}

const FID: [u8; 16] = [0x4d, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0xff, 0xff, 0xff, 0xff];

fn created(message: u64) -> Vec<u8> {
    let mut body = vec![89, 0, 0, 0, 0, 0, 0, 0];
    body.extend([0; 56]);
    body.extend(FID);
    body.extend([0; 8]);
    smb2(5, true, 0, message, 1, &body)
}

fn write(message: u64, offset: u64, data: &[u8]) -> Vec<u8> {
    let mut body = vec![49, 0, 112, 0];
    body.extend((data.len() as u32).to_le_bytes());
    body.extend(offset.to_le_bytes());
    body.extend(FID);
    body.extend([0; 16]);
    body.extend(data);
    smb2(9, false, 0, message, 1, &body)
}

fn read(message: u64, offset: u64) -> Vec<u8> {
    let mut body = vec![49, 0, 0, 0, 0, 0, 1, 0];
    body.extend(offset.to_le_bytes());
    body.extend(FID);
    body.extend([0; 17]);
    smb2(8, false, 0, message, 1, &body)
}

fn was_read(message: u64, data: &[u8]) -> Vec<u8> {
    let mut body = vec![17, 0, 80, 0];
    body.extend((data.len() as u32).to_le_bytes());
    body.extend([0; 8]);
    body.extend(data);
    smb2(8, true, 0, message, 1, &body)
}

fn close(message: u64) -> Vec<u8> {
    let mut body = vec![24, 0, 0, 0, 0, 0, 0, 0];
    body.extend(FID);
    smb2(6, false, 0, message, 1, &body)
}

/// Both sides in the order in which they speak.
fn opened(share: &str, kind: u8, name: &str) -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, framed(&tree_connect(1, share))),
        (ToClient, framed(&tree_connected(1, 1, kind))),
        (ToServer, framed(&create(2, name))),
        (ToClient, framed(&created(2))),
    ]
}

fn parser(settings: &str) -> Box<dyn Parser> {
    let settings = Settings::new(serde_yaml::from_str(settings).ok());
    SMB.factory(&settings).parser(Proto::TCP, 40_000, 445)
}

/// Gives a session in pieces, keeping what was not taken and waiting for what is needed.
fn give(parser: &mut dyn Parser, session: &[(Direction, Vec<u8>)], piece: usize) {
    let (mut pending, mut needs) = ([Vec::new(), Vec::new()], [0; 2]);
    for (dir, bytes) in session {
        let side = dir.index();
        for piece in bytes.chunks(piece.max(1)) {
            pending[side].extend_from_slice(piece);
            if pending[side].len() >= needs[side] {
                let input = Input { dir: *dir, bytes: &pending[side], eof: false, timestamp: Timestamp(0) };
                let parsed = parser.parse(input).unwrap();
                assert!(parsed.consumed <= pending[side].len());
                pending[side].drain(..parsed.consumed);
                needs[side] = parsed.needs;
            }
        }
    }
}

fn each(parser: &dyn Parser) -> Vec<&dyn Transaction> {
    let transactions = parser.transactions();
    (0..transactions.count()).filter_map(|nth| transactions.at(nth)).collect()
}

fn records(parser: &dyn Parser) -> Vec<String> {
    let written = |tx: &dyn Transaction| {
        let mut out = JsonWriter::new();
        tx.log(&mut out);
        String::from_utf8(out.take()).unwrap()
    };
    each(parser).into_iter().map(written).collect()
}

fn written_file() -> Vec<(Direction, Vec<u8>)> {
    let data: Vec<u8> = (0..3000u32).map(|n| n as u8).collect();
    let mut session = opened("\\\\h\\C$", 1, "a.exe");
    session.push((ToServer, framed(&write(3, 0, &data[..1000]))));
    session.push((ToServer, framed(&write(4, 1500, &data[1500..]))));
    session.push((ToServer, framed(&write(5, 1000, &data[1000..1500]))));
    session.push((ToServer, framed(&close(6))));
    session
}

#[test]
fn a_written_file_is_put_together_however_it_is_cut() {
    for piece in [1, 2, 3, 5, 7, 64, 515, 516, 517, 700, 1 << 20] {
        let mut parser = parser("");
        give(&mut *parser, &written_file(), piece);
        let txs = each(&*parser);
        assert_eq!(txs.len(), 4);
        assert_eq!(txs[0].bytes(slots::SHARE, 0), Some(&b"\\\\h\\C$"[..]));
        assert_eq!(txs[0].bytes(slots::NAMED_PIPE, 0), None);
        let file = &txs[2].files(ToServer)[0];
        assert_eq!((&file.name[..], file.state, file.size), (&b"a.exe"[..], FileState::Closed, 3000));
        let body = txs[2].body(slots::FILE_WRITTEN, 0).unwrap();
        assert!(body.bytes.iter().enumerate().all(|(n, byte)| *byte == n as u8) && body.end_seen);
        assert_eq!(txs[2].progress(ToServer), DONE);
        assert_eq!(
            records(&*parser)[2],
            "\"smb\":{\"id\":3,\"dialect\":\"unknown\",\"command\":\"SMB2_COMMAND_WRITE\",\"status\":\"STATUS_SUCCESS\",\
             \"status_code\":\"0x0\",\"session_id\":7,\"tree_id\":1,\"filename\":\"a.exe\",\"share\":\"\",\
             \"fuid\":\"0000004d-0000-0000-0009-0000ffffffff\"}"
        );
    }
}

#[test]
fn a_read_file_is_the_servers() {
    let mut session = opened("\\\\h\\C$", 1, "a.txt");
    session.push((ToServer, framed(&read(3, 0))));
    session.push((ToClient, framed(&was_read(3, b"text"))));
    let mut parser = parser("");
    give(&mut *parser, &session, 1);
    let tx = each(&*parser)[2];
    assert_eq!(tx.files(ToClient)[0].state, FileState::Opened);
    assert_eq!(tx.body(slots::FILE_READ, 0).unwrap().bytes, b"text");
    assert_eq!(tx.bytes(slots::FILE_NAME_READ, 0), Some(&b"a.txt"[..]));
    parser.parse(Input { dir: ToClient, bytes: &[], eof: true, timestamp: Timestamp(0) }).unwrap();
    assert_eq!(each(&*parser)[2].files(ToClient)[0].state, FileState::Truncated);
}

#[test]
fn calls_in_pipes_are_read() {
    let request = [5, 0, 0, 3, 0x10, 0, 0, 0, 28, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 15, 0, 1, 2, 3, 4];
    let response = [5, 0, 2, 3, 0x10, 0, 0, 0, 26, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 5, 6];
    let mut session = opened("\\\\h\\IPC$", 2, "svcctl");
    session.push((ToServer, framed(&write(3, 0, &request))));
    session.push((ToServer, framed(&read(4, 0))));
    session.push((ToClient, framed(&was_read(4, &response))));
    let mut parser = parser("");
    give(&mut *parser, &session, 3);
    let txs = each(&*parser);
    assert_eq!(txs[0].bytes(slots::NAMED_PIPE, 0), Some(&b"\\\\h\\IPC$"[..]));
    assert_eq!(txs[2].number(calls::OPNUM, 0), Some(15));
    assert_eq!(txs[2].bytes(calls::STUB_REQUEST, 0), Some(&[1, 2, 3, 4][..]));
    assert_eq!(txs[2].bytes(calls::STUB_RESPONSE, 0), Some(&[5, 6][..]));
    assert_eq!((txs[2].progress(ToServer), txs[2].progress(ToClient)), (DONE, DONE));
}

#[test]
fn lost_bytes_cost_what_they_carried() {
    let mut parser = parser("");
    give(&mut *parser, &opened("\\\\h\\C$", 1, "a.exe"), 4096);
    let long = framed(&write(3, 0, &[1; 2000]));
    parser.parse(Input { dir: ToServer, bytes: &long[..1000], eof: false, timestamp: Timestamp(0) }).unwrap();
    parser.gap(ToServer, 1116 - 16 + 200).unwrap();
    let rest = [&b"xx\0SMB"[..], &framed(&write(4, 2000, b"end")), &framed(&close(5))].concat();
    give(&mut *parser, &[(ToServer, rest)], 1);
    let file = &each(&*parser)[2].files(ToServer)[0];
    assert!(file.gaps && file.state == FileState::Truncated);
}

#[test]
fn what_nobody_answers_is_bounded() {
    let mut parser = parser("max-tx: 10");
    for message in 0..500 {
        give(&mut *parser, &[(ToServer, framed(&tree_connect(message, "\\\\h\\s")))], 4096);
        let done: Vec<u64> =
            each(&*parser).iter().filter(|tx| tx.progress(ToClient) == DONE).map(|tx| tx.id()).collect();
        done.into_iter().for_each(|id| parser.transactions_mut().remove(id));
        assert!(each(&*parser).len() <= 10);
    }
    assert!(parser.memory() < 1 << 20);
}

#[test]
fn a_message_without_end_is_passed_over() {
    let mut parser = parser("");
    let mut long = smb2(3, false, 0, 1, 0, &[0; 200]);
    long.splice(0..0, [0, 0xff, 0xff, 0xff]);
    let taken =
        parser.parse(Input { dir: ToServer, bytes: &long, eof: false, timestamp: Timestamp(0) }).unwrap();
    assert_eq!((taken.consumed, taken.needs), (long.len(), 0));
}

#[test]
fn sessions_are_recognised() {
    let probe = |dir, port, bytes: &[u8]| SMB.probe(Proto::TCP, dir, port, bytes);
    let request = framed(&tree_connect(1, "\\\\h\\s"));
    assert_eq!(probe(ToServer, 4445, &request), Probe::Yes);
    assert_eq!(probe(ToClient, 4445, &request), Probe::Reversed);
    for end in 0..8 {
        assert_eq!(probe(ToServer, 4445, &request[..end]), Probe::More, "{end}");
    }
    let session = [&[0x81, 0, 0, 68][..], &[0x20; 68]].concat();
    assert_eq!(probe(ToServer, 139, &session), Probe::Yes);
    assert_eq!(probe(ToServer, 80, &session), Probe::No);
    assert_eq!(probe(ToServer, 445, b"GET / HTTP/1.1\r\n"), Probe::No);
}

/// SMB1: negotiation, a tree of pipes, a write in two versions.
fn smb1() -> Vec<(Direction, Vec<u8>)> {
    let message = |command: u8, response: bool, body: &[u8]| {
        let mut bytes = b"\xffSMB".to_vec();
        bytes.push(command);
        bytes.extend([0; 4]);
        bytes.push(if response { 0x88 } else { 8 });
        bytes.extend(0x4000u16.to_le_bytes());
        bytes.extend([0; 12]);
        bytes.extend([1, 0, 2, 0, 3, 0, 4, 0]);
        bytes.extend(body);
        framed(&bytes)
    };
    let negotiate = b"\0\x0c\0\x02NT LM 0.12\0";
    let mut answer = vec![17];
    answer.extend([0; 34]);
    answer.extend([16, 0]);
    answer.extend([7; 16]);
    let connect = b"\x04\xff\0\0\0\0\0\x01\0\x15\0\0\\\\host\\IPC$\0?????\0\0";
    let connected = b"\x03\xff\0\0\0\0\0\x04\0IPC\0";
    let mut write = vec![12, 0xff, 0, 0, 0, 9, 0];
    write.extend([0; 12]);
    write.extend([0, 0, 28, 0, 59, 0]);
    write.extend([28, 0]);
    write.extend([5, 0, 0, 3, 0x10, 0, 0, 0, 28, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 0, 0, 15, 0, 1, 2, 3, 4]);
    vec![
        (ToServer, message(0x72, false, negotiate)),
        (ToClient, message(0x72, true, &answer)),
        (ToServer, message(0x75, false, connect)),
        (ToClient, message(0x75, true, connected)),
        (ToServer, message(0x2f, false, &write)),
    ]
}

#[test]
fn the_first_version_is_read() {
    for piece in [1, 7, 4096] {
        let mut parser = parser("");
        give(&mut *parser, &smb1(), piece);
        let txs = each(&*parser);
        assert_eq!(txs[1].bytes(slots::NAMED_PIPE, 0), Some(&b"\\host\\IPC$"[..]));
        assert_eq!(txs[2].number(calls::OPNUM, 0), Some(15));
        assert_eq!(txs[0].number(slots::VERSION, 0), Some(1));
        assert!(records(&*parser)[0].contains("\"dialect\":\"NT LM 0.12\""));
    }
}

#[test]
fn mutations_never_panic_and_stay_bounded() {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for round in 0..2000 {
        let mut session = if round % 2 == 0 { written_file() } else { smb1() };
        for (_, bytes) in &mut session {
            if random(3) == 0 {
                for _ in 0..random(5) {
                    let at = random(bytes.len());
                    bytes[at] = random(256) as u8;
                }
            }
        }
        let mut parser = parser("");
        let piece = random(600) + 1;
        let (front, back) = session.split_at(random(session.len()));
        give(&mut *parser, front, piece);
        if random(3) == 0 {
            parser.gap(if random(2) == 0 { ToServer } else { ToClient }, random(3000) as u64).unwrap();
        }
        give(&mut *parser, back, piece);
        records(&*parser);
        for tx in each(&*parser) {
            tx.body(slots::FILE_READ, 0);
            tx.body(slots::FILE_WRITTEN, 0);
        }
        assert!(parser.memory() < 4 << 20);
    }
}

#[test]
fn messages_and_compounds_are_frames() {
    let mut first = smb2(3, false, 0, 1, 0, &[0; 8]);
    let (one, next) = (first.len(), first.len() as u32);
    first[20..24].copy_from_slice(&next.to_le_bytes());
    let message = framed(&[&first[..], &smb2(4, false, 0, 2, 0, &[0; 4])[..]].concat());
    let all = (message.len() - 4) as u64;
    let (one, two) = (one as u64, all - one as u64);
    let expected = [
        (ToServer, "nbss.pdu", 0, Some(5)),
        (ToServer, "nbss.hdr", 0, Some(4)),
        (ToServer, "nbss.data", 4, Some(1)),
        (ToServer, "nbss.pdu", 5, Some(4 + all)),
        (ToServer, "nbss.hdr", 5, Some(4)),
        (ToServer, "nbss.data", 9, Some(all)),
        (ToServer, "smb2.pdu", 9, Some(one)),
        (ToServer, "smb2.hdr", 9, Some(64)),
        (ToServer, "smb2.data", 73, Some(one - 64)),
        (ToServer, "smb2.pdu", 9 + one, Some(two)),
        (ToServer, "smb2.hdr", 9 + one, Some(64)),
        (ToServer, "smb2.data", 73 + one, Some(two - 64)),
    ];
    let turns = [(ToServer, &b"\x81\0\0\x01x"[..]), (ToServer, &message[..])];
    check_frames(&super::ENTRY, 445, &turns, &expected);
}
