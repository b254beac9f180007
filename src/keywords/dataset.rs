//! `dataset` and `datarep`: the buffer in force, as a whole, is looked up in a set of values.

use std::sync::Arc;

use super::row::{Row, choice, plain, row, unsupported};
use crate::detect::RuleBuilder;
use crate::detect::inspect::ops::{Op, Test, View};
use crate::detect::sets::{By, DataSet, Kind, Wanted};
use crate::rules::number::{size, unsigned};
use crate::rules::value::{Piece, split_commas};
use crate::rules::{OptionAst, RuleError};

pub(super) static DATASET: Row =
    row("dataset", "The buffer is in a set of values or not; or it is put in or taken away.", dataset);
pub(super) static DATAREP: Row = row("datarep", "The buffer's score in a set of values.", datarep);

/// What is done with the buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    /// Puts it in; it must be new.
    Set,
    /// Takes it away; it must have been there.
    Unset,
    /// It must be there.
    IsSet,
    /// It must not be there.
    IsNotSet,
}

#[derive(Debug)]
struct Lookup {
    set: Arc<DataSet>,
    command: Command,
}

impl Test for Lookup {
    fn test(&self, view: &mut View<'_>) -> bool {
        match self.command {
            Command::Set => self.set.add(view.bytes),
            Command::Unset => self.set.remove(view.bytes),
            Command::IsSet => self.set.contains(view.bytes) == Some(true),
            Command::IsNotSet => self.set.contains(view.bytes) != Some(true),
        }
    }

    fn changes(&self) -> bool {
        matches!(self.command, Command::Set | Command::Unset)
    }
}

/// How scores are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Compare {
    More,
    Less,
    Same,
}

#[derive(Debug)]
struct Score {
    set: Arc<DataSet>,
    compare: Compare,
    than: u16,
}

impl Test for Score {
    fn test(&self, view: &mut View<'_>) -> bool {
        self.set.score(view.bytes).is_some_and(|score| match self.compare {
            Compare::More => score > self.than,
            Compare::Less => score < self.than,
            Compare::Same => score == self.than,
        })
    }
}

fn dataset(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    const COMMANDS: &[(&str, Command)] = &[
        ("set", Command::Set),
        ("unset", Command::Unset),
        ("isset", Command::IsSet),
        ("isnotset", Command::IsNotSet),
    ];
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let [command, name, options @ ..] = parts.as_slice() else {
        return Err(value.error("a set's name is missing").hint("write dataset:isset,NAME,type string;"));
    };
    let command = choice(command, "something to do with a set", COMMANDS)?;
    let set = open(option, name, options, true, rule)?;
    let lookup = Lookup { set: set.clone(), command };
    rule.sets.push((set, lookup.changes()));
    rule.push(Op::Test(Box::new(lookup)));
    Ok(())
}

fn datarep(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    const COMPARES: &[(&str, Compare)] = &[(">", Compare::More), ("<", Compare::Less), ("==", Compare::Same)];
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let [name, compare, than, options @ ..] = parts.as_slice() else {
        return Err(value
            .error("a set's name, a comparison and a score are wanted")
            .hint("write datarep:NAME,>,200,load FILE,type string;"));
    };
    let compare = choice(compare, "a comparison of scores", COMPARES)?;
    let than = unsigned(than, u64::from(u16::MAX))? as u16;
    let set = open(option, name, options, false, rule)?;
    rule.sets.push((set.clone(), false));
    rule.push(Op::Test(Box::new(Score { set, compare, than })));
    Ok(())
}

/// The set of that name, with the options behind it. `saves`: it may be saved.
fn open(
    option: &OptionAst<'_>,
    name: &Piece<'_>,
    options: &[Piece<'_>],
    saves: bool,
    rule: &mut RuleBuilder<'_>,
) -> Result<Arc<DataSet>, RuleError> {
    let keyword = option.name.node;
    if !rule.is_sticky() {
        return Err(option
            .name
            .error(format!("{keyword} needs a sticky buffer before it"))
            .hint(format!("write http.host; {keyword}:…")));
    }
    if name.node.contains(|c: char| c.is_ascii_whitespace()) {
        return Err(name.error("a set's name has no blanks").hint("take them out"));
    }
    let wanted = wanted(option, name, options, saves, rule)?;
    let folder = rule.names.sets.folder.clone();
    let tables = rule.tables();
    let opened = rule.names.sets.open(&wanted, By::Rule(&folder), &tables.sets, &*tables.files);
    let (set, odd) = opened.map_err(|problem| name.error(problem.message).hint(problem.hint))?;
    rule.warnings.extend(odd.into_iter().map(|what| name.error(what)));
    Ok(set)
}

fn wanted(
    option: &OptionAst<'_>,
    name: &Piece<'_>,
    options: &[Piece<'_>],
    saves: bool,
    rule: &mut RuleBuilder<'_>,
) -> Result<Wanted, RuleError> {
    const KNOWN: &[&str] = &["type", "load", "save", "state", "memcap", "hashsize", "format"];
    let mut wanted = Wanted { name: name.node.to_owned(), ..Wanted::default() };
    for piece in options {
        let (key, argument) = piece.split_at_first(" ").unwrap_or_else(|| (piece.clone(), piece.part(0..0)));
        let known = KNOWN.contains(&key.node) && (saves || !matches!(key.node, "save" | "state"));
        if known && argument.node.is_empty() {
            return Err(key.error(format!("{} needs a value", key.node)).hint("write NAME VALUE"));
        }
        let file = || Some(argument.node.to_owned());
        match key.node {
            "type" => wanted.kind = Some(choice(&argument, "a type of set", Kind::NAMES)?),
            "load" => wanted.load = file(),
            "save" if saves => wanted.save = file(),
            "state" if saves => wanted.state = file(),
            "memcap" => wanted.memcap = Some(size(&argument, u64::MAX)?),
            "hashsize" => wanted.hashsize = Some(unsigned(&argument, u64::MAX)?),
            "format" if argument.node == "csv" => {}
            "format" | "context_key" | "value_key" | "array_key" | "remove_key" => {
                return Err(unsupported(option, "sets are read as lines of values (format csv)"));
            }
            // the reference engine overlooks them
            _ => rule.warnings.push(key.error(format!("'{}' has no effect on a set", key.node))),
        }
    }
    if wanted.load.is_some() && wanted.kind.is_none() {
        return Err(option
            .name
            .error("a set that is loaded needs its type")
            .hint("add type string, md5, sha256, ipv4 or ip"));
    }
    Ok(wanted)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, check_loads, with, with_names};
    use super::*;
    use crate::detect::Names;

    /// Whether the last operation holds for that buffer.
    fn holds(rule: &RuleBuilder<'_>, bytes: &[u8]) -> bool {
        let Some(Op::Test(test)) = rule.parts.last().and_then(|part| part.ops.last()) else { panic!() };
        let (mut vars, mut decoded) = ([], Vec::new());
        let (from_start, to_end) = (true, true);
        test.test(&mut View {
            little: true,
            bytes,
            at: 0,
            offset: 0,
            from_start,
            to_end,
            vars: &mut vars,
            decoded: &mut decoded,
        })
    }

    #[test]
    fn rules_share_sets_and_see_changes_at_once() {
        let mut names = Names::default();
        for (text, value, expected) in [
            ("http.host; dataset:isset,seen,type string;", "a", false),
            ("http.host; dataset:set,seen;", "a", true),
            ("http.host; dataset:set,seen;", "a", false),
            ("http.uri; dataset: isset , seen , type  string;", "a", true),
            ("http.uri; dataset:isnotset,seen;", "a", false),
            ("http.uri; dataset:isnotset,seen;", "b", true),
            ("http.uri; datarep:seen,==,0;", "a", true),
            ("http.uri; datarep:seen,>,0;", "a", false),
            ("http.uri; dataset:unset,seen;", "a", true),
            ("http.uri; dataset:unset,seen;", "a", false),
            ("http.uri; datarep:seen,<,5;", "a", false),
            ("http.uri; dataset:set,sums,type md5;", "a", false),
            ("http.uri; dataset:isnotset,sums;", "a", true),
            ("http.uri; dataset:set,sums;", "0123456789abcdef", true),
        ] {
            with_names(text, &mut names, |rule| {
                assert_eq!(holds(rule.unwrap(), value.as_bytes()), expected, "{text} {value}");
            });
        }
    }

    #[test]
    fn rules_that_change_sets_are_known() {
        for (text, expected) in [
            ("http.host; dataset:isset,a,type string;", false),
            ("http.host; dataset:set,a,type string;", true),
            ("http.host; dataset:unset,a,type string;", true),
        ] {
            with(text, |rule| assert_eq!(rule.unwrap().changes_sets(), expected, "{text}"));
        }
    }

    #[test]
    fn mistakes_are_told() {
        check_loads(&[
            "http.host; dataset:isset,a,type sha256,memcap 10mb,hashsize 1024;",
            "http.host; dataset:set,a,type ip,save sub/a.lst;",
            "http.host; dataset:isset,a,type string,state a.lst;",
            "http.host; dataset:isset,a,type string,bogus 3;",
            "http.host; dataset:isset,a,type string,format csv;",
            "http.host; datarep:a, >, 200, type string;",
        ]);
        check_errors(&[
            ("content:\"x\"; dataset:isset,a,type string;", "dataset needs a sticky buffer before it"),
            ("pkt_data; datarep:a,>,1,type string;", "datarep needs a sticky buffer before it"),
            ("http.host; dataset:isset;", "a set's name is missing"),
            ("http.host; dataset:iset,a,type string;", "\"iset\" is not something to do with a set"),
            ("http.host; dataset:isset,a b,type string;", "a set's name has no blanks"),
            ("http.host; dataset:isset,a;", "no set 'a' is known"),
            ("http.host; dataset:isset,a,type text;", "\"text\" is not a type of set"),
            ("http.host; dataset:isset,a,type string,save;", "save needs a value"),
            ("http.host; dataset:isset,a,load a.lst;", "a set that is loaded needs its type"),
            ("http.host; dataset:isset,a,type string,load a.lst;", "a.lst: no file is read here"),
            ("http.host; dataset:isset,a,type string,format json;", "dataset is not supported yet"),
            (
                "http.host; dataset:isset,a,type string,hashsize 262145;",
                "hashsize 262145 is over the limit of 262144",
            ),
            ("http.host; dataset:set,a,type string,save /a.lst;", "absolute paths are not allowed: /a.lst"),
            (
                "http.host; dataset:set,a,type string,state a/../../b;",
                "a path may not lead out of the data folder: a/../../b",
            ),
            ("http.host; datarep:a,>=,1,type string;", "\">=\" is not a comparison of scores"),
            ("http.host; datarep:a,>,65536,type string;", "\"65536\" is out of range"),
            ("http.host; datarep:a,>;", "a set's name, a comparison and a score are wanted"),
        ]);
    }
}
