//! Evaluation of what a rule asks of one buffer.
//!
//! Operations are tried in order. A literal or an expression may match in several places: when something *relative* to it
//! fails further on, its next place is tried. A budget bounds the tries, so that no rule and no traffic makes this more
//! than linear in the budget (`detect.inspection-recursion-limit`).

pub mod ops;
mod pair;

use memchr::memmem;
use ops::{Content, Op, Pcre, View};
use pair::Needle;

use super::prefilter::ANYWHERE;

/// Whether all operations hold on the buffer of `view`.
///
/// `fresh`: bytes before this index were inspected before; some literal or expression must reach beyond it (0: all bytes are
/// new). What asks for none is asked of the new bytes alone.
/// `hint`: where some literal may stand, [`ANYWHERE`] when nothing is known: looked at before it is searched.
/// `budget`: tries left; at 0 the answer is no.
pub fn inspect(ops: &[Op], view: &mut View<'_>, fresh: usize, hint: usize, budget: u32) -> bool {
    if lacks(ops, view.bytes, hint) {
        return false;
    }
    let mut fresh = fresh;
    if fresh > 0 && !finds(ops) {
        view.bytes = view.bytes.get(fresh..).unwrap_or_default();
        view.offset = view.offset.saturating_add(fresh as u64);
        view.from_start = false;
        fresh = 0;
    }
    let mut run = Run { ops, fresh, hint, budget, stale: false, replaced: Vec::new() };
    run.from(0, view, 0)
}

/// Whether a literal is missing that the operations need at some place: an expression in front of it costs much more to ask.
fn lacks(ops: &[Op], bytes: &[u8], hint: usize) -> bool {
    let literal =
        |op: &Op| matches!(op, Op::Content(content) if !content.negated && !content.pattern.is_empty());
    match ops {
        [Op::Pcre(_), ..] => match ops.iter().find(|op| literal(op)) {
            Some(Op::Content(content)) => {
                !needle(content).stands_at(bytes, hint) && search(content, bytes).is_none()
            }
            _ => false,
        },
        _ => false,
    }
}

/// Where literals stand that are to be replaced, and by what; nothing unless all operations hold.
pub fn replacements<'o>(ops: &'o [Op], view: &mut View<'_>, budget: u32) -> Vec<(usize, &'o [u8])> {
    let mut run = Run { ops, fresh: 0, hint: ANYWHERE, budget, stale: false, replaced: Vec::new() };
    run.from(0, view, 0);
    run.replaced
}

/// Whether some operation finds bytes; the others test them or say what must not be there.
pub fn finds(ops: &[Op]) -> bool {
    ops.iter().any(|op| match op {
        Op::Content(content) => !content.negated,
        Op::Pcre(pcre) => !pcre.negated,
        Op::Test(_) => false,
    })
}

struct Run<'r> {
    ops: &'r [Op],
    fresh: usize,
    hint: usize,
    budget: u32,
    /// All held at some places, and none of these reached a new byte.
    stale: bool,
    /// Literals that are to be replaced, once all holds: places and what is to stand there.
    replaced: Vec<(usize, &'r [u8])>,
}

impl<'r> Run<'r> {
    /// Tries the operations from `at` on; `reach` is the furthest byte that any operation before needed.
    fn from(&mut self, at: usize, view: &mut View<'_>, reach: usize) -> bool {
        let ops = self.ops;
        let Some(op) = ops.get(at) else {
            let new = self.fresh == 0 || reach > self.fresh;
            self.stale |= !new;
            return new;
        };
        if self.budget == 0 {
            return false;
        }
        self.budget -= 1;
        match op {
            Op::Content(content) => self.content(content, at, view, reach),
            Op::Pcre(pcre) => self.pcre(pcre, at, view, reach),
            Op::Test(test) => {
                let before = view.at;
                if test.test(view) {
                    let reach = reach.max(view.at);
                    if self.from(at + 1, view, reach) {
                        return true;
                    }
                }
                view.at = before;
                false
            }
        }
    }

    fn next_is_relative(&self, at: usize) -> bool {
        self.ops.get(at + 1).is_some_and(Op::is_relative)
    }

    fn content(&mut self, content: &'r Content, at: usize, view: &mut View<'_>, reach: usize) -> bool {
        let Some((low, high)) = window(content, view) else {
            return content.negated && self.from(at + 1, view, reach);
        };
        if content.negated {
            return find(content, view, low, high).is_none() && self.from(at + 1, view, reach);
        }
        let before = view.at;
        if content.loose && self.fresh == 0 && needle(content).stands_at(view.bytes, self.hint) {
            view.at = self.hint + content.pattern.len();
            let held = self.from(at + 1, view, reach.max(view.at));
            view.at = if held { view.at } else { before };
            return held;
        }
        let mut low = low;
        while let Some(start) = find(content, view, low, high) {
            view.at = start + content.pattern.len();
            let reach = reach.max(view.at);
            if self.from(at + 1, view, reach) {
                self.replaced.extend(content.replace.as_deref().map(|new| (start, new)));
                return true;
            }
            view.at = before;
            if self.budget == 0 {
                return false;
            }
            self.budget -= 1;
            low = start + 1;
            if !self.next_is_relative(at) {
                if !self.stale || reach > self.fresh {
                    return false;
                }
                // all held with old bytes: only a place that reaches a new one changes the answer
                low = low.max((self.fresh + 1).saturating_sub(content.pattern.len()));
            }
        }
        false
    }

    fn pcre(&mut self, pcre: &Pcre, at: usize, view: &mut View<'_>, reach: usize) -> bool {
        let base = if pcre.relative { view.at } else { 0 };
        let Some(bytes) = view.bytes.get(base..) else {
            return pcre.negated && self.from(at + 1, view, reach);
        };
        if pcre.negated {
            return pcre.matcher.find(bytes, 0).is_none() && self.from(at + 1, view, reach);
        }
        let before = view.at;
        let mut from = 0;
        while let Some((start, end)) = pcre.matcher.find(bytes, from) {
            view.at = base + end;
            let reach = reach.max(view.at);
            if self.from(at + 1, view, reach) {
                return true;
            }
            view.at = before;
            if self.budget == 0 || start >= bytes.len() {
                return false;
            }
            self.budget -= 1;
            from = start + 1;
            if !self.next_is_relative(at) {
                if !self.stale || reach > self.fresh {
                    return false;
                }
                from = from.max(end);
            }
        }
        false
    }
}

/// Where a literal may stand: it begins at or after the first index and ends at or before the second. `None`: nowhere.
fn window(content: &Content, view: &View<'_>) -> Option<(usize, usize)> {
    let len = view.bytes.len() as i64;
    let (mut low, mut high) = (0i64, len);
    if content.is_relative() {
        let base = (view.at as i64).saturating_add(content.distance.map_or(0, |arg| arg.value(view.vars)));
        low = base;
        if let Some(within) = content.within {
            high = high.min(base.saturating_add(within.value(view.vars)));
        }
    } else {
        let past = i64::try_from(view.offset).unwrap_or(i64::MAX);
        if content.startswith {
            high = content.pattern.len() as i64 - past;
            if past > 0 {
                return None;
            }
        }
        let offset = content.offset.map_or(0, |arg| arg.value(view.vars));
        low = low.max(offset.saturating_sub(past));
        if let Some(depth) = content.depth {
            high = high.min(offset.saturating_add(depth.value(view.vars)).saturating_sub(past));
        }
    }
    low = low.max(0);
    high = high.min(len);
    (low.saturating_add(content.pattern.len() as i64) <= high).then_some((low as usize, high as usize))
}

/// The first place of the literal within the window.
fn find(content: &Content, view: &View<'_>, low: usize, high: usize) -> Option<usize> {
    let pattern = &content.pattern;
    if content.endswith {
        if !view.to_end {
            return None;
        }
        let start = view.bytes.len().checked_sub(pattern.len())?;
        let here = view.bytes.get(start..)?;
        let same = if content.nocase { here.eq_ignore_ascii_case(pattern) } else { *here == **pattern };
        return (same && start >= low && view.bytes.len() <= high).then_some(start);
    }
    search(content, view.bytes.get(low..high)?).map(|at| low + at)
}

/// A literal of more bytes is searched in a way that is linear whatever stands there.
const LONG: usize = 64;

/// The first place of the literal in `bytes`.
fn search(content: &Content, bytes: &[u8]) -> Option<usize> {
    if content.pattern.is_empty() {
        return Some(0);
    }
    if content.pattern.len() > LONG && !content.nocase {
        return memmem::find(bytes, &content.pattern);
    }
    needle(content).find(bytes)
}

fn needle(content: &Content) -> Needle<'_> {
    Needle { text: &content.pattern, pair: content.rarest, nocase: content.nocase }
}

#[cfg(test)]
mod tests {
    use super::ops::Arg;
    use super::*;

    fn content(text: &str) -> Content {
        Content { pattern: text.as_bytes().into(), ..Content::default() }
    }

    fn check(bytes: &[u8], contents: Vec<Content>) -> bool {
        let ops: Vec<Op> = contents.into_iter().map(Op::Content).collect();
        let mut vars = [0; 4];
        let mut decoded = Vec::new();
        let mut view = View {
            bytes,
            at: 0,
            offset: 0,
            from_start: true,
            to_end: true,
            little: true,
            vars: &mut vars,
            decoded: &mut decoded,
        };
        inspect(&ops, &mut view, 0, ANYWHERE, 3000)
    }

    fn with(mut content: Content, change: impl FnOnce(&mut Content)) -> Content {
        change(&mut content);
        content
    }

    #[test]
    fn literals_of_any_length_are_found() {
        for len in [1, 2, 31, 32, 33, LONG, LONG + 1, 200] {
            let text = format!("{}b", "a".repeat(len - 1));
            for front in [0, 1, 40, 700] {
                let bytes = format!("{}{text}", "a".repeat(front));
                for nocase in [false, true] {
                    let literal = with(content(&text), |c| c.nocase = nocase);
                    assert_eq!(search(&literal, bytes.as_bytes()), Some(front), "{len} {nocase}");
                    let cut = &bytes.as_bytes()[..bytes.len() - 1];
                    assert_eq!(search(&literal, cut), None, "{len} {nocase}");
                }
            }
        }
    }

    #[test]
    fn literals_stand_where_their_modifiers_allow() {
        let value = |n| Some(Arg::Value(n));
        for (bytes, contents, expected) in [
            ("abcdef", vec![content("cde")], true),
            ("abcdef", vec![content("x")], false),
            ("abcdef", vec![with(content("abc"), |c| c.startswith = true)], true),
            ("xabc", vec![with(content("abc"), |c| c.startswith = true)], false),
            ("xabc", vec![with(content("abc"), |c| c.endswith = true)], true),
            ("abcx", vec![with(content("abc"), |c| c.endswith = true)], false),
            ("abcdef", vec![with(content("cde"), |c| c.depth = value(5))], true),
            ("abcdef", vec![with(content("cde"), |c| c.depth = value(4))], false),
            ("abcdef", vec![with(content("cde"), |c| c.offset = value(2))], true),
            ("abcdef", vec![with(content("cde"), |c| c.offset = value(3))], false),
            (
                "abcdef",
                vec![with(content("cde"), |c| {
                    c.offset = value(1);
                    c.depth = value(4);
                })],
                true,
            ),
            ("abcdef", vec![content("ab"), with(content("ef"), |c| c.distance = value(2))], true),
            ("abcdef", vec![content("ab"), with(content("ef"), |c| c.distance = value(3))], false),
            ("abcdef", vec![content("ab"), with(content("cd"), |c| c.within = value(2))], true),
            ("abcdef", vec![content("ab"), with(content("de"), |c| c.within = value(2))], false),
            (
                "abcdef",
                vec![
                    content("ab"),
                    with(content("de"), |c| {
                        c.distance = value(1);
                        c.within = value(2);
                    }),
                ],
                true,
            ),
            ("abcdef", vec![content("cd"), with(content("ab"), |c| c.distance = value(-4))], true),
            ("ab ab xy", vec![content("ab"), with(content("xy"), |c| c.within = value(3))], true),
            ("abcdef", vec![with(content("x"), |c| c.negated = true)], true),
            ("abcdef", vec![with(content("c"), |c| c.negated = true)], false),
            (
                "abcdef",
                vec![
                    content("ab"),
                    with(content("f"), |c| {
                        c.negated = true;
                        c.within = value(2);
                    }),
                ],
                true,
            ),
            ("aBcDeF", vec![with(content("cde"), |c| c.nocase = true)], true),
            ("ab.CD", vec![with(content("b.cd"), |c| c.nocase = true)], true),
            ("", vec![content("a")], false),
            ("", vec![with(content("a"), |c| c.negated = true)], true),
        ] {
            assert_eq!(check(bytes.as_bytes(), contents.clone()), expected, "{bytes} {contents:?}");
        }
    }

    #[test]
    fn one_place_must_reach_a_new_byte() {
        let negated = |text| with(content(text), |c| c.negated = true);
        for (contents, expected) in [
            (vec![content("ab")], true),
            (vec![content("cd")], false),
            (vec![content("ab"), content("cd")], true),
            (vec![content("cd"), content("ab")], true),
            (vec![content("ab"), negated("zz")], true),
            (vec![content("cd"), negated("zz")], false),
            (vec![negated("zz")], true),
            (vec![content("yab"), content("xy")], true),
        ] {
            let ops: Vec<Op> = contents.iter().cloned().map(Op::Content).collect();
            let (mut vars, mut decoded) = ([0; 4], Vec::new());
            let mut view = View {
                bytes: b"ab cd xyab",
                at: 0,
                offset: 0,
                from_start: true,
                to_end: true,
                little: true,
                vars: &mut vars,
                decoded: &mut decoded,
            };
            assert_eq!(inspect(&ops, &mut view, 8, ANYWHERE, 3000), expected, "{contents:?}");
        }
    }

    #[test]
    fn a_hint_changes_no_answer() {
        let value = |n| Some(Arg::Value(n));
        let cases = [
            vec![content("cd")],
            vec![content("CD")],
            vec![with(content("cd"), |c| c.nocase = true)],
            vec![content("cd"), content("ab")],
            vec![content("cd"), content("zz")],
            vec![content("cd"), with(content("xy"), |c| c.distance = value(0))],
            vec![content("cd"), content("ab"), with(content("xy"), |c| c.within = value(3))],
            vec![with(content("cd"), |c| c.depth = value(5))],
            vec![with(content("cd"), |c| c.offset = value(6))],
            vec![with(content("cd"), |c| c.endswith = true)],
            vec![with(content("cd"), |c| c.negated = true)],
            vec![with(content("zz"), |c| c.negated = true), content("cd")],
        ];
        for bytes in ["ab cd xy cd", "CD ab xy cd ab", "cdcdcd", "xy", ""] {
            for contents in &cases {
                let mut ops: Vec<Op> = contents.iter().cloned().map(Op::Content).collect();
                ops::mark_loose(&mut ops);
                for fresh in [0, 4] {
                    let answer = |hint| {
                        let (mut vars, mut decoded) = ([0; 4], Vec::new());
                        let bytes = bytes.as_bytes();
                        let (vars, decoded) = (&mut vars[..], &mut decoded);
                        let (from_start, to_end, little) = (true, true, true);
                        let mut view =
                            View { bytes, at: 0, offset: 0, from_start, to_end, little, vars, decoded };
                        inspect(&ops, &mut view, fresh, hint, 3000)
                    };
                    let expected = answer(ANYWHERE);
                    for hint in (0..=bytes.len()).chain([usize::MAX - 1]) {
                        assert_eq!(answer(hint), expected, "{bytes} {contents:?} {fresh} {hint}");
                    }
                }
            }
        }
    }

    #[test]
    fn literals_are_loose_where_nothing_hangs_on_their_place() {
        let value = |n| Some(Arg::Value(n));
        let loose = |contents: Vec<Content>| -> Vec<bool> {
            let mut ops: Vec<Op> = contents.into_iter().map(Op::Content).collect();
            ops::mark_loose(&mut ops);
            ops.iter().map(|op| matches!(op, Op::Content(content) if content.loose)).collect()
        };
        assert_eq!(loose(vec![content("a"), content("b")]), [true, true]);
        let relative = with(content("b"), |c| c.distance = value(0));
        assert_eq!(loose(vec![content("a"), relative, content("c")]), [false, false, true]);
        assert_eq!(loose(vec![with(content("a"), |c| c.depth = value(9)), content("c")]), [false, true]);
        assert_eq!(loose(vec![with(content("a"), |c| c.replace = Some((*b"x").into()))]), [false]);
    }

    #[test]
    fn backtracking_ends_with_its_budget() {
        let value = |n| Some(Arg::Value(n));
        let bytes = vec![b'a'; 20_000];
        let mut contents = vec![content("a")];
        for _ in 0..20 {
            contents.push(with(content("a"), |c| c.distance = value(0)));
        }
        contents.push(with(content("b"), |c| c.distance = value(0)));
        assert!(!check(&bytes, contents));
    }
}
