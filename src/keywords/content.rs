//! `content` and its modifiers.

use super::row::{Row, bare, plain, row, unsupported, value};
use crate::detect::inspect::ops::{Arg, Content, FastPattern, Op};
use crate::detect::{BufferId, RuleBuilder};
use crate::rules::number::{signed, unsigned};
use crate::rules::value::{Piece, content_bytes, quoted, split_commas};
use crate::rules::{OptionAst, RuleError};

pub(super) static CONTENT: Row = row("content", "A literal that the buffer in force must hold.", content);
pub(super) static URICONTENT: Row = row(
    "uricontent",
    "A literal that the normalised URI must hold; http.uri with content is newer.",
    uricontent,
);
pub(super) static NOCASE: Row = row("nocase", "The literal before it is compared without case.", nocase);
pub(super) static OFFSET: Row =
    row("offset", "The literal before it begins at least that far into the buffer.", offset);
pub(super) static DEPTH: Row =
    row("depth", "The literal before it ends within that many bytes, counted from offset.", depth);
pub(super) static DISTANCE: Row =
    row("distance", "The literal before it begins at least that far behind the match before.", distance);
pub(super) static WITHIN: Row =
    row("within", "The literal before it ends within that many bytes behind the match before.", within);
pub(super) static STARTSWITH: Row =
    row("startswith", "The literal before it stands at the start of the buffer.", startswith);
pub(super) static ENDSWITH: Row =
    row("endswith", "The literal before it stands at the end of the buffer.", endswith);
pub(super) static RAWBYTES: Row =
    row("rawbytes", "Accepted for old rules; the payload is always raw.", rawbytes);
pub(super) static FAST_PATTERN: Row = row(
    "fast_pattern",
    "The literal before it (or a part of it) is what the prefilter looks for.",
    fast_pattern,
);
pub(super) static REPLACE: Row = row(
    "replace",
    "Bytes for the place of the literal, as many as it has: inline the packet goes on with them.",
    replace,
);
pub(super) static PREFILTER: Row = row("prefilter", "The test before it is tried early.", prefilter);
pub(super) static BYPASS: Row = row("bypass", "A match takes the flow out of inspection.", bypass);
pub(super) static CONFIG: Row =
    row("config", "Switches the record of the transaction off (logging disable, type tx, scope tx).", config);
pub(super) static NFQ_SET_MARK: Row = row(
    "nfq_set_mark",
    "The mark that the packet gets in its queue; without effect where there is no queue.",
    nfq_set_mark,
);
pub(super) static FLOWVAR: Row = row("flowvar", "What a pcre captured for the flow.", captured);
pub(super) static PKTVAR: Row = row("pktvar", "What a pcre captured for the packet.", captured);
pub(super) static LUA: Row = row("lua", "A script decides.", lua).also(&["luajit"]);

/// The largest `distance` and `within`, bytes, either way.
const RELATIVE_MAX: i64 = 1 << 20;

fn content(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let content = literal(option)?;
    rule.push(Op::Content(content));
    Ok(())
}

fn literal(option: &OptionAst<'_>) -> Result<Content, RuleError> {
    let text = quoted(&value(option)?)?;
    let pattern = content_bytes(&text.text)?;
    if pattern.is_empty() {
        return Err(text
            .text
            .error("an empty literal matches everywhere")
            .hint("write the bytes to look for"));
    }
    if pattern.len() > usize::from(u16::MAX) {
        return Err(text.text.error(format!("a literal has at most {} bytes", u16::MAX)));
    }
    Ok(Content { pattern: pattern.into(), negated: text.negated, ..Content::default() })
}

fn uricontent(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let content = literal(option)?;
    let Some(uri) = rule.registry.buffer_named("http.uri") else {
        return Err(option.name.error("uricontent needs the protocol http").hint("http is not built in"));
    };
    if rule.is_sticky() {
        return Err(option
            .name
            .error("uricontent cannot stand behind a sticky buffer")
            .hint("write http.uri; content:\"…\"; or reset the buffer with pkt_data; first"));
    }
    rule.push_to(uri, Op::Content(content));
    Ok(())
}

/// The literal that a modifier is about.
fn last<'b>(option: &OptionAst<'_>, rule: &'b mut RuleBuilder<'_>) -> Result<&'b mut Content, RuleError> {
    rule.last_content().ok_or_else(|| {
        let name = option.name.node;
        option
            .name
            .error(format!("{name} stands behind no content"))
            .hint(format!("write content:\"…\"; before {name}"))
    })
}

fn twice(option: &OptionAst<'_>) -> RuleError {
    option.name.error(format!("this literal has {} already", option.name.node)).hint("keep one of them")
}

fn clash(option: &OptionAst<'_>, other: &str) -> RuleError {
    option.name.error(format!("{} and {other} contradict each other on one literal", option.name.node)).hint(
        "offset and depth count from the start of the buffer, distance and within from the match before",
    )
}

fn nocase(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    bare(option)?;
    let content = last(option, rule)?;
    if content.nocase {
        return Err(twice(option));
    }
    content.nocase = true;
    content.pattern.make_ascii_lowercase();
    Ok(())
}

/// A number or the name of a variable that an option before has set.
pub(super) fn arg(
    piece: &Piece<'_>,
    rule: &mut RuleBuilder<'_>,
    min: i64,
    max: i64,
) -> Result<Arg, RuleError> {
    if piece.node.starts_with(|c: char| c.is_ascii_digit() || c == '-' || c == '+') {
        return signed(piece, min, max).map(Arg::Value);
    }
    variable(piece, rule).map(Arg::Var)
}

/// A variable that an option before has set.
pub(super) fn variable(
    piece: &Piece<'_>,
    rule: &mut RuleBuilder<'_>,
) -> Result<crate::detect::inspect::ops::VarId, RuleError> {
    rule.var(piece.node, false).ok_or_else(|| {
        let name: String = piece.node.chars().take(40).collect();
        piece
            .error(format!("\"{name}\" is neither a number nor a variable of this rule"))
            .hint("byte_extract and byte_math make variables, and stand before their use")
    })
}

/// `fast_pattern:only` says that the place does not matter.
fn placeable(option: &OptionAst<'_>, content: &Content) -> Result<(), RuleError> {
    if content.fast_pattern == Some(FastPattern::Only) {
        return Err(option
            .name
            .error(format!("{} and fast_pattern:only contradict each other", option.name.node))
            .hint("write fast_pattern; without only"));
    }
    if content.negated && content.fast_pattern.is_some() {
        return Err(option.name.error("a negated literal with a place cannot be the fast pattern"));
    }
    Ok(())
}

fn offset(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let arg = arg(&plain(option)?, rule, 0, i64::from(u16::MAX))?;
    let content = last(option, rule)?;
    placeable(option, content)?;
    if content.is_relative() {
        return Err(clash(option, "distance or within"));
    }
    if content.startswith {
        return Err(clash(option, "startswith"));
    }
    if content.offset.is_some() {
        return Err(twice(option));
    }
    content.offset = Some(arg);
    Ok(())
}

fn depth(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let arg = arg(&value, rule, 0, i64::from(u16::MAX))?;
    let content = last(option, rule)?;
    placeable(option, content)?;
    if content.is_relative() {
        return Err(clash(option, "distance or within"));
    }
    if content.startswith {
        return Err(clash(option, "startswith"));
    }
    if content.depth.is_some() {
        return Err(twice(option));
    }
    fits(&value, arg, content)?;
    content.depth = Some(arg);
    Ok(())
}

/// A literal cannot lie within fewer bytes than it has.
fn fits(value: &Piece<'_>, arg: Arg, content: &Content) -> Result<(), RuleError> {
    match arg {
        Arg::Value(room) if room < content.pattern.len() as i64 => {
            let len = content.pattern.len();
            Err(value
                .error(format!("the literal has {len} bytes and never lies within {room}"))
                .hint(format!("{len} or more")))
        }
        _ => Ok(()),
    }
}

fn relative<'b>(option: &OptionAst<'_>, rule: &'b mut RuleBuilder<'_>) -> Result<&'b mut Content, RuleError> {
    let content = last(option, rule)?;
    placeable(option, content)?;
    if content.startswith {
        return Err(clash(option, "startswith"));
    }
    if content.offset.is_some() || content.depth.is_some() {
        return Err(clash(option, "offset or depth"));
    }
    Ok(content)
}

fn distance(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let arg = arg(&plain(option)?, rule, -RELATIVE_MAX, RELATIVE_MAX)?;
    let content = relative(option, rule)?;
    if content.distance.is_some() {
        return Err(twice(option));
    }
    content.distance = Some(arg);
    Ok(())
}

fn within(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let arg = arg(&value, rule, -RELATIVE_MAX, RELATIVE_MAX)?;
    let content = relative(option, rule)?;
    if content.within.is_some() {
        return Err(twice(option));
    }
    fits(&value, arg, content)?;
    content.within = Some(arg);
    Ok(())
}

fn startswith(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    bare(option)?;
    let content = last(option, rule)?;
    placeable(option, content)?;
    if content.startswith {
        return Err(twice(option));
    }
    if content.offset.is_some() || content.depth.is_some() || content.is_relative() {
        return Err(clash(option, "offset, depth, distance or within"));
    }
    content.startswith = true;
    Ok(())
}

fn endswith(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    bare(option)?;
    last(option, rule)?.endswith = true;
    Ok(())
}

fn rawbytes(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    bare(option)?;
    last(option, rule).map(|_| ())
}

fn fast_pattern(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let kind = match &option.value {
        None => FastPattern::Whole,
        Some(value) if value.node == "only" => FastPattern::Only,
        Some(value) => match split_commas(value)?.as_slice() {
            [offset, length] => FastPattern::Chop(
                unsigned(offset, u64::from(u16::MAX))? as u16,
                unsigned(length, u64::from(u16::MAX))? as u16,
            ),
            _ => {
                return Err(value
                    .error("not a fast_pattern")
                    .hint("write fast_pattern; fast_pattern:only; or fast_pattern:OFFSET,LENGTH;"));
            }
        },
    };
    let content = last(option, rule)?;
    let placed =
        content.offset.is_some() || content.depth.is_some() || content.startswith || content.is_relative();
    if kind == FastPattern::Only && (content.negated || placed) {
        return Err(option
            .name
            .error("fast_pattern:only needs a literal that is not negated and has no place")
            .hint("write fast_pattern; without only"));
    }
    if content.negated && placed {
        return Err(option.name.error("a negated literal with a place cannot be the fast pattern"));
    }
    if let FastPattern::Chop(offset, length) = kind {
        let len = content.pattern.len();
        if length == 0 || usize::from(offset) + usize::from(length) > len {
            let place = option.value.as_ref().unwrap_or(&option.name);
            return Err(place
                .error(format!("the literal has {len} bytes only"))
                .hint("offset and length lie within it"));
        }
    }
    let others = rule.parts.iter().flat_map(|part| &part.ops);
    if others.into_iter().any(|op| matches!(op, Op::Content(content) if content.fast_pattern.is_some())) {
        return Err(option.name.error("this rule has a fast_pattern already").hint("keep one of them"));
    }
    last(option, rule)?.fast_pattern = Some(kind);
    Ok(())
}

fn replace(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let text = quoted(&value(option)?)?;
    let bytes = content_bytes(&text.text)?;
    if rule.buffer() != BufferId::PAYLOAD {
        return Err(option.name.error("replace works on the payload only"));
    }
    let content = last(option, rule)?;
    if text.negated || content.negated {
        return Err(option.name.error("what is not there cannot be replaced"));
    }
    if bytes.len() != content.pattern.len() {
        let len = content.pattern.len();
        return Err(text.text.error(format!("the literal has {len} bytes, its replacement {}", bytes.len())));
    }
    content.replace = Some(bytes.into());
    rule.packet_payload = true;
    Ok(())
}

fn prefilter(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    bare(option)?;
    let any = rule.parts.iter().any(|part| !part.ops.is_empty())
        || !rule.packet_tests.is_empty()
        || !rule.tx_tests.is_empty();
    if !any {
        return Err(option.name.error("prefilter stands behind no test"));
    }
    rule.prefilter = true;
    Ok(())
}

fn bypass(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    bare(option)?;
    rule.bypass = true;
    Ok(())
}

fn config(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let parts = split_commas(&value)?;
    let words: Vec<Vec<&str>> =
        parts.iter().map(|part| part.node.split_ascii_whitespace().collect()).collect();
    match words.iter().map(Vec::as_slice).collect::<Vec<_>>().as_slice() {
        [["logging", "disable"], ["type", "tx"], ["scope", "tx"]] => {
            rule.unlogged = true;
            Ok(())
        }
        [
            ["logging" | "tracking", "disable"],
            ["type", "tx" | "flow"],
            ["scope", "tx" | "flow" | "packet"],
        ] => Err(unsupported(option, "write config:logging disable, type tx, scope tx;")),
        _ => Err(value.error("not a setting").hint("write config:logging disable, type tx, scope tx;")),
    }
}

/// `nfq_set_mark:VALUE[/MASK]`
fn nfq_set_mark(option: &OptionAst<'_>, _: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let value = plain(option)?;
    let (mark, mask) = match value.split_at_first("/") {
        Some((mark, mask)) => (mark, Some(mask)),
        None => (value, None),
    };
    for number in std::iter::once(mark).chain(mask) {
        unsigned(&number, u64::from(u32::MAX))?;
    }
    Ok(())
}

fn captured(option: &OptionAst<'_>, _: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    Err(unsupported(option, "what expressions capture is not kept"))
}

fn lua(option: &OptionAst<'_>, _: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    Err(unsupported(option, "scripts come with a later version"))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, check_loads, with};
    use super::*;

    #[test]
    fn literals_and_their_places_are_kept() {
        let text = "content:\"Ab|0d 0A|\"; nocase; offset:2; depth:9; content:!\"x\"; distance:-3; within:7; endswith;";
        with(text, |rule| {
            let rule = rule.unwrap();
            let [Op::Content(first), Op::Content(second)] = rule.parts[0].ops.as_slice() else { panic!() };
            assert_eq!(&*first.pattern, b"ab\r\n");
            assert_eq!((first.offset, first.depth), (Some(Arg::Value(2)), Some(Arg::Value(9))));
            assert!(second.negated && second.endswith && second.is_relative());
            assert_eq!((second.distance, second.within), (Some(Arg::Value(-3)), Some(Arg::Value(7))));
        });
        with("content:\"a\"; content:\"bcd\"; fast_pattern:1,2; isdataat:1; nocase;", |rule| {
            let rule = rule.unwrap();
            let Op::Content(content) = &rule.parts[0].ops[1] else { panic!() };
            assert_eq!(content.fast_pattern, Some(FastPattern::Chop(1, 2)));
            assert!(content.nocase, "a modifier finds the last literal over other options");
        });
    }

    /// The combinations that the reference engine loads.
    #[test]
    fn combinations_that_load() {
        check_loads(&[
            "content:\"abc\"; endswith; depth:10; endswith;",
            "content:\"abc\"; within:10;",
            "content:\"abc\"; distance:0;",
            "content:!\"abc\"; fast_pattern;",
            "content:! \"abc\";",
            "content:\"|4142|\"; rawbytes;",
            "content:\"a\"; content:\"abc\"; distance:-70000;",
            "byte_extract:1,0,foo; content:\"abc\"; distance:foo;",
            "byte_extract:1,0,foo; content:\"abc\"; offset:foo; depth:foo;",
            "content:\"abc\"; replace:\"xyz\";",
            "content:\"x\"; content:\"abc\"; endswith; within:9;",
            "content:\"abc\"; endswith; startswith; nocase;",
            "uricontent:\"abc\"; nocase;",
            "content:\"a\"; prefilter;",
            "dsize:3; prefilter;",
            "content:\"a\"; bypass; bypass;",
        ]);
    }

    #[test]
    fn contradictions_are_told() {
        check_errors(&[
            ("nocase;", "nocase stands behind no content"),
            ("content:\"a\"; nocase; nocase;", "this literal has nocase already"),
            ("content:\"a\"; nocase:yes;", "nocase takes no value"),
            (
                "content:\"abc\"; fast_pattern:only; offset:3;",
                "offset and fast_pattern:only contradict each other",
            ),
            (
                "content:\"abc\"; offset:3; fast_pattern:only;",
                "fast_pattern:only needs a literal that is not negated and has no place",
            ),
            ("content:\"abc\"; depth:2;", "the literal has 3 bytes and never lies within 2"),
            ("content:\"abc\"; depth:0;", "the literal has 3 bytes and never lies within 0"),
            (
                "content:\"abc\"; depth:3; startswith;",
                "startswith and offset, depth, distance or within contradict each other on one literal",
            ),
            (
                "content:\"abc\"; startswith; depth:3;",
                "depth and startswith contradict each other on one literal",
            ),
            (
                "content:\"a\"; content:\"abc\"; distance:0; depth:4;",
                "depth and distance or within contradict each other on one literal",
            ),
            (
                "content:\"a\"; content:\"abc\"; depth:4; within:5;",
                "within and offset or depth contradict each other on one literal",
            ),
            ("content:\"a\"; content:\"abc\"; within:2;", "the literal has 3 bytes and never lies within 2"),
            ("content:\"a\"; distance:1; distance:2;", "this literal has distance already"),
            ("content:\"abc\"; depth:4; depth:5;", "this literal has depth already"),
            ("content:\"a\"; offset:-1;", "\"-1\" is out of range"),
            ("content:\"a\"; offset:65536;", "\"65536\" is out of range"),
            ("content:\"a\"; within:2000000;", "\"2000000\" is out of range"),
            ("content:\"a\"; distance:foo;", "\"foo\" is neither a number nor a variable of this rule"),
            (
                "content:\"abc\"; fast_pattern; content:\"def\"; fast_pattern;",
                "this rule has a fast_pattern already",
            ),
            ("content:\"abcdef\"; fast_pattern:4,3;", "the literal has 6 bytes only"),
            ("content:\"abcdef\"; fast_pattern:no;", "not a fast_pattern"),
            (
                "content:!\"abc\"; offset:1; fast_pattern;",
                "a negated literal with a place cannot be the fast pattern",
            ),
            ("content:\"\";", "an empty literal matches everywhere"),
            ("content:abc;", "this value must stand in double quotes"),
            ("content:\"abc\"; replace:\"abcd\";", "the literal has 3 bytes, its replacement 4"),
            ("http.uri; uricontent:\"abc\";", "uricontent cannot stand behind a sticky buffer"),
            ("prefilter; content:\"a\";", "prefilter stands behind no test"),
            ("lua:x.lua;", "lua is not supported yet"),
            ("flowvar:x,\"y\";", "flowvar is not supported yet"),
            ("nfq_set_mark:0x1/y;", "\"y\" is not a number"),
            ("config:tracking disable, type flow, scope packet;", "config is not supported yet"),
            ("config:logging disable, type tx, scope flow;", "config is not supported yet"),
            ("config:logging enable;", "not a setting"),
        ]);
    }

    #[test]
    fn a_modifier_of_old_takes_relative_options_along() {
        // the registry's modifier words are the compiler's work: here its move is made by hand
        with("content:\"a\";", |rule| {
            let rule = rule.unwrap();
            let uri = rule.registry.buffer_named("http.uri").unwrap();
            assert!(rule.move_last_to(uri));
            super::super::testing::apply(rule, "isdataat:!1,relative; isdataat:5;").unwrap();
            assert_eq!(rule.parts.iter().map(|p| p.ops.len()).collect::<Vec<_>>(), [1, 2]);
            assert!(rule.parts[0].buffer == BufferId::PAYLOAD && rule.parts[1].buffer == uri);
        });
    }
}
