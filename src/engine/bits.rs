//! Which rules set, and which ask for, the bits and integers that flows and hosts carry: read from the rules' texts, so that
//! rules whose protocol is not supported yet count too.

use std::collections::BTreeMap;
use std::ops::Range;

use crate::rules::RuleAst;
use crate::rules::value::{split, text};

/// Where a rule stands: its file and its place in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleAt {
    /// Index of the source.
    pub source: usize,
    /// Index of the rule in it.
    pub rule: usize,
    /// Generator.
    pub gid: u32,
    /// Signature, 0 when it has none.
    pub sid: u32,
}

/// A bit by the kind of keyword and its name.
pub type BitKey = (&'static str, String);

/// What is done with one bit, by whom.
#[derive(Clone, Debug, Default)]
pub struct Uses {
    /// Rules that set or change it.
    pub set: Vec<(RuleAt, Range<usize>)>,
    /// Rules that ask for it to be set. (Asking for a bit that is not set needs nobody who sets it.)
    pub tested: Vec<(RuleAt, Range<usize>)>,
    /// Rules that ask for it not to be set.
    pub tested_not: Vec<(RuleAt, Range<usize>)>,
}

/// All bits of a rule set.
#[derive(Clone, Debug, Default)]
pub struct Bits(BTreeMap<BitKey, Uses>);

/// What an option does with a bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BitUse {
    /// Sets or changes.
    Set,
    /// Takes away: neither a setter nor a question.
    Unset,
    /// Must be set.
    Test,
    /// Must not be set.
    TestNot,
}

impl Bits {
    /// Takes note of a rule.
    pub fn add(&mut self, ast: &RuleAst<'_>, at: RuleAt) {
        for (key, what, span) in uses(ast) {
            let uses = self.0.entry(key).or_default();
            match what {
                BitUse::Set => uses.set.push((at, span)),
                BitUse::Test => uses.tested.push((at, span)),
                BitUse::TestNot => uses.tested_not.push((at, span)),
                BitUse::Unset => {}
            }
        }
    }

    /// Every bit, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&BitKey, &Uses)> {
        self.0.iter()
    }

    /// One bit.
    pub fn find(&self, key: &BitKey) -> Option<&Uses> {
        self.0.get(key)
    }
}

/// What one rule does with bits.
pub fn uses(ast: &RuleAst<'_>) -> Vec<(BitKey, BitUse, Range<usize>)> {
    let mut found = Vec::new();
    for option in &ast.options {
        let kind = match option.name.node.to_ascii_lowercase().as_str() {
            "flowbits" => "flowbits",
            "xbits" => "xbits",
            "hostbits" => "hostbits",
            "flowint" => "flowint",
            _ => continue,
        };
        let Some(value) = &option.value else { continue };
        let Ok(value) = text(value) else { continue };
        let parts = split(&value.text, b',');
        let [first, second, ..] = parts.as_slice() else { continue };
        let (operation, names) = if kind == "flowint" { (second, first) } else { (first, second) };
        let what = match operation.node {
            "set" | "toggle" | "+" | "-" | "=" => BitUse::Set,
            "unset" => BitUse::Unset,
            "isnotset" | "notset" => BitUse::TestNot,
            _ => BitUse::Test,
        };
        for name in split(names, b'|') {
            found.push(((kind, name.node.to_owned()), what, name.span.clone()));
        }
    }
    found
}
