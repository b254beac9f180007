//! `iprep`: the reputation of the packet's ends.

use std::net::IpAddr;
use std::sync::Arc;

use super::row::{Row, choice, plain, row};
use crate::detect::RuleBuilder;
use crate::detect::reputation::{Category, Reputation};
use crate::detect::rule::{PacketTest, PacketView};
use crate::rules::number::unsigned;
use crate::rules::value::{Piece, split_commas};
use crate::rules::{IntTest, OptionAst, RuleError, did_you_mean};

pub(super) static IPREP: Row =
    row("iprep", "The reputation of an address in a category: a score, or whether it has one.", iprep);

/// Which ends are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// One of both.
    Any,
    /// The source.
    Source,
    /// The destination.
    Destination,
    /// Each of both.
    Both,
}

impl Side {
    /// Names in rules.
    pub(super) const NAMES: &'static [(&'static str, Side)] =
        &[("any", Side::Any), ("src", Side::Source), ("dst", Side::Destination), ("both", Side::Both)];

    /// Whether the ends of a packet hold.
    pub(super) fn holds(self, view: &PacketView<'_>, holds: impl Fn(IpAddr) -> bool) -> bool {
        let (Some(source), Some(destination)) = (view.packet.source_ip(), view.packet.destination_ip())
        else {
            return false;
        };
        match self {
            Side::Any => holds(source) || holds(destination),
            Side::Source => holds(source),
            Side::Destination => holds(destination),
            Side::Both => holds(source) && holds(destination),
        }
    }
}

/// What is asked of a score.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ask {
    Score(IntTest<u8>),
    IsSet,
    IsNotSet,
}

#[derive(Debug)]
struct IpRep {
    reputation: Arc<Reputation>,
    category: Category,
    side: Side,
    ask: Ask,
}

impl PacketTest for IpRep {
    fn test(&self, view: &PacketView<'_>) -> bool {
        self.side.holds(view, |address| match (self.reputation.score(self.category, address), self.ask) {
            (Some(score), Ask::Score(test)) => test.matches(u64::from(score)),
            (None, Ask::Score(_)) => false,
            (score, Ask::IsSet) => score.is_some(),
            (score, Ask::IsNotSet) => score.is_none(),
        })
    }

    fn needs_packet(&self) -> bool {
        false
    }

    fn is_address(&self) -> bool {
        true
    }
}

/// `iprep:SIDE,CATEGORY,OPERATOR,SCORE`, `iprep:SIDE,CATEGORY,isset`
fn iprep(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let [side, category, rest @ ..] = parts.as_slice() else { return Err(shape(&value)) };
    let side = choice(side, "a side of a packet", Side::NAMES)?;
    let ask = match rest {
        [word] if word.node == "isset" => Ask::IsSet,
        [word] if word.node == "isnotset" => Ask::IsNotSet,
        [range] => Ask::Score(IntTest::parse(range)?),
        [operator, score] => Ask::Score(compare(operator, score)?),
        _ => return Err(shape(&value)),
    };
    let Some(reputation) = &rule.tables().reputation else {
        return Err(option.name.error("there are no reputation lists").hint(
            "name them in the configuration: reputation-categories-file, default-reputation-path, reputation-files",
        ));
    };
    let Some(number) = reputation.category(category.node) else {
        let error = category.error(format!("no category '{}'", category.node));
        return Err(match did_you_mean(category.node, reputation.names()) {
            Some(near) => error.hint(format!("did you mean '{near}'?")),
            None => error.hint("reputation-categories-file in the configuration lists them"),
        });
    };
    let test = IpRep { reputation: reputation.clone(), category: number, side, ask };
    rule.packet_tests.push(Box::new(test));
    Ok(())
}

fn shape(value: &Piece<'_>) -> RuleError {
    value
        .error("not a test of reputation")
        .hint("write iprep:src,CATEGORY,>,30; or iprep:src,CATEGORY,isset;")
}

fn compare(operator: &Piece<'_>, score: &Piece<'_>) -> Result<IntTest<u8>, RuleError> {
    /// How a test is made of a score.
    type Make = fn(u8) -> IntTest<u8>;
    const OPERATORS: &[(&str, Make)] = &[
        ("<", IntTest::Lt),
        ("<=", IntTest::Le),
        (">", IntTest::Gt),
        (">=", IntTest::Ge),
        ("=", IntTest::Eq),
        ("==", IntTest::Eq),
        ("!", IntTest::Ne),
        ("!=", IntTest::Ne),
    ];
    let make = choice(operator, "a comparison", OPERATORS)?;
    Ok(make(unsigned(score, u64::from(u8::MAX))? as u8))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, ipv4_test_with};
    use super::*;
    use crate::detect::Tables;
    use crate::detect::reputation::Builder;

    fn tables() -> Tables {
        let mut builder = Builder::default();
        assert_eq!(builder.categories(b"1,bad,Bad hosts\n2,good,Good hosts"), []);
        // packets go from 10.0.0.1 to 10.0.0.2
        assert_eq!(builder.list(b"10.0.0.1,1,10\n10.0.0.0/24,1,20\n10.0.0.2,2,0"), []);
        Tables { reputation: Some(Arc::new(builder.build())), ..Tables::default() }
    }

    #[test]
    fn scores_of_both_ends_are_compared() {
        let tables: &'static Tables = Box::leak(Box::new(tables()));
        for (text, expected) in [
            ("src,bad,=,10", true),
            ("src,bad,==,10", true),
            ("src,bad,>,10", false),
            ("src,bad,>=,10", true),
            ("src,bad,<,10", false),
            ("src,bad,<=,10", true),
            ("src,bad,!=,11", true),
            ("src,bad,!,10", false),
            ("src,bad,5-15", true),
            ("src,bad,10<>20", false),
            ("dst,bad,>,10", true),
            ("any,bad,>,15", true),
            ("both,bad,>,15", false),
            ("both,bad,>,5", true),
            ("src,good,<,5", false),
            ("dst,good,=,0", true),
            ("dst, good , < , 5", true),
            ("src,good,isset", false),
            ("dst,good,isset", true),
            ("any,good,isset", true),
            ("both,good,isset", false),
            ("src,good,isnotset", true),
            ("any,bad,isnotset", false),
            ("both,good,isnotset", false),
        ] {
            assert_eq!(ipv4_test_with(&format!("iprep:{text};"), tables), expected, "{text}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        check_errors(&[
            ("iprep:any,x,>,1;", "there are no reputation lists"),
            ("iprep:any,x;", "not a test of reputation"),
            ("iprep:any,x,>,1,5;", "not a test of reputation"),
            ("iprep:foo,x,>,1;", "\"foo\" is not a side of a packet"),
            ("iprep:any,x,~,1;", "\"~\" is not a comparison"),
            ("iprep:any,x,>,300;", "\"300\" is out of range"),
            ("iprep:any,x,foo;", "\"foo\" is not a number"),
        ]);
    }
}
