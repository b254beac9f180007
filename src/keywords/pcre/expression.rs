//! A compiled expression: the engine is chosen and built at its first use.

use std::fmt;
use std::sync::OnceLock;

use super::translate::translate;
use crate::detect::inspect::ops::Matcher;
use crate::rules::RuleError;
use crate::rules::value::Piece;

/// Flags of an expression.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in super::super) struct Flags {
    /// `i`
    pub(super) caseless: bool,
    /// `m`
    pub(super) multi_line: bool,
    /// `s`
    pub(super) dot_all: bool,
    /// `x`
    pub(super) extended: bool,
    /// `A`
    pub(super) anchored: bool,
    /// `E`
    pub(super) dollar_end_only: bool,
    /// `G`
    pub(super) ungreedy: bool,
}

/// Compiled size of one linear expression, bytes.
const SIZE_MAX: usize = 10 << 20;
/// Cache of one linear expression and thread, bytes.
const CACHE_MAX: usize = 1 << 20;
/// Stack of one backtracking expression and thread, bytes.
const STACK_MAX: usize = 256 << 10;
/// Match and depth limit where the configuration says 0.
const LIMITS: (u32, u32) = (3500, 1500);

/// An expression with its flags.
pub(in super::super) struct Expression {
    pattern: Box<str>,
    flags: Flags,
    limits: (u32, u32),
    engine: OnceLock<Engine>,
}

/// What matches.
enum Engine {
    /// Linear time; `dollar`: its capturing groups are newlines that `$` must not take.
    Linear { regex: Box<regex::bytes::Regex>, dollar: bool },
    /// With limits.
    Backtracking(Box<pcre2::bytes::Regex>),
    /// It loaded, but cannot be built within the limits of size.
    None,
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = [
            (self.flags.caseless, 'i'),
            (self.flags.multi_line, 'm'),
            (self.flags.dot_all, 's'),
            (self.flags.extended, 'x'),
            (self.flags.anchored, 'A'),
            (self.flags.dollar_end_only, 'E'),
            (self.flags.ungreedy, 'G'),
        ];
        let letters: String = flags.iter().filter(|(on, _)| *on).map(|(_, letter)| *letter).collect();
        write!(f, "/{}/{letters}", self.pattern)
    }
}

impl Expression {
    /// Checks the syntax; building waits for the first use.
    pub(in super::super) fn new(
        pattern: &Piece<'_>,
        flags: Flags,
        limits: (u32, u32),
    ) -> Result<Self, RuleError> {
        let or_default = |limit, default| if limit == 0 { default } else { limit };
        let limits = (or_default(limits.0, LIMITS.0), or_default(limits.1, LIMITS.1));
        let this = Expression { pattern: pattern.node.into(), flags, limits, engine: OnceLock::new() };
        if translate(&this.pattern, flags).is_none() {
            let (text, shift) = this.backtracking_text();
            if let Err(error) = this.builder().build(&text) {
                return Err(told(&error, shift, pattern));
            }
        }
        Ok(this)
    }

    /// Groups that capture.
    pub(in super::super) fn captures(&self) -> usize {
        let (text, _) = self.backtracking_text();
        self.builder().build(&text).map_or(0, |regex| regex.captures_len().saturating_sub(1))
    }

    /// What the first group captured in the first match.
    pub(in super::super) fn capture<'b>(&self, bytes: &'b [u8]) -> Option<&'b [u8]> {
        let Engine::Backtracking(regex) = self.engine.get_or_init(|| self.build_backtracking()) else {
            return None;
        };
        let captures = regex.captures(bytes).ok()??;
        captures.get(1).map(|group| group.as_bytes())
    }

    fn build(&self) -> Engine {
        self.build_linear().unwrap_or_else(|| self.build_backtracking())
    }

    fn build_linear(&self) -> Option<Engine> {
        let translated = translate(&self.pattern, self.flags)?;
        let flags = translated.flags;
        let regex = regex::bytes::RegexBuilder::new(&translated.text)
            .unicode(false)
            .case_insensitive(flags.caseless)
            .multi_line(flags.multi_line)
            .dot_matches_new_line(flags.dot_all)
            .swap_greed(flags.ungreedy)
            .size_limit(SIZE_MAX)
            .dfa_size_limit(CACHE_MAX)
            .build()
            .ok()?;
        Some(Engine::Linear { regex: Box::new(regex), dollar: translated.dollar })
    }

    fn build_backtracking(&self) -> Engine {
        let (text, _) = self.backtracking_text();
        let mut builder = self.builder();
        builder.jit_if_available(true).max_jit_stack_size(Some(STACK_MAX));
        builder.build(&text).map_or(Engine::None, |regex| Engine::Backtracking(Box::new(regex)))
    }

    fn builder(&self) -> pcre2::bytes::RegexBuilder {
        let mut builder = pcre2::bytes::RegexBuilder::new();
        builder
            .caseless(self.flags.caseless)
            .multi_line(self.flags.multi_line)
            .dotall(self.flags.dot_all)
            .extended(self.flags.extended);
        builder
    }

    /// The expression for `pcre2`, with what its builder cannot say, and how far its first byte was moved.
    fn backtracking_text(&self) -> (String, usize) {
        let (matches, depth) = self.limits;
        let mut text = format!("(*LIMIT_MATCH={matches})(*LIMIT_DEPTH={depth})");
        // verbs at the start of the expression stay at the start
        let verbs = leading_verbs(&self.pattern);
        let (verbs, pattern) = self.pattern.split_at(verbs);
        text.push_str(verbs);
        if self.flags.ungreedy {
            text.push_str("(?U)");
        }
        if self.flags.anchored {
            text.push_str(r"\A(?:");
        }
        let shift = text.len() - verbs.len();
        if self.flags.dollar_end_only && !self.flags.multi_line {
            end_only(pattern, &mut text);
        } else {
            text.push_str(pattern);
        }
        if self.flags.anchored {
            // a comment of an extended expression ends with its line
            text.push_str(if self.flags.extended { "\n)" } else { ")" });
        }
        (text, shift)
    }
}

/// The length of `(*…)` at the start.
fn leading_verbs(pattern: &str) -> usize {
    let mut len = 0;
    while let Some(rest) = pattern.get(len..).filter(|rest| rest.starts_with("(*")) {
        match rest.find(')') {
            Some(end) => len += end + 1,
            None => break,
        }
    }
    len
}

/// Writes the pattern with `\z` in place of each dollar that is an assertion.
fn end_only(pattern: &str, out: &mut String) {
    let (mut escaped, mut class) = (false, false);
    for c in pattern.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => class = true,
            ']' => class = false,
            '$' if !class => {
                out.push_str(r"\z");
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
}

fn told(error: &pcre2::Error, shift: usize, pattern: &Piece<'_>) -> RuleError {
    let text = error.to_string();
    // "PCRE2: error compiling pattern at offset 3: missing closing parenthesis"
    let message = text.rsplit_once(": ").map_or(text.as_str(), |(_, message)| message);
    let message = format!("the expression is wrong here: {message}");
    let at = error.offset().map_or(0, |at| at.saturating_sub(shift)).min(pattern.node.len());
    let at = (0..=at).rev().find(|at| pattern.node.is_char_boundary(*at)).unwrap_or(0);
    if at == pattern.node.len() { pattern.error(message) } else { pattern.error_at(at, message) }
}

impl Matcher for Expression {
    fn find(&self, bytes: &[u8], from: usize) -> Option<(usize, usize)> {
        if from > bytes.len() {
            return None;
        }
        match self.engine.get_or_init(|| self.build()) {
            Engine::Linear { regex, dollar } => {
                let found = regex.find_at(bytes, from)?;
                let mut end = found.end();
                if *dollar && end == bytes.len() && bytes.last() == Some(&b'\n') {
                    let groups = regex.captures_at(bytes, from)?;
                    end -= usize::from(groups.iter().skip(1).any(|group| group.is_some()));
                }
                Some((found.start(), end))
            }
            Engine::Backtracking(regex) => {
                let found = regex.find_at(bytes, from).ok()??;
                Some((found.start(), found.end()))
            }
            Engine::None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::Xorshift;
    use super::*;
    use crate::rules::Spanned;

    fn expression(pattern: &str, letters: &str) -> Expression {
        let has = |c| letters.contains(c);
        let flags = Flags {
            caseless: has('i'),
            multi_line: has('m'),
            dot_all: has('s'),
            extended: has('x'),
            anchored: has('A'),
            dollar_end_only: has('E'),
            ungreedy: has('G'),
        };
        let piece = Spanned { node: pattern, span: 0..pattern.len() };
        Expression::new(&piece, flags, (0, 0)).unwrap_or_else(|e| panic!("{pattern}: {e:?}"))
    }

    #[test]
    fn expressions_match_as_perl_does() {
        for (pattern, flags, bytes, from, expected) in [
            ("a$", "", &b"a\n"[..], 0, Some((0, 1))),
            ("a$", "", b"a\nb", 0, None),
            ("a$", "m", b"a\nb", 0, Some((0, 1))),
            ("a$", "E", b"a\n", 0, None),
            ("(?<=x)a$", "E", b"xa\n", 0, None),
            ("(?<=x)a[$]$", "E", b"xa$", 0, Some((1, 3))),
            (r"a\s*$", "", b"a\n", 0, Some((0, 2))),
            (r"a\s*?$", "", b"a\n", 0, Some((0, 1))),
            (r"a(?:\s|$)", "", b"a\n", 0, Some((0, 2))),
            (r"a(?:$|\s)", "", b"a\n", 0, Some((0, 1))),
            ("^b", "m", b"a\nb", 0, Some((2, 3))),
            ("b", "A", b"ab", 0, None),
            ("(?=b)b", "A", b"ab", 0, None),
            ("(?=b)b|a", "A", b"ab", 0, Some((0, 1))),
            ("A", "i", b"xa", 0, Some((1, 2))),
            ("a+", "G", b"aaa", 0, Some((0, 1))),
            ("(?=a)a+", "G", b"aaa", 0, Some((0, 1))),
            ("a.c", "", b"a\nc", 0, None),
            ("a.c", "s", b"a\nc", 0, Some((0, 3))),
            ("a b # c", "x", b"ab", 0, Some((0, 2))),
            ("a # c", "xA", b"a", 0, Some((0, 1))),
            (r"\xff[\x80-\xff]", "i", b"\xff\x90", 0, Some((0, 2))),
            (r"(\w)\1", "", b"abccd", 0, Some((2, 4))),
            ("(?i)ab(?-i:C)", "", b"ABC", 0, Some((0, 3))),
            ("a", "", b"aba", 1, Some((2, 3))),
            ("^a", "", b"aa", 1, None),
            (r"\ba", "", b"xa a", 1, Some((3, 4))),
            ("", "", b"", 0, Some((0, 0))),
            ("a", "", b"a", 2, None),
        ] {
            assert_eq!(
                expression(pattern, flags).find(bytes, from),
                expected,
                "/{pattern}/{flags} {bytes:?}"
            );
        }
    }

    #[test]
    fn catastrophes_end_at_the_limit() {
        let bomb = expression(r"(?=a)(a+)+\1b", "");
        assert_eq!(bomb.find(&[b'a'; 5000], 0), None);
    }

    #[test]
    fn mistakes_are_told_at_their_place() {
        let error = |pattern: &str| {
            let piece = Spanned { node: pattern, span: 100..100 + pattern.len() };
            Expression::new(&piece, Flags { anchored: true, ungreedy: true, ..Flags::default() }, (0, 0))
                .unwrap_err()
        };
        assert_eq!(error(r"ab\x{100}").span.start, 108);
        assert_eq!(error("a[z-a]").span.start, 104);
    }

    /// What is translated finds in random bytes what `pcre2` finds, over random expressions.
    #[test]
    fn both_engines_agree() {
        const PIECES: &[&str] = &[
            "a", "b", "\\n", ".", "[ab]", "[^a]", "(", "(?:", ")", "|", "*", "+", "?", "*?", "+?", "??",
            "{2}", "{0,2}", "{1,}?", "^", "$", "\\s", "\\w", "\\b", "\\B", "\\d", "[^\\n]", "\\x0a", "\\W",
            "\\A", "\\z", "(?i:A)", "[b-c]",
        ];
        let mut random = Xorshift::new(7);
        let mut compared = 0;
        for _ in 0..30_000 {
            let pattern: String =
                (0..1 + random.below(9)).map(|_| PIECES[random.below(PIECES.len())]).collect();
            let letters = ["", "i", "m", "s", "E", "G", "A", "is", "ms", "mG"][random.below(10)];
            let piece = Spanned { node: pattern.as_str(), span: 0..pattern.len() };
            let flags = expression("", letters).flags;
            let limits = (1_000_000, 1_000_000);
            let Ok(expression) = Expression::new(&piece, flags, limits) else { continue };
            let Some(linear) = expression.build_linear() else { continue };
            let Engine::Backtracking(backtracking) = expression.build_backtracking() else {
                panic!("/{pattern}/{letters} is translated and wrong");
            };
            let expression = Expression { engine: OnceLock::from(linear), ..expression };
            for _ in 0..8 {
                let bytes: Vec<u8> = (0..random.below(8)).map(|_| b"ab\n c\xe4"[random.below(6)]).collect();
                let from = random.below(bytes.len() + 1);
                let expected = backtracking.find_at(&bytes, from).unwrap().map(|m| (m.start(), m.end()));
                assert_eq!(
                    expression.find(&bytes, from),
                    expected,
                    "/{pattern}/{letters} {bytes:?} from {from}"
                );
                compared += 1;
            }
        }
        assert!(compared > 20_000, "{compared}");
    }
}
