//! `rpc`: a call of Sun RPC (RFC 5531), by program, version and procedure.

use super::row::{Row, plain, row};
use crate::decode::Transport;
use crate::detect::RuleBuilder;
use crate::detect::rule::{PacketTest, PacketView};
use crate::rules::number::unsigned;
use crate::rules::value::{Piece, split_commas};
use crate::rules::{OptionAst, RuleError};

pub(super) static RPC: Row =
    row("rpc", "A call of Sun RPC: program, version and procedure, each but the first may be *.", rpc);

/// What a call must be of; `None`: anything.
#[derive(Debug)]
struct Call {
    program: u32,
    version: Option<u32>,
    procedure: Option<u32>,
}

impl PacketTest for Call {
    fn test(&self, view: &PacketView<'_>) -> bool {
        let payload = view.packet.payload;
        // over TCP a record mark of four bytes stands before the message (RFC 5531 section 11)
        let message = match view.packet.transport {
            Transport::Tcp(_) => payload.get(4..),
            Transport::Udp(_) => Some(payload),
            _ => None,
        };
        let word = |nth: usize| {
            let bytes = message?.get(nth * 4..nth * 4 + 4)?;
            Some(u32::from_be_bytes(bytes.try_into().ok()?))
        };
        // a call of version 2 of the protocol
        word(1) == Some(0)
            && word(2) == Some(2)
            && word(3) == Some(self.program)
            && word(4).is_some_and(|version| self.version.is_none_or(|wanted| wanted == version))
            && word(5).is_some_and(|procedure| self.procedure.is_none_or(|wanted| wanted == procedure))
    }
}

fn rpc(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let number = |piece: &Piece<'_>| Ok(unsigned(piece, u64::from(u32::MAX))? as u32);
    let or_any = |piece: Option<&Piece<'_>>| match piece {
        None => Ok(None),
        Some(piece) if piece.node == "*" => Ok(None),
        Some(piece) => number(piece).map(Some),
    };
    let [program, rest @ ..] = parts.as_slice() else { return Ok(()) };
    if rest.len() > 2 {
        return Err(value
            .error("rpc has three values at most")
            .hint("write rpc:100000,2,3; or rpc:100000,*,3;"));
    }
    let call =
        Call { program: number(program)?, version: or_any(rest.first())?, procedure: or_any(rest.get(1))? };
    rule.packet_tests.push(Box::new(call));
    rule.packet_payload = true;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, check_loads, packet_test};

    fn call(words: [u32; 6]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_be_bytes()).collect()
    }

    #[test]
    fn calls_are_told_apart() {
        let portmap = call([7, 0, 2, 100_000, 2, 3]);
        for (option, payload, expected) in [
            ("rpc:100000,2,3;", portmap.clone(), true),
            ("rpc:100000;", portmap.clone(), true),
            ("rpc:100000,*,3;", portmap.clone(), true),
            ("rpc:100000,2,*;", portmap.clone(), true),
            ("rpc:100000,2,4;", portmap.clone(), false),
            ("rpc:100001;", portmap.clone(), false),
            ("rpc:100000;", call([7, 1, 2, 100_000, 2, 3]), false),
            ("rpc:100000;", portmap[..20].to_vec(), false),
            ("rpc:100000;", Vec::new(), false),
        ] {
            assert_eq!(packet_test(option, 17, &[], &payload), expected, "{option}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        check_loads(&["rpc: 100000 , * , * ;"]);
        check_errors(&[
            ("rpc:1,2,3,4;", "rpc has three values at most"),
            ("rpc:*;", "\"*\" is not a number"),
            ("rpc:x;", "\"x\" is not a number"),
        ]);
    }
}
