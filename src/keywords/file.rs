//! Files that transactions carry: `filesize`, `filename`, `fileext`, `filemagic`, lists of digests, `filestore`.
//!
//! All that a rule asks of a file must hold for one and the same; a transaction that carries several may match once for
//! each. Sticky buffers (`file.data`, `file.name`, `file.magic`) are the protocols'.

use super::row::{Row, once, row, value};
use crate::app::file::Digests;
use crate::app::{DONE, File, FileState, ProtocolId, Transaction};
use crate::detect::RuleBuilder;
use crate::detect::buffer::Origin;
use crate::detect::rule::{FileDirection, FileScope, FileStore, FileTest, TxTest};
use crate::rules::number::IntTest;
use crate::rules::value::{Piece, content_bytes, split_commas, text};
use crate::rules::{OptionAst, RuleError};
use crate::types::Direction;

pub(super) static FILESIZE: Row = row("filesize", "Size of a file, bytes, with kb, mb or gb.", filesize);
pub(super) static FILENAME: Row = row("filename", "The file's name holds that text, in any case.", filename);
pub(super) static FILEEXT: Row =
    row("fileext", "The file's name ends in that extension, in any case.", fileext);
pub(super) static FILEMAGIC: Row =
    row("filemagic", "What the file is by its first bytes, in libmagic's words, holds that text.", filemagic);
pub(super) static FILEMD5: Row = row("filemd5", "The file's MD5 is in a list.", filemd5);
pub(super) static FILESHA1: Row = row("filesha1", "The file's SHA-1 is in a list.", filesha1);
pub(super) static FILESHA256: Row = row("filesha256", "The file's SHA-256 is in a list.", filesha256);
pub(super) static FILESTORE: Row =
    row("filestore", "The file is stored: filestore[:request|response|both[,file|tx|flow]].", filestore);

/// Digests in one list.
const DIGESTS_MAX: usize = 10_000_000;

/// The transaction carries a file in that direction.
#[derive(Debug)]
struct Carried {
    /// The protocols and directions that have files.
    places: Vec<(ProtocolId, Direction)>,
}

impl TxTest for Carried {
    fn test(&self, tx: &dyn Transaction, dir: Direction) -> bool {
        !tx.files(dir).is_empty()
    }

    fn progress(&self, protocol: ProtocolId, dir: Direction) -> Option<u8> {
        self.places.contains(&(protocol, dir)).then_some(DONE)
    }
}

/// The rule is about files from here on.
fn about_files(rule: &mut RuleBuilder<'_>) {
    if !rule.once("a file") {
        return;
    }
    let buffer = rule.registry.buffer_named("file.data");
    let places = match buffer.map(|buffer| &rule.registry.buffer(buffer).origin) {
        Some(Origin::App(sources)) => {
            sources.iter().map(|source| (source.protocol, source.place.dir)).collect()
        }
        _ => Vec::new(),
    };
    rule.tx_tests.push(Box::new(Carried { places }));
}

fn add(rule: &mut RuleBuilder<'_>, test: impl FileTest + 'static) {
    about_files(rule);
    rule.file_tests.push(Box::new(test));
}

/// There is a file.
#[derive(Debug)]
struct Any;

impl FileTest for Any {
    fn test(&self, _: &File) -> bool {
        true
    }
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
    add(rule, FileSize(test));
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

/// The value as bytes, and whether a `!` stands before it.
fn bytes(option: &OptionAst<'_>) -> Result<(Vec<u8>, bool), RuleError> {
    let text = text(&value(option)?)?;
    let bytes = content_bytes(&text.text)?;
    if bytes.is_empty() {
        return Err(text.text.error("a text is missing"));
    }
    Ok((bytes, text.negated))
}

fn name(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>, extension: bool) -> Result<(), RuleError> {
    let (bytes, negated) = bytes(option)?;
    add(rule, Name { text: bytes.into(), extension, negated });
    Ok(())
}

fn filename(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    name(option, rule, false)
}

fn fileext(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    name(option, rule, true)
}

/// A text in what is said of the file's type, in any case. Rules of old end it with a NUL, as libmagic does.
#[derive(Debug)]
struct Magic {
    text: Box<[u8]>,
    negated: bool,
}

impl FileTest for Magic {
    fn test(&self, file: &File) -> bool {
        let Some(magic) = &file.magic else { return false };
        let len = self.text.len();
        let found = match self.text.split_last() {
            Some((0, front)) => {
                let bytes = magic.as_bytes();
                let end = bytes.len().checked_sub(front.len()).and_then(|start| bytes.get(start..));
                end.is_some_and(|end| end.eq_ignore_ascii_case(front))
            }
            _ => magic.as_bytes().windows(len).any(|part| part.eq_ignore_ascii_case(&self.text)),
        };
        // what it is not is known once no more bytes can tell
        if self.negated { file.magic_final && !found } else { found }
    }

    fn wants(&self) -> Digests {
        Digests { magic: true, ..Digests::default() }
    }
}

fn filemagic(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let (text, negated) = bytes(option)?;
    add(rule, Magic { text: text.into(), negated });
    Ok(())
}

/// Which digest, and how it is got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Algorithm {
    Md5,
    Sha1,
    Sha256,
}

impl Algorithm {
    fn of(self, file: &File) -> Option<&[u8]> {
        match self {
            Algorithm::Md5 => file.md5.as_ref().map(|digest| &digest[..]),
            Algorithm::Sha1 => file.sha1.as_ref().map(|digest| &digest[..]),
            Algorithm::Sha256 => file.sha256.as_ref().map(|digest| &digest[..]),
        }
    }

    fn len(self) -> usize {
        match self {
            Algorithm::Md5 => 16,
            Algorithm::Sha1 => 20,
            Algorithm::Sha256 => 32,
        }
    }
}

/// Digests of files, sorted, one after the other.
struct DigestList {
    algorithm: Algorithm,
    digests: Vec<u8>,
    negated: bool,
}

impl std::fmt::Debug for DigestList {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let count = self.digests.len() / self.algorithm.len();
        write!(f, "DigestList({:?}, {count}, negated: {})", self.algorithm, self.negated)
    }
}

impl DigestList {
    fn contains(&self, digest: &[u8]) -> bool {
        let len = self.algorithm.len();
        let at = |nth: usize| self.digests.get(nth * len..(nth + 1) * len).unwrap_or_default();
        let (mut low, mut high) = (0, self.digests.len() / len);
        while low < high {
            let middle = low + (high - low) / 2;
            match at(middle).cmp(digest) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
                std::cmp::Ordering::Equal => return true,
            }
        }
        false
    }
}

impl FileTest for DigestList {
    fn test(&self, file: &File) -> bool {
        // a part of a file has the digest of another file
        if file.state != FileState::Closed {
            return false;
        }
        self.algorithm.of(file).is_some_and(|digest| self.contains(digest) != self.negated)
    }

    fn wants(&self) -> Digests {
        Digests {
            md5: self.algorithm == Algorithm::Md5,
            sha1: self.algorithm == Algorithm::Sha1,
            sha256: self.algorithm == Algorithm::Sha256,
            ..Digests::default()
        }
    }
}

fn digest(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>, algorithm: Algorithm) -> Result<(), RuleError> {
    let text = text(&value(option)?)?;
    let name = text.text.trim();
    if name.node.is_empty() {
        return Err(name.error("the name of a file is missing"));
    }
    let bytes = rule.files().read(name.node).map_err(|error| {
        name.error(format!("the list cannot be read: {error}"))
            .hint("a relative name is looked for beside the rule's own file and in default-rule-path")
    })?;
    let digests = read_list(&bytes, algorithm).map_err(|fault| name.error(fault))?;
    add(rule, DigestList { algorithm, digests, negated: text.negated });
    Ok(())
}

/// A digest at the front of each line; `#` begins a comment, what else stands in a line (the name of a file) is passed over.
fn read_list(bytes: &[u8], algorithm: Algorithm) -> Result<Vec<u8>, String> {
    let len = algorithm.len();
    let mut all: Vec<Vec<u8>> = Vec::new();
    for (nth, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = line.trim_ascii();
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let word = line.split(|byte| matches!(byte, b' ' | b'\t' | b',' | b';')).next().unwrap_or_default();
        let digest = from_hex(word).filter(|digest| digest.len() == len).ok_or_else(|| {
            format!("line {} of the list does not begin with {} hexadecimal digits", nth + 1, 2 * len)
        })?;
        if all.len() >= DIGESTS_MAX {
            return Err(format!("the list has more than {DIGESTS_MAX} digests"));
        }
        all.push(digest);
    }
    all.sort_unstable();
    all.dedup();
    Ok(all.concat())
}

fn from_hex(word: &[u8]) -> Option<Vec<u8>> {
    if !word.len().is_multiple_of(2) {
        return None;
    }
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    word.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect()
}

fn filemd5(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    digest(option, rule, Algorithm::Md5)
}

fn filesha1(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    digest(option, rule, Algorithm::Sha1)
}

fn filesha256(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    digest(option, rule, Algorithm::Sha256)
}

fn filestore(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    once(option, rule, "filestore")?;
    let mut store = FileStore { dir: Some(FileDirection::Matched), scope: FileScope::File };
    if option.value.is_some() {
        let value = value(option)?;
        let parts = split_commas(&value)?;
        let word = |piece: &Piece<'_>| piece.node.to_ascii_lowercase();
        if let Some(piece) = parts.first() {
            store.dir = match &*word(piece) {
                "request" | "to_server" => Some(FileDirection::Is(Direction::ToServer)),
                "response" | "to_client" => Some(FileDirection::Is(Direction::ToClient)),
                "both" => None,
                _ => {
                    return Err(piece
                        .error(format!("\"{}\" is not a direction", piece.node.escape_debug()))
                        .hint("request, response or both"));
                }
            };
        }
        if let Some(piece) = parts.get(1) {
            store.scope = match &*word(piece) {
                "file" => FileScope::File,
                "tx" => FileScope::Transaction,
                "ssn" | "flow" => FileScope::Flow,
                _ => {
                    return Err(piece
                        .error(format!("\"{}\" is not a scope", piece.node.escape_debug()))
                        .hint("file, tx or flow"));
                }
            };
        }
        if let Some(piece) = parts.get(2) {
            return Err(piece.error("filestore takes a direction and a scope").hint("filestore:both,tx;"));
        }
    }
    rule.file_store = Some(store);
    add(rule, Any);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::testing::{TestTx, check_errors, with};
    use super::*;

    fn file(name: &str, size: u64, state: FileState) -> File {
        File { state, size, ..File::new(name.as_bytes().to_vec()) }
    }

    /// Whether some file passes all tests of the rule.
    fn holds(text: &str, files: Vec<File>) -> bool {
        let tx = TestTx { files, ..TestTx::default() };
        with(text, |rule| {
            let rule = rule.unwrap();
            assert!(!rule.tx_tests[0].test(&tx, Direction::ToServer));
            rule.tx_tests[0].test(&tx, Direction::ToClient)
                && tx.files.iter().any(|file| rule.file_tests.iter().all(|test| test.test(file)))
        })
    }

    #[test]
    fn files_are_compared() {
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
            ("fileext:\"exe\"; filesize:>5;", "a.exe", 6, Closed, true),
            ("fileext:\"exe\"; filesize:>5;", "a.exe", 5, Closed, false),
            ("filestore;", "a", 1, Opened, true),
        ] {
            assert_eq!(holds(text, vec![file(name, size, state)]), expected, "{text} {name}");
        }
        // no file has both
        let two = vec![file("a.exe", 1, Closed), file("b.txt", 9, Closed)];
        assert!(!holds("fileext:\"exe\"; filesize:>5;", two.clone()));
        assert!(holds("fileext:\"txt\"; filesize:>5;", two));
        assert!(!holds("filesize:>5;", Vec::new()));
    }

    #[test]
    fn types_are_compared() {
        let of = |magic: &str, magic_final| File {
            magic: Some(magic.to_owned()),
            magic_final,
            ..file("a", 1, FileState::Opened)
        };
        for (text, magic, is_final, expected) in [
            ("filemagic:\"pdf DOC\";", "PDF document, version 1.5", false, true),
            ("filemagic:!\"pdf\";", "PDF document, version 1.5", true, false),
            ("filemagic:!\"exe\";", "PDF document, version 1.5", false, false),
            ("filemagic:!\"exe\";", "PDF document, version 1.5", true, true),
            ("filemagic:\"1 x 1|00|\";", "GIF image data, version 89a, 1 x 1", false, true),
            ("filemagic:\"1 x 1|00|\";", "GIF image data, version 89a, 1 x 12", false, false),
        ] {
            assert_eq!(holds(text, vec![of(magic, is_final)]), expected, "{text} {magic}");
        }
        assert!(
            !holds("filemagic:!\"exe\";", vec![file("a", 1, FileState::Closed)]),
            "its type is not known"
        );
    }

    #[test]
    fn lists_of_digests_are_read() {
        let digest =
            [0x90, 0x01, 0x50, 0x98, 0x3c, 0xd2, 0x4f, 0xb0, 0xd6, 0x96, 0x3f, 0x7d, 0x28, 0xe1, 0x7f, 0x72];
        let of = |md5: [u8; 16], state| File { md5: Some(md5), ..file("a", 3, state) };
        assert!(holds("filemd5:bad.md5;", vec![of(digest, FileState::Closed)]));
        assert!(!holds("filemd5:bad.md5;", vec![of(digest, FileState::Truncated)]));
        assert!(!holds("filemd5:bad.md5;", vec![of([0; 16], FileState::Closed)]));
        assert!(holds("filemd5:!bad.md5;", vec![of([0; 16], FileState::Closed)]));
        assert!(!holds("filemd5:!bad.md5;", vec![of(digest, FileState::Closed)]));
        assert!(!holds("filemd5:bad.md5;", vec![file("a", 3, FileState::Closed)]));
        with("filemd5:bad.md5;", |rule| {
            let wants = rule.unwrap().file_tests[0].wants();
            assert!(wants.md5 && !wants.sha1 && !wants.sha256 && !wants.magic);
        });
        let many: Vec<u8> = (0..999u32).flat_map(|n| format!("{n:040x}\n").into_bytes()).collect();
        let list = DigestList {
            algorithm: Algorithm::Sha1,
            digests: read_list(&many, Algorithm::Sha1).unwrap(),
            negated: false,
        };
        let of = |n: u32| [&[0; 16][..], &n.to_be_bytes()].concat();
        assert!((0..999).all(|n| list.contains(&of(n))) && !list.contains(&of(999)));
    }

    #[test]
    fn what_is_stored() {
        for (text, dir, scope) in [
            ("filestore;", Some(FileDirection::Matched), FileScope::File),
            ("filestore:request;", Some(FileDirection::Is(Direction::ToServer)), FileScope::File),
            ("filestore:to_client,tx;", Some(FileDirection::Is(Direction::ToClient)), FileScope::Transaction),
            ("filestore:both,flow;", None, FileScope::Flow),
        ] {
            with(text, |rule| assert_eq!(rule.unwrap().file_store, Some(FileStore { dir, scope }), "{text}"));
        }
    }

    #[test]
    fn mistakes_are_told() {
        check_errors(&[
            ("filesize:5K;", "\"K\" is not a unit"),
            ("filesize:10<>5;", "no number lies in this range"),
            ("filename:\"\";", "a text is missing"),
            ("filemagic:\"\";", "a text is missing"),
            ("filemd5:missing.md5;", "the list cannot be read: entity not found"),
            ("filemd5:broken.md5;", "line 2 of the list does not begin with 32 hexadecimal digits"),
            ("filesha256:bad.md5;", "line 2 of the list does not begin with 64 hexadecimal digits"),
            ("filestore:sideways;", "\"sideways\" is not a direction"),
            ("filestore:both,all;", "\"all\" is not a scope"),
            ("filestore:both,tx,more;", "filestore takes a direction and a scope"),
            ("filestore; filestore;", "filestore stands twice in this rule"),
        ]);
    }
}
