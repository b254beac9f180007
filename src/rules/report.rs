//! What is wrong with a rule, and how a person or a program is told.

use std::ops::Range;

use crate::json::JsonWriter;

/// One mistake in one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// Where, in bytes of the rule's text.
    pub span: Range<usize>,
    /// What, in a few words.
    pub message: String,
    /// What to write instead, if we can say.
    pub hint: Option<String>,
    /// It is good in the language, and not there yet in this program: no mistake of the rule's writer.
    pub unsupported: bool,
    /// A short name of the kind of mistake, for programs; empty where there is none.
    pub code: &'static str,
}

impl RuleError {
    /// A mistake at that place.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        RuleError { span, message: message.into(), hint: None, unsupported: false, code: "" }
    }

    /// With a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Something of the language that is not there yet.
    #[must_use]
    pub fn unsupported(mut self) -> Self {
        self.unsupported = true;
        self
    }

    /// With the name of its kind.
    #[must_use]
    pub fn code(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// The same mistake, when the text it was found in stands at that offset of a larger one.
    #[must_use]
    pub fn moved(mut self, offset: usize) -> Self {
        self.span = self.span.start + offset..self.span.end + offset;
        self
    }
}

/// How wide the piece of a rule is that is shown around a mistake, in characters.
const WINDOW: usize = 100;

/// A mistake in a file, ready to be shown.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The file's name.
    pub file: &'a str,
    /// The line, from 1, on which the offending text stands.
    pub line: u32,
    /// Its column there, from 1, in characters.
    pub column: u32,
    /// The rule's text, or as much as is known of it.
    pub text: &'a str,
    /// The mistake.
    pub error: &'a RuleError,
}

impl Report<'_> {
    /// For a person: place and message, the text with carets below the mistake, the hint. Ends in a newline.
    ///
    /// ```text
    /// my.rules:7:31: unknown variable $HOME_NETT
    ///   | alert tcp $HOME_NETT any -> any any (msg:"x"; sid:1;)
    ///   |           ^^^^^^^^^^
    ///   = did you mean $HOME_NET?
    /// ```
    pub fn render(&self) -> String {
        let Report { file, line, column, text, error } = *self;
        let mut out = format!("{file}:{line}:{column}: {}\n", printable(&error.message));
        let (window, carets) = window(text, &error.span);
        if !window.is_empty() {
            let caret_line = " ".repeat(carets.start) + &"^".repeat(carets.len().max(1));
            out.push_str(&format!("  | {window}\n  | {caret_line}\n"));
        }
        if let Some(hint) = &error.hint {
            out.push_str(&format!("  = {}\n", printable(hint)));
        }
        out
    }

    /// For a program: `{"file":…,"line":…,"column":…,"message":…,"text":…,"hint":…,"rule":…}`.
    pub fn json(&self, out: &mut JsonWriter) {
        out.open();
        out.text("file", self.file);
        out.number("line", self.line);
        out.number("column", self.column);
        out.text("message", &self.error.message);
        if let Some(part) = self.text.get(self.error.span.clone()).filter(|part| !part.is_empty()) {
            out.text("text", part);
        }
        if let Some(hint) = &self.error.hint {
            out.text("hint", hint);
        }
        out.text("rule", self.text);
        out.close();
    }
}

/// The part of the text around a span, fit for a terminal, and where the span stands in it, in characters.
fn window(text: &str, span: &Range<usize>) -> (String, Range<usize>) {
    let floor = |mut at: usize| {
        at = at.min(text.len());
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    };
    let (start, end) = (floor(span.start), floor(span.end.max(span.start)));
    let before: Vec<char> = text[..start].chars().rev().take(WINDOW / 2 + 1).collect();
    let cut_left = before.len() > WINDOW / 2;
    let mut shown: String = before.iter().take(WINDOW / 2).rev().copied().collect();
    let mut column = before.len().min(WINDOW / 2);
    if cut_left {
        shown.insert(0, '…');
        column += 1;
    }
    let marked = text[start..end].chars().take(WINDOW).count();
    let mut rest = text[start..].chars();
    shown.extend(rest.by_ref().take(WINDOW));
    if rest.next().is_some() {
        shown.push('…');
    }
    (printable(&shown), column..column + marked)
}

/// Without control characters, so that a rule cannot steer a terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// A piece of a rule for a message: quoted, cut after `max` characters.
pub(super) fn excerpt(text: &str, max: usize) -> String {
    let mut shown: String = text.chars().take(max).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("\"{shown}\"")
}

/// The candidate that `word` is most likely a misspelling of: at most a third of its letters differ. Case is ignored.
pub fn did_you_mean<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    if word.len() > 64 {
        return None;
    }
    let max = (word.chars().count() / 3).min(3);
    candidates
        .into_iter()
        .filter_map(|candidate| distance(word, candidate, max).map(|distance| (distance, candidate)))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Edit distance (insert, remove, replace, swap of neighbours), or `None` above `max`.
fn distance(a: &str, b: &str, max: usize) -> Option<usize> {
    let a: Vec<char> = a.chars().map(|c| c.to_ascii_lowercase()).collect();
    let b: Vec<char> = b.chars().take(80).map(|c| c.to_ascii_lowercase()).collect();
    if a.len().abs_diff(b.len()) > max {
        return None;
    }
    let mut before: Vec<usize> = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for (i, &x) in a.iter().enumerate() {
        let mut row = Vec::with_capacity(b.len() + 1);
        row.push(i + 1);
        for (j, &y) in b.iter().enumerate() {
            let mut best = (last[j] + usize::from(x != y)).min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && x == b[j - 1] && y == a[i - 1] {
                best = best.min(before[j - 1] + 1);
            }
            row.push(best);
        }
        before = std::mem::replace(&mut last, row);
    }
    last.last().copied().filter(|&distance| distance <= max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn carets_stand_below_the_mistake() {
        let text = "alert tcp $HOME_NETT any -> any any (msg:\"ñ\"; sid:1;)";
        let error = RuleError::new(10..20, "unknown variable $HOME_NETT").hint("did you mean $HOME_NET?");
        let report = Report { file: "my.rules", line: 7, column: 11, text, error: &error };
        assert_eq!(
            report.render(),
            "my.rules:7:11: unknown variable $HOME_NETT\n  | alert tcp $HOME_NETT any -> any any (msg:\"ñ\"; sid:1;)\n  |           ^^^^^^^^^^\n  = did you mean $HOME_NET?\n"
        );
        let mut json = JsonWriter::new();
        report.json(&mut json);
        let value: serde_json::Value = serde_json::from_slice(json.as_bytes()).unwrap();
        assert_eq!((&value["line"], &value["text"]), (&7.into(), &"$HOME_NETT".into()));
        assert_eq!(value["hint"], "did you mean $HOME_NET?");
    }

    #[test]
    fn long_rules_are_cut_around_the_mistake() {
        let text = format!("{}MARK\u{1b}[31m{}", "é".repeat(500), "z".repeat(500));
        let error = RuleError::new(1000..1004, "m");
        let shown = Report { file: "f", line: 1, column: 501, text: &text, error: &error }.render();
        let lines: Vec<&str> = shown.lines().collect();
        assert!(
            lines[1].starts_with("  | …é") && lines[1].ends_with("z…") && !shown.contains('\u{1b}'),
            "{shown}"
        );
        let column = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().skip(column).take(4).collect::<String>(), "MARK");
        let beyond = RuleError::new(5000..6000, "m");
        assert!(Report { file: "f", line: 1, column: 1, text: &text, error: &beyond }.render().contains('^'));
    }

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let words = ["content", "distance", "within", "flow", "flowbits", "nocase"];
        for (word, expected) in [
            ("contnet", Some("content")),
            ("conten", Some("content")),
            ("CONTENT", Some("content")),
            ("flwo", Some("flow")),
            ("no_case", Some("nocase")),
            ("distence", Some("distance")),
            ("xyz", None),
            ("ab", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(word, words), expected, "{word}");
        }
        assert_eq!(did_you_mean(&"x".repeat(100_000), words), None);
    }
}
