//! `cip_service:SERVICE[,CLASS[,ATTRIBUTE]]`: what is asked of a device.

use super::cip::unpacked;
use super::slots::SERVICE;
use crate::app::{DONE, ProtocolId, Transaction};
use crate::detect::rule::{RuleProtocol, TxTest};
use crate::detect::{Keyword, RuleBuilder};
use crate::rules::value::{Piece, split_commas};
use crate::rules::{OptionAst, RuleError};
use crate::types::Direction;

/// The keyword.
pub(super) static KEYWORDS: &[&dyn Keyword] = &[&CipService];

const HINT: &str = "write cip_service:75; or cip_service:16,246,6;";

struct CipService;

impl Keyword for CipService {
    fn name(&self) -> &'static str {
        "cip_service"
    }

    fn aliases(&self) -> &'static [&'static str] {
        &["enip.cip_service"]
    }

    fn help(&self) -> &'static str {
        "a service that a CIP request asks for, with its class and attribute"
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let value =
            option.value.as_ref().ok_or_else(|| option.name.error("a value is missing").hint(HINT))?;
        let test = Wanted::parse(value)?;
        let enip = rule.registry.protocol_named("enip");
        match (enip, rule.protocol) {
            (Some(enip), RuleProtocol::App(id)) if id != enip => {
                return Err(option.name.error("the rule's protocol has no services").hint("alert enip"));
            }
            (Some(enip), _) => rule.protocol = RuleProtocol::App(enip),
            _ => {}
        }
        rule.tx_tests.push(Box::new(test));
        Ok(())
    }
}

#[derive(Debug)]
struct Wanted {
    service: u8,
    class: Option<u16>,
    attribute: Option<u16>,
}

impl Wanted {
    fn parse(value: &Piece<'_>) -> Result<Wanted, RuleError> {
        let parts = split_commas(value)?;
        let wrong = |part: &Piece<'_>| part.error("not a number of CIP").hint(HINT);
        let word =
            |part: Option<&Piece<'_>>| part.map(|p| p.node.trim().parse::<u16>().map_err(|_| wrong(p)));
        let [service, rest @ ..] = &parts[..] else { return Err(value.error("a value is missing")) };
        if let Some(fourth) = rest.get(2) {
            return Err(fourth.error("more than service, class and attribute").hint(HINT));
        }
        Ok(Wanted {
            service: service.node.trim().parse().map_err(|_| wrong(service))?,
            class: word(rest.first()).transpose()?,
            attribute: word(rest.get(1)).transpose()?,
        })
    }
}

impl TxTest for Wanted {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        dir == Direction::ToServer
            && (0..).map_while(|nth| tx.number(SERVICE, nth)).map(unpacked).any(
                |(service, class, attribute)| {
                    service == self.service
                        && (self.class.is_none() || class == self.class)
                        && (self.attribute.is_none() || attribute == self.attribute)
                },
            )
    }

    fn progress(&self, _protocol: ProtocolId, dir: Direction) -> Option<u8> {
        (dir == Direction::ToServer).then_some(DONE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_understood() {
        let wanted = |text: &str| Wanted::parse(&Piece { node: text, span: 0..text.len() });
        for good in ["75", "16,246,6", " 3, 1 "] {
            assert!(wanted(good).is_ok(), "{good}");
        }
        for bad in ["x", "256", "1,65536", "1,2,3,4", "1,,3", ""] {
            assert!(wanted(bad).is_err(), "{bad}");
        }
    }
}
