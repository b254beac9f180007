//! `classification.config`: what a rule's `classtype` stands for.
//!
//! Lines are `config classification: name,description,priority`.

use std::collections::BTreeMap;

use super::ast::Spanned;
use super::file::{FileError, lines};
use super::number::unsigned;
use super::report::RuleError;
use super::value::{Piece, split};

/// What a class of rules is called and how bad it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classification {
    /// Its text in events (`alert.category`).
    pub description: String,
    /// `alert.severity` of its rules, 1 (worst) to 255.
    pub priority: u8,
}

/// All classes by name, lower case.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Classifications(BTreeMap<String, Classification>);

/// Most classes of one file.
const CLASSES_MAX: usize = 65_536;

impl Classifications {
    /// Reads a file. Lines with mistakes are left out and told; of two classes of one name the first counts.
    pub fn parse(bytes: &[u8]) -> (Self, Vec<FileError>) {
        let mut classes = Classifications::default();
        let errors = parse_lines(bytes, |line| {
            let (name, class) = classification(line)?;
            if classes.0.len() < CLASSES_MAX {
                classes.0.entry(name).or_insert(class);
            }
            Ok(())
        });
        (classes, errors)
    }

    /// These and those of `other`; of two classes of one name that of `other` counts.
    #[must_use]
    pub fn joined(mut self, other: Classifications) -> Self {
        self.0.extend(other.0);
        self
    }

    /// The class of that name, in any case.
    pub fn get(&self, name: &str) -> Option<&Classification> {
        self.0.get(name).or_else(|| self.0.get(&name.to_ascii_lowercase()))
    }

    /// The names of all classes, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

fn classification(line: &Piece<'_>) -> Result<(String, Classification), RuleError> {
    let value = config_value(line, "classification")?;
    let parts = split(&value, b',');
    let [name, .., priority] = parts.as_slice() else {
        return Err(value.error("name, description and priority are wanted").hint(HINT));
    };
    let description = match parts.len() {
        3.. => value.part(name.span.end - value.span.start..priority.span.start - value.span.start),
        _ => return Err(value.error("name, description and priority are wanted").hint(HINT)),
    };
    let description = description.node.trim_matches(|c: char| c == ',' || c.is_ascii_whitespace());
    if name.node.is_empty()
        || !name.node.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.'))
    {
        return Err(name.error("a class is named with letters, digits, dashes and underscores").hint(HINT));
    }
    let priority = unsigned(priority, 255)? as u8;
    Ok((name.node.to_ascii_lowercase(), Classification { description: description.to_owned(), priority }))
}

const HINT: &str = "config classification: name,description,priority";

/// Reads every line that is neither blank nor a comment.
pub(super) fn parse_lines(
    bytes: &[u8],
    mut read: impl FnMut(&Piece<'_>) -> Result<(), RuleError>,
) -> Vec<FileError> {
    let mut errors = Vec::new();
    for (number, line) in lines(bytes) {
        let text = String::from_utf8_lossy(line);
        let piece = Spanned { node: &*text, span: 0..text.len() };
        let trimmed = piece.trim();
        if trimmed.node.is_empty() || trimmed.node.starts_with('#') {
            continue;
        }
        if let Err(error) = read(&trimmed)
            && errors.len() < ERRORS_MAX
        {
            errors.push(FileError::new(number, &text, error));
        }
    }
    errors
}

/// Most mistakes told of one file.
const ERRORS_MAX: usize = 1000;

/// Behind `config WHAT:`.
pub(super) fn config_value<'t>(line: &Piece<'t>, what: &str) -> Result<Piece<'t>, RuleError> {
    let wanted = || line.error(format!("a line here begins with \"config {what}:\""));
    let rest = line.strip("config").ok_or_else(wanted)?;
    rest.strip(what).and_then(|rest| rest.strip(":")).ok_or_else(wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_read_line_by_line() {
        let text = b"# a comment\n\nconfig classification: Trojan-Activity,A Network Trojan was detected, 1\r\nconfig classification:x,with, commas,255\nconfig classification: bad,only\nconfig reference: cve http://x\nconfig classification: y,z,256\nconfig classification: x,second,1\nconfig classification: ,z,1\n";
        let (classes, errors) = Classifications::parse(text);
        let trojan = classes.get("trojan-activity").unwrap();
        assert_eq!((trojan.description.as_str(), trojan.priority), ("A Network Trojan was detected", 1));
        assert_eq!(
            classes.get("X").unwrap(),
            &Classification { description: "with, commas".into(), priority: 255 }
        );
        assert_eq!(errors.iter().map(|e| e.line).collect::<Vec<_>>(), [5, 6, 7, 9]);
        assert_eq!(errors[2].error.span, 27..30);
        assert_eq!(classes.names().count(), 2);
    }
}
