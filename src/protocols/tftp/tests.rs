use super::{ENTRY, TFTP};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_bounded, check_mutations};
use crate::types::{Direction, Proto};

use Direction::ToServer;

#[test]
fn requests_are_read() {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 69, "{}");
    for datagram in [
        &b"\0\x01rfc1350.txt\0OCTET\0"[..],
        b"\0\x02zz.bin\0netascii\0blksize\x001428\0",
        b"\0\x03\0\x01data",
        b"\0\x01no end",
        b"\0\x01a\0strange\0",
    ] {
        talk.say(ToServer, datagram).unwrap();
    }
    let expected = [
        r#""tftp":{"packet":"read","file":"rfc1350.txt","mode":"octet"}"#,
        r#""tftp":{"packet":"write","file":"zz.bin","mode":"netascii"}"#,
    ];
    assert_eq!(talk.records(), expected);
}

#[test]
fn only_its_port_is_looked_at() {
    for (port, bytes, expected) in [
        (69, &b"\0\x01a\0octet\0"[..], Probe::Yes),
        (70, b"\0\x01a\0octet\0", Probe::No),
        (69, b"\0\x09a\0octet\0", Probe::No),
        (69, b"\0\x01", Probe::No),
    ] {
        assert_eq!(TFTP.probe(Proto::UDP, ToServer, port, bytes), expected);
    }
}

#[test]
fn whatever_comes_is_bounded() {
    let long = [&b"\0\x01"[..], &[b'x'; 5000], b"\0octet\0"].concat();
    check_mutations(&ENTRY, Proto::UDP, 69, &[(ToServer, b"\0\x01rfc1350.txt\0octet\0"), (ToServer, &long)]);
}

#[test]
fn memory_is_bounded() {
    check_bounded(&ENTRY, Proto::UDP, 69, &[(ToServer, b"\0\x01rfc1350.txt\0octet\0")], 16 << 10);
}
