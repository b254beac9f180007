//! Files that transactions carry: `filesize`, `filename`, `fileext`; the digests and magic come later.

use super::row::{Row, row, unsupported, value};
use crate::app::{DONE, File, FileState, ProtocolId, Transaction};
use crate::detect::RuleBuilder;
use crate::detect::rule::TxTest;
use crate::rules::number::IntTest;
use crate::rules::value::{content_bytes, text};
use crate::rules::{OptionAst, RuleError};
use crate::types::Direction;

pub(super) static FILESIZE: Row = row("filesize", "Size of a file, bytes, with kb, mb or gb.", filesize);
pub(super) static FILENAME: Row = row("filename", "The file's name holds that text, in any case.", filename);
pub(super) static FILEEXT: Row =
    row("fileext", "The file's name ends in that extension, in any case.", fileext);
pub(super) static FILEMAGIC: Row = row("filemagic", "What libmagic says of the file.", filemagic);
pub(super) static FILEMD5: Row = row("filemd5", "The file's MD5 is in a list.", digest);
pub(super) static FILESHA1: Row = row("filesha1", "The file's SHA-1 is in a list.", digest);
pub(super) static FILESHA256: Row = row("filesha256", "The file's SHA-256 is in a list.", digest);

/// A test that one file of the transaction must pass.
trait FileTest: Send + Sync + std::fmt::Debug {
    fn test(&self, file: &File) -> bool;
}

#[derive(Debug)]
struct AnyFile<T>(T);

impl<T: FileTest> TxTest for AnyFile<T> {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        tx.files(dir).iter().any(|file| self.0.test(file))
    }

    fn progress(&self, _: ProtocolId, _: Direction) -> Option<u8> {
        Some(DONE)
    }
}

/// There is a file.
#[derive(Debug)]
struct Carried;

impl FileTest for Carried {
    fn test(&self, _: &File) -> bool {
        true
    }
}

/// The transaction carries a file, whatever it is.
pub(super) fn any() -> Box<dyn TxTest> {
    Box::new(AnyFile(Carried))
}

#[derive(Debug)]
struct FileSize(IntTest<u64>);

impl FileTest for FileSize {
    fn test(&self, file: &File) -> bool {
        // what grows is at least as long as it is now
        let grown = file.state == FileState::Closed || matches!(self.0, IntTest::Gt(_) | IntTest::Ge(_));
        grown && self.0.matches(file.size)
    }
}

fn filesize(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let test = IntTest::parse(&value(option)?)?;
    rule.tx_tests.push(Box::new(AnyFile(FileSize(test))));
    Ok(())
}

/// A text in or at the end of a name; lower case.
#[derive(Debug)]
struct Name {
    text: Box<[u8]>,
    extension: bool,
    negated: bool,
}

impl FileTest for Name {
    fn test(&self, file: &File) -> bool {
        let name = &file.name;
        if name.is_empty() {
            return false;
        }
        let found = match self.extension {
            true => name
                .iter()
                .rposition(|byte| *byte == b'.')
                .is_some_and(|dot| name[dot + 1..].eq_ignore_ascii_case(&self.text)),
            false => name.windows(self.text.len()).any(|part| part.eq_ignore_ascii_case(&self.text)),
        };
        found != self.negated
    }
}

fn name(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>, extension: bool) -> Result<(), RuleError> {
    let text = text(&value(option)?)?;
    let mut bytes = content_bytes(&text.text)?;
    bytes.make_ascii_lowercase();
    if bytes.is_empty() {
        return Err(text.text.error("a text is missing"));
    }
    let test = Name { text: bytes.into(), extension, negated: text.negated };
    rule.tx_tests.push(Box::new(AnyFile(test)));
    Ok(())
}

fn filename(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    name(option, rule, false)
}

fn fileext(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    name(option, rule, true)
}

fn filemagic(option: &OptionAst<'_>, _: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    Err(unsupported(option, "look for the first bytes with file.data; content:\"…\"; startswith;"))
}

fn digest(option: &OptionAst<'_>, _: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    Err(unsupported(option, "lists of digests come with a later version"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestTx, check_errors, with};
    use super::*;

    #[test]
    fn files_are_compared() {
        let file = |name: &str, size, state| File {
            name: name.as_bytes().to_vec(),
            state,
            size,
            gaps: false,
            range: None,
            md5: None,
            sha1: None,
            sha256: None,
        };
        use FileState::*;
        for (text, name, size, state, expected) in [
            ("filesize:5;", "a", 5, Closed, true),
            ("filesize:5;", "a", 5, Opened, false),
            ("filesize:>5;", "a", 6, Opened, true),
            ("filesize:<5;", "a", 4, Truncated, false),
            ("filesize:1kb;", "a", 1024, Closed, true),
            ("filesize:5<>10;", "a", 9, Closed, true),
            ("filename:\"Secret\";", "my SECRET.doc", 1, Opened, true),
            ("filename:secret;", "x", 1, Opened, false),
            ("filename:!\"secret\";", "", 1, Opened, false),
            ("fileext:\"EXE\";", "a.b.exe", 1, Opened, true),
            ("fileext:\"exe\";", "exe", 1, Opened, false),
            ("fileext:!\"exe\";", "a.txt", 1, Opened, true),
        ] {
            let tx = TestTx {
                files: vec![file("other.", 99_999, Opened), file(name, size, state)],
                ..TestTx::default()
            };
            let held = with(text, |rule| {
                let rule = rule.unwrap();
                let both = rule.tx_tests[0].test(&tx, Direction::ToClient);
                assert!(!rule.tx_tests[0].test(&tx, Direction::ToServer));
                both
            });
            // the other file must not decide
            let other =
                text == "filesize:>5;" || text.starts_with("filename:!") || text.starts_with("fileext:!");
            assert_eq!(held, expected || other, "{text} {name}");
        }
    }

    #[test]
    fn mistakes_are_told() {
        check_errors(&[
            ("filesize:5K;", "\"K\" is not a unit"),
            ("filesize:10<>5;", "no number lies in this range"),
            ("filename:\"\";", "a text is missing"),
            ("filemagic:\"x\";", "filemagic is not supported yet"),
            ("filemd5:list.txt;", "filemd5 is not supported yet"),
        ]);
    }
}
