//! The shape of most keywords: a name, a sentence, and a function.

use crate::detect::{Keyword, RuleBuilder};
use crate::rules::value::Piece;
use crate::rules::{OptionAst, RuleError};

/// What a keyword does with its option.
pub(super) type Compile = fn(&OptionAst<'_>, &mut RuleBuilder<'_>) -> Result<(), RuleError>;

/// A keyword that is a function.
pub(super) struct Row {
    name: &'static str,
    aliases: &'static [&'static str],
    help: &'static str,
    compile: Compile,
}

/// A row without other names.
pub(super) const fn row(name: &'static str, help: &'static str, compile: Compile) -> Row {
    Row { name, aliases: &[], help, compile }
}

impl Row {
    /// The same with other names.
    pub(super) const fn also(mut self, aliases: &'static [&'static str]) -> Row {
        self.aliases = aliases;
        self
    }
}

impl Keyword for Row {
    fn name(&self) -> &'static str {
        self.name
    }

    fn aliases(&self) -> &'static [&'static str] {
        self.aliases
    }

    fn help(&self) -> &'static str {
        self.help
    }

    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
        (self.compile)(option, rule)
    }
}

/// The value, which must be there.
pub(super) fn value<'t>(option: &OptionAst<'t>) -> Result<Piece<'t>, RuleError> {
    match &option.value {
        Some(value) if !value.node.trim_ascii().is_empty() => Ok(value.trim()),
        _ => {
            let name = option.name.node;
            Err(option.name.error(format!("{name} needs a value")).hint(format!("write {name}:VALUE;")))
        }
    }
}

/// The value of a keyword that takes no quotes.
pub(super) fn plain<'t>(option: &OptionAst<'t>) -> Result<Piece<'t>, RuleError> {
    crate::rules::value::unquoted(&value(option)?)
}

/// Refuses a value.
pub(super) fn bare(option: &OptionAst<'_>) -> Result<(), RuleError> {
    match &option.value {
        Some(value) => {
            let name = option.name.node;
            Err(value.error(format!("{name} takes no value")).hint(format!("write {name};")))
        }
        None => Ok(()),
    }
}

/// A keyword that may stand once in a rule.
pub(super) fn once(
    option: &OptionAst<'_>,
    rule: &mut RuleBuilder<'_>,
    name: &'static str,
) -> Result<(), RuleError> {
    if rule.once(name) {
        return Ok(());
    }
    Err(option.name.error(format!("{name} stands twice in this rule")).hint("keep one of them"))
}

/// A keyword of the language that is not there yet: the rule is reported, not silently weakened.
pub(super) fn unsupported(option: &OptionAst<'_>, needs: &str) -> RuleError {
    option
        .name
        .error(format!("{} is not supported yet", option.name.node))
        .hint(format!("this rule is left out; {needs}"))
        .unsupported()
}

/// One of the words of a table, or a mistake that names them.
pub(super) fn choice<T: Copy>(
    piece: &Piece<'_>,
    what: &str,
    table: &[(&'static str, T)],
) -> Result<T, RuleError> {
    if let Some((_, found)) = table.iter().find(|(name, _)| *name == piece.node) {
        return Ok(*found);
    }
    let error = piece.error(format!("\"{}\" is not {what}", piece.node.chars().take(40).collect::<String>()));
    let names = || table.iter().map(|(name, _)| *name);
    Err(match crate::rules::did_you_mean(piece.node, names()) {
        Some(near) => error.hint(format!("did you mean {near}?")),
        None => error.hint(format!("one of {}", names().collect::<Vec<_>>().join(", "))),
    })
}
