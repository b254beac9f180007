//! The rule keyword of Modbus: `modbus: unit 10, function 8, subfunction 4`, `modbus: access write holding, address 500, value >200`.

use super::function::{access, category};
use super::slots::*;
use crate::app::{DONE, ProtocolId, Transaction};
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{Keyword, RuleBuilder};
use crate::rules::value::{Piece, split_commas};
use crate::rules::{IntTest, OptionAst, RuleError};
use crate::types::Direction;

/// The keyword.
pub static KEYWORDS: &[&dyn Keyword] = &[&Modbus];

/// Written values that are looked at.
const VALUES_MAX: usize = 2048;

struct Modbus;

const HINT: &str =
    "write modbus: function 8, subfunction 4; or modbus: access write holding, address 500, value >200;";

impl Keyword for Modbus {
    fn name(&self) -> &'static str {
        "modbus"
    }

    fn help(&self) -> &'static str {
        "a request: unit, function and subfunction, or access with address and value"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let value =
            option.value.as_ref().ok_or_else(|| option.name.error("a value is missing").hint(HINT))?;
        let modbus = rule.registry.protocol_named("modbus");
        match (modbus, rule.protocol) {
            (Some(modbus), RuleProtocol::App(id)) if id != modbus => {
                return Err(option.name.error("the rule's protocol has no units").hint("alert modbus"));
            }
            (Some(modbus), _) => rule.protocol = RuleProtocol::App(modbus),
            _ => {}
        }
        rule.tx_tests.push(Box::new(Wanted::parse(value)?));
        Ok(())
    }
}

/// What a request must be.
#[derive(Debug, Default)]
struct Wanted {
    unit: Option<IntTest<u64>>,
    function: Option<u64>,
    subfunction: Option<u64>,
    /// Of one of these kinds; or of none of them.
    category: Option<(u8, bool)>,
    access: Option<u8>,
    address: Option<IntTest<u64>>,
    value: Option<IntTest<u64>>,
}

impl Wanted {
    fn parse(value: &Piece<'_>) -> Result<Wanted, RuleError> {
        let mut wanted = Wanted::default();
        for part in split_commas(value)? {
            let part = part.trim();
            let (word, rest) =
                part.split_at_first(" ").ok_or_else(|| part.error("a value is missing").hint(HINT))?;
            let rest = rest.trim();
            let number = || rest.node.parse::<u64>().map_err(|_| rest.error("not a number").hint(HINT));
            let test = || IntTest::<u64>::parse(&rest).map_err(|error| error.hint(HINT));
            match word.node {
                "unit" => wanted.unit = Some(test()?),
                "function" => match rest.node.bytes().next() {
                    Some(b'0'..=b'9') => wanted.function = Some(number()?),
                    _ => wanted.category = Some(kind(&rest)?),
                },
                "subfunction" if wanted.function.is_some() => wanted.subfunction = Some(number()?),
                "access" => wanted.access = Some(accessed(&rest)?),
                "address" if wanted.access.is_some() => wanted.address = Some(test()?),
                "value" if wanted.access.is_some_and(|access| access & access::WRITE != 0) => {
                    wanted.value = Some(test()?);
                }
                "subfunction" => return Err(word.error("a subfunction is of a function").hint(HINT)),
                "address" | "value" => return Err(word.error("it needs an access before it").hint(HINT)),
                _ => return Err(word.error("none of unit, function and access").hint(HINT)),
            }
        }
        Ok(wanted)
    }
}

fn kind(piece: &Piece<'_>) -> Result<(u8, bool), RuleError> {
    let (name, not) = match piece.strip("!") {
        Some(rest) => (rest.trim(), true),
        None => (piece.clone(), false),
    };
    let bits = match name.node {
        "assigned" => category::PUBLIC_ASSIGNED,
        "unassigned" => category::PUBLIC_UNASSIGNED,
        "public" => category::PUBLIC_ASSIGNED | category::PUBLIC_UNASSIGNED,
        "user" => category::USER_DEFINED,
        "reserved" => category::RESERVED,
        "all" => u8::MAX,
        _ => {
            let hint = "a number, or one of assigned, unassigned, public, user, reserved, all";
            return Err(name.error("no kind of function").hint(hint));
        }
    };
    Ok((bits, not))
}

fn accessed(piece: &Piece<'_>) -> Result<u8, RuleError> {
    let mut words = piece.node.split_whitespace();
    let bits = match (words.next(), words.next(), words.next()) {
        (Some("read"), None, _) => access::READ,
        (Some("read"), Some("discretes"), None) => access::READ | access::DISCRETES,
        (Some("read"), Some("coils"), None) => access::READ | access::COILS,
        (Some("read"), Some("input"), None) => access::READ | access::INPUT,
        (Some("read"), Some("holding"), None) => access::READ | access::HOLDING,
        (Some("write"), None, _) => access::WRITE,
        (Some("write"), Some("coils"), None) => access::WRITE | access::COILS,
        (Some("write"), Some("holding"), None) => access::WRITE | access::HOLDING,
        _ => {
            return Err(piece
                .error("no access")
                .hint("read or write, and coils, discretes, input or holding"));
        }
    };
    Ok(bits)
}

impl Wanted {
    fn holds(&self, tx: &dyn Transaction) -> bool {
        let has = |slot, test: &IntTest<u64>| tx.number(slot, 0).is_some_and(|number| test.matches(number));
        let is = |slot, wanted: Option<u64>| wanted.is_none() || tx.number(slot, 0) == wanted;
        // no request
        let Some(kind) = tx.number(CATEGORY, 0) else { return false };
        self.unit.as_ref().is_none_or(|test| has(UNIT, test))
            && is(FUNCTION, self.function)
            && is(SUBFUNCTION, self.subfunction)
            && self.category.is_none_or(|(bits, not)| (kind as u8 & bits != 0) != not)
            && self.access.is_none_or(|access| self.accesses(tx, access))
    }

    fn accesses(&self, tx: &dyn Transaction, access: u8) -> bool {
        if tx.number(ACCESS, 0).is_none_or(|touched| touched as u8 & access != access) {
            return false;
        }
        let [first, count] = if access & access::READ != 0 { READ } else { WRITE };
        if self.address.is_none() && self.value.is_none() {
            return true;
        }
        let (Some(first), Some(count)) = (tx.number(first, 0), tx.number(count, 0)) else { return false };
        (0..count.min(VALUES_MAX as u64)).any(|nth| {
            let value = || tx.number(VALUE, nth as usize);
            self.address.as_ref().is_none_or(|test| test.matches(first + nth))
                && self.value.as_ref().is_none_or(|test| value().is_some_and(|value| test.matches(value)))
        })
    }
}

impl TxTest for Wanted {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        dir == Direction::ToServer && self.holds(tx)
    }

    fn progress(&self, _protocol: ProtocolId, dir: Direction) -> Option<u8> {
        (dir == Direction::ToServer).then_some(DONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(text: &str) -> Result<Wanted, RuleError> {
        Wanted::parse(&Piece { node: text, span: 0..text.len() })
    }

    #[test]
    fn what_is_written_is_understood() {
        for good in [
            "unit 10",
            "unit >9, function 21",
            "function 8, subfunction 4",
            "function !reserved",
            "access read coils, address 0<>2",
            "access write holding, address 500, value >200",
        ] {
            assert!(wanted(good).is_ok(), "{good}");
        }
        for bad in [
            "unit",
            "unit x",
            "function nonsense",
            "subfunction 4",
            "address 4",
            "access read, value 1",
            "access write input",
            "colour 7",
        ] {
            assert!(wanted(bad).is_err(), "{bad}");
        }
    }
}
