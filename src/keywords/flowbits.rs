//! What flows and hosts remember: `flowbits`, `flowint`, `xbits`, `hostbits`.

use super::row::{Row, choice, plain, row};
use crate::detect::RuleBuilder;
use crate::detect::rule::{BitOp, HostBit, Track, VarAction, VarTest};
use crate::flow::Vars;
use crate::rules::number::unsigned;
use crate::rules::value::{Piece, pair, split, split_commas};
use crate::rules::{OptionAst, RuleError};

pub(super) static FLOWBITS: Row = row("flowbits", "Sets, clears or asks for a bit of the flow.", flowbits);
pub(super) static FLOWINT: Row = row("flowint", "Changes or compares an integer of the flow.", flowint);
pub(super) static XBITS: Row = row("xbits", "Sets, clears or asks for a bit of an address or a pair.", xbits);
pub(super) static HOSTBITS: Row = row("hostbits", "Sets, clears or asks for a bit of a host.", hostbits);

/// Seconds that a bit of xbits lives when the rule does not say.
const XBITS_EXPIRE: u32 = 30;
/// The same of hostbits.
const HOSTBITS_EXPIRE: u32 = 300;

const OPERATIONS: &[(&str, BitOp)] = &[
    ("set", BitOp::Set),
    ("unset", BitOp::Unset),
    ("toggle", BitOp::Toggle),
    ("isset", BitOp::IsSet),
    ("isnotset", BitOp::IsNotSet),
];

/// One of these bits is set.
#[derive(Debug)]
struct AnySet(Box<[u32]>);

impl VarTest for AnySet {
    fn test(&self, vars: &Vars) -> bool {
        self.0.iter().any(|bit| vars.bit(*bit))
    }
}

/// One of these bits is not set.
#[derive(Debug)]
struct AnyNotSet(Box<[u32]>);

impl VarTest for AnyNotSet {
    fn test(&self, vars: &Vars) -> bool {
        self.0.iter().any(|bit| !vars.bit(*bit))
    }
}

#[derive(Debug)]
struct ChangeBit(u32, BitOp);

impl VarAction for ChangeBit {
    fn act(&self, vars: &mut Vars) {
        let on = match self.1 {
            BitOp::Set => true,
            BitOp::Toggle => !vars.bit(self.0),
            BitOp::Unset | BitOp::IsSet | BitOp::IsNotSet => false,
        };
        vars.set_bit(self.0, on);
    }
}

/// A name without blanks.
fn named<'t>(piece: &Piece<'t>) -> Result<&'t str, RuleError> {
    if let Some(at) = piece.node.find(|c: char| c.is_ascii_whitespace()) {
        return Err(piece.error_at(at, "a blank within a name").hint("write it with dots or underscores"));
    }
    if piece.node.is_empty() {
        return Err(piece.error("a name is missing"));
    }
    Ok(piece.node)
}

fn flowbits(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let Some((operation, name)) = value.split_at_first(",") else {
        if value.node == "noalert" {
            rule.noalert = true;
            return Ok(());
        }
        let known = choice(&value, "an operation of flowbits", OPERATIONS);
        return Err(
            known.map_or_else(|e| e, |_| value.error("a name is missing").hint("write flowbits:set,NAME;"))
        );
    };
    if operation.node == "noalert" {
        return Err(name.error("noalert takes no name").hint("write flowbits:noalert;"));
    }
    let operation = choice(&operation, "an operation of flowbits", OPERATIONS)?;
    let mut bits = Vec::new();
    for name in split(&name, b'|') {
        let name = named(&name)?;
        bits.push(rule.names.flowbit(name));
    }
    match (operation, bits.as_slice()) {
        (BitOp::IsSet, _) => rule.var_tests.push(Box::new(AnySet(bits.into()))),
        (BitOp::IsNotSet, _) => rule.var_tests.push(Box::new(AnyNotSet(bits.into()))),
        (change, [bit]) => rule.var_actions.push(Box::new(ChangeBit(*bit, change))),
        _ => {
            return Err(name
                .error("only isset and isnotset take several names")
                .hint("write one flowbits option for each name"));
        }
    }
    Ok(())
}

/// A number, or another integer of the flow, 0 when that was never set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operand {
    Value(u32),
    Int(u32),
}

impl Operand {
    fn value(self, vars: &Vars) -> u32 {
        match self {
            Operand::Value(value) => value,
            Operand::Int(id) => vars.int(id).unwrap_or(0),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    More,
    MoreEqual,
}

/// A comparison; an integer that was never set passes none.
#[derive(Debug)]
struct CompareInt(u32, Compare, Operand);

impl VarTest for CompareInt {
    fn test(&self, vars: &Vars) -> bool {
        let Some(left) = vars.int(self.0) else { return false };
        let right = self.2.value(vars);
        match self.1 {
            Compare::Equal => left == right,
            Compare::NotEqual => left != right,
            Compare::Less => left < right,
            Compare::LessEqual => left <= right,
            Compare::More => left > right,
            Compare::MoreEqual => left >= right,
        }
    }
}

#[derive(Debug)]
struct IntIsSet(u32, bool);

impl VarTest for IntIsSet {
    fn test(&self, vars: &Vars) -> bool {
        vars.int(self.0).is_some() == self.1
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Change {
    Set,
    Add,
    Subtract,
}

#[derive(Debug)]
struct ChangeInt(u32, Change, Operand);

impl VarAction for ChangeInt {
    fn act(&self, vars: &mut Vars) {
        let right = self.2.value(vars);
        let value = match (self.1, vars.int(self.0)) {
            (Change::Set, _) => right,
            (Change::Add, left) => left.unwrap_or(0).saturating_add(right),
            // what was never set has nothing to give
            (Change::Subtract, None) => return,
            (Change::Subtract, Some(left)) => left.saturating_sub(right),
        };
        vars.set_int(self.0, value);
    }
}

#[derive(Clone, Copy)]
enum IntOp {
    Test(Compare),
    Change(Change),
    IsSet(bool),
}

const INT_OPERATIONS: &[(&str, IntOp)] = &[
    ("+", IntOp::Change(Change::Add)),
    ("-", IntOp::Change(Change::Subtract)),
    ("=", IntOp::Change(Change::Set)),
    (">", IntOp::Test(Compare::More)),
    ("<", IntOp::Test(Compare::Less)),
    (">=", IntOp::Test(Compare::MoreEqual)),
    ("<=", IntOp::Test(Compare::LessEqual)),
    ("==", IntOp::Test(Compare::Equal)),
    ("!=", IntOp::Test(Compare::NotEqual)),
    ("isset", IntOp::IsSet(true)),
    ("notset", IntOp::IsSet(false)),
    ("isnotset", IntOp::IsSet(false)),
];

fn flowint(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let (name, operation, operand) = match parts.as_slice() {
        [name, operation] => (name, operation, None),
        [name, operation, operand] => (name, operation, Some(operand)),
        _ => return Err(value.error("not a flowint").hint("write flowint:NAME,+,1; or flowint:NAME,isset;")),
    };
    let id = rule.names.flowint(named(name)?);
    let kind = choice(operation, "an operation of flowint", INT_OPERATIONS)?;
    if let IntOp::IsSet(wanted) = kind {
        rule.var_tests.push(Box::new(IntIsSet(id, wanted)));
        return Ok(());
    }
    let Some(operand) = operand else {
        return Err(operation
            .error("this operation needs a value")
            .hint("write a number or the name of another flowint"));
    };
    let operand = match operand.node.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
        true => Operand::Value(unsigned(operand, u64::from(u32::MAX))? as u32),
        false => Operand::Int(rule.names.flowint(named(operand)?)),
    };
    match kind {
        IntOp::Test(compare) => rule.var_tests.push(Box::new(CompareInt(id, compare, operand))),
        IntOp::Change(change) => rule.var_actions.push(Box::new(ChangeInt(id, change, operand))),
        IntOp::IsSet(_) => {}
    }
    Ok(())
}

fn add_host_bit(rule: &mut RuleBuilder<'_>, bit: HostBit) {
    match bit.op {
        BitOp::IsSet | BitOp::IsNotSet => rule.host_tests.push(bit),
        BitOp::Set | BitOp::Unset | BitOp::Toggle => rule.host_actions.push(bit),
    }
}

/// `xbits:OPERATION,NAME,track ip_src|ip_dst|ip_pair|tx[,expire SECONDS]`
fn xbits(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let hint = "write xbits:set,NAME,track ip_src,expire 3600;";
    let [operation, name, rest @ ..] = parts.as_slice() else {
        return Err(value.error("not an xbits").hint(hint));
    };
    let op = choice(operation, "an operation of xbits", OPERATIONS)?;
    let bit = rule.names.hostbit(&format!("xbits:{}", named(name)?));
    let (mut track, mut expire) = (None, XBITS_EXPIRE);
    for part in rest {
        let pair = pair(part);
        match pair.key.node {
            "track" => {
                let tracks = [
                    ("ip_src", Track::Source),
                    ("ip_dst", Track::Destination),
                    ("ip_pair", Track::Both),
                    ("tx", Track::Tx),
                ];
                track = Some(choice(pair.required()?, "whom xbits tracks", &tracks)?);
            }
            "expire" => {
                expire = unsigned(pair.required()?, u64::from(u32::MAX))? as u32;
                if expire == 0 {
                    return Err(pair.required()?.error("expire begins at 1 second"));
                }
            }
            _ => return Err(pair.key.error("not an option of xbits").hint("one of track, expire")),
        }
    }
    let Some(track) = track else { return Err(value.error("track is missing").hint(hint)) };
    add_host_bit(rule, HostBit { bit, op, track, expire });
    Ok(())
}

/// `hostbits:OPERATION,NAME[,src|dst]`
fn hostbits(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    if value.node == "noalert" {
        rule.noalert = true;
        return Ok(());
    }
    let parts = split_commas(&value)?;
    let (operation, name, end) = match parts.as_slice() {
        [operation, name] => (operation, name, None),
        [operation, name, end] => (operation, name, Some(end)),
        _ => return Err(value.error("not a hostbits").hint("write hostbits:set,NAME,src;")),
    };
    let op = choice(operation, "an operation of hostbits", OPERATIONS)?;
    let track = match end {
        None => Track::Source,
        Some(end) if end.node == "both" => {
            return Err(end.error("both is not supported").hint("one of src, dst"));
        }
        Some(end) => choice(end, "an end", &[("src", Track::Source), ("dst", Track::Destination)])?,
    };
    let bit = rule.names.hostbit(&format!("hostbits:{}", named(name)?));
    add_host_bit(rule, HostBit { bit, op, track, expire: HOSTBITS_EXPIRE });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, check_loads, with_names};
    use super::*;
    use crate::detect::Names;

    /// Runs rules over one flow in order; which of them held.
    fn run(rules: &[&str]) -> Vec<bool> {
        let (mut names, mut vars) = (Names::default(), Vars::default());
        let mut held = Vec::new();
        for text in rules {
            with_names(text, &mut names, |rule| {
                let rule = rule.unwrap();
                let holds = rule.var_tests.iter().all(|test| test.test(&vars));
                if holds {
                    rule.var_actions.iter().for_each(|action| action.act(&mut vars));
                }
                held.push(holds);
            });
        }
        held
    }

    #[test]
    fn bits_are_remembered() {
        for (text, expected) in [
            ("flowbits:isset,b;", false),
            ("flowbits:isset,a;", true),
            ("flowbits:isset,a|b;", true),
            ("flowbits:isset, b | a ;", true),
            ("flowbits:isnotset,a|b;", true),
            ("flowbits:isnotset,a|a;", false),
            ("flowbits:isnotset,b;", true),
        ] {
            assert_eq!(run(&["flowbits:set,a;", text])[1], expected, "{text}");
        }
        assert!(!run(&["flowbits:set,a;", "flowbits:unset,a;", "flowbits:isset,a;"])[2]);
        assert_eq!(
            run(&["flowbits:toggle,a;", "flowbits:isset,a;", "flowbits:toggle,a;", "flowbits:isset,a;"])[1..],
            [true, true, false]
        );
    }

    #[test]
    fn integers_are_counted() {
        for (before, text, expected) in [
            ("flowint:x,=,1;", "flowint:nope,!=,5;", false),
            ("flowint:x,+,3;", "flowint:x,==,3;", true),
            ("flowint:x,-,3;", "flowint:x,notset;", true),
            ("flowint:x,-,3;", "flowint:x,isnotset;", true),
            ("flowint:x,=,3;", "flowint:x,isset;", true),
            ("flowint:x,=,3;", "flowint:x,>,unset_one;", true),
            ("flowint:x,=,3;", "flowint:x,<,3;", false),
            ("flowint:x,=,3;", "flowint:x,<=,3;", true),
            ("flowint:x,=,3;", "flowint:x,>=,4;", false),
            ("flowint:x,=,3;", "flowint:x,!=,4;", true),
        ] {
            assert_eq!(run(&[before, text])[1], expected, "{before} {text}");
        }
        assert!(run(&["flowint:a,=,2;", "flowint:b,=,a;", "flowint:b,-,5;", "flowint:b,==,0;"])[3]);
        assert!(run(&["flowint:a,=,4294967295;", "flowint:a,+,a;", "flowint:a,==,4294967295;"])[2]);
    }

    #[test]
    fn bits_of_hosts_are_kept_apart() {
        let mut names = Names::default();
        let mut bits = Vec::new();
        for text in [
            "xbits:set,a,track ip_src,expire 10;",
            "xbits:isset,a,track ip_pair;",
            "hostbits:isset,a;",
            "hostbits:toggle,a,dst;",
        ] {
            with_names(text, &mut names, |rule| {
                let rule = rule.unwrap();
                bits.extend(rule.host_tests.iter().chain(&rule.host_actions).copied());
            });
        }
        use BitOp::*;
        use Track::*;
        let bit = |bit, op, track, expire| HostBit { bit, op, track, expire };
        assert_eq!(
            bits,
            [
                bit(0, Set, Source, 10),
                bit(0, IsSet, Both, 30),
                bit(1, IsSet, Source, 300),
                bit(1, Toggle, Destination, 300)
            ]
        );
    }

    #[test]
    fn mistakes_are_told() {
        check_loads(&[
            "flowbits:noalert;",
            "hostbits:noalert;",
            "flowbits:set, a;",
            "flowbits:isset,a&b;",
            "flowint: ab , + , 1 ;",
        ]);
        check_errors(&[
            ("flowbits:set,a b;", "a blank within a name"),
            ("flowbits:foo,a;", "\"foo\" is not an operation of flowbits"),
            ("flowbits:reset;", "\"reset\" is not an operation of flowbits"),
            ("flowbits:set;", "a name is missing"),
            ("flowbits:set,;", "a name is missing"),
            ("flowbits:noalert,a;", "noalert takes no name"),
            ("flowbits:set,a|b;", "only isset and isnotset take several names"),
            ("flowint:x,*,1;", "\"*\" is not an operation of flowint"),
            ("flowint:x,+;", "this operation needs a value"),
            ("flowint:x,+,-1;", "\"-1\" is not a number"),
            ("flowint:x y,+,1;", "a blank within a name"),
            ("flowint:x;", "not a flowint"),
            ("xbits:set,a;", "track is missing"),
            ("xbits:set,a,track rule;", "\"rule\" is not whom xbits tracks"),
            ("xbits:set,a,track ip_dst,expire 0;", "expire begins at 1 second"),
            ("xbits:set,a,ip_src;", "not an option of xbits"),
            ("hostbits:set,a,both;", "both is not supported"),
            ("hostbits:set;", "not a hostbits"),
        ]);
    }
}
