//! Literals against the length that their rule allows the buffer (`bsize`, `dsize`): what can never be there is told.
//!
//! What the reference engine refuses is refused; where it counts one byte more than fits (`bsize:<5` and five bytes) the rule
//! loads, and is told of.

use std::ops::Range;

use super::buffer::BufferId;
use super::inspect::ops::{Arg, Content, Op};
use super::registry::Registry;
use super::rule::{PacketTest, Part};
use crate::rules::value::{content_bytes, quoted};
use crate::rules::{RuleAst, RuleError};

/// Contradictions, each with whether the rule is refused for it.
pub(super) fn check(
    parts: &[Part],
    packet_tests: &[Box<dyn PacketTest>],
    registry: &Registry,
    ast: &RuleAst<'_>,
) -> Vec<(RuleError, bool)> {
    let mut found = Vec::new();
    for part in parts {
        let Some((needed, content)) = needed(&part.ops) else { continue };
        let own = part.ops.iter().filter_map(|op| match op {
            Op::Test(test) => test.length_max(),
            _ => None,
        });
        let payload =
            packet_tests.iter().filter(|_| part.buffer == BufferId::PAYLOAD).filter_map(|t| t.length_max());
        let Some((exact, written)) = own.chain(payload).min() else { continue };
        if needed <= exact {
            continue;
        }
        let name = registry.buffer(part.buffer).name;
        let text = if content.negated {
            format!("this literal never fits into '{name}', so that its absence says nothing")
        } else {
            format!("this literal never fits into '{name}'")
        };
        let error = RuleError::new(literal_span(ast, &content.pattern), text)
            .hint(format!("it needs {needed} bytes, and the rule allows {exact} at most"))
            .code("never-matches");
        found.push((error, needed > written));
    }
    found
}

/// How long a buffer must be at least for its literals, and the literal that needs it.
fn needed(ops: &[Op]) -> Option<(u64, &Content)> {
    let fixed = |arg: Option<Arg>| match arg {
        Some(Arg::Value(value)) => Some(value),
        Some(Arg::Var(_)) => None,
        None => Some(0),
    };
    let mut end = 0i64;
    let mut best: Option<(u64, &Content)> = None;
    for op in ops {
        let Op::Content(content) = op else {
            // where it ends is not known
            end = 0;
            continue;
        };
        let start = match content.is_relative() {
            true => fixed(content.distance).map_or(0, |distance| end.saturating_add(distance)),
            false => fixed(content.offset).unwrap_or(0),
        };
        let stop = start.max(0).saturating_add(content.pattern.len() as i64);
        if !content.negated {
            end = stop;
        }
        let stop = u64::try_from(stop).unwrap_or(0);
        if best.is_none_or(|(most, _)| stop > most) {
            best = Some((stop, content));
        }
    }
    best
}

/// Where the literal stands in the rule's text; the whole rule's first letter when it is not found.
pub fn literal_span(ast: &RuleAst<'_>, pattern: &[u8]) -> Range<usize> {
    for option in &ast.options {
        if !matches!(option.name.node.to_ascii_lowercase().as_str(), "content" | "uricontent") {
            continue;
        }
        let Some(value) = &option.value else { continue };
        let Ok(text) = quoted(value) else { continue };
        if content_bytes(&text.text).is_ok_and(|bytes| bytes.eq_ignore_ascii_case(pattern)) {
            return value.span.clone();
        }
    }
    0..ast.text.len().min(1)
}
