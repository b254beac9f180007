//! The syntax tree of one rule. Everything borrows from the rule's text; spans are byte offsets into it.

use std::ops::Range;

use crate::verdict::RejectTo;

/// A piece of the tree and where it stands in the rule's text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The piece.
    pub node: T,
    /// Byte offsets into [`RuleAst::text`].
    pub span: Range<usize>,
}

/// What a rule does when it matches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Action {
    /// Lets the packet (or its flow) through and ends its inspection.
    Pass,
    /// Drops the packet and its flow.
    Drop,
    /// Drops, and tells one end or both.
    Reject(RejectKind),
    /// Alerts.
    Alert,
    /// Steers the engine (logging, tracking) without an alert.
    Config,
}

/// Which `reject…` it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum RejectKind {
    /// `reject`, `rejectsrc`.
    Source,
    /// `rejectdst`.
    Destination,
    /// `rejectboth`.
    Both,
}

impl From<RejectKind> for RejectTo {
    fn from(kind: RejectKind) -> Self {
        match kind {
            RejectKind::Source => RejectTo::Source,
            RejectKind::Destination => RejectTo::Destination,
            RejectKind::Both => RejectTo::Both,
        }
    }
}

/// What an action is about, when the rule says so (`drop:packet`, `pass:flow`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The packet that matched.
    Packet,
    /// Its flow, from now on.
    Flow,
}

/// `->` or `<>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrow {
    /// From left to right.
    Right,
    /// Either way.
    Both,
}

/// An address or port expression before variables are replaced.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupExpr<'t> {
    /// `any`
    Any,
    /// `$NAME`
    Variable(&'t str),
    /// `192.168.0.0/16`, `10.0.0.1-10.0.0.9`, `80`, `1024:`; its text.
    Item(&'t str),
    /// `!…`
    Not(Box<Spanned<GroupExpr<'t>>>),
    /// `[…, …]`
    List(Vec<Spanned<GroupExpr<'t>>>),
}

/// One option of a rule: `name;` or `name:value;`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionAst<'t> {
    /// Its name, as written.
    pub name: Spanned<&'t str>,
    /// What stands after the colon, trimmed; quotes and escapes as written.
    pub value: Option<Spanned<&'t str>>,
}

/// A rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleAst<'t> {
    /// The rule's text, continuation lines joined.
    pub text: &'t str,
    /// What it does.
    pub action: Spanned<Action>,
    /// What the action is about, where it is written.
    pub scope: Option<Spanned<Scope>>,
    /// Its protocol, lower case or as written.
    pub protocol: Spanned<&'t str>,
    /// Where in the protocol it is looked at (`http1:request_line`), where it is written.
    pub hook: Option<Spanned<&'t str>>,
    /// Left addresses.
    pub source: Spanned<GroupExpr<'t>>,
    /// Left ports.
    pub source_ports: Spanned<GroupExpr<'t>>,
    /// Which way.
    pub arrow: Spanned<Arrow>,
    /// Right addresses.
    pub destination: Spanned<GroupExpr<'t>>,
    /// Right ports.
    pub destination_ports: Spanned<GroupExpr<'t>>,
    /// Its options, in order.
    pub options: Vec<OptionAst<'t>>,
}
