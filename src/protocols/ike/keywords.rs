//! The rule keywords of IKE.

use super::names;
use super::slots::*;
use crate::app::{DONE, ProtocolId, Slot, Transaction};
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{BufferSpec, Keyword, Kind, NumberSpec, Place, RuleBuilder};
use crate::rules::{IntTest, OptionAst, RuleError};
use crate::types::Direction;

const fn place(dir: Direction, slot: Slot, kind: Kind) -> Place {
    Place { dir, slot, progress: DONE, kind }
}

const S: Direction = Direction::ToServer;
const C: Direction = Direction::ToClient;

const fn buffer(name: &'static str, help: &'static str, places: &'static [Place]) -> BufferSpec {
    BufferSpec { name, aliases: &[], modifier: None, help, places, check: None }
}

const fn number(name: &'static str, help: &'static str, places: &'static [Place]) -> NumberSpec {
    NumberSpec { name, aliases: &[], help, places, names: &[] }
}

/// Sticky buffers.
pub static BUFFERS: &[BufferSpec] = &[
    buffer(
        "ike.init_spi",
        "the initiator's index of the association, as hexadecimal digits",
        &[place(S, INIT_SPI, Kind::Bytes)],
    ),
    buffer(
        "ike.resp_spi",
        "the responder's index of the association, as hexadecimal digits",
        &[place(C, RESP_SPI, Kind::Bytes)],
    ),
    buffer("ike.vendor", "each vendor identifier, as hexadecimal digits", &[place(S, VENDOR, Kind::Multi)]),
    buffer(
        "ike.key_exchange_payload",
        "the public key of a side",
        &[place(S, KEY_EXCHANGE, Kind::Bytes), place(C, KEY_EXCHANGE, Kind::Bytes)],
    ),
    buffer(
        "ike.nonce_payload",
        "the nonce of a side",
        &[place(S, NONCE, Kind::Bytes), place(C, NONCE, Kind::Bytes)],
    ),
];

/// Numbers.
pub static NUMBERS: &[NumberSpec] = &[
    number(
        "ike.exchtype",
        "the exchange by number, 2 for identity protection",
        &[place(S, EXCHANGE, Kind::Bytes), place(C, EXCHANGE, Kind::Bytes)],
    ),
    number(
        "ike.key_exchange_payload_length",
        "bytes of the public key of a side",
        &[place(S, KEY_EXCHANGE_LEN, Kind::Bytes), place(C, KEY_EXCHANGE_LEN, Kind::Bytes)],
    ),
    number(
        "ike.nonce_payload_length",
        "bytes of the nonce of a side",
        &[place(S, NONCE_LEN, Kind::Bytes), place(C, NONCE_LEN, Kind::Bytes)],
    ),
];

/// Further keywords.
pub static KEYWORDS: &[&dyn Keyword] = &[&Chosen];

/// `ike.chosen_sa_attribute:alg_hash=2`
struct Chosen;

const HINT: &str = "write ike.chosen_sa_attribute:alg_hash=2;";

impl Keyword for Chosen {
    fn name(&self) -> &'static str {
        "ike.chosen_sa_attribute"
    }

    fn help(&self) -> &'static str {
        "an attribute of the association that the responder chose: ike.chosen_sa_attribute:alg_hash=2"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let value =
            option.value.as_ref().ok_or_else(|| option.name.error("a value is missing").hint(HINT))?;
        let value = value.trim();
        let end = value.node.find(|c: char| !c.is_ascii_lowercase() && c != '_').unwrap_or(value.node.len());
        let name = value.part(0..end);
        let attribute = names::ATTRIBUTES[..names::UNKNOWN]
            .iter()
            .position(|(known, _)| *known == name.node)
            .ok_or_else(|| name.error("not an attribute of an association").hint(HINT))?;
        let rest = value.part(end..value.node.len()).trim();
        let test = IntTest::parse(&rest.strip("=").unwrap_or(rest)).map_err(|error| error.hint(HINT))?;
        let ike = rule.registry.protocol_named("ike");
        match (ike, rule.protocol) {
            (Some(ike), RuleProtocol::App(id)) if id != ike => {
                return Err(option.name.error("the rule's protocol has no associations").hint("alert ike"));
            }
            (Some(ike), _) => rule.protocol = RuleProtocol::App(ike),
            _ => {}
        }
        rule.tx_tests.push(Box::new(ChosenTest { slot: Slot(CHOSEN + attribute as u16), test }));
        Ok(())
    }
}

#[derive(Debug)]
struct ChosenTest {
    slot: Slot,
    test: IntTest<u64>,
}

impl TxTest for ChosenTest {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        dir == C && tx.number(self.slot, 0).is_some_and(|number| self.test.matches(number))
    }

    fn progress(&self, _protocol: ProtocolId, dir: Direction) -> Option<u8> {
        (dir == C).then_some(DONE)
    }
}
