//! Rules about the time in which a certificate holds: `tls_cert_notbefore:1998-05-01<>2008-05-01`, `tls_cert_expired`.

use std::ops::{Bound, RangeBounds as _};

use super::keywords::narrow;
use super::slots::{CERTIFICATE, NOT_AFTER};
use crate::app::{ProtocolId, Slot, Transaction};
use crate::detect::rule::{Beside, TxTest};
use crate::detect::{Keyword, RuleBuilder};
use crate::rules::{OptionAst, RuleError};
use crate::types::Direction;

/// What a date may look like.
const DATES: &str =
    "a date is 2015-10, 2015-10-22, 2015-10-22T23:59, 2015-10-22T23:59:59 (UTC), or seconds since 1970";

/// `tls_cert_notbefore`, `tls_cert_notafter`: a date, before one, after one, or from one to another, both included.
pub(super) struct Date {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    pub(super) slot: Slot,
}

impl Keyword for Date {
    fn name(&self) -> &'static str {
        self.name
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        let Some(value) = &option.value else {
            return Err(
                RuleError::new(option.name.span.clone(), format!("{} needs a date", self.name)).hint(DATES)
            );
        };
        let wrong = || value.error(format!("'{}' is not a date", value.node)).hint(DATES);
        let text = value.node.trim();
        let date = |text: &str| seconds(text.trim()).ok_or_else(wrong);
        let within = match (text.split_once("<>"), text.get(..1), text.get(1..)) {
            (Some((from, to)), ..) => {
                let (from, to) = (date(from)?, date(to)?);
                if from > to {
                    return Err(value.error("the second date is before the first"));
                }
                (Bound::Included(from), Bound::Included(to))
            }
            (None, Some("<"), Some(rest)) => (Bound::Unbounded, Bound::Excluded(date(rest)?)),
            (None, Some(">"), Some(rest)) => (Bound::Excluded(date(rest)?), Bound::Unbounded),
            _ => {
                let time = date(text)?;
                (Bound::Included(time), Bound::Included(time))
            }
        };
        rule.tx_tests.push(Box::new(DateTest { slot: self.slot, within }));
        narrow(rule);
        Ok(())
    }
}

#[derive(Debug)]
struct DateTest {
    slot: Slot,
    within: (Bound<u64>, Bound<u64>),
}

impl TxTest for DateTest {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        dir == Direction::ToClient && tx.number(self.slot, 0).is_some_and(|time| self.within.contains(&time))
    }

    fn progress(&self, _protocol: ProtocolId, dir: Direction) -> Option<u8> {
        (dir == Direction::ToClient).then_some(CERTIFICATE)
    }
}

/// `tls_cert_expired`, and `tls_cert_valid`, its opposite: from when on a certificate holds is not asked.
pub(super) struct Holds {
    pub(super) name: &'static str,
    pub(super) help: &'static str,
    /// Whether a certificate that holds is meant, or one that does not any more.
    pub(super) valid: bool,
}

impl Keyword for Holds {
    fn name(&self) -> &'static str {
        self.name
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        if let Some(value) = &option.value {
            return Err(value.error(format!("{} has no value", self.name)));
        }
        rule.tx_tests.push(Box::new(HoldsTest { valid: self.valid }));
        narrow(rule);
        Ok(())
    }
}

#[derive(Debug)]
struct HoldsTest {
    valid: bool,
}

impl TxTest for HoldsTest {
    fn test(&self, _tx: &dyn Transaction, _dir: Direction) -> bool {
        false
    }

    fn test_beside(&self, tx: &dyn Transaction, dir: Direction, beside: Beside) -> bool {
        let now = beside.now.seconds();
        dir == Direction::ToClient && tx.number(NOT_AFTER, 0).is_some_and(|to| (now <= to) == self.valid)
    }

    fn progress(&self, _protocol: ProtocolId, dir: Direction) -> Option<u8> {
        (dir == Direction::ToClient).then_some(CERTIFICATE)
    }
}

/// Seconds since 1970 of a date in UTC; `None` for what is none, or one before. Digits alone are seconds, also `2015`, as the peer has it.
fn seconds(text: &str) -> Option<u64> {
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?;
    if !text.is_empty() && !text.contains('-') {
        return digits(text);
    }
    let (date, time) = text.split_once(['T', ' ']).map_or((text, None), |(date, time)| (date, Some(time)));
    let part = |text: &str, len: usize| digits(text).filter(|_| text.len() == len);
    let mut parts = date.split('-');
    let year = part(parts.next()?, 4)?;
    let rest: Vec<&str> = parts.collect();
    let [month, day] = match (rest.as_slice(), time) {
        ([month], None) => [part(month, 2)?, 1],
        ([month, day], _) => [part(month, 2)?, part(day, 2)?],
        _ => return None,
    };
    let clock: Vec<u64> = match time {
        None => vec![0, 0, 0],
        Some(time) => time.split(':').map(|text| part(text, 2)).collect::<Option<_>>()?,
    };
    let (hour, minute, second) = match clock.as_slice() {
        [hour, minute] => (*hour, *minute, 0),
        [hour, minute, second] => (*hour, *minute, *second),
        _ => return None,
    };
    let known =
        (1..=12).contains(&month) && (1..=31).contains(&day) && hour < 24 && minute < 60 && second <= 60;
    // a year that begins with March has its leap day at its end
    let (of, nth) = if month > 2 { (year, month - 3) } else { (year.checked_sub(1)?, month + 9) };
    let days = of * 365 + of / 4 - of / 100 + of / 400 + (nth * 153 + 2) / 5 + day - 1;
    // 1970-01-01 in these days
    let since = days.checked_sub(719_468)?;
    known.then_some(since * 86_400 + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::seconds;

    #[test]
    fn dates_are_read_as_people_write_them() {
        for (text, wanted) in [
            ("1970-01", Some(0)),
            ("1970-01-01T00:00:01", Some(1)),
            ("2000-02-29", Some(951_782_400)),
            ("2000-03-01", Some(951_868_800)),
            ("2015", Some(2015)),
            ("2015-01", Some(1_420_070_400)),
            ("2015-10", Some(1_443_657_600)),
            ("2015-10-22T23:59", Some(1_445_558_340)),
            ("2015-10-22 23:59:59", Some(1_445_558_399)),
            ("1445852105", Some(1_445_852_105)),
            ("9999-12-31T23:59:59", Some(253_402_300_799)),
            ("1969-12", None),
            ("0000-01", None),
            ("2015-13-01", None),
            ("2015-1-1", None),
            ("2015-10T10:00", None),
            ("2015-10-22T25:00", None),
            ("2015-10-22T", None),
            ("99999999999999999999999", None),
            ("x", None),
            ("", None),
            ("é", None),
        ] {
            assert_eq!(seconds(text), wanted, "{text}");
        }
    }
}
