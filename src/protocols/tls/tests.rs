//! Whole handshakes, made here byte by byte.

use super::TLS;
use super::slots;
use crate::app::{DONE, Input, ParseError, Parser, Protocol, Settings, Slot, Transaction};
use crate::json::JsonWriter;
use crate::types::{Direction, Proto, Timestamp};

use Direction::{ToClient, ToServer};

/// A self-signed certificate: serial 00:AB:12, `C=ES, O=Mamparo, Inc., CN=shop.example`, three alternative names.
const CERTIFICATE: &str = "
    308201ba3082015fa003020102020300ab12300a06082a8648ce3d040302303c310b3009060355040613024553311630
    14060355040a0c0d4d616d7061726f2c20496e632e3115301306035504030c0c73686f702e6578616d706c65301e170d
    3236313132333136343932335a170d3336313132303136343932335a303c310b30090603550406130245533116301406
    0355040a0c0d4d616d7061726f2c20496e632e3115301306035504030c0c73686f702e6578616d706c65305930130607
    2a8648ce3d020106082a8648ce3d030107034200042d80cf272deb1ea95359b05e208f517055a398646cf7311f6b45b6
    fd925c3597741e705033a0e90e38be377195b1748a5cb0ab4de4748e0ff50f4765bf8ed8d3a350304e302d0603551d11
    04263024820c73686f702e6578616d706c65820e2a2e73686f702e6578616d706c658704c0000207301d0603551d0e04
    16041401a044bae3147990b326a46343b8c260874e6f4a300a06082a8648ce3d04030203490030460221009858b08566
    11ee2c939189962eff3489bc9c1b814af33177928ae739f40d8c0a022100a41231a86064d5d995107bc43991c614de57
    7f9e211d1f2bc4eb9fc7f5025922
";

fn certificate() -> Vec<u8> {
    let digits: Vec<u8> = CERTIFICATE.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap()).collect()
}

fn short(bytes: &[u8]) -> Vec<u8> {
    [&[bytes.len() as u8][..], bytes].concat()
}

fn long(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u16).to_be_bytes()[..], bytes].concat()
}

fn longer(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_be_bytes()[1..], bytes].concat()
}

fn record(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind, 3, 3][..], &long(body)].concat()
}

fn message(kind: u8, body: &[u8]) -> Vec<u8> {
    [&[kind][..], &longer(body)].concat()
}

fn extension(kind: u16, data: &[u8]) -> Vec<u8> {
    [&kind.to_be_bytes()[..], &long(data)].concat()
}

fn server_name(name: &[u8]) -> Vec<u8> {
    extension(0, &long(&[&[0][..], &long(name)].concat()))
}

/// With that session and those extensions; ciphers GREASE, TLS_AES_128_GCM_SHA256, ECDHE-RSA-AES128-GCM-SHA256.
fn client_hello(session: &[u8], extensions: &[u8]) -> Vec<u8> {
    let random: Vec<u8> = (0..32).collect();
    let ciphers = long(&[0x1a, 0x1a, 0x13, 0x01, 0xc0, 0x2f]);
    message(1, &[&[3, 3][..], &random, &short(session), &ciphers, &[1, 0], &long(extensions)].concat())
}

fn server_hello(session: &[u8], cipher: u16, extensions: &[u8]) -> Vec<u8> {
    let random: Vec<u8> = (32..64).collect();
    let cipher = cipher.to_be_bytes();
    message(2, &[&[3, 3][..], &random, &short(session), &cipher, &[0], &long(extensions)].concat())
}

fn chain(certificates: &[Vec<u8>]) -> Vec<u8> {
    message(11, &longer(&certificates.iter().flat_map(|der| longer(der)).collect::<Vec<_>>()))
}

const CCS: [u8; 6] = [20, 3, 3, 0, 1, 1];

fn modern_extensions() -> Vec<u8> {
    [
        extension(0x2a2a, b""),
        server_name(b"shop.example"),
        extension(10, &long(&[0x3a, 0x3a, 0, 29, 0, 23])),
        extension(11, &[1, 0]),
        extension(13, &long(&[4, 3, 8, 4])),
        extension(16, &long(&[short(b"h2"), short(b"http/1.1")].concat())),
        extension(43, &short(&[0x4a, 0x4a, 3, 4, 3, 3])),
    ]
    .concat()
}

type Talk = Vec<(Direction, Vec<u8>)>;

/// TLS 1.2, with a certificate.
fn classic() -> Talk {
    vec![
        (ToServer, record(22, &client_hello(b"", &server_name(b"shop.example")))),
        (
            ToClient,
            record(
                22,
                &[
                    server_hello(b"", 0xc02f, &extension(0xff01, b"\0")),
                    chain(&[certificate(), vec![1, 2]]),
                    message(14, b""),
                ]
                .concat(),
            ),
        ),
        (ToServer, [record(22, &message(16, &[7; 33])), CCS.to_vec(), record(22, &[0x55; 40])].concat()),
        (ToClient, [CCS.to_vec(), record(22, &[0x55; 40])].concat()),
        (ToServer, record(23, &[0x55; 40])),
    ]
}

/// TLS 1.3.
fn modern() -> Talk {
    let server = server_hello(b"s", 0x1301, &extension(43, &[3, 4]));
    vec![
        (ToServer, record(22, &client_hello(b"s", &modern_extensions()))),
        (ToClient, [record(22, &server), CCS.to_vec(), record(23, &[1; 90])].concat()),
        (ToServer, [CCS.to_vec(), record(23, &[1; 40])].concat()),
    ]
}

fn parser(settings: &str) -> Box<dyn Parser> {
    let settings = Settings::new(serde_yaml::from_str(settings).ok());
    TLS.factory(&settings).parser(Proto::TCP, 40_000, 443)
}

const SHOWN: &str =
    "{ja3-fingerprints: yes, ja4-fingerprints: yes, eve: {ja4: yes, session-resumption: yes}}";

/// Feeds the talk in pieces of at most `piece` bytes, as an engine does that keeps what was not taken.
fn feed(parser: &mut dyn Parser, talk: &Talk, piece: usize) -> Result<bool, ParseError> {
    let mut pending: [Vec<u8>; 2] = Default::default();
    let mut needs = [0; 2];
    for (dir, bytes) in talk {
        for piece in bytes.chunks(piece) {
            let pending = &mut pending[dir.index()];
            pending.extend_from_slice(piece);
            if pending.len() < needs[dir.index()] {
                continue;
            }
            let parsed =
                parser.parse(Input { dir: *dir, bytes: pending, eof: false, timestamp: Timestamp(0) })?;
            pending.drain(..parsed.consumed);
            needs[dir.index()] = parsed.needs;
            if parsed.opaque {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Everything a transaction says.
fn told(parser: &dyn Parser) -> Vec<String> {
    let tx = parser.transactions().at(0).unwrap();
    let mut lines: Vec<String> = (0..32)
        .flat_map(|slot| (0..4).map(move |nth| (Slot(slot), nth)))
        .map(|(slot, nth)| format!("{slot:?} {nth} {:?} {:?}", tx.bytes(slot, nth), tx.number(slot, nth)))
        .collect();
    lines.push(format!("{:?} {} {}", tx.events(), tx.progress(ToServer), tx.progress(ToClient)));
    lines.push(record_of(tx));
    lines
}

fn record_of(tx: &dyn Transaction) -> String {
    let mut json = JsonWriter::new();
    json.open();
    tx.log(&mut json);
    json.close();
    String::from_utf8(json.take()).unwrap()
}

#[track_caller]
fn check(talk: &Talk, slots: &[(Slot, usize, &[u8])], record: &str) {
    let mut whole = parser(SHOWN);
    feed(&mut *whole, talk, usize::MAX).unwrap();
    let tx = whole.transactions().at(0).unwrap();
    for &(slot, nth, bytes) in slots {
        assert_eq!(
            tx.bytes(slot, nth).map(String::from_utf8_lossy),
            Some(String::from_utf8_lossy(bytes)),
            "{slot:?} {nth}"
        );
    }
    assert_eq!(record_of(tx), record);
    // However the streams are cut, the same is told.
    let longest = talk.iter().map(|(_, bytes)| bytes.len()).max().unwrap();
    for piece in 1..longest {
        let mut cut = parser(SHOWN);
        feed(&mut *cut, talk, piece).unwrap();
        assert_eq!(told(&*cut), told(&*whole), "pieces of {piece}");
    }
}

#[test]
fn a_handshake_with_a_certificate_is_read() {
    check(
        &classic(),
        &[
            (slots::SNI, 0, b"shop.example"),
            (slots::SUBJECT, 0, b"C=ES, O=Mamparo, Inc., CN=shop.example"),
            (slots::ISSUER, 0, b"C=ES, O=Mamparo, Inc., CN=shop.example"),
            (slots::SERIAL, 0, b"00:AB:12"),
            (slots::FINGERPRINT, 0, b"60:63:6e:fb:2e:ce:62:e4:6d:a7:25:b2:f1:a2:0f:9c:56:7a:a6:36"),
            (slots::SUBJECTALTNAME, 1, b"*.shop.example"),
            (slots::SUBJECTALTNAME, 2, b"192.0.2.7"),
            (slots::CERTS, 0, &certificate()),
            (slots::CERTS, 1, &[1, 2]),
            (slots::JA3_STRING, 0, b"771,4865-49199,0,,"),
            (slots::JA3_HASH, 0, b"349640b9e304f8ea23a8e0f71dde2248"),
            (slots::JA3S_STRING, 0, b"771,49199,65281"),
            (slots::CLIENT_RANDOM_TIME, 0, &[0, 1, 2, 3]),
            (slots::SERVER_RANDOM, 0, &(32..64).collect::<Vec<u8>>()),
        ],
        concat!(
            r#"{"tls":{"subject":"C=ES, O=Mamparo, Inc., CN=shop.example","issuerdn":"C=ES, O=Mamparo, Inc., CN=shop.example","#,
            r#""serial":"00:AB:12","fingerprint":"60:63:6e:fb:2e:ce:62:e4:6d:a7:25:b2:f1:a2:0f:9c:56:7a:a6:36","#,
            r#""sni":"shop.example","version":"TLS 1.2","notbefore":"2026-11-23T16:49:23","notafter":"2036-11-20T16:49:23","#,
            r#""ja3":{"hash":"349640b9e304f8ea23a8e0f71dde2248","string":"771,4865-49199,0,,"},"#,
            r#""ja3s":{"hash":"fbe78c619e7ea20046131294ad087f05","string":"771,49199,65281"},"ja4":"t12d020100_c1929292aa6b_d2e2adf7177b"}}"#
        ),
    );
    let mut parser = parser(SHOWN);
    assert_eq!(feed(&mut *parser, &classic(), usize::MAX), Ok(true));
    let tx = parser.transactions().at(0).unwrap();
    for (slot, number) in [
        (slots::CHAIN_LEN, 2),
        (slots::NOT_BEFORE, 1_795_452_563),
        (slots::CLIENT_VERSION, 0x0303),
        (slots::SERVER_VERSION, 0x0303),
        (slots::STATE, slots::STATE_CLIENT_KEYX),
    ] {
        assert_eq!(tx.number(slot, 0), Some(number), "{slot:?}");
    }
    assert!(tx.logs());
}

#[test]
fn tls13_is_read_up_to_its_encryption() {
    check(
        &modern(),
        &[
            (slots::CLIENT_ALPN, 0, b"h2"),
            (slots::CLIENT_ALPN, 1, b"http/1.1"),
            (slots::JA3_STRING, 0, b"771,4865-49199,0-10-11-13-16-43,29-23,0"),
            (slots::JA4, 0, b"t13d0206h2_c1929292aa6b_fb71836bce29"),
        ],
        concat!(
            r#"{"tls":{"sni":"shop.example","version":"TLS 1.3","#,
            r#""ja3":{"hash":"97737df38853b88c4324af06e211c4a1","string":"771,4865-49199,0-10-11-13-16-43,29-23,0"},"#,
            r#""ja3s":{"hash":"cce84e7a8b742462e40afb585a3e3ccc","string":"771,4865,43"},"ja4":"t13d0206h2_c1929292aa6b_fb71836bce29"}}"#
        ),
    );
    let mut parser = parser(SHOWN);
    assert_eq!(feed(&mut *parser, &modern(), usize::MAX), Ok(true));
    let tx = parser.transactions().at(0).unwrap();
    assert_eq!((tx.progress(ToServer), tx.progress(ToClient)), (DONE, DONE));
    assert_eq!(tx.number(slots::CHAIN_LEN, 0), Some(0));
}

#[test]
fn progress_rises_side_by_side() {
    let mut parser = parser("{encryption-handling: full}");
    let steps = [
        (slots::HELLO, 0),
        (slots::HELLO, slots::CERTIFICATE),
        (slots::CERTIFICATE, slots::CERTIFICATE),
        (DONE, DONE),
        (DONE, DONE),
    ];
    for (turn, expected) in classic().into_iter().zip(steps) {
        assert_eq!(feed(&mut *parser, &vec![turn], usize::MAX), Ok(false));
        let tx = parser.transactions().at(0).unwrap();
        assert_eq!((tx.progress(ToServer), tx.progress(ToClient)), expected);
    }
}

#[test]
fn messages_cut_by_records_are_put_together() {
    let hello = client_hello(b"", &server_name(b"shop.example"));
    for cut in 1..hello.len() {
        let talk = vec![(ToServer, [record(22, &hello[..cut]), record(22, &hello[cut..])].concat())];
        let mut parser = parser("");
        feed(&mut *parser, &talk, usize::MAX).unwrap();
        assert_eq!(parser.transactions().at(0).unwrap().bytes(slots::SNI, 0), Some(&b"shop.example"[..]));
    }
    let talk = vec![(ToServer, hello.iter().flat_map(|&byte| record(22, &[byte])).collect())];
    let mut parser = parser("");
    feed(&mut *parser, &talk, usize::MAX).unwrap();
    assert_eq!(parser.transactions().at(0).unwrap().bytes(slots::SNI, 0), Some(&b"shop.example"[..]));
}

#[test]
fn a_retry_request_keeps_the_first_fingerprint_and_the_last_version() {
    let retry: Vec<u8> = {
        let mut hello = server_hello(b"s", 0x1301, &extension(43, &[3, 4]));
        let random = [
            0xcf, 0x21, 0xad, 0x74, 0xe5, 0x9a, 0x61, 0x11, 0xbe, 0x1d, 0x8c, 0x02, 0x1e, 0x65, 0xb8, 0x91,
            0xc2, 0xa2, 0x11, 0x16, 0x7a, 0xbb, 0x8c, 0x5e, 0x07, 0x9e, 0x09, 0xe2, 0xc8, 0xa8, 0x33, 0x9c,
        ];
        hello[6..38].copy_from_slice(&random);
        hello
    };
    let second = client_hello(b"s", &server_name(b"other.example"));
    let talk = vec![
        (ToServer, record(22, &client_hello(b"s", &modern_extensions()))),
        (ToClient, [record(22, &retry), CCS.to_vec()].concat()),
        (ToServer, [CCS.to_vec(), record(22, &second)].concat()),
        (ToClient, record(22, &server_hello(b"s", 0x1301, &extension(43, &[3, 4])))),
    ];
    let mut parser = parser("{encryption-handling: full}");
    feed(&mut *parser, &talk, usize::MAX).unwrap();
    let tx = parser.transactions().at(0).unwrap();
    assert_eq!(tx.bytes(slots::SNI, 0), Some(&b"shop.example"[..]));
    assert_eq!(tx.number(slots::SERVER_VERSION, 0), Some(0x0304));
    assert!(tx.events().is_empty());
}

#[test]
fn resumption_is_logged_when_wanted() {
    let talk = |session: &[u8], extensions: &[u8]| {
        vec![
            (ToServer, record(22, &client_hello(b"id", extensions))),
            (ToClient, [record(22, &server_hello(session, 0xc02f, b"")), CCS.to_vec()].concat()),
            (ToServer, CCS.to_vec()),
        ]
    };
    for (settings, talk, logged, shown) in [
        (SHOWN, talk(b"id", b""), true, true),
        (SHOWN, talk(b"di", b""), false, false),
        (SHOWN, talk(b"di", &extension(35, b"")), true, true),
        ("{}", talk(b"id", b""), false, true),
    ] {
        let mut parser = parser(settings);
        feed(&mut *parser, &talk, usize::MAX).unwrap();
        let tx = parser.transactions().at(0).unwrap();
        assert_eq!((tx.logs(), record_of(tx).contains("session_resumed")), (logged, shown));
    }
}

#[test]
fn fingerprints_are_shown_as_the_settings_say() {
    for (settings, ja3, ja4, ja4_in_alert) in [
        ("{}", false, false, false),
        ("{used: {ja3: yes, ja4: yes}}", true, false, true),
        ("{ja3-fingerprints: yes, ja4-fingerprints: yes}", true, false, false),
        ("{ja4-fingerprints: auto, used: {ja4: yes}, eve: {ja4: yes}}", false, true, true),
        (
            "{ja3-fingerprints: no, ja4-fingerprints: no, used: {ja3: yes, ja4: yes}, eve: {ja4: yes}}",
            false,
            false,
            false,
        ),
    ] {
        let mut parser = parser(settings);
        feed(&mut *parser, &modern(), usize::MAX).unwrap();
        let tx = parser.transactions().at(0).unwrap();
        let mut alert = JsonWriter::new();
        tx.log_in_alert(&mut alert);
        let alert = String::from_utf8(alert.take()).unwrap();
        let record = record_of(tx);
        assert_eq!(
            (record.contains("ja3"), record.contains("ja4"), alert.contains("ja4")),
            (ja3, ja4, ja4_in_alert),
            "{settings}"
        );
        assert_eq!(tx.bytes(slots::JA4, 0).is_some(), !settings.contains("ja4-fingerprints: no"));
    }
}

#[test]
fn what_is_wrong_is_named() {
    let hello = |extensions: &[u8]| record(22, &client_hello(b"", extensions));
    let start = || (ToServer, hello(&server_name(b"a.example")));
    let server = || (ToClient, record(22, &server_hello(b"", 0xc02f, b"")));
    let cases: Vec<(Talk, &[&str])> = vec![
        (
            vec![(ToServer, hello(&[server_name(b"a"), server_name(b"b")].concat()))],
            &["multiple_sni_extensions"],
        ),
        (
            vec![(ToServer, hello(&extension(0, &long(&[&[1][..], &long(b"a")].concat()))))],
            &["invalid_sni_type"],
        ),
        (vec![(ToServer, hello(&server_name(b"")))], &["invalid_sni_length"]),
        (vec![(ToServer, hello(b"\0\x05\x01\0"))], &["handshake_invalid_length"]),
        (vec![start(), (ToServer, vec![99, 3, 3, 0, 1, 0])], &["invalid_record_type"]),
        (vec![start(), (ToServer, vec![22, 9, 9, 0, 1, 0])], &["invalid_ssl_record"]),
        (vec![start(), (ToServer, vec![22, 3, 3, 0, 0])], &["invalid_record_length"]),
        (vec![start(), (ToServer, vec![23, 3, 3, 0x48, 0])], &["invalid_record_length"]),
        (vec![start(), (ToClient, record(22, &message(99, b"?")))], &["invalid_handshake_message"]),
        (
            vec![start(), server(), (ToClient, record(22, &chain(&[vec![0x30, 0]])))],
            &["certificate_invalid_length", "invalid_handshake_message"],
        ),
        (vec![start(), server(), (ToServer, record(24, b"\x01\x40\x00"))], &["overflow_heartbeat_message"]),
        (vec![start(), server(), (ToServer, record(24, b"\x07\x00\x05"))], &["invalid_heartbeat_message"]),
        (vec![start(), server(), (ToServer, record(24, &[&b"\x01\x00\x05"[..], &[0; 21]].concat()))], &[]),
        (vec![start(), (ToClient, b"\x80\x02\x01\x00".to_vec())], &["invalid_sslv2_header"]),
        // Picked up in the middle: one side begins within a record.
        (
            vec![
                (ToClient, record(23, &[0; 40])),
                (ToServer, b"\x00".to_vec()),
                (ToServer, record(23, &[0; 40])),
            ],
            &[],
        ),
    ];
    for (talk, expected) in cases {
        let mut parser = parser("");
        let _ = feed(&mut *parser, &talk, usize::MAX);
        let events: Vec<&str> =
            parser.transactions().at(0).unwrap().events().iter().map(|event| event.1).collect();
        assert_eq!(events, expected);
        assert!(events.iter().all(|event| TLS.events().contains(event)));
    }
}

#[test]
fn sslv2_hellos_open_either_kind_of_flow() {
    let client = b"\x80\x1c\x01\x03\x01\0\x03\0\0\0\x10\0\0\x2fcccccccccccccccc".to_vec();
    let talk = vec![
        (ToServer, client.clone()),
        (ToClient, record(22, &[server_hello(b"", 47, b""), chain(&[certificate()])].concat())),
    ];
    let mut tls = parser("");
    feed(&mut *tls, &talk, usize::MAX).unwrap();
    assert_eq!(tls.transactions().at(0).unwrap().bytes(slots::SERIAL, 0), Some(&b"00:AB:12"[..]));

    let server = b"\x80\x0b\x04\0\x01\0\x02\0\0\0\0\0\0".to_vec();
    let mut ssl = parser("");
    assert_eq!(feed(&mut *ssl, &vec![(ToServer, client), (ToClient, server)], usize::MAX), Ok(true));
    assert_eq!(ssl.transactions().at(0).unwrap().number(slots::SERVER_VERSION, 0), Some(2));
}

#[test]
fn gaps_are_passed_over_where_they_can_be() {
    let mut parser = parser("{encryption-handling: full}");
    feed(&mut *parser, &modern(), usize::MAX).unwrap();
    // Within application data the next record's place is known.
    feed(&mut *parser, &vec![(ToServer, vec![23, 3, 3, 0, 100, 1, 2])], usize::MAX).unwrap();
    parser.gap(ToServer, 98).unwrap();
    assert_eq!(feed(&mut *parser, &vec![(ToServer, record(23, b"x"))], usize::MAX), Ok(false));
    // Elsewhere it is not.
    parser.gap(ToServer, 1).unwrap();
    assert_eq!(feed(&mut *parser, &vec![(ToServer, vec![0; 100])], usize::MAX), Ok(false));
}

#[test]
fn what_is_held_is_bounded() {
    let mut parser = parser("");
    let mut huge = message(11, &[]);
    huge[1] = 0xff;
    feed(
        &mut *parser,
        &vec![(ToClient, record(22, &server_hello(b"", 47, b""))), (ToClient, record(22, &huge))],
        usize::MAX,
    )
    .unwrap();
    for _ in 0..100 {
        feed(&mut *parser, &vec![(ToClient, record(22, &[0; 16_000]))], usize::MAX).unwrap();
    }
    assert!(parser.memory() < 16 << 10, "{}", parser.memory());
    let mut large = message(11, &[]);
    large[2] = 0xff;
    feed(&mut *parser, &vec![(ToServer, record(22, &large))], usize::MAX).unwrap();
    for _ in 0..100 {
        feed(&mut *parser, &vec![(ToServer, record(22, &[0; 16_000]))], usize::MAX).unwrap();
    }
    assert!(parser.memory() < 128 << 10, "{}", parser.memory());
}

#[test]
fn mutations_never_panic() {
    let mut seed = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = move |below: usize| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        (seed % below as u64) as usize
    };
    for round in 0..3000 {
        let mut talk = if round % 2 == 0 { classic() } else { modern() };
        for _ in 0..1 + random(6) {
            let turn = random(talk.len());
            let bytes = &mut talk[turn].1;
            let at = random(bytes.len());
            match random(4) {
                0 => bytes[at] = random(256) as u8,
                1 => bytes[at] ^= 1 << random(8),
                2 => bytes.truncate(at.max(1)),
                _ => bytes.insert(at, random(256) as u8),
            }
        }
        let mut parser = parser(if round % 3 == 0 { "{encryption-handling: full}" } else { SHOWN });
        let _ = feed(&mut *parser, &talk, 1 + random(2000));
        if round % 5 == 0 {
            let _ = parser.gap(ToClient, random(100) as u64);
            let _ = feed(&mut *parser, &talk, 1 + random(2000));
        }
        let told = told(&*parser);
        let _: serde_json::Value = serde_json::from_str(told.last().unwrap()).unwrap();
        for (dir, bytes) in &talk {
            TLS.probe(Proto::TCP, *dir, 443, bytes);
        }
        assert!(parser.memory() < 256 << 10);
    }
}
