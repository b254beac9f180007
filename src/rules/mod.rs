//! Rule text → syntax tree with spans; variables, addresses and ports. No engine knowledge: keywords are names with a value.
//!
//! What it may not know: traffic, flows, protocols, files on disk (callers hand in bytes). All input is taken as hostile:
//! sizes, counts and nesting are bounded by the `…_MAX` constants beside each parser.

pub mod address;
pub mod ast;
pub mod classification;
pub mod file;
mod lexer;
pub mod number;
pub mod parser;
pub mod port;
mod ranges;
pub mod reference;
pub mod report;
pub mod threshold;
pub mod value;
pub mod vars;

pub use address::AddressSet;
pub use ast::{Action, Arrow, GroupExpr, OptionAst, RejectKind, RuleAst, Scope, Spanned};
pub use file::RuleFile;
pub use number::IntTest;
pub use parser::parse_rule;
pub use port::PortSet;
pub use report::{Report, RuleError, did_you_mean};
pub use vars::Vars;
