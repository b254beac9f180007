//! Whole messages, made here byte by byte.

use super::{DHCP, ENTRY, slots};
use crate::app::{Probe, Protocol};
use crate::protocols::testing::{Talk, check_mutations};
use crate::types::{Direction, Proto};

use Direction::{ToClient, ToServer};

fn message(op: u8, options: &[&[u8]]) -> Vec<u8> {
    let mut bytes = vec![0; 240];
    bytes[..8].copy_from_slice(&[op, 1, 6, 0, 0x12, 0x34, 0x56, 0x78]);
    bytes[16..20].copy_from_slice(&[10, 0, 0, 7]);
    bytes[20..24].copy_from_slice(&[10, 0, 0, 1]);
    bytes[28..34].copy_from_slice(&[0, 0x11, 0x22, 0x33, 0x44, 0x55]);
    bytes[236..].copy_from_slice(&[99, 130, 83, 99]);
    [&bytes[..], &options.concat(), b"\xff"].concat()
}

fn request() -> Vec<u8> {
    message(
        1,
        &[
            b"\0\x35\x01\x03",
            b"\x3d\x07\x01\0\x11\x22\x33\x44\x55",
            b"\x32\x04\x0a\0\0\x05",
            b"\x0c\x04host",
            b"\x37\x04\x01\x03\x63\x06",
            b"\x3c\x04MSFT",
        ],
    )
}

fn acknowledgement() -> Vec<u8> {
    message(
        2,
        &[
            b"\x35\x01\x05",
            b"\x33\x04\0\0\x0e\x10",
            b"\x3a\x04\0\0\x07\x08",
            b"\x3b\x04\0\0\x0c\x4e",
            b"\x01\x04\xff\xff\0\0",
            b"\x03\x08\x0a\0\0\x01\x0a\0\0\x02",
            b"\x06\x04\x08\x08\x08\x08",
        ],
    )
}

fn talk(settings: &str) -> Talk {
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 67, settings);
    talk.say(ToServer, &request()).unwrap();
    talk.say(ToClient, &acknowledgement()).unwrap();
    talk
}

#[test]
fn records_are_short_or_extended() {
    assert_eq!(
        talk("{eve: {extended: yes}}").records(),
        [
            concat!(
                r#""dhcp":{"type":"request","id":305419896,"client_mac":"00:11:22:33:44:55","assigned_ip":"10.0.0.7","client_ip":"0.0.0.0","#,
                r#""dhcp_type":"request","client_id":"00:11:22:33:44:55","requested_ip":"10.0.0.5","hostname":"host","#,
                r#""params":["subnet_mask","router","dns_server"],"vendor_class_identifier":"MSFT"}"#
            ),
            concat!(
                r#""dhcp":{"type":"reply","id":305419896,"client_mac":"00:11:22:33:44:55","assigned_ip":"10.0.0.7","client_ip":"0.0.0.0","#,
                r#""relay_ip":"0.0.0.0","next_server_ip":"10.0.0.1","dhcp_type":"ack","lease_time":3600,"renewal_time":1800,"#,
                r#""rebinding_time":3150,"subnet_mask":"255.255.0.0","routers":["10.0.0.1","10.0.0.2"],"dns_servers":["8.8.8.8"]}"#
            ),
        ]
    );
    assert_eq!(
        talk("{}").records(),
        [
            r#""dhcp":{"type":"reply","id":305419896,"client_mac":"00:11:22:33:44:55","assigned_ip":"10.0.0.7","dhcp_type":"ack"}"#
        ]
    );
}

#[test]
fn numbers_are_answered() {
    let talk = talk("{}");
    let each = talk.each();
    for (slot, expected) in
        [(slots::LEASE_TIME, 3600), (slots::RENEWAL_TIME, 1800), (slots::REBINDING_TIME, 3150)]
    {
        assert_eq!((each[0].number(slot, 0), each[1].number(slot, 0)), (None, Some(expected)));
        assert_eq!(each[1].number(slot, 1), None);
    }
    assert!(each[1].concerns(ToClient) && !each[1].concerns(ToServer));
}

#[test]
fn what_is_wrong_is_named() {
    for (options, expected) in [
        (&b"\x35\x01\x01\x0c\x20abc"[..], &["truncated_options"][..]),
        (b"\x35\x01\x01\x0c", &["truncated_options"]),
        (b"\x33\x02\0\x01", &["truncated_options", "malformed_options"]),
        (b"\x35\0\xff", &["malformed_options"]),
        (b"\x03\x03\x01\x02\x03\xff", &["malformed_options"]),
        (b"\x35\x01\x63\xff\x0c\x20", &[]),
    ] {
        let mut talk = Talk::new(&ENTRY, Proto::UDP, 67, "{}");
        let bytes = message(1, &[]);
        talk.say(ToServer, &[&bytes[..240], options].concat()).unwrap();
        assert_eq!(talk.events(), expected);
    }
    let whole = request();
    for end in 1..whole.len() {
        let mut talk = Talk::new(&ENTRY, Proto::UDP, 67, "{}");
        assert_eq!(talk.say(ToServer, &whole[..end]).is_err(), end < 240);
    }
}

#[test]
fn only_its_ports_are_looked_at() {
    for (port, bytes, expected) in [
        (67, &request()[..], Probe::Yes),
        (68, &request(), Probe::Yes),
        (4011, &request(), Probe::No),
        (67, &request()[..239], Probe::No),
    ] {
        assert_eq!(DHCP.probe(Proto::UDP, ToServer, port, bytes), expected);
    }
}

#[test]
fn mutations_never_panic() {
    check_mutations(&ENTRY, Proto::UDP, 67, &[(ToServer, &request()), (ToClient, &acknowledgement())]);
    let mut talk = Talk::new(&ENTRY, Proto::UDP, 67, "{}");
    talk.say(ToServer, &message(1, &[&b"\x0c\x04host".repeat(10_000)])).unwrap();
    assert!(talk.memory() < 4096, "{}", talk.memory());
}
