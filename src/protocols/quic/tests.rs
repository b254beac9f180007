//! Connections, made here packet by packet; one packet of each side comes from another implementation.

use super::QUIC;
use super::google::tests::{body, chlo};
use super::keys::Keys;
use super::slots;
use super::version::Version;
use crate::app::{Input, Parser, Probe, Protocol, Settings, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::{Direction, Proto, Timestamp};

use Direction::{ToClient, ToServer};

/// Made with Python's `cryptography` after RFC 9001: connection id 11 × 8, the hello of [`hello`].
const CLIENT: &str = "
    cc00000001081111111111111111004000406b022899fd73f8b7e163f4ce3120487f55fbf354d5c2e7792132dded8043
    b0398d5d24f93e604941ff910df9dfe5510dbefaf484890fcca862baa039e1ed24bd0a2a3269fce574ed414f8d70cb69
    f38b14ce33e4c1615cce9d9e2263fd80ad6967c3ff32bfbba747143d88af";
/// The same of a server whose id is `SSSS`.
const SERVER: &str = "
    cc0000000100045353535340004049972a1f8982ed9b4c6048db01b8e8e726aa595c82651bf09eb54bedd34d76a098a2
    89ac13773a06bc9fd00bb3e285e2f6c1f0899d8f1913ae40b73acf4b141919fa33ea6ed76271dde8";

const ID: [u8; 8] = [0x11; 8];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &long(data)].concat()
}

/// A client hello with that name, TLS 1.3 and `h3`.
fn hello(name: &[u8]) -> Vec<u8> {
    let extensions = [
        extension(0, &long(&[&[0][..], &long(name)].concat())),
        extension(43, b"\x02\x03\x04"),
        extension(16, b"\0\x03\x02h3"),
    ];
    let body =
        [&[3, 3][..], &[b'R'; 32], &[0, 0, 4, 0x13, 1, 0x13, 2, 1, 0], &long(&extensions.concat())].concat();
    [&[1, 0][..], &long(&body)].concat()
}

fn crypto(offset: usize, data: &[u8]) -> Vec<u8> {
    let word = |value: usize| (0x4000 | value as u16).to_be_bytes();
    [&[6][..], &word(offset), &word(data.len()), data].concat()
}

/// A client's Initial packet of that version and connection.
fn initial_of(version: u32, id: &[u8], frames: &[u8]) -> Vec<u8> {
    let first = if version == 0x6b33_43cf { 0xd3 } else { 0xc3 };
    let mut payload = frames.to_vec();
    payload.resize(payload.len().max(32), 0);
    let len = (0x4000 | (payload.len() + 20) as u16).to_be_bytes();
    let id_len = [id.len() as u8];
    let header = [&[first][..], &version.to_be_bytes(), &id_len, id, &[0, 0], &len, &[0, 0, 0, 0]].concat();
    Keys::new(Version(version), id).unwrap().seal(ToServer, &header, &payload)
}

fn initial(frames: &[u8]) -> Vec<u8> {
    initial_of(1, &ID, frames)
}

/// A packet of another kind: 0-RTT 1, handshake 2.
fn other(kind: u8) -> Vec<u8> {
    [&[0xc0 | kind << 4, 0, 0, 0, 1, 8][..], &ID, &[0, 40], &[7; 40]].concat()
}

fn parser() -> Box<dyn Parser> {
    QUIC.factory(&Settings::default()).parser(Proto::UDP, 40_000, 443)
}

fn give(parser: &mut dyn Parser, dir: Direction, bytes: &[u8]) {
    let parsed = parser.parse(Input { dir, bytes, eof: false, timestamp: Timestamp(0) }).unwrap();
    assert_eq!(parsed.consumed, bytes.len());
}

/// What one would see of each transaction: direction, version, name asked for, and event.
fn seen(parser: &dyn Parser) -> Vec<String> {
    let transactions = parser.transactions();
    let text = |tx: &dyn Transaction, slot: Slot| {
        tx.bytes(slot, 0).map_or_else(|| "-".to_owned(), |bytes| String::from_utf8_lossy(bytes).into_owned())
    };
    (0..transactions.count())
        .map(|nth| {
            let tx = transactions.at(nth).unwrap();
            let way = if tx.concerns(ToServer) { '>' } else { '<' };
            let event = tx.events().first().map_or("", |(_, name)| name);
            format!("{way} {} {} {event}", text(tx, slots::VERSION), text(tx, slots::SNI))
                .trim_end()
                .to_owned()
        })
        .collect()
}

#[track_caller]
fn check(packets: &[(Direction, Vec<u8>)], expected: &[&str]) {
    let mut parser = parser();
    for (dir, packet) in packets {
        give(&mut *parser, *dir, packet);
    }
    assert_eq!(seen(&*parser), expected);
}

#[test]
fn packets_of_another_implementation_are_read() {
    let mut parser = parser();
    give(&mut *parser, ToServer, &bytes(CLIENT));
    give(&mut *parser, ToClient, &bytes(SERVER));
    assert_eq!(seen(&*parser), ["> 1 x.example", "< 1 -"]);
    let tx = parser.transactions().at(0).unwrap();
    assert_eq!(tx.bytes(slots::JA3_STRING, 0), Some(&b"771,4865-4866,0-43-16,,"[..]));
    assert_eq!(tx.bytes(slots::JA4, 0), Some(&b"q13d0203h3_62ed6f6ca7ad_9b00d4eb1ff0"[..]));
    let mut out = JsonWriter::new();
    out.open();
    tx.log(&mut out);
    parser.transactions().at(1).unwrap().log(&mut out);
    out.close();
    assert_eq!(
        String::from_utf8_lossy(out.as_bytes()),
        concat!(
            r#"{"quic":{"version":"1","sni":"x.example","ja3":{"hash":"2f1a7523557d9d45e8c80952552c778b","#,
            r#""string":"771,4865-4866,0-43-16,,"},"extensions":[{"name":"server_name","type":0,"values":["x.example"]},"#,
            r#"{"name":"supported_versions","type":43,"values":["Tls13"]},{"name":"alpn","type":16,"values":["h3"]}]},"#,
            r#""quic":{"version":"1","ja3s":{"hash":"cce84e7a8b742462e40afb585a3e3ccc","string":"771,4865,43"},"#,
            r#""extensions":[{"name":"supported_versions","type":43,"values":["Tls13"]}]}}"#,
        ),
    );
}

#[test]
fn every_version_with_known_keys_is_read() {
    for (version, name) in [
        (1, "1"),
        (0x6b33_43cf, "v2"),
        (0xff00_001d, "ff00001d"),
        (0xff00_0022, "ff000022"),
        (0xff00_0017, "ff000017"),
        (0xface_b002, "faceb002"),
        (0x5130_3530, "51303530"),
    ] {
        let packet = initial_of(version, &ID, &crypto(0, &hello(b"a.example")));
        check(&[(ToServer, packet)], &[&format!("> {name} a.example")]);
    }
    let unknown = [&[0xc3][..], &0x1111_1111u32.to_be_bytes(), &[0, 0, 0, 30], &[7; 30]].concat();
    check(&[(ToServer, unknown)], &["> 11111111 -"]);
}

#[test]
fn a_hello_comes_in_pieces_of_any_order() {
    let hello = hello(b"a.example");
    let (first, second) = hello.split_at(30);
    let whole = "> 1 a.example";
    check(&[(ToServer, initial(&[crypto(30, second), crypto(0, first)].concat()))], &[whole]);
    for pieces in [[crypto(0, first), crypto(30, second)], [crypto(20, &hello[20..]), crypto(0, first)]] {
        let packets = pieces.map(|piece| initial(&piece));
        check(&packets.clone().map(|packet| (ToServer, packet)), &["> 1 -", whole]);
        check(&[(ToServer, packets.concat())], &["> 1 -", whole]);
    }
}

#[test]
fn a_datagram_is_read_up_to_what_is_not_initial() {
    let ping = initial(b"\x01");
    let hello = initial(&crypto(0, &hello(b"a.example")));
    check(&[(ToServer, [ping.clone(), other(1), other(2)].concat())], &["> 1 -", "> 1 -"]);
    check(&[(ToServer, [other(2), hello.clone()].concat())], &["> 1 -"]);
    check(&[(ToServer, [ping.clone(), vec![0xc0, 0, 0]].concat())], &["> 1 -"]);
    // behind its hello a side tells nothing more
    check(
        &[(ToServer, [hello.clone(), ping].concat()), (ToServer, other(2)), (ToClient, other(2))],
        &["> 1 a.example", "< 1 -"],
    );
    // no more packets than there may be
    let mut parser = parser();
    give(&mut *parser, ToServer, &initial(b"\x01").repeat(100));
    assert_eq!(parser.transactions().count(), super::parser::PACKETS_MAX);
}

#[test]
fn a_retry_and_a_new_connection_begin_anew() {
    let retry = [&[0xf0, 0, 0, 0, 1, 0, 4][..], b"RRRRtoken", &[0; 16]].concat();
    let of = |id: &[u8], name: &[u8]| initial_of(1, id, &crypto(0, &hello(name)));
    check(
        &[(ToServer, of(&ID, b"a")), (ToClient, retry), (ToServer, of(b"RRRR", b"a"))],
        &["> 1 a", "< 1 -", "> 1 a"],
    );
    check(&[(ToServer, of(&ID, b"a")), (ToServer, of(b"another", b"b"))], &["> 1 a", "> 1 b"]);
    // what only looks like one does not
    let mut broken = of(b"another", b"b");
    *broken.last_mut().unwrap() ^= 1;
    check(&[(ToServer, of(&ID, b"a")), (ToServer, broken)], &["> 1 a"]);
}

#[test]
fn what_is_wrong_is_told() {
    let mut broken = initial(&crypto(0, &hello(b"a")));
    *broken.last_mut().unwrap() ^= 1;
    check(&[(ToServer, broken)], &["> 1 - failed_decrypt"]);
    check(&[(ToServer, initial(&[&[0; 60][..], &[6, 0, 0x44, 0]].concat()))], &["> 1 - error_on_data"]);
    check(&[(ToServer, initial(&crypto(0, b"\x63\0\0\x01a")))], &["> 1 - error_on_data"]);
    let far = [&[6][..], &0x8000_ffffu32.to_be_bytes(), &[1, b'a']].concat();
    check(&[(ToServer, initial(&far))], &["> 1 - crypto_frag_too_long"]);
}

#[test]
fn hellos_of_googles_own_are_read() {
    let message = chlo(&[(b"SNI\0", b"a.example"), (b"UAID", b"agent")]);
    let frames = body(b"", &message);
    let q046 = [&b"\xc3Q046\x50"[..], &ID, &[0, 0, 0, 1], &frames].concat();
    let q043 = [&b"\x0d"[..], &ID, b"Q043\x01", &frames].concat();
    let short = [&b"\x08"[..], &ID, b"\x01", &frames].concat();
    check(&[(ToServer, q046), (ToServer, q043.clone())], &["> Q046 a.example", "> - a.example"]);
    check(&[(ToServer, short), (ToClient, q043)], &["< - -"]);
}

#[test]
fn it_is_looked_for_where_it_is_served() {
    let packet = initial(b"\x01");
    for (port, bytes, expected) in [
        (443, &packet[..], Probe::Yes),
        (80, &packet, Probe::Yes),
        (8443, &packet, Probe::No),
        (443, b"\x40", Probe::Yes),
        (443, &packet[..packet.len() - 1], Probe::No),
        (443, b"\xc0\0\0\0\x01", Probe::No),
        (443, b"\x0d123", Probe::No),
        (443, b"", Probe::No),
    ] {
        assert_eq!(QUIC.probe(Proto::UDP, ToServer, port, bytes), expected, "{port} {bytes:x?}");
    }
}

#[test]
fn cuts_and_mutations_are_survived() {
    let hello = hello(b"a.example");
    let packets = [
        initial(&crypto(0, &hello[..30])),
        [initial(&crypto(30, &hello[30..])), other(1)].concat(),
        bytes(SERVER),
        [&b"\xc3Q046\x50"[..], &ID, &[0, 0, 0, 1], &body(b"\x40\x02\0\0\0\0", &chlo(&[(b"SNI\0", b"a")]))]
            .concat(),
        [&b"\x0d"[..], &ID, b"Q043\x01", &body(b"", &chlo(&[(b"SNI\0", b"a")]))].concat(),
    ];
    for packet in &packets {
        for cut in 0..packet.len() {
            give(&mut *parser(), ToServer, &packet[..cut]);
        }
    }
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = move |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    for _ in 0..2_000 {
        let mut parser = parser();
        for _ in 0..4 {
            let mut packet = packets[random(packets.len())].clone();
            for _ in 0..random(4) {
                let at = random(packet.len());
                packet[at] = random(256) as u8;
            }
            give(&mut *parser, if random(2) == 0 { ToServer } else { ToClient }, &packet);
        }
        // what is behind the protection is mutated too
        let mut frames = [crypto(0, &hello), b"\x02\x01\0\0\0".to_vec()].concat();
        for _ in 0..random(6) {
            let at = random(frames.len());
            frames[at] = random(256) as u8;
        }
        give(&mut *parser, ToServer, &initial(&frames));
        let mut out = JsonWriter::new();
        out.open();
        for nth in 0..parser.transactions().count() {
            parser.transactions().at(nth).unwrap().log(&mut out);
        }
        out.close();
        assert!(parser.memory() < 1 << 20);
    }
}

#[test]
fn memory_stays_bounded() {
    let mut parser = parser();
    for nth in 1..200 {
        let frame = crypto(nth * 70, &[7; 1000]);
        give(&mut *parser, ToServer, &initial(&frame));
        while let Some(id) = parser.transactions().at(0).map(Transaction::id) {
            parser.transactions_mut().remove(id);
        }
        assert!(parser.memory() < 256 << 10, "{}", parser.memory());
    }
}
