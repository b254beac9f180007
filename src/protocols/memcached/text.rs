//! Lines of the text protocol (memcached documentation, `protocol.txt`).

use super::slots;
use crate::protocols::values::Values;

/// Words of a line that are looked at.
pub(super) const WORDS_MAX: usize = 256;

/// Commands, and what follows them.
const COMMANDS: &[(&str, Takes)] = &[
    ("add", Takes::Value),
    ("append", Takes::Value),
    ("cache_memlimit", Takes::Words),
    ("cas", Takes::Value),
    ("decr", Takes::Key),
    ("delete", Takes::Key),
    ("extstore", Takes::Words),
    ("flush_all", Takes::Words),
    ("gat", Takes::KeysBehindOne),
    ("gats", Takes::KeysBehindOne),
    ("get", Takes::Keys),
    ("gets", Takes::Keys),
    ("incr", Takes::Key),
    ("lru", Takes::Words),
    ("lru_crawler", Takes::Words),
    ("ma", Takes::Meta),
    ("md", Takes::Meta),
    ("me", Takes::Meta),
    ("mg", Takes::Meta),
    ("misbehave", Takes::Words),
    ("mn", Takes::Words),
    ("ms", Takes::MetaValue),
    ("prepend", Takes::Value),
    ("quit", Takes::Words),
    ("replace", Takes::Value),
    ("set", Takes::Value),
    ("shutdown", Takes::Words),
    ("slabs", Takes::Words),
    ("stats", Takes::Words),
    ("touch", Takes::Key),
    ("verbosity", Takes::Words),
    ("version", Takes::Words),
    ("watch", Takes::Words),
];

/// First words of answers.
pub(super) const ANSWERS: &[&str] = &[
    "BADCLASS",
    "BUSY",
    "CLIENT_ERROR",
    "DELETED",
    "EN",
    "END",
    "ERROR",
    "EXISTS",
    "HD",
    "ITEM",
    "ME",
    "MN",
    "NF",
    "NOSPARE",
    "NOTFULL",
    "NOT_FOUND",
    "NOT_STORED",
    "NS",
    "OK",
    "RESET",
    "SAME",
    "SERVER_ERROR",
    "STAT",
    "STORED",
    "TOUCHED",
    "UNSAFE",
    "VA",
    "VALUE",
    "VERSION",
];

/// What stands behind a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Takes {
    Words,
    Key,
    Keys,
    /// A time, then keys.
    KeysBehindOne,
    /// A key and a value: flags, time and length stand before it.
    Value,
    /// A key and flags.
    Meta,
    /// A key and a value: its length stands before it.
    MetaValue,
}

/// A command line.
#[derive(Debug, Default)]
pub(super) struct Command {
    pub(super) values: Values,
    /// A value of so many bytes follows.
    pub(super) value: Option<u32>,
    /// Nobody answers.
    pub(super) silent: bool,
    /// Whether there is an answer depends on what it would be.
    pub(super) maybe_silent: bool,
}

/// Whether a client's bytes may begin with a command: `None` with too few of them to tell.
pub(super) fn begins(bytes: &[u8]) -> Option<bool> {
    let len = bytes.iter().take_while(|byte| byte.is_ascii_lowercase() || **byte == b'_').count();
    let (word, rest) = bytes.split_at(len);
    match rest.first() {
        None if COMMANDS.iter().any(|(known, _)| known.as_bytes().starts_with(word)) => None,
        Some(b' ' | b'\r' | b'\n') => Some(COMMANDS.iter().any(|(known, _)| known.as_bytes() == word)),
        _ => Some(false),
    }
}

/// A line without its end; `None` for a command that must have a length and has none.
pub(super) fn command(line: &[u8]) -> Option<Command> {
    let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).take(WORDS_MAX);
    let mut command = Command::default();
    let Some(name) = words.next() else { return Some(command) };
    let name = name.get(..64).unwrap_or(name).to_ascii_lowercase();
    let words: Vec<&[u8]> = words.collect();
    let takes = COMMANDS.iter().find(|(known, _)| known.as_bytes() == name).map(|(_, takes)| *takes);
    let values = &mut command.values;
    values.push(slots::COMMAND, &name);
    let last = words.last().copied().unwrap_or_default();
    command.silent = last == b"noreply";
    let number = |at: usize| std::str::from_utf8(words.get(at)?).ok()?.parse::<u32>().ok();
    let keys = match takes {
        Some(Takes::Keys) => &words[..],
        Some(Takes::KeysBehindOne) => words.get(1..).unwrap_or_default(),
        Some(Takes::Words) | None => {
            words.iter().for_each(|word| values.push(slots::ARGUMENT, word));
            &[]
        }
        Some(_) => words.get(..1).unwrap_or_default(),
    };
    keys.iter().for_each(|key| values.push(slots::KEY, key));
    match takes {
        Some(Takes::Value) => command.value = Some(number(3)?),
        Some(Takes::MetaValue) => command.value = Some(number(1)?),
        _ => {}
    }
    let flags = words.get(if takes == Some(Takes::MetaValue) { 2 } else { 1 }..).unwrap_or_default();
    command.maybe_silent = name == b"watch"
        || matches!(takes, Some(Takes::Meta | Takes::MetaValue)) && flags.contains(&&b"q"[..]);
    Some(command)
}

/// What a line of an answer is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// It ends the answer.
    Last,
    /// More lines follow.
    More,
    /// A value of so many bytes, then more lines.
    Value(u32),
    /// A value of so many bytes ends the answer.
    LastValue(u32),
}

/// A line of an answer, without its end; `None` for a value without a length.
pub(super) fn answer(line: &[u8]) -> Option<Line> {
    let mut words = line.split(|byte| *byte == b' ');
    let number = |word: Option<&[u8]>| std::str::from_utf8(word?).ok()?.parse::<u32>().ok();
    Some(match words.next().unwrap_or_default() {
        b"VALUE" => Line::Value(number(words.nth(2))?),
        b"VA" => Line::LastValue(number(words.next())?),
        b"STAT" | b"ITEM" | b"mg" => Line::More,
        word if word.starts_with(b"key=") => Line::More,
        _ => Line::Last,
    })
}
