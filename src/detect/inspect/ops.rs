//! What a rule asks of one buffer: a list of operations, tried in order, with backtracking over the places where a literal
//! or an expression matches.

use std::fmt;

/// A variable of a rule (`byte_extract`, `byte_math`), numbered within the rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct VarId(pub u8);

/// A number in a rule: written there, or taken from the traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arg {
    /// Written.
    Value(i64),
    /// The value of a variable.
    Var(VarId),
}

impl Arg {
    /// The number, with the variables of this inspection.
    pub fn value(self, vars: &[u64]) -> i64 {
        match self {
            Arg::Value(value) => value,
            Arg::Var(VarId(id)) => {
                vars.get(usize::from(id)).map_or(0, |v| i64::try_from(*v).unwrap_or(i64::MAX))
            }
        }
    }
}

/// `fast_pattern` as a rule asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FastPattern {
    /// `fast_pattern;`
    Whole,
    /// `fast_pattern:only;`
    Only,
    /// `fast_pattern:offset,length;`
    Chop(u16, u16),
}

/// A literal and where it may stand.
#[derive(Clone, Debug, Default)]
pub struct Content {
    /// The bytes; lower case when `nocase`.
    pub pattern: Box<[u8]>,
    /// Compare letters without case.
    pub nocase: bool,
    /// It must not be there.
    pub negated: bool,
    /// From the start of the buffer: not before this many bytes.
    pub offset: Option<Arg>,
    /// From `offset`: it ends within this many bytes.
    pub depth: Option<Arg>,
    /// From the end of the match before: not before this many bytes, which may be negative.
    pub distance: Option<Arg>,
    /// From the end of the match before (and `distance`): it ends within this many bytes.
    pub within: Option<Arg>,
    /// It stands at the start of the buffer.
    pub startswith: bool,
    /// It stands at the end of the buffer.
    pub endswith: bool,
    /// Wanted as fast pattern.
    pub fast_pattern: Option<FastPattern>,
    /// Which two of its first 64 Ki bytes are rarest, the rarest first: those that are searched for.
    pub rarest: [u16; 2],
    /// What to put in its place (inline).
    pub replace: Option<Box<[u8]>>,
    /// Any place of it is as good as another ([`mark_loose`]).
    pub loose: bool,
}

impl Content {
    /// Whether its place depends on the match before it.
    pub fn is_relative(&self) -> bool {
        self.distance.is_some() || self.within.is_some()
    }
}

/// Finds the literals of which any place is as good as another: that may stand anywhere, and behind which nothing is asked that depends on
/// a place before it.
pub fn mark_loose(ops: &mut [Op]) {
    let mut tied = false;
    for op in ops.iter_mut().rev() {
        tied |= op.is_relative();
        if let Op::Content(content) = op {
            let bound = content.offset.is_some()
                || content.depth.is_some()
                || content.startswith
                || content.endswith
                || content.replace.is_some();
            content.loose = !tied && !bound && !content.negated;
        }
    }
}

/// A regular expression.
#[derive(Debug)]
pub struct Pcre {
    /// What matches.
    pub matcher: Box<dyn Matcher>,
    /// It must not match.
    pub negated: bool,
    /// `R`: from the end of the match before.
    pub relative: bool,
}

/// Finds a match in bytes.
pub trait Matcher: Send + Sync + fmt::Debug {
    /// The first match that begins at or after `from`: its start and end. `None` too when a limit is reached.
    fn find(&self, bytes: &[u8], from: usize) -> Option<(usize, usize)>;
}

/// The buffer under inspection and how far it is.
#[derive(Debug)]
pub struct View<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// End of the match before; where relative options count from.
    pub at: usize,
    /// Position of `bytes[0]` in the whole stream or body.
    pub offset: u64,
    /// `bytes` begins where the buffer begins.
    pub from_start: bool,
    /// `bytes` ends where the buffer ends.
    pub to_end: bool,
    /// Numbers whose order is left to the message are little-endian.
    pub little: bool,
    /// The rule's variables.
    pub vars: &'a mut [u64],
    /// What `base64_decode` made.
    pub decoded: &'a mut Vec<u8>,
}

/// A test with one answer: it may move [`View::at`] and set variables.
pub trait Test: Send + Sync + fmt::Debug {
    /// Whether it holds.
    fn test(&self, view: &mut View<'_>) -> bool;

    /// Whether its place depends on the match before it (then other places of that match are tried when it fails).
    fn is_relative(&self) -> bool {
        false
    }

    /// Whether to ask it changes something that other rules see (a data set).
    fn changes(&self) -> bool {
        false
    }

    /// The greatest length of the buffer with which it holds, and how it is written; `None` where it sets none.
    fn length_max(&self) -> Option<(u64, u64)> {
        None
    }
}

/// One operation on a buffer.
#[derive(Debug)]
pub enum Op {
    /// A literal.
    Content(Content),
    /// A regular expression.
    Pcre(Pcre),
    /// Anything else.
    Test(Box<dyn Test>),
}

impl Op {
    /// Whether its place depends on the match before it.
    pub fn is_relative(&self) -> bool {
        match self {
            Op::Content(content) => content.is_relative(),
            Op::Pcre(pcre) => pcre.relative,
            Op::Test(test) => test.is_relative(),
        }
    }

    /// Whether to ask it changes something that other rules see.
    pub fn changes(&self) -> bool {
        matches!(self, Op::Test(test) if test.changes())
    }

    /// Whether it is a literal that must be there: what a prefilter may look for.
    pub fn is_literal(&self) -> bool {
        matches!(self, Op::Content(content) if !content.negated)
    }
}

/// Changes the bytes of a buffer before they are inspected.
pub trait Transform: Send + Sync + fmt::Debug {
    /// Name and argument; two transforms with the same identity do the same.
    fn identity(&self) -> String;

    /// Writes the changed bytes to `out`, which is empty.
    fn apply(&self, bytes: &[u8], out: &mut Vec<u8>);

    /// Whether what it makes can contain these bytes: a literal that it would change is never found behind it.
    fn can_contain(&self, _literal: &[u8]) -> bool {
        true
    }
}
