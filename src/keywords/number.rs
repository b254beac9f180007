//! The keywords that are numbers of a transaction (`dns.opcode`, `urilen`, …): protocols list them, this compiles their test.

use super::row::{plain, value};
use crate::app::{ProtocolId, Slot, Transaction};
use crate::detect::buffer::Source;
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{Kind, RuleBuilder};
use crate::rules::number::IntTest;
use crate::rules::value::Piece;
use crate::rules::{OptionAst, RuleError};
use crate::types::Direction;

/// Numbers of one slot that are looked at.
const NTH_MAX: usize = 4096;

/// A number of a transaction passes a test; of several, one does.
#[derive(Debug)]
pub struct NumberTest {
    test: IntTest<u64>,
    sources: Vec<Source>,
}

impl NumberTest {
    fn slot(&self, tx: &dyn Transaction, slot: Slot, kind: Kind) -> bool {
        let many = if kind == Kind::Multi { NTH_MAX } else { 1 };
        (0..many).map_while(|nth| tx.number(slot, nth)).any(|number| self.test.matches(number))
    }
}

impl TxTest for NumberTest {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        let places = self.sources.iter().map(|source| &source.place).filter(|place| place.dir == dir);
        places.into_iter().any(|place| self.slot(tx, place.slot, place.kind))
    }

    fn progress(&self, protocol: ProtocolId, dir: Direction) -> Option<u8> {
        let places = self.sources.iter().filter(|s| s.protocol == protocol && s.place.dir == dir);
        places.map(|source| source.place.progress).max()
    }
}

/// Compiles a number keyword (`Word::Number`): the usual integer operators, or one of its names.
///
/// A keyword that one protocol has makes a rule on a transport a rule of that protocol. Of a keyword that several have, the
/// places of the rule's protocol serve; in a rule on a transport all do.
pub fn compile_number(id: u16, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let number = rule.registry.number(id);
    let piece = value(option)?;
    let test = match named(&piece, number.names) {
        Some(test) => test,
        None => IntTest::parse(&plain(option)?).map_err(|error| match number.names {
            [] => error,
            names => {
                let known = names.iter().map(|(name, _)| *name).collect::<Vec<_>>();
                match crate::rules::did_you_mean(piece.node, known.iter().copied()) {
                    Some(near) => error.hint(format!("did you mean {near}?")),
                    None => error.hint(format!("a number, or one of {}", known.join(", "))),
                }
            }
        })?,
    };
    let sources = match rule.protocol {
        protocol @ (RuleProtocol::App(_) | RuleProtocol::Either(..)) => {
            let own: Vec<_> =
                number.sources.iter().filter(|s| protocol.is_app(s.protocol)).copied().collect();
            if own.is_empty() {
                return Err(option.name.error(format!("the rule's protocol has no {}", number.name)));
            }
            own
        }
        _ => {
            let first = number.sources.first().map(|source| source.protocol);
            if let Some(only) = first.filter(|p| number.sources.iter().all(|source| source.protocol == *p)) {
                rule.protocol = RuleProtocol::App(only);
            }
            number.sources.clone()
        }
    };
    rule.tx_tests.push(Box::new(NumberTest { test, sources }));
    Ok(())
}

/// `NAME`, `!NAME`, `=NAME`, in any case.
fn named(piece: &Piece<'_>, names: &[(&'static str, u64)]) -> Option<IntTest<u64>> {
    let find = |text: &str| {
        names.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)).map(|(_, number)| *number)
    };
    if let Some(number) = find(piece.node) {
        return Some(IntTest::Eq(number));
    }
    if let Some(rest) = piece.strip("!=").or_else(|| piece.strip("!")) {
        return find(rest.node).map(IntTest::Ne);
    }
    find(piece.strip("=")?.node).map(IntTest::Eq)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestTx, check_errors, check_loads, with};
    use super::*;

    #[test]
    fn numbers_of_a_transaction_are_compared() {
        let tx = TestTx { numbers: vec![vec![5], vec![1, 28, 300], vec![]], ..TestTx::default() };
        for (text, expected) in [
            ("test.one:5;", true),
            ("test.one:>5;", false),
            ("test.one:!5;", false),
            ("test.one:5-10;", false),
            ("test.one:4<>6;", true),
            ("test.one:&0x4=4;", true),
            ("test.many:28;", true),
            ("test.many:AAAA;", true),
            ("test.many:aaaa;", true),
            ("test.many:!a;", true),
            ("test.many:MX;", false),
            ("test.many:>300;", false),
            ("test.none:0;", false),
            ("test.none:!0;", false),
        ] {
            with(text, |rule| {
                let rule = rule.unwrap();
                assert_eq!(rule.tx_tests[0].test(&tx, Direction::ToServer), expected, "{text}");
                assert!(!rule.tx_tests[0].test(&tx, Direction::ToClient), "{text}");
                let RuleProtocol::App(http) = rule.protocol else { panic!() };
                assert_eq!(rule.tx_tests[0].progress(http, Direction::ToServer), Some(3));
            });
        }
        check_loads(&["test.one: 5 ;", "test.many:=MX;"]);
        check_errors(&[
            ("test.one:x;", "\"x\" is not a number"),
            ("test.many:AAAAB;", "\"AAAAB\" is not a number"),
            ("test.one;", "test.one needs a value"),
            ("test.one:\"5\";", "this keyword takes no quotes"),
        ]);
    }
}
