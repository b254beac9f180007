//! Transfers in both directions.

use std::sync::Arc;

use super::parser::*;
use super::{FTP_DATA, KEPT_MAX, Transfer};
use crate::app::{DONE, FileState, Input, Parser, Protocol, Settings};
use crate::json::JsonWriter;
use crate::types::{Direction, Proto, Timestamp};

use Direction::{ToClient, ToServer};

fn parser(settings: &str, upload: bool) -> Box<dyn Parser> {
    let settings = Settings::new(serde_yaml::from_str(settings).ok());
    let transfer: Arc<dyn std::any::Any + Send + Sync> =
        Arc::new(Transfer { name: b"evil.exe".to_vec(), upload });
    FTP_DATA.factory(&settings).expected(&*transfer).unwrap()
}

fn feed(parser: &mut dyn Parser, dir: Direction, bytes: &[u8], eof: bool) {
    let parsed = parser.parse(Input { dir, bytes, eof, timestamp: Timestamp(0) }).unwrap();
    assert_eq!(parsed.consumed, bytes.len());
}

#[test]
fn a_file_is_taken_whole_however_it_is_cut() {
    let bytes = b"MZ\x90\0 a program";
    for piece in 1..=bytes.len() {
        for dir in Direction::BOTH {
            let mut parser = parser("{hash-md5: yes, file-magic: yes, file-content: yes}", false);
            for part in bytes.chunks(piece) {
                feed(&mut *parser, dir, part, false);
            }
            feed(&mut *parser, dir.opposite(), b"", true);
            let tx = parser.transactions().at(0).unwrap();
            assert_eq!((tx.progress(ToServer), tx.progress(ToClient)), (OPEN, OPEN));
            assert_eq!(tx.files(dir)[0].state, FileState::Opened);
            assert!(tx.files(dir)[0].magic.as_deref().unwrap().starts_with("MS-DOS") || piece < 2);
            feed(&mut *parser, dir, b"", true);
            let tx = parser.transactions().at(0).unwrap();
            assert_eq!((tx.progress(ToServer), tx.progress(ToClient)), (DONE, DONE));
            let file = &tx.files(dir)[0];
            assert_eq!((file.state, file.size, &*file.name), (FileState::Closed, 14, &b"evil.exe"[..]));
            assert!(file.md5.is_some() && file.sha256.is_none());
            assert_eq!(file.content.as_ref().unwrap().bytes(), bytes);
            assert!(tx.files(dir.opposite()).is_empty());
            let (data, name, magic) = match dir {
                ToServer => (DATA_TO_SERVER, NAME_TO_SERVER, MAGIC_TO_SERVER),
                ToClient => (DATA_TO_CLIENT, NAME_TO_CLIENT, MAGIC_TO_CLIENT),
            };
            let body = tx.body(data, 0).unwrap();
            assert_eq!((body.bytes, body.complete, body.end_seen), (&bytes[..], true, true));
            assert_eq!(tx.bytes(name, 0), Some(&b"evil.exe"[..]));
            assert_eq!(tx.bytes(magic, 0), Some(&b"MS-DOS executable"[..]));
        }
    }
}

#[test]
fn the_record_has_the_peers_shape() {
    let mut json = JsonWriter::new();
    json.open();
    parser("", true).transactions().at(0).unwrap().log(&mut json);
    json.close();
    assert_eq!(json.as_bytes(), br#"{"ftp_data":{"filename":"evil.exe","command":"STOR"}}"#);
}

#[test]
fn a_file_with_a_hole_is_not_whole() {
    let mut parser = parser("{file-content: yes, hash-sha256: yes}", false);
    feed(&mut *parser, ToClient, b"abc", false);
    parser.gap(ToClient, 10).unwrap();
    feed(&mut *parser, ToClient, b"def", true);
    let file = &parser.transactions().at(0).unwrap().files(ToClient)[0];
    assert_eq!((file.state, file.size, file.gaps), (FileState::Truncated, 16, true));
    assert!(file.content.is_none() && file.unstorable);
}

#[test]
fn memory_is_bounded() {
    let mut parser = parser("", false);
    let piece = vec![7; 1 << 16];
    for _ in 0..100 {
        feed(&mut *parser, ToServer, &piece, false);
        assert!(parser.memory() <= 4 * KEPT_MAX);
    }
    feed(&mut *parser, ToServer, b"", true);
    assert_eq!(parser.transactions().at(0).unwrap().files(ToServer)[0].size, 100 << 16);
    // an end without a file is none
    let mut empty = self::parser("", false);
    feed(&mut *empty, ToClient, b"", true);
    assert!(Direction::BOTH.iter().all(|dir| empty.transactions().at(0).unwrap().files(*dir).is_empty()));
}

#[test]
fn nothing_is_recognised_by_its_bytes() {
    assert_eq!(FTP_DATA.probe(Proto::TCP, ToServer, 20, b"USER"), crate::app::Probe::No);
}
