//! Whole talks, their documents made here.

use std::io::Write;

use super::bson::DEPTH_MAX;
use super::parser::KEPT_MAX;
use super::{ENTRY, MONGODB, slots};
use crate::app::{DONE, Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn document(fields: &[Vec<u8>]) -> Vec<u8> {
    let inside = fields.concat();
    [&(inside.len() as u32 + 5).to_le_bytes()[..], &inside, &[0]].concat()
}

fn field(kind: u8, name: &str, value: &[u8]) -> Vec<u8> {
    [&[kind], name.as_bytes(), &[0], value].concat()
}

fn text(name: &str, value: &str) -> Vec<u8> {
    field(2, name, &[&(value.len() as u32 + 1).to_le_bytes()[..], value.as_bytes(), &[0]].concat())
}

fn int(name: &str, value: i32) -> Vec<u8> {
    field(0x10, name, &value.to_le_bytes())
}

fn message(id: u32, answers: u32, opcode: u32, body: &[u8]) -> Vec<u8> {
    let len = body.len() as u32 + 16;
    [&len.to_le_bytes(), &id.to_le_bytes(), &answers.to_le_bytes(), &opcode.to_le_bytes(), body].concat()
}

fn msg(id: u32, answers: u32, document: &[u8]) -> Vec<u8> {
    message(id, answers, 2013, &[&[0; 5], document].concat())
}

fn ok() -> Vec<u8> {
    document(&[field(1, "ok", &1f64.to_le_bytes())])
}

fn find() -> Vec<u8> {
    let filter = document(&[field(0x0d, "$where", b"\x0d\0\0\0sleep(10000)\0")]);
    document(&[text("find", "items"), field(3, "filter", &filter), text("$db", "shop")])
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    let application = document(&[field(3, "application", &document(&[text("name", "app")]))]);
    let hello = document(&[int("ismaster", 1), field(3, "client", &application)]);
    let sasl = document(&[
        int("saslStart", 1),
        text("mechanism", "SCRAM-SHA-256"),
        field(5, "payload", b"\x0f\0\0\0\0n,,n=anna,r=abc"),
        text("$db", "admin"),
    ]);
    let insert = [&[0; 5][..], &document(&[text("insert", "README"), text("$db", "x")])].concat();
    let note = document(&[text("content", "pay 0.01 BTC")]);
    let section = [&[1][..], &(note.len() as u32 + 14).to_le_bytes(), b"documents\0", &note].concat();
    let list = document(&[field(4, "aggregate", &document(&[int("0", 1), text("1", "deep")])), int("ok", 1)]);
    vec![
        (
            ToServer,
            message(1, 0, 2004, &[&b"\0\0\0\0admin.$cmd\0\0\0\0\0\xff\xff\xff\xff"[..], &hello].concat()),
        ),
        (ToClient, message(9, 1, 1, &[&[8, 0, 0, 0][..], &[0; 12], &[1, 0, 0, 0], &ok()].concat())),
        (ToServer, [msg(2, 0, &sasl), msg(3, 0, &find())].concat()),
        (
            ToClient,
            [
                msg(10, 3, &document(&[int("ok", 0), text("errmsg", "no"), int("code", 13)])),
                msg(11, 2, &ok()),
            ]
            .concat(),
        ),
        (ToServer, message(4, 0, 2013, &[insert, section].concat())),
        (ToServer, message(5, 0, 2002, &[&b"\0\0\0\0shop.items\0"[..], &document(&[int("a", 1)])].concat())),
        (ToServer, msg(6, 0, &list)),
        (ToClient, msg(12, 4, &ok())),
    ]
}

fn turns(talk: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    talk.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect()
}

fn talk() -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 27017, "{}")
}

#[test]
fn a_session_is_read() {
    let mut talk = talk();
    talk.all(&turns(&session())).unwrap();
    assert_eq!(
        talk.records(),
        [
            concat!(
                r#""mongodb":{"request":{"opcode":"query","command":"ismaster","database":"admin","application":"app"},"#,
                r#""response":{"ok":1}}"#
            ),
            concat!(
                r#""mongodb":{"request":{"opcode":"msg","command":"saslStart","database":"admin","user":"anna"},"#,
                r#""response":{"ok":1}}"#
            ),
            concat!(
                r#""mongodb":{"request":{"opcode":"msg","command":"find","database":"shop","collection":"items"},"#,
                r#""response":{"ok":0,"error_code":13,"error":"no"}}"#
            ),
            concat!(
                r#""mongodb":{"request":{"opcode":"msg","command":"insert","database":"x","collection":"README"},"#,
                r#""response":{"ok":1}}"#
            ),
            r#""mongodb":{"request":{"opcode":"insert","command":"insert","database":"shop","collection":"items"}}"#,
            r#""mongodb":{"request":{"opcode":"msg","command":"aggregate"}}"#,
        ]
    );
    let each = talk.each();
    let texts = |nth: usize, slot| {
        (0..).map_while(|at| each[nth].bytes(slot, at)).map(<[u8]>::to_vec).collect::<Vec<_>>()
    };
    assert_eq!(texts(2, slots::FIELD), [&b"find"[..], b"filter", b"$where", b"$db"]);
    assert_eq!(texts(2, slots::STRING), [&b"items"[..], b"sleep(10000)", b"shop"]);
    assert_eq!(texts(3, slots::STRING), [&b"README"[..], b"x", b"pay 0.01 BTC"]);
    assert_eq!(texts(5, slots::FIELD), [&b"aggregate"[..], b"ok"]);
    assert_eq!((each[4].progress(ToClient), each[5].progress(ToClient)), (DONE, 0));
}

#[test]
fn cut_anywhere_it_is_the_same() {
    check_pieces(&ENTRY, 27017, "{}", &turns(&session()));
}

#[test]
fn whatever_comes() {
    check_mutations(&ENTRY, Proto::TCP, 27017, &turns(&session()));
}

#[test]
fn compression_is_undone_or_named() {
    let body = [&[0; 5], &find()[..]].concat();
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    packer.write_all(&body).unwrap();
    let packed = packer.finish().unwrap();
    for (compressor, packed, expected) in
        [(2, &packed, Some(&b"find"[..])), (0, &body, Some(b"find")), (1, &packed, None)]
    {
        let head = [&2013u32.to_le_bytes()[..], &(body.len() as u32).to_le_bytes(), &[compressor]].concat();
        let mut talk = talk();
        talk.say(ToServer, &message(1, 0, 2012, &[&head, &packed[..]].concat())).unwrap();
        assert_eq!(talk.each()[0].bytes(slots::COMMAND, 0), expected);
        assert!(talk.records()[0].contains("compressor"));
    }
    // a bomb
    let mut packer = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    packer.write_all(&vec![0; 50 << 20]).unwrap();
    let head = [&2013u32.to_le_bytes()[..], &[0xff; 4], &[2]].concat();
    let mut talk = talk();
    talk.say(ToServer, &message(1, 0, 2012, &[head, packer.finish().unwrap()].concat())).unwrap();
    assert!(talk.memory() < 16 << 10, "{}", talk.memory());
}

#[test]
fn what_is_too_much_is_cut() {
    let mut fields = vec![text("insert", "big"), text("$db", "shop")];
    fields.extend((0..5000).map(|_| text("name", "0123456789")));
    let mut one = talk();
    one.say(ToServer, &msg(1, 0, &document(&fields))).unwrap();
    assert!(one.memory() < 64 << 10, "{}", one.memory());
    assert_eq!(one.each()[0].bytes(slots::COMMAND, 0), Some(&b"insert"[..]));
    // longer than what is kept
    let mut long = talk();
    long.say(ToServer, &msg(1, 0, &document(&[text("insert", "a"), text("x", &"y".repeat(4 * KEPT_MAX))])))
        .unwrap();
    long.say(ToServer, &msg(2, 0, &find())).unwrap();
    assert_eq!(long.each().len(), 2);
    // deeper than what is followed
    let mut deep = document(&[]);
    for _ in 0..2 * DEPTH_MAX {
        deep = document(&[field(3, "a", &deep)]);
    }
    let mut one = talk();
    one.say(ToServer, &msg(1, 0, &deep)).unwrap();
    assert_eq!(one.events(), ["too_deep"]);
    for (dir, bytes, event) in [
        (ToServer, message(1, 0, 77, b""), "malformed_request"),
        (ToServer, msg(1, 0, b"\x01\0\0\0"), "malformed_request"),
        (ToClient, message(1, 0, 0, b""), "malformed_response"),
    ] {
        let mut talk = talk();
        let _ = talk.say(dir, &bytes);
        assert_eq!(talk.events(), [event]);
    }
}

#[test]
fn a_hole_is_stood() {
    let mut one = talk();
    one.say(ToServer, &msg(1, 0, &find())).unwrap();
    one.gap(ToClient, 10).unwrap();
    one.say(ToServer, &msg(2, 0, &find())).unwrap();
    assert!(one.each().len() == 2 && one.each().iter().all(|tx| tx.progress(ToClient) == DONE));
}

#[test]
fn it_is_recognised() {
    let talk = session();
    for (dir, bytes, expected) in [
        (ToServer, &talk[0].1[..], Probe::Yes),
        (ToServer, &talk[0].1[..15], Probe::More),
        (ToServer, &msg(1, 0, &find())[..], Probe::Yes),
        (ToClient, &talk[1].1, Probe::Yes),
        (ToClient, &msg(1, 2, &find())[..], Probe::Yes),
        (ToServer, &msg(1, 2, &find())[..], Probe::No),
        (ToServer, b"GET / HTTP/1.1\r\nHost: a\r\n", Probe::No),
        (ToServer, b"\x10\0\0\0\x01\0\0\0\0\0\0\0\xdd\x07\0\0\xff\xff\xff\xff\0", Probe::No),
    ] {
        assert_eq!(
            MONGODB.probe(Proto::TCP, dir, 1, bytes),
            expected,
            "{:?}",
            bytes.escape_ascii().to_string()
        );
    }
}
