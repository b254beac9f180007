//! The rule keywords of WebSocket, and its record.

use super::slots::*;
use crate::app::{DONE, ProtocolId, Slot, Transaction};
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{BufferSpec, Keyword, Kind, NumberSpec, Place, RuleBuilder};
use crate::json::JsonWriter;
use crate::protocols::exchange::{buffer, number};
use crate::protocols::single::Record;
use crate::protocols::values::{ROWS_MAX, Values};
use crate::rules::value::{Piece, split_commas};
use crate::rules::{IntTest, OptionAst, RuleError};
use crate::types::Direction;

/// Kinds of frames, RFC 6455 section 5.2.
const OPCODES: &[(&str, u64)] =
    &[("continuation", 0), ("text", 1), ("binary", 2), ("connection_close", 8), ("ping", 9), ("pong", 10)];

const fn places(slot: Slot, kind: Kind) -> [Place; 2] {
    [
        Place { dir: Direction::ToServer, slot, progress: DONE, kind },
        Place { dir: Direction::ToClient, slot, progress: DONE, kind },
    ]
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[buffer(
    "websocket.payload",
    "the message, unmasked and decompressed, of all its frames",
    &places(PAYLOAD, Kind::Bytes),
)];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    number("websocket.mask", "the mask of a frame of the message", &places(MASK, Kind::Multi), &[]),
    number(
        "websocket.opcode",
        "the kind of a frame of the message, by number or name (text, binary, ping)",
        &places(OPCODE, Kind::Multi),
        OPCODES,
    ),
];

/// Further keywords.
pub static KEYWORDS: &[&dyn Keyword] = &[&Flags];

/// `websocket.flags:fin,!comp`, `websocket.flags:&0x40=0x40`
struct Flags;

const NAMES: &[(&str, u64)] = &[("fin", 0x80), ("comp", 0x40)];

impl Keyword for Flags {
    fn name(&self) -> &'static str {
        "websocket.flags"
    }

    fn help(&self) -> &'static str {
        "flags of a frame of the message: fin, comp, with ! for those that are not set, or a number"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let hint = "write websocket.flags:fin,!comp; or websocket.flags:&0x40=0x40;";
        let value =
            option.value.as_ref().ok_or_else(|| option.name.error("a value is missing").hint(hint))?;
        let test = FlagsTest::parse(value).map_err(|error| error.hint(hint))?;
        let websocket = rule.registry.protocol_named("websocket");
        match (websocket, rule.protocol) {
            (Some(websocket), RuleProtocol::App(id)) if id != websocket => {
                return Err(option.name.error("the rule's protocol has no frames of WebSocket"));
            }
            (Some(websocket), _) => rule.protocol = RuleProtocol::App(websocket),
            _ => {}
        }
        rule.tx_tests.push(Box::new(test));
        Ok(())
    }
}

#[derive(Debug)]
enum FlagsTest {
    Number(IntTest<u64>),
    Named { set: u64, clear: u64 },
}

impl FlagsTest {
    fn parse(value: &Piece<'_>) -> Result<FlagsTest, RuleError> {
        let (mut set, mut clear) = (0, 0);
        for part in split_commas(value)? {
            let text = part.node.trim();
            let (not, name) = text.strip_prefix('!').map_or((false, text), |name| (true, name.trim()));
            match NAMES.iter().find(|(known, _)| *known == name) {
                Some((_, bit)) => *(if not { &mut clear } else { &mut set }) |= bit,
                None if set | clear == 0 => return Ok(FlagsTest::Number(IntTest::parse(&value.trim())?)),
                None => return Err(part.error("no flag of WebSocket")),
            }
        }
        Ok(FlagsTest::Named { set, clear })
    }
}

impl TxTest for FlagsTest {
    fn test(&self, tx: &dyn Transaction, _dir: Direction) -> bool {
        (0..ROWS_MAX).map_while(|nth| tx.number(FLAGS, nth)).any(|flags| match self {
            FlagsTest::Number(test) => test.matches(flags),
            FlagsTest::Named { set, clear } => flags & set == *set && flags & clear == 0,
        })
    }

    fn progress(&self, _protocol: ProtocolId, _dir: Direction) -> Option<u8> {
        Some(DONE)
    }
}

/// What a record tells of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct WebSocketRecord {
    pub(super) opcode: u8,
    pub(super) mask: Option<u32>,
    pub(super) fin: bool,
}

impl Record for WebSocketRecord {
    fn log(&self, _values: &Values, out: &mut JsonWriter) {
        out.open_object("websocket");
        out.flag("fin", self.fin);
        if let Some(mask) = self.mask {
            out.number("mask", mask);
        }
        match OPCODES.iter().find(|(_, known)| *known == u64::from(self.opcode)) {
            Some((name, _)) => out.text("opcode", name),
            None => out.plain("opcode", format_args!("unknown-{}", self.opcode)),
        }
        out.close();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_named_or_numbers() {
        let parse = |text: &str| FlagsTest::parse(&Piece { node: text, span: 0..text.len() });
        assert!(matches!(parse("fin,!comp"), Ok(FlagsTest::Named { set: 0x80, clear: 0x40 })));
        for good in ["128", "&0x40=0x40", "!comp"] {
            assert!(parse(good).is_ok(), "{good}");
        }
        for bad in ["", "fine", "fin,128", "fin,"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
