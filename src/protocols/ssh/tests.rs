//! Connections made here packet by packet.

use super::SSH;
use super::slots::*;
use crate::app::{DONE, Input, Parser, Probe, Protocol, Settings, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::{Direction, Proto, Timestamp};

use Direction::{ToClient, ToServer};

type Talk = Vec<(Direction, Vec<u8>)>;

fn parser(settings: &str) -> Box<dyn Parser> {
    let settings = Settings::new(serde_yaml::from_str(settings).ok());
    SSH.factory(&settings).parser(Proto::TCP, 40_000, 22)
}

fn packet(payload: &[u8]) -> Vec<u8> {
    let len = payload.len() as u32 + 1 + 4;
    [&len.to_be_bytes()[..], &[4], payload, &[0; 4]].concat()
}

fn kexinit() -> Vec<u8> {
    let mut payload = vec![20];
    payload.extend([9; 16]);
    for list in ["k1,k2", "hk", "e1", "e2", "m1", "m2", "c1", "c2", "", ""] {
        payload.extend((list.len() as u32).to_be_bytes());
        payload.extend(list.bytes());
    }
    payload.extend([0; 5]);
    packet(&payload)
}

fn connection() -> Talk {
    vec![
        (ToClient, b"SSH-2.0-OpenSSH_7.4 Debian-10\r\n".to_vec()),
        (ToServer, b"SSH-2.0-client\n".to_vec()),
        (ToServer, kexinit()),
        (ToClient, [kexinit(), packet(&[31; 700])].concat()),
        (ToServer, [packet(&[30; 90]), packet(&[21]), vec![0xaa; 64]].concat()),
        (ToClient, [packet(&[21]), vec![0xbb; 64]].concat()),
    ]
}

/// Feeds in pieces, as the engine does; whether the parser let go of the flow.
fn feed(parser: &mut dyn Parser, talk: &Talk, piece: usize) -> bool {
    let mut left: [Vec<u8>; 2] = Default::default();
    let mut opaque = false;
    for (dir, bytes) in talk {
        for part in bytes.chunks(piece) {
            let left = &mut left[dir.index()];
            left.extend_from_slice(part);
            let input = Input { dir: *dir, bytes: left, eof: false, timestamp: Timestamp(0) };
            let parsed = parser.parse(input).unwrap();
            assert!(parsed.consumed <= left.len());
            left.drain(..parsed.consumed);
            opaque |= parsed.opaque;
        }
    }
    opaque
}

fn record(tx: &dyn Transaction) -> String {
    let mut json = JsonWriter::new();
    json.open();
    tx.log(&mut json);
    json.close();
    String::from_utf8(json.take()).unwrap()
}

fn told(parser: &dyn Parser) -> Vec<String> {
    let tx = parser.transactions().at(0).unwrap();
    let mut lines: Vec<String> = (0..8).map(|slot| format!("{:?}", tx.bytes(Slot(slot), 0))).collect();
    lines.push(format!("{:?} {} {}", tx.events(), tx.progress(ToServer), tx.progress(ToClient)));
    lines.push(record(tx));
    lines
}

#[test]
fn a_connection_is_read_up_to_its_encryption() {
    let mut whole = parser("{hassh: yes}");
    assert!(feed(&mut *whole, &connection(), usize::MAX));
    let tx = whole.transactions().at(0).unwrap();
    assert_eq!((tx.progress(ToServer), tx.progress(ToClient)), (DONE, DONE));
    assert_eq!(tx.bytes(HASSH, 0), Some(&b"949ac497b1ded40d99425e547e973205"[..]));
    assert_eq!(tx.bytes(HASSH_SERVER, 0), Some(&b"90c46968a47bf9513c1777e996be8955"[..]));
    assert_eq!(tx.bytes(HASSH_STRING, 0), Some(&b"k1,k2;e1;m1;c1"[..]));
    assert_eq!(tx.events(), []);
    assert_eq!(
        record(tx),
        concat!(
            r#"{"ssh":{"client":{"proto_version":"2.0","software_version":"client","hassh":{"hash":"949ac497b1ded40d99425e547e973205","string":"k1,k2;e1;m1;c1"}},"#,
            r#""server":{"proto_version":"2.0","software_version":"OpenSSH_7.4","hassh":{"hash":"90c46968a47bf9513c1777e996be8955","string":"k1,k2;e2;m2;c2"}}}}"#
        )
    );
    for piece in 1..900 {
        let mut cut = parser("{hassh: yes}");
        assert!(feed(&mut *cut, &connection(), piece), "pieces of {piece}");
        assert_eq!(told(&*cut), told(&*whole), "pieces of {piece}");
    }
}

#[test]
fn settings_are_heard() {
    let hassh = |settings: &str| {
        let mut parser = parser(settings);
        feed(&mut *parser, &connection(), usize::MAX);
        parser.transactions().at(0).unwrap().bytes(HASSH, 0).is_some()
    };
    assert!(!hassh("") && !hassh("{hassh: no, used: {ssh-hassh-server: yes}}"));
    assert!(hassh("{hassh: auto, used: {ssh-hassh-server: yes}}") && hassh("{used: {ssh-hassh: yes}}"));
    assert!(!feed(&mut *parser("{encryption-handling: full}"), &connection(), usize::MAX));
}

#[test]
fn banners() {
    let say = |lines: &[u8]| {
        let mut parser = parser("");
        feed(&mut *parser, &vec![(ToClient, lines.to_vec())], usize::MAX);
        let tx = parser.transactions().at(0).unwrap();
        let text = |slot| tx.bytes(slot, 0).map(|bytes| bytes.escape_ascii().to_string());
        let events: Vec<&str> = tx.events().iter().map(|(_, event)| *event).collect();
        (text(SERVER_PROTO), text(SERVER_SOFTWARE), events, tx.progress(ToClient))
    };
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(say(b"SSH-2.0-a b c\r\n"), (some("2.0"), some("a"), vec![], BANNER));
    assert_eq!(say(b"SSH-2.0-OpenSSH-a b\n"), (some("2.0"), some("OpenSSH-a"), vec![], BANNER));
    assert_eq!(say(b"SSH-2.0-\r\n"), (some("2.0"), None, vec![], BANNER));
    assert_eq!(say(b"SSH-1.5-old\r\n"), (some("1.5"), some("old"), vec![], DONE));
    assert_eq!(say(b"SSH-2.0\r\n"), (None, None, vec!["invalid_banner"], 0));
    assert_eq!(say(b"hello\r\nSSH-2.0-x\r\n"), (some("2.0"), some("x"), vec!["invalid_banner"], BANNER));
    let long = [&b"SSH-2.0-"[..], &[b'O'; 300], b"\r\n", &packet(&[2, 0])].concat();
    let (_, software, events, _) = say(&long);
    assert_eq!((software.unwrap().len(), events), (247, vec!["long_banner"]));
}

#[test]
fn lengths_that_cannot_be_are_told() {
    for bytes in [&[0, 0, 0, 1, 0, 1, 0][..], &[0xff, 0xff, 0xff, 0xff, 0, 20, 0]] {
        let mut parser = parser("");
        feed(&mut *parser, &vec![(ToServer, [b"SSH-2.0-x\r\n", bytes].concat())], usize::MAX);
        let tx = parser.transactions().at(0).unwrap();
        assert_eq!(tx.events(), [(ToServer, "invalid_record")]);
        assert_eq!(tx.progress(ToServer), DONE);
    }
    // lists that are longer than their message
    let mut message = vec![20; 17];
    message.extend([0, 0, 1, 0, b'x']);
    let mut parser = parser("{hassh: yes}");
    feed(&mut *parser, &vec![(ToServer, [&b"SSH-2.0-x\r\n"[..], &packet(&message)].concat())], usize::MAX);
    assert_eq!(parser.transactions().at(0).unwrap().events(), [(ToServer, "invalid_record")]);
}

#[test]
fn long_messages_are_not_kept() {
    let mut parser = parser("");
    feed(&mut *parser, &vec![(ToServer, b"SSH-2.0-x\r\n".to_vec())], usize::MAX);
    let len = 900_000u32;
    let head = [&len.to_be_bytes()[..], &[4, 20]].concat();
    let input = Input { dir: ToServer, bytes: &head, eof: false, timestamp: Timestamp(0) };
    assert_eq!(parser.parse(input).unwrap().consumed, 6);
    let rest = vec![0; len as usize - 2];
    let talk = vec![(ToServer, [rest, packet(&[21])].concat())];
    feed(&mut *parser, &talk, 4096);
    assert_eq!(parser.transactions().at(0).unwrap().progress(ToServer), DONE);
    assert!(parser.memory() < 1000);
}

#[test]
fn recognition() {
    for (bytes, expected) in
        [(&b"SSH-2.0"[..], Probe::Yes), (b"SS", Probe::More), (b"", Probe::More), (b"GET /", Probe::No)]
    {
        assert_eq!(SSH.probe(Proto::TCP, ToServer, 22, bytes), expected);
    }
}

#[test]
fn mutated_connections_never_break_anything() {
    let mut state = 3u32;
    let mut random = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    for round in 0..2000 {
        let mut parser = parser("{hassh: yes}");
        let mut talk = connection();
        for (dir, bytes) in &mut talk {
            for _ in 0..random(4) {
                let at = random(bytes.len());
                bytes[at] = random(256) as u8;
            }
            bytes.truncate(random(bytes.len()) + 1);
            if round % 5 == 0 && random(3) == 0 {
                parser.gap(*dir, random(2000) as u64).unwrap();
            }
        }
        feed(&mut *parser, &talk, 1 + random(300));
        told(&*parser);
        assert!(parser.memory() < 10_000);
    }
}
