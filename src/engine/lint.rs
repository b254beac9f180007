//! What is slow, odd or without effect in rules that load all the same. Each warning has a code ([`CODES`]), a place and a
//! remedy. Only `check` asks for them; a replay does not pay.

use super::bits::{BitUse, Bits, RuleAt, uses};
use crate::detect::fit::literal_span;
use crate::detect::inspect::ops::{Content, Op};
use crate::detect::literal::{candidate, is_everywhere};
use crate::detect::registry::Word;
use crate::detect::rule::RuleProtocol;
use crate::detect::{Class, Placement, Registry, Rule, placement};
use crate::rules::{OptionAst, RuleAst, RuleError};

/// A kind of warning.
#[derive(Clone, Copy, Debug)]
pub struct Code {
    /// Its name.
    pub name: &'static str,
    /// What is meant, for many rules at once.
    pub what: &'static str,
    /// What to do.
    pub remedy: &'static str,
}

/// All kinds, the gravest first.
pub const CODES: &[Code] = &[
    code("never-matches", "can never match", "see the message of each"),
    code("flow-contradiction", "ask of the flow what contradicts the rest", "keep one of the two"),
    code("contradictory-bits", "ask for a bit to be set and not set at once", "keep one of the two"),
    code("duplicate-sid", "have the sid of another rule", "give each rule a sid of its own"),
    code(
        "bit-never-set",
        "ask for a bit that no rule sets",
        "load the rule that sets it, or take the question out",
    ),
    code(
        "no-literal",
        "have no literal to look for, and are evaluated each time",
        "add a content that must be there, the longer the better",
    ),
    code(
        "short-literal",
        "are looked at whenever one or two bytes are seen",
        "add a longer content, even if it repeats what pcre says",
    ),
    code("common-literal", "wait for bytes that are in most traffic", "add a rarer content"),
    code(
        "worse-fast-pattern",
        "ask for a fast pattern that is much commoner than another of their literals",
        "move fast_pattern to the rarer literal, or leave it out",
    ),
    code(
        "pcre-leading-any",
        "have an expression that begins with .*",
        "take the .* away: it finds the same, and is slower",
    ),
    code("case-never-there", "look for capitals where there are none", "write the literal in lower case"),
    code("rawbytes-ignored", "have rawbytes on a literal that is not of the payload", "take rawbytes away"),
    code("ports-without-effect", "name ports for a protocol that has none", "write any"),
    code("bit-never-tested", "set a bit that no rule asks for", "take it out if no other rule set needs it"),
    code(
        "unknown-class",
        "name a class that classification.config does not have",
        "add the class there, or name one of it",
    ),
    code("no-msg", "have no msg", "say what the alert means"),
    code(
        "ignored-text",
        "have text in an option that has no effect",
        "is a comma or semicolon missing before it?",
    ),
    code("no-effect", "have an option without effect", "see the message of each"),
    code("unsupported", "are left out: what they ask for is not supported yet", "nothing is wrong with them"),
];

const fn code(name: &'static str, what: &'static str, remedy: &'static str) -> Code {
    Code { name, what, remedy }
}

/// Buffers whose text is in lower case before rules see it.
const LOWERED: &[&str] =
    &["http.host", "http.header_lowercase", "ja3.hash", "ja3s.hash", "tls.cert_fingerprint"];

/// What is odd about one rule.
pub fn rule(rule: &Rule, ast: &RuleAst<'_>, registry: &Registry) -> Vec<RuleError> {
    let mut out = Vec::new();
    let placed = placement(rule, registry);
    speed(rule, ast, &placed, &mut out);
    flow(rule, ast, placed.class, &mut out);
    bits(ast, &mut out);
    case(rule, ast, registry, &mut out);
    uri_length(ast, registry, rule, &mut out);
    rawbytes(ast, registry, &mut out);
    expressions(ast, &mut out);
    if matches!(rule.protocol, RuleProtocol::Icmp(_) | RuleProtocol::Other(_))
        && !(rule.header.source_ports.is_any() && rule.header.destination_ports.is_any())
    {
        let ports =
            if rule.header.source_ports.is_any() { &ast.destination_ports } else { &ast.source_ports };
        out.push(warning(
            ports.span.clone(),
            "ports-without-effect",
            "this protocol has no ports",
            "write any",
        ));
    }
    if !rule.meta.class.is_empty() && rule.meta.category.is_empty() {
        let message = format!("no class '{}' in classification.config: the priority is 3", rule.meta.class);
        let span = option(ast, "classtype").and_then(value_span).unwrap_or(0..1);
        out.push(warning(span, "unknown-class", &message, "add the class there, or name one of it"));
    }
    if rule.meta.msg.is_empty() && !rule.noalert {
        let hint = "write msg:\"…\"; it is what people read";
        out.push(warning(ast.action.span.clone(), "no-msg", "the rule has no msg", hint));
    }
    out
}

/// What is odd about bits over the whole set: the rule, and what to say of it.
pub fn across(all: &Bits) -> Vec<(RuleAt, RuleError)> {
    let mut out = Vec::new();
    let names: Vec<&str> =
        all.iter().filter(|(_, uses)| !uses.set.is_empty()).map(|((_, name), _)| name.as_str()).collect();
    for ((kind, name), uses) in all.iter() {
        if uses.set.is_empty() {
            for (at, span) in &uses.tested {
                let message = format!("no rule sets '{name}' of {kind}: this rule never matches");
                let near = crate::rules::did_you_mean(name, names.iter().copied());
                let hint = match near {
                    Some(near) => format!("did you mean '{near}'?"),
                    None => "load the rule that sets it, or take the question out".to_owned(),
                };
                out.push((*at, warning(span.clone(), "bit-never-set", &message, &hint)));
            }
        }
        if uses.tested.is_empty() && uses.tested_not.is_empty() {
            for (at, span) in &uses.set {
                let message = format!("no rule asks for '{name}' of {kind}");
                let hint = "take it out if no other rule set needs it";
                out.push((*at, warning(span.clone(), "bit-never-tested", &message, hint)));
            }
        }
    }
    out.sort_by_key(|(at, error)| (*at, error.span.start));
    out
}

fn warning(span: std::ops::Range<usize>, code: &'static str, message: &str, hint: &str) -> RuleError {
    RuleError::new(span, message).hint(hint).code(code)
}

fn option<'a, 't>(ast: &'a RuleAst<'t>, name: &str) -> Option<&'a OptionAst<'t>> {
    ast.options.iter().find(|option| option.name.node.eq_ignore_ascii_case(name))
}

fn value_span(option: &OptionAst<'_>) -> Option<std::ops::Range<usize>> {
    option.value.as_ref().map(|value| value.span.clone())
}

/// How often the rule is looked at.
fn speed(rule: &Rule, ast: &RuleAst<'_>, placed: &Placement, out: &mut Vec<RuleError>) {
    let each = match placed.class {
        Class::Tx => "transaction",
        Class::Frame => "frame",
        Class::Packet => "packet",
        Class::Stream | Class::PacketStream => "piece of the stream",
        // once a flow, or only where something is odd
        Class::Event | Class::Address | Class::Detection => return,
    };
    let contents: Vec<&Content> = rule
        .parts
        .iter()
        .flat_map(|part| &part.ops)
        .filter_map(|op| match op {
            Op::Content(content) => Some(content),
            _ => None,
        })
        .collect();
    let expression = option(ast, "pcre");
    match &placed.literal {
        // tests of the head are cheap
        None if rule.parts.iter().all(|part| part.ops.is_empty()) => {}
        None => {
            let message = format!("nothing to look for first: the rule is evaluated for every {each}");
            let hint = match (contents.is_empty(), expression) {
                (true, Some(_)) => "write what the expression always contains as a content before it",
                (true, None) => "add a content that must be there",
                (false, _) if contents.iter().all(|content| content.negated) => {
                    "its literals are all negated: add a content that must be there"
                }
                (false, _) => "its literals are of a buffer that is not searched: add a content of another",
            };
            let span = expression
                .and_then(value_span)
                .or_else(|| contents.first().map(|content| literal_span(ast, &content.pattern)))
                .unwrap_or_else(|| ast.protocol.span.clone());
            out.push(warning(span, "no-literal", &message, hint));
        }
        Some((_, literal)) => {
            let at = || literal_span(ast, literal);
            if literal.len() <= 2 {
                let message = format!("the rule is evaluated wherever these {} bytes are", literal.len());
                let message = if literal.len() == 1 {
                    "the rule is evaluated wherever this byte is".to_owned()
                } else {
                    message
                };
                let hint =
                    "a content of four bytes or more makes it cheap, even if it repeats what pcre says";
                out.push(warning(at(), "short-literal", &message, hint));
            } else if is_everywhere(literal) {
                let message =
                    "these bytes are in most traffic (padding, zeros): the rule is evaluated nearly always";
                out.push(warning(at(), "common-literal", message, "add a content of rarer bytes"));
            } else if let Some(rarer) = overruling(rule, placed) {
                let span = option(ast, "fast_pattern").map_or_else(at, |option| option.name.span.clone());
                let message = "the fast pattern is much commoner than another literal of this rule, which serves instead";
                let hint = format!("move fast_pattern to {}, or leave it out", shown(&rarer.pattern));
                out.push(warning(span, "worse-fast-pattern", message, &hint));
            }
        }
    }
}

/// The literal that serves although the rule asks for another, which is much commoner.
fn overruling<'r>(rule: &'r Rule, placed: &Placement) -> Option<&'r Content> {
    let (part, text) = placed.literal.as_ref()?;
    let contents = |ops: &'r [Op]| {
        ops.iter().filter_map(|op| match op {
            Op::Content(content) => Some(content),
            _ => None,
        })
    };
    let asked = rule.parts.iter().flat_map(|part| contents(&part.ops)).any(|c| c.fast_pattern.is_some());
    let chosen = contents(&rule.parts.get(*part)?.ops).find(|content| {
        candidate(content).is_some_and(|candidate| candidate.bytes.eq_ignore_ascii_case(text))
    })?;
    (asked && chosen.fast_pattern.is_none()).then_some(chosen)
}

/// A literal for a message.
pub fn shown(bytes: &[u8]) -> String {
    let mut text = String::from("\"");
    let mut hex = false;
    for &byte in bytes.iter().take(48) {
        let plain = (0x20..0x7f).contains(&byte) && !matches!(byte, b'"' | b'|' | b';' | b'\\' | b':');
        match (plain, hex) {
            (true, true) => text.push('|'),
            (false, false) => text.push('|'),
            (false, true) => text.push(' '),
            (true, false) => {}
        }
        hex = !plain;
        if plain {
            text.push(byte as char);
        } else {
            text.push_str(&format!("{byte:02x}"));
        }
    }
    if hex {
        text.push('|');
    }
    if bytes.len() > 48 {
        text.push('…');
    }
    text.push('"');
    text
}

fn flow(rule: &Rule, ast: &RuleAst<'_>, class: Class, out: &mut Vec<RuleError>) {
    let options: Vec<_> =
        ast.options.iter().filter(|option| option.name.node.eq_ignore_ascii_case("flow")).collect();
    let Some(first) = options.first() else { return };
    let span = value_span(first).unwrap_or_else(|| first.name.span.clone());
    let mut tell = |message: &str, hint: &str| {
        out.push(warning(span.clone(), "flow-contradiction", message, hint));
    };
    if options.len() > 1 {
        tell("flow stands twice in this rule", "write all of it in one option: flow:established,to_server;");
    }
    let Some(flow) = rule.flow else { return };
    if class == Class::Tx && flow.established == Some(false) {
        tell("transactions are of established flows only", "take not_established away");
    }
    if class == Class::Tx && flow.no_stream {
        tell("transactions are made of the stream", "take no_stream away");
    }
    if flow.only_stream && rule.packet_payload {
        tell("only_stream, and an option that asks for the packet's own payload", "keep one of them");
    }
    let syn = option(ast, "flags").and_then(|option| option.value.as_ref()).is_some_and(|value| {
        let flags = value.node.split(',').next().unwrap_or("").trim();
        flags == "S"
    });
    if syn && flow.established == Some(true) {
        tell("a SYN alone is never of an established flow", "take established or the flags away");
    }
}

fn bits(ast: &RuleAst<'_>, out: &mut Vec<RuleError>) {
    let all = uses(ast);
    for (key, what, span) in &all {
        // alternatives (a|b) do not contradict
        let alone = |span: &std::ops::Range<usize>| {
            !ast.text.get(span.end..).unwrap_or("").trim_start().starts_with('|')
                && !ast.text.get(..span.start).unwrap_or("").trim_end().ends_with('|')
        };
        if *what == BitUse::TestNot
            && alone(span)
            && all.iter().any(|(other, what, at)| {
                other == key && *what == BitUse::Test && alone(at) && key.0 != "flowint"
            })
        {
            let message = format!("'{}' must be set and not set at once", key.1);
            out.push(warning(span.clone(), "contradictory-bits", &message, "keep one of the two"));
        }
    }
}

/// Capitals where the buffer has none.
fn case(rule: &Rule, ast: &RuleAst<'_>, registry: &Registry, out: &mut Vec<RuleError>) {
    for part in rule.parts.iter().filter(|part| part.transforms.is_empty()) {
        let name = registry.buffer(part.buffer).name;
        if !LOWERED.contains(&name) {
            continue;
        }
        for op in &part.ops {
            let Op::Content(content) = op else { continue };
            if !content.nocase && content.pattern.iter().any(u8::is_ascii_uppercase) {
                let message = format!("'{name}' is in lower case: these capitals are never there");
                let span = literal_span(ast, &content.pattern);
                out.push(warning(span, "case-never-there", &message, "write the literal in lower case"));
            }
        }
    }
}

/// `urilen` against the literals of the URI.
fn uri_length(ast: &RuleAst<'_>, registry: &Registry, rule: &Rule, out: &mut Vec<RuleError>) {
    let Some(value) = option(ast, "urilen").and_then(|option| option.value.as_ref()) else { return };
    let (number, raw) = match value.split_at_first(",") {
        Some((number, kind)) => (number, kind.node == "raw"),
        None => (value.clone(), false),
    };
    let Ok(test) = crate::rules::IntTest::<u16>::parse(&number) else { return };
    let Some((exact, _)) = test.upper() else { return };
    let buffer = registry.buffer_named(if raw { "http.uri.raw" } else { "http.uri" });
    for part in rule.parts.iter().filter(|part| Some(part.buffer) == buffer) {
        for op in &part.ops {
            let Op::Content(content) = op else { continue };
            if content.pattern.len() as u64 > exact && !content.negated {
                let message = "urilen leaves no room for this literal: the rule never matches";
                let hint = format!("it has {} bytes, urilen allows {exact} at most", content.pattern.len());
                out.push(warning(literal_span(ast, &content.pattern), "never-matches", message, &hint));
            }
        }
    }
}

/// `rawbytes` beside a modifier that moves the literal out of the payload.
fn rawbytes(ast: &RuleAst<'_>, registry: &Registry, out: &mut Vec<RuleError>) {
    let mut sticky = false;
    let mut moved = false;
    let mut raw = None;
    let mut told = Vec::new();
    for option in &ast.options {
        match registry.find(&option.name.node.to_ascii_lowercase()) {
            Some(Word::Sticky(_)) => sticky = true,
            Some(Word::Modifier(_)) => moved = true,
            Some(Word::Keyword(keyword)) => match keyword.name() {
                "content" | "uricontent" => (moved, raw) = (false, None),
                "pkt_data" => sticky = false,
                "rawbytes" => raw = Some(option.name.span.clone()),
                _ => {}
            },
            _ => {}
        }
        if sticky || moved {
            told.extend(raw.take());
        }
    }
    for span in told {
        let message = "rawbytes has no effect on a literal that is not of the payload";
        out.push(warning(span, "rawbytes-ignored", message, "take rawbytes away"));
    }
}

fn expressions(ast: &RuleAst<'_>, out: &mut Vec<RuleError>) {
    for option in ast.options.iter().filter(|option| option.name.node.eq_ignore_ascii_case("pcre")) {
        let Some(value) = &option.value else { continue };
        let Ok(text) = crate::rules::value::text(value) else { continue };
        let Some(pattern) = text.text.node.strip_prefix('/') else { continue };
        // relative to a match, it says how far that may be: that is no waste
        let relative = text.text.node.rsplit('/').next().is_some_and(|flags| flags.contains('R'));
        if pattern.starts_with(".*") && !pattern.starts_with(".*?") && !relative && !text.negated {
            let start = text.text.span.start + 1;
            let message = "this .* finds nothing more, and makes the expression try every place";
            out.push(warning(start..start + 2, "pcre-leading-any", message, "take the .* away"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::load::tests::complaints;

    /// Each rule, and the codes it is told of.
    #[test]
    fn what_is_slow_or_contradictory_is_told() {
        for (text, expected) in [
            ("alert tcp any any -> any any (msg:\"a\"; content:\"abcdef\"; sid:1;)", &[][..]),
            ("alert tcp any any -> any any (msg:\"a\"; pcre:\"/abc/\"; sid:1;)", &["no-literal"]),
            ("alert tcp any any -> any any (msg:\"a\"; flags:S; sid:1;)", &[]),
            ("alert tcp any any -> any any (msg:\"a\"; content:!\"abcdef\"; sid:1;)", &["no-literal"]),
            (
                "alert http any any -> any any (msg:\"a\"; http.uri; pcre:\"/.*abc/\"; sid:1;)",
                &["no-literal", "pcre-leading-any"],
            ),
            ("alert tcp any any -> any any (msg:\"a\"; content:\"ab\"; sid:1;)", &["short-literal"]),
            (
                "alert tcp any any -> any any (msg:\"a\"; content:\"|00 00 00 00 00|\"; sid:1;)",
                &["common-literal"],
            ),
            (
                "alert tcp any any -> any any (msg:\"a\"; content:\"GET\"; fast_pattern; content:\"/very_rare_thing_x9\"; sid:1;)",
                &["worse-fast-pattern"],
            ),
            (
                "alert http any any -> any any (msg:\"a\"; http.uri; bsize:<6; content:\"abcdef\"; sid:1;)",
                &["never-matches"],
            ),
            (
                "alert http any any -> any any (msg:\"a\"; urilen:<6; http.uri; content:\"abcdef\"; sid:1;)",
                &["never-matches"],
            ),
            (
                "alert http any any -> any any (msg:\"a\"; http.host; content:\"Example.org\"; sid:1;)",
                &["case-never-there"],
            ),
            (
                "alert http any any -> any any (msg:\"a\"; content:\"abcdef\"; rawbytes; http_uri; sid:1;)",
                &["rawbytes-ignored"],
            ),
            (
                "alert tcp any any -> any any (msg:\"a\"; flow:established; flags:S; sid:1;)",
                &["flow-contradiction"],
            ),
            (
                "alert tcp any any -> any any (msg:\"a\"; flow:established; flow:to_server; content:\"abcdef\"; sid:1;)",
                &["flow-contradiction"],
            ),
            ("alert icmp any 80 -> any any (msg:\"a\"; itype:8; sid:1;)", &["ports-without-effect"]),
            ("alert tcp any any -> any any (content:\"abcdef\"; sid:1;)", &["no-msg"]),
            (
                "alert tcp any any -> any any (msg:\"a\"; content:\"abcdef\"; classtype:nobodys; sid:1;)",
                &["unknown-class"],
            ),
            (
                "alert tcp any any -> any any (msg:\"a\"; content:\"abcdef\"; flowbits:isset,a; sid:1;)",
                &["bit-never-set"],
            ),
            (
                "alert tcp any any -> any any (msg:\"a\"; content:\"abcdef\"; flowbits:set,a; sid:1;)",
                &["bit-never-tested"],
            ),
            (
                "alert tcp any any -> any any (msg:\"a\"; content:\"abcdef\"; flowbits:set,a; sid:1;)\n\
                 alert tcp any any -> any any (msg:\"a\"; content:\"abcdef\"; flowbits:isset,b|a; flowbits:isnotset,a|c; sid:2;)",
                &["bit-never-set"],
            ),
            (
                "alert tcp any any -> any any (msg:\"a\"; content:\"abcdef\"; flowbits:set,a; flowbits:isset,a; flowbits:isnotset,a; sid:1;)",
                &["contradictory-bits"],
            ),
            (
                "alert tcp any any -> any any (msg:\"a\"; content:\"abcdef\"; sid:1; rev:1;)\n\
                 alert tcp any any -> any any (msg:\"a\"; content:\"abcdef\"; sid:1; rev:2;)",
                &["duplicate-sid"],
            ),
        ] {
            let told = complaints(text);
            let codes: Vec<&str> = told.iter().map(|complaint| complaint.code).collect();
            assert_eq!(codes, expected, "{text}");
            assert!(
                told.iter().all(|complaint| complaint.warning && complaint.error.hint.is_some()),
                "{text}"
            );
        }
    }

    #[test]
    fn what_never_fits_is_refused_as_the_reference_engine_does() {
        for (options, refused) in [
            ("http.uri; bsize:5; content:\"abcdef\";", true),
            ("http.uri; content:\"abcdef\"; bsize:5;", true),
            ("http.uri; bsize:5; content:\"abc\"; offset:4;", true),
            ("http.uri; bsize:5; content:\"abc\"; content:\"def\"; distance:0;", true),
            ("http.uri; bsize:5; content:\"abc\"; content:\"def\";", false),
            ("http.uri; bsize:5<>7; content:\"abcdefg\";", false),
            ("http.uri; bsize:5<>7; content:\"abcdefgh\";", true),
            ("http.uri; bsize:>3; content:\"abcdefgh\";", false),
            ("dsize:<3; content:\"abc\";", false),
            ("dsize:<2; content:\"abc\";", true),
            ("dsize:5; content:!\"abcdef\";", true),
        ] {
            let told = complaints(&format!("alert tcp any any -> any any (msg:\"a\"; {options} sid:1;)"));
            assert_eq!(told.iter().any(|complaint| !complaint.warning), refused, "{options}");
        }
    }

    #[test]
    fn every_code_has_its_words() {
        for code in super::CODES {
            assert!(!code.what.is_empty() && !code.remedy.is_empty());
            assert_eq!(
                super::CODES.iter().filter(|other| other.name == code.name).count(),
                1,
                "{}",
                code.name
            );
        }
    }
}
