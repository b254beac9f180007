//! Fields of ICMP and ICMPv6: `itype`, `icode`, `icmp_id`, `icmp_seq`, `icmpv6.mtu`.

use super::ip::{field, plain_field};
use super::row::{Row, row};
use crate::decode::{Icmp, Packet, Transport};
use crate::detect::RuleBuilder;
use crate::rules::{OptionAst, RuleError};

pub(super) static ITYPE: Row = row("itype", "ICMP type.", itype);
pub(super) static ICODE: Row = row("icode", "ICMP code.", icode);
pub(super) static ICMP_ID: Row = row("icmp_id", "Identifier of an ICMP query.", icmp_id);
pub(super) static ICMP_SEQ: Row = row("icmp_seq", "Sequence number of an ICMP query.", icmp_seq);
pub(super) static ICMPV6_MTU: Row = row("icmpv6.mtu", "MTU of an ICMPv6 packet-too-big message.", mtu);

fn icmp<'p, 'a>(packet: &'p Packet<'a>) -> Option<&'p Icmp<'a>> {
    match &packet.transport {
        Transport::Icmp4(icmp) | Transport::Icmp6(icmp) => Some(icmp),
        _ => None,
    }
}

/// The message, when its type has an identifier and a sequence number (RFC 792, RFC 950, RFC 4443).
fn query<'p, 'a>(packet: &'p Packet<'a>) -> Option<&'p Icmp<'a>> {
    match &packet.transport {
        Transport::Icmp4(icmp) if matches!(icmp.kind(), 0 | 8 | 13..=18) => Some(icmp),
        Transport::Icmp6(icmp) if matches!(icmp.kind(), 128 | 129) => Some(icmp),
        _ => None,
    }
}

fn itype(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    field::<u8>(option, rule, "itype", |packet| Some(icmp(packet)?.kind().into()))
}

fn icode(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    field::<u8>(option, rule, "icode", |packet| Some(icmp(packet)?.code().into()))
}

fn icmp_id(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    plain_field(option, rule, ("icmp_id", 65_535), &[], |packet| Some(query(packet)?.id()?.into()))
}

fn icmp_seq(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    plain_field(option, rule, ("icmp_seq", 65_535), &[], |packet| Some(query(packet)?.seq()?.into()))
}

fn mtu(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    field::<u32>(option, rule, "icmpv6.mtu", |packet| match &packet.transport {
        Transport::Icmp6(icmp) if icmp.kind() == 2 => {
            let bytes: &[u8; 4] = icmp.message().get(4..)?.first_chunk()?;
            Some(u32::from_be_bytes(*bytes).into())
        }
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, icmp_test};

    #[test]
    fn fields_are_compared() {
        for (option, v6, message, expected) in [
            ("itype:8;", false, &[8, 0, 0, 0, 0, 1, 0, 2][..], true),
            ("itype:8<>10;", false, &[9, 0, 0, 0], true),
            ("itype:8-10;", false, &[8, 0, 0, 0], false),
            ("icode:>=3;", true, &[1, 3, 0, 0], true),
            ("icmp_id:1;", false, &[8, 0, 0, 0, 0, 1, 0, 2], true),
            ("icmp_id:1;", false, &[3, 0, 0, 0, 0, 1, 0, 2], false),
            ("icmp_id:1;", false, &[8, 0, 0, 0, 0], false),
            ("icmp_seq:2;", true, &[128, 0, 0, 0, 0, 1, 0, 2], true),
            ("icmp_seq:2;", true, &[8, 0, 0, 0, 0, 1, 0, 2], false),
            ("icmpv6.mtu:<1280;", true, &[2, 0, 0, 0, 0, 0, 4, 0], true),
            ("icmpv6.mtu:<1280;", true, &[2, 0, 0, 0, 0, 0, 4], false),
            ("icmpv6.mtu:<1280;", false, &[2, 0, 0, 0, 0, 0, 4, 0], false),
        ] {
            assert_eq!(icmp_test(option, v6, message), expected, "{option} {message:?}");
        }
        check_errors(&[
            ("itype:256;", "\"256\" is out of range"),
            ("itype:\"8\";", "this keyword takes no quotes"),
            ("icmp_id:>5;", "\">5\" is not a number"),
            ("icmp_seq:65536;", "\"65536\" is out of range"),
        ]);
    }
}
