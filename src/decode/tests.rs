//! Whole frames through the decoder; they are built by etherparse where it can.

use std::net::IpAddr;

use etherparse::{IpNumber, PacketBuilder, TcpOptionElement};

use super::*;
use crate::capture::{Frame, LinkType};
use crate::types::{IfaceId, Proto, Timestamp};
use crate::verdict::{Reason, Verdict};

const ETHERNET: LinkType = LinkType(1);
const RAW: LinkType = LinkType(101);

/// What a test wants to know of a packet, without its borrows.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    origin: Origin,
    ends: String,
    proto: u8,
    payload: Vec<u8>,
    vlans: Vec<u16>,
    events: Vec<&'static str>,
    tunnel_depth: u8,
}

fn frame(link: LinkType, bytes: &[u8]) -> Frame<'_> {
    Frame {
        number: 1,
        timestamp: Timestamp::new(100, 0),
        iface: IfaceId(0),
        link,
        bytes,
        wire_len: bytes.len() as u32,
        checksums: true,
        changed: None,
    }
}

fn decode_with(decoder: &mut Decoder, link: LinkType, bytes: &[u8]) -> Vec<Seen> {
    let mut seen = Vec::new();
    decoder.decode(&frame(link, bytes), &mut |packet| {
        let (source, destination) = packet.ports().unwrap_or((0, 0));
        seen.push(Seen {
            origin: packet.origin,
            ends: match (packet.source_ip(), packet.destination_ip()) {
                (Some(from), Some(to)) => format!("{from} {source} > {to} {destination}"),
                _ => String::new(),
            },
            proto: packet.proto().map_or(0, |proto| proto.0),
            payload: packet.payload.to_vec(),
            vlans: packet.vlans.as_slice().to_vec(),
            events: packet.events.iter().map(DecodeEvent::name).collect(),
            tunnel_depth: packet.tunnel.map_or(0, |tunnel| tunnel.depth),
        });
        Verdict::Forward
    });
    seen
}

fn decode(link: LinkType, bytes: &[u8]) -> Vec<Seen> {
    decode_with(&mut Decoder::new(&DecodeConfig::default()), link, bytes)
}

/// One packet is expected, with these events.
fn check(link: LinkType, bytes: &[u8], events: &[&str]) -> Seen {
    let mut seen = decode(link, bytes);
    assert_eq!(seen.len(), 1, "{seen:?}");
    let packet = seen.remove(0);
    assert_eq!(packet.events, events, "{bytes:02x?}");
    packet
}

fn built(builder: etherparse::PacketBuilderStep<etherparse::UdpHeader>, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    builder.write(&mut out, payload).unwrap();
    out
}

fn udp4(ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    built(
        PacketBuilder::ethernet2([1; 6], [2; 6]).ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64).udp(ports.0, ports.1),
        payload,
    )
}

fn udp6(payload: &[u8]) -> Vec<u8> {
    built(PacketBuilder::ipv6([1; 16], [2; 16], 64).udp(5, 6), payload)
}

/// An IPv4 packet of any protocol; options must be a multiple of four.
fn raw4(proto: u8, flags_and_offset: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let total = (20 + options.len() + payload.len()) as u16;
    let mut out = vec![0x45 + (options.len() / 4) as u8, 0];
    out.extend(total.to_be_bytes());
    out.extend([0, 7]);
    out.extend(flags_and_offset.to_be_bytes());
    out.extend([64, proto, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    out.extend(options);
    out.extend(payload);
    out
}

/// An IPv6 packet of any next header.
fn raw6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0x60, 0, 0, 0];
    out.extend((payload.len() as u16).to_be_bytes());
    out.extend([next, 64]);
    out.extend([1; 16]);
    out.extend([2; 16]);
    out.extend(payload);
    out
}

fn tcp_frame(options: &[TcpOptionElement]) -> Vec<u8> {
    let mut out = Vec::new();
    PacketBuilder::ethernet2([1; 6], [2; 6])
        .ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .tcp(1234, 80, 1000, 8192)
        .syn()
        .options(options)
        .unwrap()
        .write(&mut out, b"hello")
        .unwrap();
    out
}

#[test]
fn tcp_with_options_and_padding_of_the_link() {
    let mut bytes = tcp_frame(&[
        TcpOptionElement::MaximumSegmentSize(1460),
        TcpOptionElement::WindowScale(7),
        TcpOptionElement::SelectiveAcknowledgementPermitted,
        TcpOptionElement::Timestamp(1, 2),
    ]);
    bytes.extend([0xaa; 6]);
    let mut count = 0;
    let mut decoder = Decoder::new(&DecodeConfig::default());
    decoder.decode(&frame(ETHERNET, &bytes), &mut |packet| {
        count += 1;
        let tcp = packet.tcp().unwrap();
        assert!(tcp.checksum_ok && tcp.has(Tcp::SYN) && packet.events.is_empty());
        assert_eq!((tcp.seq(), tcp.window()), (1000, 8192));
        assert_eq!((tcp.options.mss, tcp.options.window_scale), (Some(1460), Some(7)));
        assert_eq!((tcp.options.sack_permitted, tcp.options.timestamps), (true, Some((1, 2))));
        assert_eq!(packet.payload, b"hello");
        assert_eq!(packet.ethernet, Some([[2; 6], [1; 6]]));
        assert!(matches!(&packet.net, Net::V4(ip) if ip.checksum_ok));
        Verdict::Drop(Reason::Rules)
    });
    assert_eq!(count, 1);
    assert_eq!(decoder.counters().count(Counter::Tcp), 1);
}

#[test]
fn wrong_checksums_are_seen_unless_they_are_not_wanted() {
    let mut bytes = tcp_frame(&[]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    bytes[14 + 8] -= 1;
    for (checksums, expected) in [(true, false), (false, true)] {
        let mut decoder = Decoder::new(&DecodeConfig { checksums, ..DecodeConfig::default() });
        decoder.decode(&frame(ETHERNET, &bytes), &mut |packet| {
            assert_eq!(packet.tcp().unwrap().checksum_ok, expected);
            assert!(matches!(&packet.net, Net::V4(ip) if ip.checksum_ok == expected));
            Verdict::Forward
        });
        assert_eq!(decoder.counters().count(Counter::BadChecksum), if checksums { 2 } else { 0 });
    }
}

#[test]
fn link_types_lead_to_the_same_packet() {
    let ip = &udp4((53, 54), b"data")[14..];
    let with = |head: &[u8]| [head, ip].concat();
    let sll2 = [&[8, 0][..], &[0; 18]].concat();
    let sll = [&[0; 14][..], &[8, 0]].concat();
    for (link, bytes) in [
        (0, with(&[2, 0, 0, 0])),
        (0, with(&[0, 0, 0, 2])),
        (108, with(&[0, 0, 0, 2])),
        (9, with(&[0xff, 3, 0, 0x21])),
        (9, with(&[0x21])),
        (50, with(&[0xff, 3, 0, 0x21])),
        (104, with(&[0x0f, 0, 8, 0])),
        (51, with(&[0x11, 0, 0, 1, 0, 40, 0, 0x21])),
        (12, ip.to_vec()),
        (101, ip.to_vec()),
        (228, ip.to_vec()),
        (113, with(&sll)),
        (276, with(&sll2)),
    ] {
        let packet = check(LinkType(link), &bytes, &[]);
        assert_eq!(
            (packet.ends.as_str(), &packet.payload[..]),
            ("10.0.0.1 53 > 10.0.0.2 54", &b"data"[..]),
            "{link}"
        );
    }
    let mut decoder = Decoder::new(&DecodeConfig::default());
    assert_eq!(decode_with(&mut decoder, LinkType(147), ip)[0].ends, "");
    assert_eq!(decoder.unsupported_link(), Some(LinkType(147)));
}

#[test]
fn what_stands_before_ip_is_looked_through() {
    let frame = udp4((53, 54), b"data");
    let (macs, ip) = (&frame[..12], &frame[14..]);
    let with = |between: &[u8]| [macs, between, ip].concat();
    let nsh = [0x89, 0x4f, 0, 6, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let i_tag = [&[0x88, 0xe7, 0, 0, 0, 1][..], &[9; 12], &[8, 0]].concat();
    for (between, vlans) in [
        (vec![0x81, 0, 0x20, 5, 8, 0], vec![5]),
        (vec![0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0], vec![5, 6]),
        (vec![0x91, 0, 0, 5, 0x81, 0, 0, 6, 0x81, 0, 0, 7, 8, 0], vec![5, 6, 7]),
        (vec![0x88, 0x47, 0, 1, 0, 0, 0, 2, 1, 9], vec![]),
        (vec![0x88, 0x64, 0x11, 0, 0, 1, 0, 40, 0, 0x21], vec![]),
        (vec![0x89, 0x26, 0, 0, 0, 0, 8, 0], vec![]),
        (nsh.to_vec(), vec![]),
        (i_tag, vec![]),
    ] {
        let packet = check(ETHERNET, &with(&between), &[]);
        assert_eq!(
            (packet.ends.as_str(), packet.vlans),
            ("10.0.0.1 53 > 10.0.0.2 54", vlans),
            "{between:02x?}"
        );
    }
    let four = [0x81, 0, 0, 1, 0x81, 0, 0, 2, 0x81, 0, 0, 3, 0x81, 0, 0, 4, 8, 0];
    check(ETHERNET, &with(&four), &["vlan.too_many_layers"]);
}

#[test]
fn malformed_headers_become_events() {
    let udp = &udp4((53, 54), b"data")[14..];
    let edited = |at: usize, value: u8| {
        let mut bytes = udp.to_vec();
        bytes[at] = value;
        bytes
    };
    let tcp = |len: u8| [&[0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, len << 4, 2][..], &[0; 6]].concat();
    for (bytes, events) in [
        (udp[..19].to_vec(), &["ipv4.pkt_too_small"][..]),
        (edited(0, 0x25), &["ipraw.invalid_ip_version"]),
        (edited(0, 0x44), &["ipv4.hlen_too_small"]),
        (edited(3, 19), &["ipv4.iplen_smaller_than_hlen"]),
        (edited(3, 200), &["ipv4.trunc_pkt"]),
        (edited(25, 7), &["udp.len_invalid"]),
        (edited(25, 30), &["udp.pkt_too_small"]),
        (raw4(17, 0, &[], &[0; 7]), &["udp.hlen_too_small"]),
        (raw4(6, 0, &[], &[0; 19]), &["tcp.pkt_too_small"]),
        (raw4(6, 0, &[], &tcp(4)), &["tcp.invalid_optlen"]),
        (raw4(6, 0, &[], &tcp(6)), &["tcp.hlen_too_small"]),
        (raw4(132, 0, &[], &[0; 11]), &["sctp.pkt_too_small"]),
        (raw4(50, 0, &[], &[0; 7]), &["esp.pkt_too_small"]),
        (raw4(58, 0, &[], &[0; 8]), &["ipv4.icmpv6"]),
        (raw4(1, 0, &[], &[0; 7]), &["icmpv4.pkt_too_small"]),
        (raw4(1, 0, &[], &[10, 0, 0, 0, 0, 0, 0, 0]), &["icmpv4.unknown_type"]),
        (raw4(1, 0, &[], &[3, 16, 0, 0, 0, 0, 0, 0]), &["icmpv4.unknown_code"]),
        (raw4(1, 0, &[], &[3, 16, 0, 0, 0, 0, 0, 0, 0x65]), &["icmpv4.unknown_code"]),
        (raw4(47, 0, &[], &[0, 0, 8]), &["gre.pkt_too_small"]),
        (raw4(47, 0, &[], &[0, 2, 8, 0]), &["gre.wrong_version"]),
        (raw4(47, 0, &[], &[0, 1, 0x88, 0x0b]), &["gre.version1_no_key"]),
        (raw4(200, 0, &[0x94, 4, 0, 0], &[]), &["ipv4.opt_pad_required"]),
        (raw4(200, 0, &[0x94, 4, 0, 0, 0x94, 4, 0, 0], &[]), &["ipv4.opt_duplicate"]),
        (raw4(200, 0, &[1, 1, 1, 1, 1, 1, 1, 7], &[]), &["ipv4.opt_eol_required"]),
        (raw4(200, 0, &[1, 1, 1, 1, 1, 1, 7, 9], &[]), &["ipv4.opt_invalid_len"]),
        (raw4(200, 0, &[7, 7, 5, 0, 0, 0, 0, 0], &[]), &["ipv4.opt_malformed"]),
        (raw6(58, &[5, 0, 0, 0, 0, 0, 0, 0]), &["icmpv6.unassigned_type"]),
        (raw6(58, &[130, 0, 0, 0, 0, 0, 0, 0]), &["icmpv6.mld_message_with_invalid_hl"]),
        (raw6(1, &[0; 8]), &["ipv6.icmpv4"]),
        (raw6(200, &[0; 8]), &["ipv6.unknown_next_header"]),
        (raw6(59, &[0; 8]), &["ipv6.data_after_none_header"]),
        (raw6(0, &[59, 0, 1, 4, 0, 0, 0, 0]), &["ipv6.hopopts_only_padding"]),
        (raw6(0, &[6, 0, 5, 2, 0, 0, 1, 0]), &["ipv6.trunc_exthdr", "ipv6.zero_len_padn"]),
        (raw6(43, &[59, 0, 0, 0, 0, 0, 0, 0]), &["ipv6.rh_type_0"]),
        (raw6(44, &[59, 0, 0, 0, 0, 0, 0, 9]), &["ipv6.exthdr_useless_fh"]),
        (raw6(4, &[0x45; 19]), &["ipv6.ipv4_in_ipv6_too_small"]),
        (raw6(41, &[0x45; 40]), &["ipv6.ipv6_in_ipv6_wrong_version"]),
    ] {
        check(RAW, &bytes, events);
    }
    check(ETHERNET, &[0; 13], &["ethernet.pkt_too_small"]);
}

#[test]
fn extension_headers_end_at_the_transport() {
    let udp = &udp6(b"data")[40..];
    // Hop-by-hop with a router alert, destination options, authentication.
    let mut body = vec![60, 0, 5, 2, 0, 0, 1, 0, 51, 0, 5, 2, 0, 0, 1, 0, 17, 4, 0, 0];
    body.extend([0; 20]);
    body.extend(udp);
    let packet = check(RAW, &raw6(0, &body), &["ipv6.zero_len_padn"]);
    assert_eq!((packet.proto, &packet.payload[..]), (17, &b"data"[..]));
    assert!(packet.ends.ends_with(" 6"), "{}", packet.ends);
}

#[test]
fn tunnels_hand_over_the_outer_packet_first() {
    let inner_ip = &udp4((53, 54), b"data")[14..];
    let inner_frame = udp4((53, 54), b"data");
    let gre = |head: &[u8], rest: &[u8]| raw4(47, 0, &[], &[head, rest].concat());
    let udp = |port: u16, head: &[u8], rest: &[u8]| udp4((9999, port), &[head, rest].concat())[14..].to_vec();
    let erspan2 = [0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10, 0, 0, 0, 0, 0, 0, 0];
    let erspan3 = [0x10, 0, 0x22, 0xeb, 0, 0, 0, 1, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let geneve = [1, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 0, 0, 0];
    let cases = [
        (raw4(4, 0, &[], inner_ip), TunnelKind::Ipv4InIpv4),
        (raw6(4, inner_ip), TunnelKind::Ipv4InIpv6),
        (gre(&[0, 0, 8, 0], inner_ip), TunnelKind::Gre),
        (gre(&[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2], inner_ip), TunnelKind::Gre),
        (gre(&[0, 0, 0x65, 0x58], &inner_frame), TunnelKind::Gre),
        (
            gre(&[0x30, 0x81, 0x88, 0x0b, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 0xff, 3, 0, 0x21], inner_ip),
            TunnelKind::Gre,
        ),
        (gre(&erspan2, &inner_frame), TunnelKind::Erspan),
        (gre(&erspan3, &inner_frame), TunnelKind::Erspan),
        (udp(4789, &[8, 0, 0, 0, 0, 0, 1, 0], &inner_frame), TunnelKind::Vxlan),
        (udp(6081, &geneve, &inner_frame), TunnelKind::Geneve),
    ];
    for (bytes, kind) in cases {
        let seen = decode(RAW, &bytes);
        assert_eq!(seen.len(), 2, "{kind:?} {seen:?}");
        assert_eq!((seen[0].origin, seen[0].tunnel_depth), (Origin::Wire, 0));
        assert_eq!((seen[1].origin, seen[1].tunnel_depth), (Origin::Tunnel(kind), 1));
        assert_eq!(seen[1].ends, "10.0.0.1 53 > 10.0.0.2 54");
        assert_eq!(seen[1].payload, b"data");
    }
    let inner6 = udp6(b"data");
    let teredo_origin = [0, 0, 1, 2, 3, 4, 5, 6];
    for (bytes, kind) in [
        (raw4(41, 0, &[], &inner6), TunnelKind::Ipv6InIpv4),
        (raw6(41, &inner6), TunnelKind::Ipv6InIpv6),
        (udp(3544, &[], &inner6), TunnelKind::Teredo),
        (udp(3544, &teredo_origin, &inner6), TunnelKind::Teredo),
    ] {
        let seen = decode(RAW, &bytes);
        assert_eq!(seen.len(), 2, "{kind:?}");
        assert_eq!((seen[1].origin, seen[1].proto), (Origin::Tunnel(kind), 17));
    }
    // Another port, and bytes that only look like a header, are no tunnel.
    assert_eq!(decode(RAW, &udp(4790, &[8, 0, 0, 0, 0, 0, 1, 0], &inner_frame)).len(), 1);
    assert_eq!(decode(RAW, &udp(3544, &[0x60; 50], &[])).len(), 1);
}

#[test]
fn tunnels_within_tunnels_end() {
    let mut bytes = udp4((53, 54), b"data")[14..].to_vec();
    for _ in 0..100 {
        bytes = raw4(4, 0, &[], &bytes);
    }
    let mut decoder = Decoder::new(&DecodeConfig::default());
    let seen = decode_with(&mut decoder, RAW, &bytes);
    assert!(seen.len() <= 16, "{}", seen.len());
    assert_eq!(decoder.counters().count(Counter::TooManyLayers), 1);
}

#[test]
fn the_strictest_verdict_of_a_frame_counts() {
    let bytes = raw4(4, 0, &[], &udp4((53, 54), b"data")[14..]);
    let mut decoder = Decoder::new(&DecodeConfig::default());
    let verdict = decoder.decode(&frame(RAW, &bytes), &mut |packet| match packet.tunnel {
        None => Verdict::Forward,
        Some(tunnel) => {
            assert_eq!(tunnel.proto, Proto(4));
            assert_eq!(tunnel.source.ip, IpAddr::from([10, 0, 0, 1]));
            Verdict::Drop(Reason::Rules)
        }
    });
    assert_eq!(verdict, Verdict::Drop(Reason::Rules));
}

#[test]
fn fragments_become_their_datagram() {
    let whole = udp4((53, 54), &(0..100).collect::<Vec<u8>>());
    let payload = &whole[34..];
    let mut decoder = Decoder::new(&DecodeConfig::default());
    for order in [[0, 1, 2], [2, 0, 1], [1, 2, 0]] {
        let parts = [
            raw4(17, 0x2000, &[], &payload[..40]),
            raw4(17, 0x2005, &[], &payload[40..80]),
            raw4(17, 0x000a, &[], &payload[80..]),
        ];
        let mut seen = Vec::new();
        for nth in order {
            seen.extend(decode_with(&mut decoder, RAW, &parts[nth]));
        }
        assert_eq!(seen.len(), 4);
        let last = &seen[3];
        assert_eq!((last.origin, last.ends.as_str()), (Origin::Defragmented, "10.0.0.1 53 > 10.0.0.2 54"));
        assert_eq!(last.payload, (0..100).collect::<Vec<u8>>());
        assert!(seen.iter().all(|packet| packet.events.is_empty()), "{seen:?}");
    }
    assert_eq!(decoder.counters().count(Counter::DefragIpv4Reassembled), 3);
    assert_eq!(decoder.counters().count(Counter::BadChecksum), 9, "the headers made here have none");

    let whole = udp6(&[7; 100]);
    let part = |offset_and_more: u16, data: &[u8]| {
        let mut body = vec![44, 0, 5, 2, 0, 0, 1, 0, 17, 0];
        body.extend(offset_and_more.to_be_bytes());
        body.extend([0, 0, 0, 9]);
        body.extend(data);
        raw6(0, &body)
    };
    let mut seen = decode_with(&mut decoder, RAW, &part(1, &whole[40..88]));
    seen.extend(decode_with(&mut decoder, RAW, &part(48, &whole[88..])));
    assert_eq!(seen.len(), 3);
    assert_eq!(
        (seen[2].origin, seen[2].proto, &seen[2].payload[..]),
        (Origin::Defragmented, 17, &[7; 100][..])
    );
}

#[test]
fn seeded_mutations_never_panic() {
    let inner = udp4((53, 54), b"data");
    let fragment = |flags| [&[0; 12][..], &[8, 0], &raw4(17, flags, &[], &[0; 64])].concat();
    let ether6 = |next, body: &[u8]| [&[0; 12][..], &[0x86, 0xdd], &raw6(next, body)].concat();
    let seeds = [
        tcp_frame(&[TcpOptionElement::MaximumSegmentSize(1460), TcpOptionElement::Timestamp(1, 2)]),
        udp4((1, 4789), &[&[8, 0, 0, 0, 0, 0, 1, 0][..], &inner].concat()),
        udp4((1, 6081), &[&[1, 0, 0x65, 0x58, 0, 0, 1, 0, 0, 0, 0, 0][..], &inner].concat()),
        udp4((1, 3544), &udp6(b"data")),
        fragment(0x2000),
        fragment(0x2004),
        fragment(0x0008),
        ether6(0, &[44, 0, 5, 2, 0, 0, 1, 0, 17, 0, 0, 1, 0, 0, 0, 9, 1, 1, 1, 1, 1, 1, 1, 1]),
        ether6(0, &[44, 0, 5, 2, 0, 0, 1, 0, 17, 0, 0, 8, 0, 0, 0, 9, 1, 1, 1, 1]),
        [&inner[..12], &[0x81, 0, 0, 5, 0x88, 0x47, 0, 1, 1, 9], &inner[14..]].concat(),
        [
            &inner[..12],
            &[8, 0],
            &raw4(47, 0, &[7, 7, 4, 0, 0, 0, 0, 0], &[0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10]),
        ]
        .concat(),
    ];
    let mut random = 0x9e37_79b9_7f4a_7c15_u64;
    let mut next = move |below: usize| {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        (random % below as u64) as usize
    };
    let config = DecodeConfig {
        defrag: DefragConfig { memcap: 1 << 16, trackers_max: 50, ..DefragConfig::default() },
        ..DecodeConfig::default()
    };
    let mut decoder = Decoder::new(&config);
    for seed in &seeds {
        for cut in 0..=seed.len() {
            decode_with(&mut decoder, ETHERNET, &seed[..cut]);
        }
    }
    for _ in 0..30_000 {
        let mut bytes = seeds[next(seeds.len())].clone();
        for _ in 0..=next(4) {
            let at = next(bytes.len());
            bytes[at] = [next(256) as u8, 0, 0xff, bytes[at] ^ (1 << next(8))][next(4)];
        }
        bytes.truncate(if next(4) == 0 { next(bytes.len() + 1) } else { bytes.len() });
        let link = [1, 1, 1, 0, 9, 50, 51, 101, 104, 108, 113, 276][next(12)];
        decode_with(&mut decoder, LinkType(link), &bytes);
        spread(&frame(LinkType(link), &bytes));
    }
    assert!(decoder.counters().count(Counter::Pkts) > 30_000);
}

#[test]
fn spreading_is_the_same_for_both_directions_and_all_fragments() {
    let ports = [udp4((53, 54), b"data"), udp4((1, 2), b"other")];
    let there = spread(&frame(ETHERNET, &ports[0]));
    assert_ne!(there, 0);
    assert_eq!(there, spread(&frame(ETHERNET, &ports[1])));
    let back = built(
        PacketBuilder::ethernet2([2; 6], [1; 6]).ipv4([10, 0, 0, 2], [10, 0, 0, 1], 64).udp(54, 53),
        b"",
    );
    assert_eq!(there, spread(&frame(ETHERNET, &back)));
    assert_eq!(there, spread(&frame(RAW, &raw4(17, 0x2005, &[], b"fragment"))));
    let tagged = [&back[..12], &[0x81, 0, 0, 5, 0x88, 0x47, 0, 1, 1, 9], &back[14..]].concat();
    assert_eq!(there, spread(&frame(ETHERNET, &tagged)));
    assert_eq!(spread(&frame(ETHERNET, &[0; 60])), 0);
    // Neighbouring addresses reach every one of a few workers.
    let workers: std::collections::HashSet<u64> = (0..64u8)
        .map(|host| {
            let builder = PacketBuilder::ipv4([10, 0, 0, host], [10, 0, 1, 1], 64);
            let mut out = Vec::new();
            builder.write(&mut out, IpNumber::UDP, b"12345678").unwrap();
            spread(&frame(RAW, &out)) % 8
        })
        .collect();
    assert_eq!(workers.len(), 8);
}
