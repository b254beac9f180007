//! The rule keywords of DCERPC, which serve calls in SMB's named pipes too.

use super::slots::*;
use crate::app::{DONE, ProtocolId, Slot, Transaction};
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{BufferSpec, Keyword, Kind, Place, RuleBuilder};
use crate::rules::value::{Piece, split_commas};
use crate::rules::{IntTest, OptionAst, RuleError};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot) -> Place {
    Place { dir, slot, progress: DONE, kind: Kind::Bytes }
}

/// The stub, in every protocol that carries calls.
pub const STUB_DATA: BufferSpec = BufferSpec {
    name: "dcerpc.stub_data",
    aliases: &["dce_stub_data"],
    modifier: None,
    help: "what a call says behind its header, all fragments put together",
    places: &[place(Direction::ToServer, STUB_REQUEST), place(Direction::ToClient, STUB_RESPONSE)],
    check: None,
};

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[STUB_DATA];

/// Further keywords.
pub static KEYWORDS: &[&dyn Keyword] = &[&Iface, &Opnum];

/// The protocols that carry calls.
fn carriers(rule: &RuleBuilder<'_>) -> Vec<ProtocolId> {
    ["dcerpc", "smb"].into_iter().filter_map(|name| rule.registry.protocol_named(name)).collect()
}

/// The carriers, when the rule's head allows one of them.
fn allowed(option: &OptionAst<'_>, rule: &RuleBuilder<'_>) -> Result<Vec<ProtocolId>, RuleError> {
    let carriers = carriers(rule);
    match rule.protocol {
        RuleProtocol::App(id) if !carriers.contains(&id) => Err(option
            .name
            .error("the rule's protocol carries no DCERPC calls")
            .hint("alert dcerpc, alert smb, alert tcp")),
        _ => Ok(carriers),
    }
}

fn required<'a>(option: &'a OptionAst<'_>, hint: &str) -> Result<&'a Piece<'a>, RuleError> {
    option.value.as_ref().ok_or_else(|| option.name.error("a value is missing").hint(hint))
}

/// `dcerpc.iface:UUID[,OPERATOR VERSION][,any_frag]`
struct Iface;

const IFACE_HINT: &str = "write dcerpc.iface:367abb81-9844-35f1-ad32-98f038001003[,>1][,any_frag];";

impl Keyword for Iface {
    fn name(&self) -> &'static str {
        "dcerpc.iface"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["dce_iface"]
    }

    fn help(&self) -> &'static str {
        "the interface that a request is for: dcerpc.iface:UUID[,<|>|=|!version][,any_frag]"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let carriers = allowed(option, rule)?;
        let parts = split_commas(required(option, IFACE_HINT)?)?;
        let Some((first, rest)) = parts.split_first() else {
            return Err(option.name.error("a value is missing"));
        };
        let uuid = uuid(first.node).ok_or_else(|| first.error("not a UUID").hint(IFACE_HINT))?;
        let (mut version, mut any_fragment) = (None, false);
        for part in rest {
            match part.node.as_bytes() {
                b"any_frag" => any_fragment = true,
                [sign @ (b'<' | b'>' | b'=' | b'!'), digits @ ..] => {
                    let number =
                        std::str::from_utf8(digits).ok().and_then(|text| text.trim().parse::<u16>().ok());
                    let number = number.ok_or_else(|| part.error("not a version").hint(IFACE_HINT))?;
                    version = Some((*sign, number));
                }
                _ => return Err(part.error("neither a version nor any_frag").hint(IFACE_HINT)),
            }
        }
        rule.tx_tests.push(Box::new(Interface { carriers, uuid, version, any_fragment }));
        Ok(())
    }
}

/// 32 hexadecimal digits with dashes between, in the order of the text.
fn uuid(text: &str) -> Option<[u8; 16]> {
    let mut uuid = [0; 16];
    let groups: Vec<&str> = text.trim().split('-').collect();
    if !groups.iter().map(|group| group.len()).eq([8, 4, 4, 4, 12]) {
        return None;
    }
    let digits = groups.concat();
    for (byte, pair) in uuid.iter_mut().zip(digits.as_bytes().chunks(2)) {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| !pair.starts_with('+'))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
    }
    Some(uuid)
}

#[derive(Debug)]
struct Interface {
    carriers: Vec<ProtocolId>,
    uuid: [u8; 16],
    version: Option<(u8, u16)>,
    any_fragment: bool,
}

impl Interface {
    fn holds(&self, packed: &[u8]) -> bool {
        let Some((uuid, &[major, minor, ..])) = packed.split_at_checked(16) else { return false };
        let major = u16::from_be_bytes([major, minor]);
        uuid == self.uuid
            && self.version.is_none_or(|(sign, wanted)| match sign {
                b'<' => major < wanted,
                b'>' => major > wanted,
                b'=' => major == wanted,
                _ => major != wanted,
            })
    }
}

impl TxTest for Interface {
    fn test(&self, tx: &dyn Transaction, _dir: Direction) -> bool {
        if !self.any_fragment && tx.number(FIRST, 0) != Some(1) {
            return false;
        }
        (0..).map_while(|nth| tx.bytes(INTERFACE, nth)).any(|packed| self.holds(packed))
    }

    fn progress(&self, protocol: ProtocolId, _dir: Direction) -> Option<u8> {
        self.carriers.contains(&protocol).then_some(BEGUN)
    }
}

/// `dcerpc.opnum:15,20-22`
struct Opnum;

const OPNUM_HINT: &str = "write dcerpc.opnum:15; or dcerpc.opnum:15,20-22,>50;";

impl Keyword for Opnum {
    fn name(&self) -> &'static str {
        "dcerpc.opnum"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["dce_opnum"]
    }

    fn help(&self) -> &'static str {
        "the operation that a request asks for: numbers, ranges, lists of them"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let carriers = allowed(option, rule)?;
        let mut wanted = Vec::new();
        for part in split_commas(required(option, OPNUM_HINT)?)? {
            let range = part.node.split_once('-').and_then(|(low, high)| {
                Some((low.trim().parse::<u16>().ok()?, high.trim().parse::<u16>().ok()?))
            });
            wanted.push(match range {
                Some((low, high)) if low <= high => Wanted::Range(low, high),
                Some(_) => return Err(part.error("the range ends before it begins").hint(OPNUM_HINT)),
                None => Wanted::Test(IntTest::<u16>::parse(&part).map_err(|error| error.hint(OPNUM_HINT))?),
            });
        }
        rule.tx_tests.push(Box::new(Operation { carriers, wanted }));
        Ok(())
    }
}

#[derive(Debug)]
enum Wanted {
    Range(u16, u16),
    Test(IntTest<u16>),
}

#[derive(Debug)]
struct Operation {
    carriers: Vec<ProtocolId>,
    wanted: Vec<Wanted>,
}

impl TxTest for Operation {
    fn test(&self, tx: &dyn Transaction, _dir: Direction) -> bool {
        let Some(opnum) = tx.number(OPNUM, 0) else { return false };
        self.wanted.iter().any(|wanted| match wanted {
            Wanted::Range(low, high) => (u64::from(*low)..=u64::from(*high)).contains(&opnum),
            Wanted::Test(test) => test.matches(opnum),
        })
    }

    fn progress(&self, protocol: ProtocolId, _dir: Direction) -> Option<u8> {
        self.carriers.contains(&protocol).then_some(BEGUN)
    }
}
