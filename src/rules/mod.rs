//! Rule text → syntax tree with spans; variables, addresses and ports. No engine knowledge: keywords are names with a value.

pub mod ast;
pub mod report;

pub use ast::{Action, Arrow, GroupExpr, OptionAst, RuleAst, Spanned};
pub use report::RuleError;
mod sets_stub;
pub use sets_stub::{AddressSet, PortSet};
