//! Beginnings of connections.

use super::{ENTRY, RDP, slots};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations, check_pieces};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn tpkt(inner: &[u8]) -> Vec<u8> {
    [&[3, 0][..], &(inner.len() as u16 + 4).to_be_bytes(), inner].concat()
}

fn x224(kind: u8, rest: &[u8]) -> Vec<u8> {
    tpkt(&[&[6 + rest.len() as u8, kind, 0, 0, 0, 0, 0][..], rest].concat())
}

fn ber(tag: &[u8], inner: &[u8]) -> Vec<u8> {
    [tag, &[0x82], &(inner.len() as u16).to_be_bytes(), inner].concat()
}

fn packed(inner: &[u8]) -> Vec<u8> {
    [&(0x8000 | inner.len() as u16).to_be_bytes()[..], inner].concat()
}

fn block(kind: u16, inner: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], &(inner.len() as u16 + 4).to_le_bytes(), inner].concat()
}

fn wide(text: &str, len: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    bytes.resize(len, 0);
    bytes
}

fn core(optional: &[u8]) -> Vec<u8> {
    let mut bytes = b"\x04\0\x08\0\x20\x03\x58\x02\x01\xca\x03\xaa\x09\x04\0\0\x28\x0a\0\0".to_vec();
    bytes.extend(wide("HOST", 32));
    bytes.extend(b"\x04\0\0\0\0\0\0\0\x0c\0\0\0");
    bytes.extend([0; 64]);
    bytes.extend(optional);
    block(0xc001, &bytes)
}

fn optional() -> Vec<u8> {
    let mut bytes = b"\x01\xca\x01\0\0\0\0\0\x10\0\x07\0\x21\0".to_vec();
    bytes.extend(wide("76487", 64));
    bytes.extend(b"\x06");
    bytes
}

fn channels(names: &[&str]) -> Vec<u8> {
    let mut bytes = (names.len() as u32).to_le_bytes().to_vec();
    for name in names {
        let mut field = name.as_bytes().to_vec();
        field.resize(12, 0);
        bytes.extend(field);
    }
    block(0xc003, &bytes)
}

fn connect(blocks: &[u8]) -> Vec<u8> {
    let inner = [b"\0\x08\0\x10\0\x01\xc0\0Duca", &packed(blocks)[..]].concat();
    let gcc = [b"\0\x05\0\x14\x7c\0\x01", &packed(&inner)[..]].concat();
    let parameters = ber(b"\x30", b"\x02\x01\x22").repeat(3);
    let all = [b"\x04\x01\x01\x04\x01\x01\x01\x01\xff", &parameters[..], &ber(b"\x04", &gcc)].concat();
    tpkt(&[b"\x02\xf0\x80", &ber(b"\x7f\x65", &all)[..]].concat())
}

fn session() -> Vec<(Direction, Vec<u8>)> {
    vec![
        (ToServer, x224(0xe0, b"Cookie: mstshash=bob\r\n\x01\x01\x08\0\x0b\0\0\0")),
        (ToClient, x224(0xd0, b"\x02\x09\x08\0\0\0\0\0")),
        (ToServer, connect(&[core(&optional()), channels(&["rdpdr", "MS_T120"])].concat())),
        (ToClient, tpkt(b"\x02\xf0\x80\x7f\x66\x03\x01\x01\0")),
        (ToServer, tpkt(b"\x02\xf0\x80\x04\x01")),
        (ToClient, b"\x44whatever".to_vec()),
    ]
}

fn turns(session: &[(Direction, Vec<u8>)]) -> Vec<(Direction, &[u8])> {
    session.iter().map(|(dir, bytes)| (*dir, &bytes[..])).collect()
}

fn talk() -> Talk {
    Talk::new(&ENTRY, Proto::TCP, 3389, "{}")
}

#[test]
fn the_beginning_is_told() {
    let mut talk = talk();
    talk.all(&turns(&session())).unwrap();
    assert_eq!(
        talk.records(),
        [
            r#""rdp":{"tx_id":1,"event_type":"initial_request","cookie":"bob","flags":["restricted_admin_mode_required"]}"#,
            r#""rdp":{"tx_id":2,"event_type":"initial_response","server_supports":["extended_client_data","restricted_admin"],"protocol":"rdp"}"#,
            concat!(
                r#""rdp":{"tx_id":3,"event_type":"connect_request","client":{"version":"v5","desktop_width":800,"desktop_height":600,"#,
                r#""color_depth":16,"keyboard_layout":"en-US","build":"Windows XP","client_name":"HOST","keyboard_type":"enhanced","#,
                r#""function_keys":12,"product_id":1,"capabilities":["support_errinfo_pdf","valid_connection_type"],"id":"76487","#,
                r#""connection_hint":"lan"},"channels":["rdpdr","MS_T120"]}"#
            ),
            r#""rdp":{"tx_id":4,"event_type":"connect_response"}"#,
        ]
    );
    let each = talk.each();
    assert_eq!(each[0].bytes(slots::COOKIE, 0), Some(&b"bob"[..]));
    assert_eq!(each[2].bytes(slots::CHANNEL, 1), Some(&b"MS_T120"[..]));
    assert_eq!(each[2].bytes(slots::CLIENT_NAME, 0), Some(&b"HOST"[..]));
    let mut refused = self::talk();
    refused.say(ToClient, &x224(0xd0, b"\x03\0\x08\0\x05\0\0\0")).unwrap();
    assert!(refused.records()[0].ends_with(r#""error_code":5,"reason":"hybrid required by server"}"#));
}

#[test]
fn optional_data_may_end_anywhere() {
    let all = optional();
    for (len, expected) in [
        (
            0,
            r#""color_depth":8,"keyboard_layout":"en-US","build":"Windows XP","client_name":"HOST","keyboard_type":"enhanced","function_keys":12}"#,
        ),
        (3, r#""function_keys":12}"#),
        (4, r#""product_id":1}"#),
        (10, r#""product_id":1}"#),
        (14, r#""capabilities":["support_errinfo_pdf","valid_connection_type"]}"#),
    ] {
        let mut talk = talk();
        talk.say(ToServer, &connect(&core(&all[..len]))).unwrap();
        assert!(talk.records()[0].contains(expected), "{len}: {}", talk.records()[0]);
    }
}

#[test]
fn certificates_behind_it_are_told() {
    // what is no certificate has no number
    let certificate = b"\0\0\x04\x30\x02\x05\0";
    let list = [&[0, 0, certificate.len() as u8][..], certificate].concat();
    let message = [&[11, 0, 0, list.len() as u8][..], &list].concat();
    let record = [&[22, 3, 3, 0, message.len() as u8][..], &message].concat();
    let mut talk = talk();
    let request = x224(0xe0, b"\x01\0\x08\0\x01\0\0\0");
    let turns = [(ToServer, &request[..]), (ToServer, b"\x16\x03\x01\0\x02\x01\0"), (ToClient, &record)];
    talk.all(&turns).unwrap();
    assert_eq!(talk.records()[1], r#""rdp":{"tx_id":2,"event_type":"tls_handshake","x509_serials":[]}"#);
    check_pieces(&ENTRY, 3389, "{}", &turns);
    check_mutations(&ENTRY, Proto::TCP, 3389, &turns);
    let mut endless = self::talk();
    for _ in 0..100 {
        endless
            .say(ToClient, &[&[22, 3, 3, 0x40, 0, 11, 0xff, 0xff, 0xff][..], &[0; 0x4000 - 4]].concat())
            .unwrap();
    }
    assert!(endless.memory() < 256 << 10, "{}", endless.memory());
}

#[test]
fn cut_anywhere_it_is_the_same_whatever_comes() {
    check_pieces(&ENTRY, 3389, "{}", &turns(&session()));
    check_mutations(&ENTRY, Proto::TCP, 3389, &turns(&session()));
}

#[test]
fn what_is_wrong_is_told() {
    for bytes in [&b"\x02\0\0\x05x"[..], b"\x03\0\0\x03"] {
        let mut talk = talk();
        assert!(talk.say(ToClient, bytes).is_err());
        assert_eq!(talk.events(), ["malformed_message"]);
    }
    let mut cut = talk();
    cut.say(ToServer, &tpkt(b"\x02\xf0\x80\x7f\x65\x03\x01\x01\0")).unwrap();
    assert_eq!((cut.events(), cut.records().len()), (vec!["malformed_message"], 0));
    let mut many = talk();
    many.say(ToServer, &connect(&channels(&["x"; 100]))).unwrap();
    assert_eq!(many.each()[0].bytes(slots::CHANNEL, 32), None);
}

#[test]
fn a_hole_ends_a_side() {
    let session = session();
    let mut talk = talk();
    talk.say(ToServer, &session[0].1).unwrap();
    talk.gap(ToServer, 5).unwrap();
    talk.say(ToServer, b"whatever").unwrap();
    talk.say(ToClient, &session[1].1).unwrap();
    assert_eq!(talk.each().len(), 2);
}

#[test]
fn it_is_recognised() {
    for (dir, port, bytes, expected) in [
        (ToServer, 80, &x224(0xe0, b"Cookie: mstshash=bob\r\n")[..], Probe::Yes),
        (ToServer, 80, &x224(0xe0, b"\x01\0\x08\0\0\0\0\0"), Probe::Yes),
        (ToServer, 80, &x224(0xe0, b"\x01\0\x08\0\0\0\0\0")[..9], Probe::More),
        (ToServer, 80, &x224(0xe0, b""), Probe::No),
        (ToServer, 3389, &x224(0xe0, b""), Probe::Yes),
        (ToServer, 3389, &x224(0xe0, b"\r\n"), Probe::Yes),
        (ToServer, 80, &x224(0xe0, b"\r\n"), Probe::No),
        (ToClient, 80, &x224(0xd0, b"\x02\0\x08\0\0\0\0\0"), Probe::Yes),
        // S7 over X.224
        (ToServer, 102, &x224(0xe0, b"\xc0\x01\x0a\xc1\x02\x01\0"), Probe::No),
        (ToServer, 3389, b"\x16\x03\x01\0\x05", Probe::No),
    ] {
        assert_eq!(RDP.probe(Proto::TCP, dir, port, bytes), expected, "{}", bytes.escape_ascii());
    }
}
