//! The rule keywords of DNP3.

use super::slots::*;
use crate::app::{DONE, ProtocolId, Slot, Transaction};
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{BufferSpec, Keyword, Kind, NumberSpec, Place, RuleBuilder};
use crate::rules::value::{Piece, split_commas};
use crate::rules::{OptionAst, RuleError};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot) -> Place {
    Place { dir, slot, progress: DONE, kind: Kind::Bytes }
}

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[BufferSpec {
    name: "dnp3.data",
    aliases: &["dnp3_data"],
    modifier: None,
    help: "the application message, without link and transport headers and checksums",
    places: &[place(S, DATA), place(C, DATA)],
    check: None,
}];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[NumberSpec {
    name: "dnp3_func",
    aliases: &[],
    help: "the application function, by number or name",
    places: &[place(S, FUNCTION), place(C, FUNCTION)],
    names: &[
        ("confirm", 0),
        ("read", 1),
        ("write", 2),
        ("select", 3),
        ("operate", 4),
        ("direct_operate", 5),
        ("direct_operate_nr", 6),
        ("immed_freeze", 7),
        ("immed_freeze_nr", 8),
        ("freeze_clear", 9),
        ("freeze_clear_nr", 10),
        ("freeze_at_time", 11),
        ("freeze_at_time_nr", 12),
        ("cold_restart", 13),
        ("warm_restart", 14),
        ("initialize_data", 15),
        ("initialize_appl", 16),
        ("start_appl", 17),
        ("stop_appl", 18),
        ("save_config", 19),
        ("enable_unsolicited", 20),
        ("disable_unsolicited", 21),
        ("assign_class", 22),
        ("delay_measure", 23),
        ("record_current_time", 24),
        ("open_file", 25),
        ("close_file", 26),
        ("delete_file", 27),
        ("get_file_info", 28),
        ("authenticate_file", 29),
        ("abort_file", 30),
        ("activate_config", 31),
        ("authenticate_req", 32),
        ("authenticate_err", 33),
        ("response", 129),
        ("unsolicited_response", 130),
        ("authenticate_resp", 131),
    ],
}];

/// Internal indications of a response, by bit.
pub(super) const INDICATORS_NAMES: &[(&str, u16)] = &[
    ("device_restart", 0x8000),
    ("device_trouble", 0x4000),
    ("local_control", 0x2000),
    ("need_time", 0x1000),
    ("class_3_events", 0x0800),
    ("class_2_events", 0x0400),
    ("class_1_events", 0x0200),
    ("all_stations", 0x0100),
    ("reserved_1", 0x0080),
    ("reserved_2", 0x0040),
    ("config_corrupt", 0x0020),
    ("already_executing", 0x0010),
    ("event_buffer_overflow", 0x0008),
    ("parameter_error", 0x0004),
    ("object_unknown", 0x0002),
    ("no_func_code_support", 0x0001),
];

/// Further keywords.
pub static KEYWORDS: &[&dyn Keyword] = &[&Indicators, &Object];

fn narrow(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let dnp3 = rule.registry.protocol_named("dnp3");
    match (dnp3, rule.protocol) {
        (Some(dnp3), RuleProtocol::App(id)) if id != dnp3 => {
            Err(option.name.error("the rule's protocol is another").hint("alert dnp3"))
        }
        (Some(dnp3), _) => {
            rule.protocol = RuleProtocol::App(dnp3);
            Ok(())
        }
        _ => Ok(()),
    }
}

fn required<'a>(option: &'a OptionAst<'_>, hint: &str) -> Result<&'a Piece<'a>, RuleError> {
    option.value.as_ref().ok_or_else(|| option.name.error("a value is missing").hint(hint))
}

/// `dnp3_ind:class_1_events,class_2_events`: one of them is set.
struct Indicators;

const INDICATORS_HINT: &str = "write dnp3_ind:device_restart,need_time;";

impl Keyword for Indicators {
    fn name(&self) -> &'static str {
        "dnp3_ind"
    }

    fn help(&self) -> &'static str {
        "internal indications of a response, one of which is set: dnp3_ind:device_restart,need_time"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let mut mask = 0;
        for part in split_commas(required(option, INDICATORS_HINT)?)? {
            let part = part.trim();
            let known = INDICATORS_NAMES.iter().find(|(name, _)| part.node.eq_ignore_ascii_case(name));
            let bits = match (known, part.node.strip_prefix("0x")) {
                (Some((_, bit)), _) => Some(*bit),
                (None, Some(digits)) => u16::from_str_radix(digits, 16).ok(),
                (None, None) => part.node.parse().ok(),
            };
            mask |= bits.ok_or_else(|| part.error("no internal indication").hint(INDICATORS_HINT))?;
        }
        narrow(option, rule)?;
        rule.tx_tests.push(Box::new(IndicatorTest(mask.into())));
        Ok(())
    }
}

#[derive(Debug)]
struct IndicatorTest(u64);

impl TxTest for IndicatorTest {
    fn test(&self, tx: &dyn Transaction, _dir: Direction) -> bool {
        tx.number(INDICATORS, 0).is_some_and(|set| set & self.0 != 0)
    }

    fn progress(&self, _protocol: ProtocolId, _dir: Direction) -> Option<u8> {
        Some(DONE)
    }
}

/// `dnp3_obj:22,1`: group and variation.
struct Object;

const OBJECT_HINT: &str = "write dnp3_obj:GROUP,VARIATION;";

impl Keyword for Object {
    fn name(&self) -> &'static str {
        "dnp3_obj"
    }

    fn help(&self) -> &'static str {
        "an object of the message: dnp3_obj:GROUP,VARIATION"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let value = required(option, OBJECT_HINT)?;
        let parts = split_commas(value)?;
        let [group, variation] = &parts[..] else {
            return Err(value.error("a group and a variation are needed").hint(OBJECT_HINT));
        };
        let number = |part: &Piece<'_>| {
            part.node.trim().parse::<u8>().map_err(|_| part.error("not a number up to 255").hint(OBJECT_HINT))
        };
        let wanted = u64::from(number(group)?) << 8 | u64::from(number(variation)?);
        narrow(option, rule)?;
        rule.tx_tests.push(Box::new(ObjectTest(wanted)));
        Ok(())
    }
}

#[derive(Debug)]
struct ObjectTest(u64);

impl TxTest for ObjectTest {
    fn test(&self, tx: &dyn Transaction, _dir: Direction) -> bool {
        (0..).map_while(|nth| tx.number(OBJECT, nth)).any(|object| object == self.0)
    }

    fn progress(&self, _protocol: ProtocolId, _dir: Direction) -> Option<u8> {
        Some(DONE)
    }
}
