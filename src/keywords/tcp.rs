//! Fields of TCP: `flags`, `seq`, `ack`, `window`, `tcp.mss`, `tcp.wscale`.

use super::ip::{field, plain_field};
use super::row::{Row, plain, row};
use crate::decode::Tcp;
use crate::detect::RuleBuilder;
use crate::detect::rule::{PacketTest, PacketView};
use crate::rules::value::Piece;
use crate::rules::{OptionAst, RuleError};

pub(super) static FLAGS: Row = row("tcp.flags", "TCP flags.", flags).also(&["flags"]);
pub(super) static SEQ: Row = row("tcp.seq", "Sequence number.", seq).also(&["seq"]);
pub(super) static ACK: Row = row("tcp.ack", "Acknowledgement number.", ack).also(&["ack"]);
pub(super) static WINDOW: Row = row("tcp.window", "Window field, unscaled.", window).also(&["window"]);
pub(super) static MSS: Row = row("tcp.mss", "Maximum segment size option.", mss);
pub(super) static WSCALE: Row = row("tcp.wscale", "Window scale option.", wscale);

fn seq(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    plain_field(option, rule, ("tcp.seq", u32::MAX), &[], |packet| Some(packet.tcp()?.seq().into()))
}

fn ack(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    plain_field(option, rule, ("tcp.ack", u32::MAX), &[], |packet| Some(packet.tcp()?.ack().into()))
}

fn window(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    plain_field(option, rule, ("tcp.window", 65_535), &['!'], |packet| Some(packet.tcp()?.window().into()))
}

fn mss(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    field::<u16>(option, rule, "tcp.mss", |packet| Some(packet.tcp()?.options.mss?.into()))
}

fn wscale(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    field::<u8>(option, rule, "tcp.wscale", |packet| Some(packet.tcp()?.options.window_scale?.into()))
}

/// How flags are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bits {
    /// These and no others.
    Exactly,
    /// These and any others.
    All,
    /// One of these.
    Any,
    /// Not all of these.
    NotAll,
}

#[derive(Debug)]
struct Flags {
    how: Bits,
    wanted: u8,
    /// Flags that do not matter.
    ignored: u8,
}

impl PacketTest for Flags {
    fn test(&self, view: &PacketView<'_>) -> bool {
        let Some(tcp) = view.packet.tcp() else { return false };
        let flags = tcp.flags() & !self.ignored;
        let both = flags & self.wanted;
        match self.how {
            Bits::Exactly => flags == self.wanted,
            Bits::All => both == self.wanted,
            Bits::Any => both != 0,
            Bits::NotAll => both != self.wanted,
        }
    }
}

fn flags(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let (wanted, ignored) = match value.split_at_first(",") {
        Some((wanted, ignored)) => (wanted, Some(ignored)),
        None => (value, None),
    };
    let mut how = Bits::Exactly;
    let bits = letters(&wanted, Some(&mut how))?;
    let ignored = ignored.map_or(Ok(0), |ignored| letters(&ignored, None))?;
    rule.packet_tests.push(Box::new(Flags { how, wanted: bits & !ignored, ignored }));
    Ok(())
}

fn letters(piece: &Piece<'_>, mut how: Option<&mut Bits>) -> Result<u8, RuleError> {
    let mut bits = 0;
    if piece.node.is_empty() {
        return Err(piece.error("a flag is missing"));
    }
    for (at, c) in piece.node.char_indices() {
        bits |= match (c, how.as_deref_mut()) {
            ('F', _) => Tcp::FIN,
            ('S', _) => Tcp::SYN,
            ('R', _) => Tcp::RST,
            ('P', _) => Tcp::PSH,
            ('A', _) => Tcp::ACK,
            ('U', _) => Tcp::URG,
            ('E' | '2', _) => Tcp::ECE,
            ('C' | '1', _) => Tcp::CWR,
            ('0', _) => 0,
            ('+' | '*' | '!', Some(how)) if *how == Bits::Exactly => {
                *how = match c {
                    '+' => Bits::All,
                    '*' => Bits::Any,
                    _ => Bits::NotAll,
                };
                0
            }
            _ => {
                let hint =
                    "F S R P A U E C or 0, with one of + * ! before them, and flags to ignore behind a comma";
                return Err(piece.error_at(at, "not a flag of TCP").hint(hint));
            }
        };
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, check_loads, tcp_test};
    use crate::decode::TcpOptions;

    #[test]
    fn flags_are_compared_as_the_reference_engine_does() {
        let packets = [0x02, 0x12, 0x10, 0x18, 0, 0xc2, 0x42, 0x11, 0x04, 0x82, 0x01, 0x03];
        for (option, expected) in [
            ("flags:S;", &[1][..]),
            ("flags:S,12;", &[1, 6, 7, 10]),
            ("flags:S,CE;", &[1, 6, 7, 10]),
            ("flags:+S;", &[1, 2, 6, 7, 10, 12]),
            ("flags:S+;", &[1, 2, 6, 7, 10, 12]),
            ("flags:*SA;", &[1, 2, 3, 4, 6, 7, 8, 10, 12]),
            ("flags:!S;", &[3, 4, 5, 8, 9, 11]),
            ("flags:!SA;", &[1, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
            ("flags:0;", &[5]),
            ("tcp.flags:12;", &[]),
            ("flags:+12;", &[6]),
        ] {
            let held: Vec<_> = (0..packets.len())
                .filter(|n| tcp_test(option, |header| header[13] = packets[*n], TcpOptions::default()))
                .map(|n| n + 1)
                .collect();
            assert_eq!(held, expected, "{option}");
        }
    }

    #[test]
    fn other_fields_are_compared() {
        let options = TcpOptions { mss: Some(1460), window_scale: Some(7), ..TcpOptions::default() };
        for (option, expected) in [
            ("seq:0x01020304;", true),
            ("tcp.seq:5;", false),
            ("ack:0;", true),
            ("window:8192;", true),
            ("tcp.window:!8192;", false),
            ("tcp.mss:1460;", true),
            ("tcp.mss:1400-1460;", false),
            ("tcp.mss:>536;", true),
            ("tcp.wscale:7;", true),
        ] {
            let fill = |header: &mut [u8]| {
                header[4..8].copy_from_slice(&[1, 2, 3, 4]);
                header[14..16].copy_from_slice(&8192u16.to_be_bytes());
            };
            assert_eq!(tcp_test(option, fill, options), expected, "{option}");
        }
        assert!(!tcp_test("tcp.mss:>0;", |_| (), TcpOptions::default()));
    }

    #[test]
    fn mistakes_are_told() {
        check_loads(&[
            "flags: S ;",
            "flags:SAFRPUCE;",
            "flags:!SA,12;",
            "flags:0,12;",
            "flags:SUF+;",
            "flags: *FSR,12;",
        ]);
        check_errors(&[
            ("flags:X;", "not a flag of TCP"),
            ("flags:s;", "not a flag of TCP"),
            ("flags:S,X;", "not a flag of TCP"),
            ("flags:S,!FA;", "not a flag of TCP"),
            ("flags:S,;", "a flag is missing"),
            ("window:65536;", "\"65536\" is out of range"),
            ("window:>5;", "\">5\" is not a number"),
            ("seq:4294967296;", "\"4294967296\" is out of range"),
        ]);
    }
}
