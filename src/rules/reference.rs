//! `reference.config`: what stands before the value of a rule's `reference`.
//!
//! Lines are `config reference: name prefix`.

use std::collections::BTreeMap;

use super::classification::{config_value, parse_lines};
use super::file::FileError;
use super::value::words;

/// All kinds of reference by name, lower case, with the start of their addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct References(BTreeMap<String, String>);

/// Most kinds of one file.
const KINDS_MAX: usize = 65_536;

impl References {
    /// Reads a file. Lines with mistakes are left out and told; of two of one name the first counts.
    pub fn parse(bytes: &[u8]) -> (Self, Vec<FileError>) {
        let mut kinds = References::default();
        let errors = parse_lines(bytes, |line| {
            let value = config_value(line, "reference")?;
            match words(&value).as_slice() {
                [name, prefix] => {
                    if kinds.0.len() < KINDS_MAX {
                        kinds
                            .0
                            .entry(name.node.to_ascii_lowercase())
                            .or_insert_with(|| prefix.node.to_owned());
                    }
                    Ok(())
                }
                _ => Err(value
                    .error("a name and the start of an address are wanted")
                    .hint("config reference: cve https://…")),
            }
        });
        (kinds, errors)
    }

    /// The start of the addresses of that kind (any case).
    pub fn prefix(&self, name: &str) -> Option<&str> {
        self.0.get(&name.to_ascii_lowercase()).map(String::as_str)
    }

    /// The names of all kinds, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_line_by_line() {
        let text = b"config reference: cve       http://cve.example/name?x=\n# x\nconfig reference: url\t\thttp://\nconfig reference: one\nnonsense\n";
        let (kinds, errors) = References::parse(text);
        assert_eq!(kinds.prefix("CVE"), Some("http://cve.example/name?x="));
        assert_eq!(kinds.prefix("url"), Some("http://"));
        assert_eq!(kinds.prefix("one"), None);
        assert_eq!(
            errors.iter().map(|e| (e.line, e.error.message.as_str())).collect::<Vec<_>>(),
            [
                (4, "a name and the start of an address are wanted"),
                (5, "a line here begins with \"config reference:\""),
            ]
        );
    }
}
