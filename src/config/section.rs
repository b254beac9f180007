//! Reads one section of the tree: typed, with defaults, and with every key accounted for.

use std::cell::RefCell;
use std::ops::RangeInclusive;

use serde_yaml::{Mapping, Value};

use super::known;
use super::locate::line_of;
use super::yaml::scalar;
use super::{ConfigProblem, Source};
use crate::app::settings::{parse_bool, parse_size};
use crate::rules::did_you_mean;
use crate::verdict::ExceptionPolicy;

/// Most problems told of one configuration.
const PROBLEMS_MAX: usize = 200;

/// What all sections of one configuration write into.
pub(super) struct Reading {
    sources: Vec<Source>,
    /// Set on the command line: the file has no line for them.
    overrides: Vec<String>,
    pub(super) warnings: RefCell<Vec<ConfigProblem>>,
    pub(super) errors: RefCell<Vec<ConfigProblem>>,
    /// What holds for keys that are not set.
    pub(super) defaults: RefCell<Vec<(String, String)>>,
}

impl Reading {
    pub(super) fn new(sources: Vec<Source>, overrides: Vec<String>) -> Self {
        Reading {
            sources,
            overrides,
            warnings: RefCell::default(),
            errors: RefCell::default(),
            defaults: RefCell::default(),
        }
    }

    pub(super) fn warn(&self, key: &str, message: impl Into<String>, hint: Option<String>) {
        let mut warnings = self.warnings.borrow_mut();
        if warnings.len() < PROBLEMS_MAX {
            warnings.push(self.problem(key, message.into(), hint));
        }
    }

    pub(super) fn error(&self, key: &str, message: impl Into<String>, hint: Option<String>) {
        let mut errors = self.errors.borrow_mut();
        if errors.len() < PROBLEMS_MAX {
            errors.push(self.problem(key, message.into(), hint));
        }
    }

    fn problem(&self, key: &str, message: String, hint: Option<String>) -> ConfigProblem {
        let mut problem = ConfigProblem { key: key.to_owned(), file: None, line: None, message, hint };
        if self.overrides.iter().any(|set| set == key) {
            problem.key = format!("--set {key}");
            return problem;
        }
        for source in &self.sources {
            let inside = match source.below.as_str() {
                "" => Some(key),
                below => key.strip_prefix(below).and_then(|rest| rest.strip_prefix('.')),
            };
            if let Some(line) = inside.and_then(|inside| line_of(&source.text, inside)) {
                // of several files the last that has any part of the path
                problem.file = source.path.clone();
                problem.line = Some(line);
            }
        }
        problem
    }
}

/// One map of the tree. What is asked for is known; [`Section::finish`] names the rest.
pub(super) struct Section<'c> {
    reading: &'c Reading,
    pub(super) path: String,
    map: Option<&'c Mapping>,
    asked: RefCell<Vec<&'static str>>,
}

impl<'c> Section<'c> {
    /// Over that value; anything but a map or nothing is an error.
    pub(super) fn new(reading: &'c Reading, path: String, value: Option<&'c Value>) -> Self {
        let map = match value {
            Some(Value::Mapping(map)) => Some(map),
            Some(Value::Null) | None => None,
            Some(_) => {
                reading.error(
                    &path,
                    format!("{path} must be a map of keys"),
                    Some("write \"key: value\" lines below it".to_owned()),
                );
                None
            }
        };
        Section { reading, path, map, asked: RefCell::default() }
    }

    pub(super) fn below(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// The value, if it is set to anything.
    pub(super) fn value(&self, key: &'static str) -> Option<&'c Value> {
        self.asked.borrow_mut().push(key);
        let map = self.map?;
        let found = map.get(key).or_else(|| map.get(key.replace('-', "_").as_str()))?;
        (!matches!(found, Value::Null)).then_some(found)
    }

    /// Does the key stand there, with a value or without?
    pub(super) fn has(&self, key: &'static str) -> bool {
        self.asked.borrow_mut().push(key);
        self.map.is_some_and(|map| map.contains_key(key) || map.contains_key(key.replace('-', "_").as_str()))
    }

    pub(super) fn section(&self, key: &'static str) -> Section<'c> {
        Section::new(self.reading, self.below(key), self.value(key))
    }

    /// Is there one value, rather than a map or a list?
    pub(super) fn is_scalar(&self, key: &'static str) -> bool {
        self.value(key).is_some_and(|value| scalar(value).is_some())
    }

    pub(super) fn text(&self, key: &'static str) -> Option<String> {
        let value = self.value(key)?;
        match scalar(value) {
            Some(text) => Some(text),
            None => {
                self.wrong(key, "one value is wanted here, not a list or a map", "write it behind the colon");
                None
            }
        }
    }

    pub(super) fn text_or(&self, key: &'static str, default: &str) -> String {
        self.text(key).unwrap_or_else(|| {
            self.default(key, default);
            default.to_owned()
        })
    }

    pub(super) fn flag(&self, key: &'static str, default: bool) -> bool {
        self.optional_flag(key).unwrap_or_else(|| {
            self.default(key, if default { "yes" } else { "no" });
            default
        })
    }

    pub(super) fn optional_flag(&self, key: &'static str) -> Option<bool> {
        let text = self.text(key)?;
        let flag = parse_bool(text.trim());
        if flag.is_none() {
            self.wrong(key, &format!("{text:?} is neither yes nor no"), "write yes or no");
        }
        flag
    }

    /// `auto` (`None`), yes or no; one of `others` counts as auto.
    pub(super) fn auto_flag(&self, key: &'static str, others: &[&str]) -> Option<bool> {
        let text = self.text_or(key, "auto");
        let text = text.trim();
        if text.eq_ignore_ascii_case("auto") || others.iter().any(|other| other.eq_ignore_ascii_case(text)) {
            return None;
        }
        let flag = parse_bool(text);
        if flag.is_none() {
            self.wrong(key, &format!("{text:?} is unknown here"), "write auto, yes or no");
        }
        flag
    }

    /// Bytes, with or without a unit.
    pub(super) fn size(&self, key: &'static str, default: u64) -> u64 {
        let Some(text) = self.text(key) else {
            self.default(key, &default.to_string());
            return default;
        };
        parse_size(&text).unwrap_or_else(|| {
            self.wrong(key, &format!("{text:?} is not a size"), "write bytes as 65536, 64kb, 32mb or 1gb");
            default
        })
    }

    pub(super) fn number<T: TryFrom<u64> + Copy + Into<u64>>(
        &self,
        key: &'static str,
        default: T,
        range: RangeInclusive<u64>,
    ) -> T {
        let Some(text) = self.text(key) else {
            self.default(key, &default.into().to_string());
            return default;
        };
        let number = text
            .trim()
            .parse::<u64>()
            .ok()
            .filter(|number| range.contains(number))
            .and_then(|n| T::try_from(n).ok());
        number.unwrap_or_else(|| {
            let hint = format!("write a number from {} to {}", range.start(), range.end());
            self.wrong(key, &format!("{text:?} is not a number that can stand here"), &hint);
            default
        })
    }

    /// One of the words.
    pub(super) fn word<T: Copy>(&self, key: &'static str, words: &[(&str, T)], default: &str) -> Option<T> {
        let text = self.text_or(key, default);
        let text = text.trim();
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(text)).map(|(_, value)| *value);
        if found.is_none() && !text.is_empty() {
            let names: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.wrong(
                key,
                &format!("{text:?} is unknown here"),
                &format!("write one of {}", names.join(", ")),
            );
        }
        found
    }

    /// An exception policy; `None` for `auto` and where nothing is set.
    pub(super) fn policy(&self, key: &'static str) -> Option<ExceptionPolicy> {
        let text = self.text(key)?;
        let text = text.trim();
        if text.eq_ignore_ascii_case("auto") {
            return None;
        }
        let policy = ExceptionPolicy::from_name(&text.to_ascii_lowercase());
        if policy.is_none() {
            let names: Vec<&str> = ExceptionPolicy::NAMES.iter().map(|(name, _)| *name).collect();
            self.wrong(
                key,
                &format!("{text:?} is not an exception policy"),
                &format!("write one of {}, auto", names.join(", ")),
            );
        }
        policy
    }

    /// The scalars of a list; one scalar is a list of one.
    pub(super) fn list(&self, key: &'static str) -> Vec<String> {
        match self.value(key) {
            None => Vec::new(),
            Some(Value::Sequence(items)) => {
                let texts: Vec<String> =
                    items.iter().filter(|item| !item.is_null()).filter_map(scalar).collect();
                if texts.len() < items.iter().filter(|item| !item.is_null()).count() {
                    self.wrong(
                        key,
                        "only plain values can stand in this list",
                        "take the maps and lists out of it",
                    );
                }
                texts
            }
            Some(value) => match scalar(value) {
                Some(text) => vec![text],
                None => {
                    self.wrong(key, "a list is wanted here", "write \"- item\" lines below it");
                    Vec::new()
                }
            },
        }
    }

    /// The entries of a map of scalars, by name.
    pub(super) fn entries(&self) -> Vec<(String, &'c Value)> {
        self.map.into_iter().flatten().map(|(key, value)| (scalar(key).unwrap_or_default(), value)).collect()
    }

    /// Keys that are known and have no use here.
    pub(super) fn ignore(&self, keys: &[&'static str]) {
        self.asked.borrow_mut().extend(keys);
    }

    pub(super) fn wrong(&self, key: &str, message: &str, hint: &str) {
        let path = self.below(key);
        self.reading.error(&path, message, Some(hint.to_owned()));
    }

    pub(super) fn warn(&self, key: &str, message: &str, hint: Option<String>) {
        self.reading.warn(&self.below(key), message, hint);
    }

    fn default(&self, key: &str, value: &str) {
        self.reading.defaults.borrow_mut().push((self.below(key), value.to_owned()));
    }

    /// Warns of every key that nobody asked for.
    pub(super) fn finish(self) {
        let asked = self.asked.borrow();
        for (key, _) in self.entries() {
            let dashed = key.replace('_', "-");
            let path = self.below(&key);
            if asked.iter().any(|known| *known == key || *known == dashed)
                || known::is_ignored(&self.below(&dashed))
            {
                continue;
            }
            let candidates = asked.iter().copied().chain(known::ignored_below(&self.path));
            let hint = did_you_mean(&key, candidates)
                .map(|similar| format!("did you mean {}?", self.below(similar)));
            self.reading.warn(&path, "this key is unknown here and has no effect", hint);
        }
    }
}
