//! `ldap.responses.operation` and `ldap.responses.result_code`: what answers say, with which of them must say it.

use super::names::{OPERATIONS, RESULTS};
use super::slots::{RESPONSES_OPERATION, RESPONSES_RESULT};
use crate::app::{DONE, ProtocolId, Slot, Transaction};
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{Keyword, RuleBuilder};
use crate::protocols::values::ROWS_MAX;
use crate::rules::value::{Piece, split_commas};
use crate::rules::{IntTest, OptionAst, RuleError};
use crate::types::Direction;

/// The keywords.
pub(super) static KEYWORDS: &[&dyn Keyword] = &[
    &Indexed {
        name: "ldap.responses.operation",
        help: "what an answer is, by number or name, with its place: search_result_entry,0 or any, all",
        slot: RESPONSES_OPERATION,
        names: OPERATIONS,
    },
    &Indexed {
        name: "ldap.responses.result_code",
        help: "the result of an answer, by number or name, with its place: invalid_credentials,0 or any, all",
        slot: RESPONSES_RESULT,
        names: RESULTS,
    },
];

struct Indexed {
    name: &'static str,
    help: &'static str,
    slot: Slot,
    names: &'static [(&'static str, u64)],
}

/// Which of the answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    Any,
    All,
    /// From the front; with a minus from the end, -1 is the last.
    Nth(i32),
}

#[derive(Debug)]
struct IndexedTest {
    slot: Slot,
    test: IntTest<u64>,
    which: Which,
}

impl Keyword for Indexed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let hint =
            || format!("write {}:{}; or with which answer: ,0 ,-1 ,any ,all", self.name, self.names[1].0);
        let value =
            option.value.as_ref().ok_or_else(|| option.name.error("a value is missing").hint(hint()))?;
        let test = self.parse(value).map_err(|error| error.hint(hint()))?;
        let ldap = rule.registry.protocol_named("ldap");
        match (ldap, rule.protocol) {
            (Some(ldap), RuleProtocol::App(id)) if id != ldap => {
                return Err(option
                    .name
                    .error(format!("the rule's protocol has no {}", self.name))
                    .hint("alert ldap"));
            }
            (Some(ldap), _) => rule.protocol = RuleProtocol::App(ldap),
            _ => {}
        }
        rule.tx_tests.push(Box::new(test));
        Ok(())
    }
}

impl Indexed {
    fn parse(&self, value: &Piece<'_>) -> Result<IndexedTest, RuleError> {
        let parts = split_commas(value)?;
        let [number, rest @ ..] = &parts[..] else { return Err(value.error("a value is missing")) };
        let number = number.trim();
        let known = self.names.iter().find(|(name, _)| name.eq_ignore_ascii_case(number.node));
        let test = match known {
            Some((_, known)) => IntTest::Eq(*known),
            None => IntTest::parse(&number)?,
        };
        let which = match rest {
            [] => Which::Any,
            [which] => match which.node.trim() {
                "any" => Which::Any,
                "all" => Which::All,
                nth => Which::Nth(nth.parse().map_err(|_| which.error("not a place among answers"))?),
            },
            [_, third, ..] => return Err(third.error("more than a value and a place")),
        };
        Ok(IndexedTest { slot: self.slot, test, which })
    }
}

impl TxTest for IndexedTest {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        if dir != Direction::ToClient {
            return false;
        }
        let numbers = || (0..ROWS_MAX).map_while(|nth| tx.number(self.slot, nth));
        match self.which {
            Which::Any => numbers().any(|number| self.test.matches(number)),
            Which::All => numbers().next().is_some() && numbers().all(|number| self.test.matches(number)),
            Which::Nth(nth) => {
                let at = match usize::try_from(nth) {
                    Ok(at) => Some(at),
                    Err(_) => numbers().count().checked_sub(nth.unsigned_abs() as usize),
                };
                at.and_then(|at| tx.number(self.slot, at)).is_some_and(|number| self.test.matches(number))
            }
        }
    }

    fn progress(&self, _protocol: ProtocolId, dir: Direction) -> Option<u8> {
        (dir == Direction::ToClient).then_some(DONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_understood() {
        let operation = Indexed { name: "", help: "", slot: Slot(0), names: OPERATIONS };
        let parse = |text: &str| operation.parse(&Piece { node: text, span: 0..text.len() });
        for (text, which) in [
            ("bind_response", Which::Any),
            ("5", Which::Any),
            (">4,all", Which::All),
            ("search_result_entry,0", Which::Nth(0)),
            ("search_result_done, -1", Which::Nth(-1)),
        ] {
            assert_eq!(parse(text).unwrap().which, which, "{text}");
        }
        for bad in ["", "nonsense", "1,x", "1,2,3", "1,"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
