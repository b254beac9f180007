//! Fields of the network header: `ttl`, `id`, `fragbits`, `ip_proto`, checksums, VLANs, …

use super::row::{Row, bare, choice, plain, row};
use crate::decode::{Ipv4, Net, Packet, Transport};
use crate::detect::RuleBuilder;
use crate::detect::rule::{PacketTest, PacketView, RuleProtocol};
use crate::rules::number::{IntTest, unsigned};
use crate::rules::value::{Piece, split_commas};
use crate::rules::{OptionAst, RuleError};
use crate::types::Proto;

pub(super) static TTL: Row = row("ttl", "Time to live, or the hop limit of IPv6.", ttl);
pub(super) static IPOPTS: Row = row("ipopts", "The IPv4 header carries that option.", ipopts);
pub(super) static SAMEIP: Row = row("sameip", "Source and destination are the same address.", sameip);
pub(super) static IP_PROTO: Row = row("ip_proto", "The protocol above IP, by number or name.", ip_proto);
pub(super) static L3_PROTO: Row = row("l3_proto", "The version of IP: ipv4 or ipv6.", l3_proto);
pub(super) static ID: Row = row("id", "Identification field of IPv4.", id);
pub(super) static FRAGBITS: Row =
    row("fragbits", "Flags of IPv4: M more, D don't fragment, R reserved.", fragbits);
pub(super) static FRAGOFFSET: Row = row("fragoffset", "Fragment offset, in units of 8 bytes.", fragoffset);
pub(super) static TOS: Row = row("tos", "Type of service of IPv4.", tos);
pub(super) static IPV4_CSUM: Row =
    csum("ipv4-csum", "The header checksum is valid or invalid.", |o, r| checksum(o, r, Sum::Ip4));
pub(super) static TCPV4_CSUM: Row =
    csum("tcpv4-csum", "TCP's checksum over IPv4.", |o, r| checksum(o, r, Sum::Tcp4));
pub(super) static TCPV6_CSUM: Row =
    csum("tcpv6-csum", "TCP's checksum over IPv6.", |o, r| checksum(o, r, Sum::Tcp6));
pub(super) static UDPV4_CSUM: Row =
    csum("udpv4-csum", "UDP's checksum over IPv4.", |o, r| checksum(o, r, Sum::Udp4));
pub(super) static UDPV6_CSUM: Row =
    csum("udpv6-csum", "UDP's checksum over IPv6.", |o, r| checksum(o, r, Sum::Udp6));
pub(super) static ICMPV4_CSUM: Row =
    csum("icmpv4-csum", "ICMP's checksum.", |o, r| checksum(o, r, Sum::Icmp4));
pub(super) static ICMPV6_CSUM: Row =
    csum("icmpv6-csum", "ICMPv6's checksum.", |o, r| checksum(o, r, Sum::Icmp6));
pub(super) static VLAN_ID: Row = row("vlan.id", "A VLAN identifier, of one layer or any.", vlan_id);
pub(super) static VLAN_LAYERS: Row = row("vlan.layers", "How many VLAN tags the packet has.", vlan_layers);

use super::row::row as csum;

/// A test of a number of the packet; a packet without it fails.
pub(super) struct Field<T> {
    name: &'static str,
    take: fn(&Packet<'_>) -> Option<u64>,
    test: IntTest<T>,
}

impl<T: std::fmt::Debug> std::fmt::Debug for Field<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {:?}", self.name, self.test)
    }
}

impl<T: crate::rules::number::Unsigned + Send + Sync> PacketTest for Field<T> {
    fn test(&self, view: &PacketView<'_>) -> bool {
        (self.take)(view.packet).is_some_and(|value| self.test.matches(value))
    }

    fn is_address(&self) -> bool {
        self.name == "ip_proto"
    }

    fn ip_protocol(&self) -> Option<Proto> {
        let number = match self.test {
            IntTest::Eq(number) if self.name == "ip_proto" => number.into(),
            _ => return None,
        };
        u8::try_from(number).ok().map(Proto)
    }
}

/// Adds a [`Field`] with the usual integer operators.
pub(super) fn field<T: crate::rules::number::Unsigned + Send + Sync + 'static>(
    option: &OptionAst<'_>,
    rule: &mut RuleBuilder<'_>,
    name: &'static str,
    take: fn(&Packet<'_>) -> Option<u64>,
) -> Result<(), RuleError> {
    let test = IntTest::<T>::parse(&plain(option)?)?;
    rule.packet_tests.push(Box::new(Field { name, take, test }));
    Ok(())
}

/// Adds a [`Field`] that takes a plain number, or with `operators` one after those.
pub(super) fn plain_field(
    option: &OptionAst<'_>,
    rule: &mut RuleBuilder<'_>,
    (name, max): (&'static str, u32),
    operators: &[char],
    take: fn(&Packet<'_>) -> Option<u64>,
) -> Result<(), RuleError> {
    let value = plain(option)?;
    let operator = value.node.chars().next().filter(|c| operators.contains(c));
    let rest = match operator {
        Some(c) => value.strip(c.encode_utf8(&mut [0; 4])).unwrap_or_else(|| value.clone()),
        None => value,
    };
    let number = unsigned(&rest, u64::from(max))? as u32;
    let test = match operator {
        Some('!') => IntTest::Ne(number),
        Some('<') => IntTest::Lt(number),
        Some('>') => IntTest::Gt(number),
        _ => IntTest::Eq(number),
    };
    rule.packet_tests.push(Box::new(Field { name, take, test }));
    Ok(())
}

fn ipv4<'p, 'a>(packet: &'p Packet<'a>) -> Option<&'p Ipv4<'a>> {
    match &packet.net {
        Net::V4(ip) => Some(ip),
        _ => None,
    }
}

fn ttl(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    field::<u8>(option, rule, "ttl", |packet| match &packet.net {
        Net::V4(ip) => Some(ip.ttl().into()),
        Net::V6(ip) => Some(ip.hop_limit().into()),
        Net::None | Net::Arp(_) => None,
    })
}

fn id(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    plain_field(option, rule, ("id", 65_535), &[], |packet| Some(ipv4(packet)?.id().into()))
}

fn fragoffset(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    plain_field(option, rule, ("fragoffset", 65_535), &['<', '>'], |packet| match &packet.net {
        Net::V4(ip) => Some(u64::from(ip.fragment_offset() / 8)),
        Net::V6(ip) => Some(u64::from(ip.fragment()?.offset / 8)),
        Net::None | Net::Arp(_) => None,
    })
}

fn tos(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let negated = value.node.starts_with('!');
    let number = value.strip("!").unwrap_or_else(|| value.clone());
    let tos = match number.node.strip_prefix('x') {
        Some(hex) if !hex.starts_with('+') => u8::from_str_radix(hex, 16)
            .map_err(|_| number.error("not a type of service").hint("0 to 255 or x00 to xff"))?,
        _ => unsigned(&number, 255)? as u8,
    };
    let test = if negated { IntTest::Ne(tos) } else { IntTest::Eq(tos) };
    let take = |packet: &Packet<'_>| Some(u64::from(ipv4(packet)?.tos()));
    rule.packet_tests.push(Box::new(Field { name: "tos", take, test }));
    Ok(())
}

#[derive(Debug)]
struct SameIp;

impl PacketTest for SameIp {
    fn test(&self, view: &PacketView<'_>) -> bool {
        view.packet.source_ip().is_some_and(|ip| view.packet.destination_ip() == Some(ip))
    }
}

fn sameip(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    bare(option)?;
    rule.packet_tests.push(Box::new(SameIp));
    Ok(())
}

/// Some IPv4 option is there; that of this number.
#[derive(Debug)]
struct IpOption(Option<u8>);

impl PacketTest for IpOption {
    fn test(&self, view: &PacketView<'_>) -> bool {
        let Some(ip) = ipv4(view.packet) else { return false };
        let mut rest = ip.options();
        while let Some(&kind) = rest.first() {
            if self.0.is_none_or(|wanted| wanted == kind) {
                return true;
            }
            let len = match kind {
                0 => return false,
                1 => 1,
                _ => rest.get(1).map_or(0, |len| usize::from(*len)),
            };
            if len == 0 {
                return false;
            }
            rest = rest.get(len..).unwrap_or(&[]);
        }
        false
    }
}

/// Option type octets, IANA "IP Option Numbers".
const IP_OPTIONS: &[(&str, Option<u8>)] = &[
    ("any", None),
    ("eol", Some(0)),
    ("nop", Some(1)),
    ("rr", Some(7)),
    ("ts", Some(68)),
    ("sec", Some(130)),
    ("lsrr", Some(131)),
    ("esec", Some(133)),
    ("cipso", Some(134)),
    ("satid", Some(136)),
    ("ssrr", Some(137)),
    ("rtralt", Some(148)),
];

fn ipopts(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let kind = choice(&plain(option)?, "an option of IPv4", IP_OPTIONS)?;
    rule.packet_tests.push(Box::new(IpOption(kind)));
    Ok(())
}

/// Names of protocols beyond those of [`Proto::name`], IANA "Protocol Numbers".
const PROTOCOLS: &[(&str, u8)] = &[
    ("ip", 0),
    ("hopopt", 0),
    ("icmp", 1),
    ("igmp", 2),
    ("ggp", 3),
    ("ipencap", 4),
    ("ipip", 4),
    ("st", 5),
    ("tcp", 6),
    ("egp", 8),
    ("igp", 9),
    ("pup", 12),
    ("udp", 17),
    ("hmp", 20),
    ("xns-idp", 22),
    ("rdp", 27),
    ("iso-tp4", 29),
    ("dccp", 33),
    ("xtp", 36),
    ("ddp", 37),
    ("idpr-cmtp", 38),
    ("ipv6", 41),
    ("ipv6-route", 43),
    ("ipv6-frag", 44),
    ("idrp", 45),
    ("rsvp", 46),
    ("gre", 47),
    ("esp", 50),
    ("ipsec-esp", 50),
    ("ah", 51),
    ("ipsec-ah", 51),
    ("skip", 57),
    ("ipv6-icmp", 58),
    ("icmpv6", 58),
    ("icmp6", 58),
    ("ipv6-nonxt", 59),
    ("ipv6-opts", 60),
    ("rspf", 73),
    ("vmtp", 81),
    ("eigrp", 88),
    ("ospf", 89),
    ("ospfigp", 89),
    ("ax.25", 93),
    ("etherip", 97),
    ("encap", 98),
    ("pim", 103),
    ("ipcomp", 108),
    ("vrrp", 112),
    ("l2tp", 115),
    ("isis", 124),
    ("sctp", 132),
    ("fc", 133),
    ("mobility-header", 135),
    ("udplite", 136),
    ("mpls-in-ip", 137),
    ("hip", 139),
    ("shim6", 140),
];

/// The number of a protocol by its name, in any case.
pub(super) fn protocol_number(name: &str) -> Option<Proto> {
    PROTOCOLS.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, number)| Proto(*number))
}

/// `l3_proto`: the version of IP.
#[derive(Debug)]
struct Version {
    four: bool,
}

impl PacketTest for Version {
    fn test(&self, view: &PacketView<'_>) -> bool {
        match view.packet.net {
            Net::V4(_) => self.four,
            Net::V6(_) => !self.four,
            _ => false,
        }
    }

    fn needs_packet(&self) -> bool {
        false
    }
}

fn l3_proto(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let names = [("ipv4", true), ("ip4", true), ("ipv6", false), ("ip6", false)];
    let four = choice(&plain(option)?, "a version of IP", &names)?;
    rule.packet_tests.push(Box::new(Version { four }));
    Ok(())
}

fn ip_proto(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    if !matches!(rule.protocol, RuleProtocol::Ip(_) | RuleProtocol::Any) {
        return Err(option
            .name
            .error("the rule's head names the protocol already")
            .hint("write alert ip … for this"));
    }
    let operator = value.node.chars().next().filter(|c| matches!(c, '!' | '<' | '>' | '='));
    let rest = match operator {
        Some(_) => value.part(1..value.node.len()).trim(),
        None => value.clone(),
    };
    let number = match rest.node.starts_with(|c: char| c.is_ascii_digit()) {
        true => unsigned(&rest, 255)? as u8,
        false => {
            let name: String = rest.node.chars().take(40).collect();
            protocol_number(rest.node).ok_or_else(|| rest.error(format!("no IP protocol \"{name}\"")))?.0
        }
    };
    let test = match operator {
        Some('!') => IntTest::Ne(number),
        Some('<') => IntTest::Lt(number),
        Some('>') => IntTest::Gt(number),
        _ => IntTest::Eq(number),
    };
    if matches!(test, IntTest::Eq(_)) && !rule.once("ip_proto") {
        return Err(option
            .name
            .error("a packet has one protocol")
            .hint("several ip_proto must be negated, < or >"));
    }
    let take = |packet: &Packet<'_>| Some(u64::from(packet.proto()?.0));
    rule.packet_tests.push(Box::new(Field { name: "ip_proto", take, test }));
    Ok(())
}

/// How flags are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bits {
    /// These and no others.
    Exactly,
    /// These and at least one other: what the reference engine does, where its guide says "plus any others".
    AndMore,
    /// One of these.
    Any,
    /// Not all of these.
    NotAll,
}

#[derive(Debug)]
struct FragBits(Bits, u8);

impl PacketTest for FragBits {
    fn test(&self, view: &PacketView<'_>) -> bool {
        let Some(ip) = ipv4(view.packet) else { return false };
        let flags = ip.flags();
        let both = flags & self.1;
        match self.0 {
            Bits::Exactly => flags == self.1,
            Bits::AndMore => both == self.1 && flags != self.1,
            Bits::Any => both != 0,
            Bits::NotAll => both != self.1,
        }
    }
}

fn fragbits(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let (mut bits, mut how) = (0, Bits::Exactly);
    for (at, c) in value.node.char_indices() {
        match c {
            'M' => bits |= 1,
            'D' => bits |= 2,
            'R' => bits |= 4,
            '+' if at == 0 => how = Bits::AndMore,
            '*' if at == 0 => how = Bits::Any,
            '!' if at == 0 => how = Bits::NotAll,
            // as in the reference engine the flags end here
            _ if bits != 0 => {
                let hint = "one of + * ! stands before the flags, and these stand together: MD";
                rule.warnings.push(value.error_at(at, "what follows the flags has no meaning").hint(hint));
                break;
            }
            _ => {
                let hint = "M (more), D (don't fragment), R (reserved), with one of + * ! before them";
                return Err(value.error_at(at, "not a flag of IPv4").hint(hint));
            }
        }
    }
    rule.packet_tests.push(Box::new(FragBits(how, bits)));
    Ok(())
}

/// Which checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sum {
    Ip4,
    Tcp4,
    Tcp6,
    Udp4,
    Udp6,
    Icmp4,
    Icmp6,
}

#[derive(Debug)]
struct Checksum(Sum, bool);

impl PacketTest for Checksum {
    fn test(&self, view: &PacketView<'_>) -> bool {
        let packet = view.packet;
        let four = matches!(packet.net, Net::V4(_));
        let ok = match (self.0, &packet.transport) {
            (Sum::Ip4, _) => match ipv4(packet) {
                Some(ip) => header_sum_ok(ip.header()),
                None => return false,
            },
            (Sum::Tcp4, Transport::Tcp(tcp)) if four => tcp.checksum_ok,
            (Sum::Tcp6, Transport::Tcp(tcp)) if !four => tcp.checksum_ok,
            (Sum::Udp4, Transport::Udp(udp)) if four => udp.checksum_ok,
            (Sum::Udp6, Transport::Udp(udp)) if !four => udp.checksum_ok,
            (Sum::Icmp4, Transport::Icmp4(icmp)) => icmp.checksum_ok,
            (Sum::Icmp6, Transport::Icmp6(icmp)) => icmp.checksum_ok,
            _ => return false,
        };
        ok == self.1
    }
}

/// The one's complement sum over an IPv4 header is all ones (RFC 1071).
fn header_sum_ok(header: &[u8]) -> bool {
    let sum: u32 = header.chunks_exact(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    (folded & 0xffff) + (folded >> 16) == 0xffff
}

fn checksum(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>, sum: Sum) -> Result<(), RuleError> {
    let valid = choice(&plain(option)?, "a state of a checksum", &[("valid", true), ("invalid", false)])?;
    rule.packet_tests.push(Box::new(Checksum(sum, valid)));
    Ok(())
}

/// Which VLAN tags are asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Layer {
    Any,
    All,
    /// From the outermost, or with a negative number from the innermost.
    Nth(i8),
}

#[derive(Debug)]
struct VlanId(Layer, IntTest<u16>);

impl PacketTest for VlanId {
    fn test(&self, view: &PacketView<'_>) -> bool {
        let ids = view.packet.vlans.as_slice();
        let holds = |id: &u16| self.1.matches(u64::from(*id));
        match self.0 {
            Layer::Any => ids.iter().any(holds),
            Layer::All => !ids.is_empty() && ids.iter().all(holds),
            Layer::Nth(nth) => {
                let at = if nth < 0 { ids.len() as i64 + i64::from(nth) } else { i64::from(nth) };
                usize::try_from(at).ok().and_then(|at| ids.get(at)).is_some_and(holds)
            }
        }
    }
}

/// `vlan.id:[OPERATOR]ID[,LAYER]`
fn vlan_id(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let (id, layer) = match parts.as_slice() {
        [id] => (id, Layer::Any),
        [id, layer] => (id, vlan_layer(layer)?),
        _ => return Err(value.error("not a VLAN identifier").hint("write vlan.id:200; or vlan.id:200,0;")),
    };
    rule.packet_tests.push(Box::new(VlanId(layer, IntTest::parse(id)?)));
    Ok(())
}

fn vlan_layer(piece: &Piece<'_>) -> Result<Layer, RuleError> {
    let layers = [
        ("any", Layer::Any),
        ("all", Layer::All),
        ("0", Layer::Nth(0)),
        ("1", Layer::Nth(1)),
        ("2", Layer::Nth(2)),
        ("-1", Layer::Nth(-1)),
        ("-2", Layer::Nth(-2)),
        ("-3", Layer::Nth(-3)),
    ];
    choice(piece, "a layer", &layers)
}

fn vlan_layers(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    field::<u8>(option, rule, "vlan.layers", |packet| Some(packet.vlans.as_slice().len() as u64))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, check_loads, ipv4_test, packet_test};

    /// Which values of a header byte pair an option holds for.
    fn check(at: usize, values: &[u16], table: &[(&str, &[usize])]) {
        for (option, expected) in table {
            let holds = |value: u16| {
                ipv4_test(option, |header| header[at..at + 2].copy_from_slice(&value.to_be_bytes()))
            };
            let held: Vec<_> = (0..values.len()).filter(|n| holds(values[*n])).map(|n| n + 1).collect();
            assert_eq!(held, *expected, "{option}");
        }
    }

    #[test]
    fn header_fields_are_compared_as_the_reference_engine_does() {
        check(
            6,
            &[0, 0x2000, 0x4000, 0x8000, 0xe000, 0x6000, 0xc000, 0xa000, 3, 0x2003, 0x4003],
            &[
                ("fragbits:M;", &[2, 10]),
                ("fragbits:!M;", &[1, 3, 4, 7, 9, 11]),
                ("fragbits:+M;", &[5, 6, 8]),
                ("fragbits:*MD;", &[2, 3, 5, 6, 7, 8, 10, 11]),
                ("fragbits:MD;", &[6]),
                ("fragbits:!MD;", &[1, 2, 3, 4, 7, 8, 9, 10, 11]),
                ("fragbits:+MD;", &[5]),
                ("fragoffset:3;", &[9, 10, 11]),
                ("fragoffset:>2;", &[9, 10, 11]),
                ("fragoffset:<3;", &[1, 2, 3, 4, 5, 6, 7, 8]),
            ],
        );
        let ttls: Vec<u16> = (1..=12).map(|ttl| ttl << 8 | 17).collect();
        check(
            8,
            &ttls,
            &[
                ("ttl:3-9;", &[4, 5, 6, 7, 8]),
                ("ttl:3<>9;", &[4, 5, 6, 7, 8]),
                ("ttl:>=9;", &[9, 10, 11, 12]),
                ("ttl:!=3;", &[1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
                ("ip_proto:udp;", &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
                ("ip_proto:!17;", &[]),
            ],
        );
        check(0, &[0x4500, 0x4510, 0x450a], &[("tos:16;", &[2]), ("tos:x10;", &[2]), ("tos:!10;", &[1, 2])]);
        check(4, &[3, 4], &[("id:3;", &[1])]);
    }

    #[test]
    fn options_addresses_and_checksums_are_seen() {
        for (option, options, expected) in [
            ("ipopts:rr;", &[1, 7, 3, 4][..], true),
            ("ipopts:nop;", &[1, 7, 3, 4], true),
            ("ipopts:any;", &[1, 1, 1, 1], true),
            ("ipopts:any;", &[], false),
            ("ipopts:ssrr;", &[0, 137, 3, 4], false),
            ("ipopts:lsrr;", &[7, 0, 131, 4], false),
            ("ipopts:lsrr;", &[7, 200, 131, 4], false),
        ] {
            assert_eq!(packet_test(option, 17, options, b"x"), expected, "{option} {options:?}");
        }
        assert!(ipv4_test("sameip;", |header| header[16..20].copy_from_slice(&[10, 0, 0, 1])));
        assert!(!ipv4_test("sameip;", |_| ()));
        assert!(ipv4_test("ipv4-csum:invalid;", |header| header[10] ^= 1));
        assert!(ipv4_test("ipv4-csum:valid;", |_| ()));
        assert!(!ipv4_test("tcpv4-csum:valid;", |_| ()));
        assert!(ipv4_test("vlan.layers:0;", |_| ()));
        assert!(!ipv4_test("vlan.id:!5;", |_| ()));
    }

    #[test]
    fn mistakes_are_told() {
        check_loads(&[
            "vlan.id:>5,all;",
            "vlan.id:5,-1;",
            "udpv6-csum:invalid;",
            "icmpv4-csum:valid;",
            "fragbits: M ;",
            "fragbits:M+D;",
        ]);
        check_errors(&[
            ("ttl:3-1;", "no number lies in this range"),
            ("ttl:256;", "\"256\" is out of range"),
            ("ipopts:foo;", "\"foo\" is not an option of IPv4"),
            ("sameip:yes;", "sameip takes no value"),
            ("id:65536;", "\"65536\" is out of range"),
            ("id:>5;", "\">5\" is not a number"),
            ("fragbits:X;", "not a flag of IPv4"),
            ("fragoffset:!3;", "\"!3\" is not a number"),
            ("tos:xyz;", "not a type of service"),
            ("ipv4-csum:foo;", "\"foo\" is not a state of a checksum"),
            ("ip_proto:foo;", "no IP protocol \"foo\""),
            ("ip_proto:6; ip_proto:7;", "a packet has one protocol"),
            ("vlan.id:5,9;", "\"9\" is not a layer"),
        ]);
    }
}
