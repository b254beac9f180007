//! `pcre`: Perl-compatible regular expressions.
//!
//! An expression is compiled when it is first needed: in linear time by `regex` wherever it means the same there
//! ([`translate`]), else by `pcre2` with its match limits ([`expression`]). Loading checks the syntax only.

pub(super) mod expression;
mod translate;

use self::expression::{Expression, Flags};
use super::row::{Row, row, value};
use crate::detect::inspect::ops::{Op, Pcre};
use crate::detect::{BufferId, RuleBuilder};
use crate::rules::value::{Piece, split, text};
use crate::rules::{OptionAst, RuleError};

pub(super) static PCRE: Row = row("pcre", "A Perl-compatible regular expression: pcre:\"/…/flags\".", pcre);

/// Flags that name a buffer.
const BUFFERS: &[(char, &str)] = &[
    ('U', "http.uri"),
    ('I', "http.uri.raw"),
    ('H', "http.header"),
    ('D', "http.header.raw"),
    ('M', "http.method"),
    ('C', "http.cookie"),
    ('P', "http.request_body"),
    ('Q', "http.response_body"),
    ('S', "http.stat_code"),
    ('Y', "http.stat_msg"),
    ('V', "http.user_agent"),
    ('W', "http.host"),
    ('Z', "http.host.raw"),
];

/// What stands after the last slash.
#[derive(Debug, Default)]
struct Parsed<'t> {
    flags: Flags,
    relative: bool,
    raw: bool,
    buffer: Option<(Piece<'t>, &'static str)>,
}

fn pcre(option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError> {
    let text = text(&value(option)?)?;
    let (pattern, after) = slashes(&text.text)?;
    let parts = split(&after, b',');
    let (flags, names) = parts.split_first().map_or((after.clone(), &[][..]), |(f, n)| (f.clone(), n));
    let parsed = read_flags(&flags)?;
    check_names(names)?;
    if parsed.raw && parsed.buffer.is_some() {
        return Err(flags.error("B (raw bytes) and a buffer contradict each other").hint("take the B away"));
    }
    let expression = Expression::new(&pattern, parsed.flags, rule.environment.pcre_limits)?;
    let buffer = match &parsed.buffer {
        Some((flag, name)) => Some(buffer_of(flag, name, &pattern, parsed.flags, rule)?),
        None => None,
    };
    if parsed.relative {
        // at the start of a sticky buffer it is relative to that start
        let previous = rule.is_sticky()
            || match buffer {
                Some(buffer) => rule.has_previous_in(buffer),
                None => rule.has_previous(),
            };
        if !previous {
            return Err(flags
                .error("R is relative to a match before it in the same buffer, and there is none")
                .hint("write a content of that buffer before it, or take the R away"));
        }
    }
    let op =
        Op::Pcre(Pcre { matcher: Box::new(expression), negated: text.negated, relative: parsed.relative });
    match buffer {
        Some(buffer) if !rule.is_sticky() => rule.push_to(buffer, op),
        _ => rule.push(op),
    }
    Ok(())
}

/// The expression between the slashes and what stands after the last one.
fn slashes<'t>(text: &Piece<'t>) -> Result<(Piece<'t>, Piece<'t>), RuleError> {
    let hint = "write pcre:\"/EXPRESSION/FLAGS\";";
    let start = match text.node.as_bytes() {
        [b'/', ..] => 1,
        [b'm', b'/', ..] => 2,
        _ => return Err(text.error("an expression begins with a slash").hint(hint)),
    };
    match text.node.rfind('/') {
        Some(end) if end >= start => Ok((text.part(start..end), text.part(end + 1..text.node.len()))),
        _ => Err(text.error("the expression has no slash at its end").hint(hint)),
    }
}

fn read_flags<'t>(flags: &Piece<'t>) -> Result<Parsed<'t>, RuleError> {
    let mut parsed = Parsed::default();
    for (at, c) in flags.node.char_indices() {
        match c {
            'i' => parsed.flags.caseless = true,
            'm' => parsed.flags.multi_line = true,
            's' => parsed.flags.dot_all = true,
            'x' => parsed.flags.extended = true,
            'A' => parsed.flags.anchored = true,
            'E' => parsed.flags.dollar_end_only = true,
            'G' => parsed.flags.ungreedy = true,
            'R' => parsed.relative = true,
            'B' => parsed.raw = true,
            // lifts the configured match limit in the reference engine; ours stays
            'O' => {}
            _ => {
                let Some((_, name)) = BUFFERS.iter().find(|(flag, _)| *flag == c) else {
                    let hint = "i m s x A E G R B O, or one buffer: U I H D M C P Q S Y V W Z";
                    return Err(flags.error_at(at, format!("\"{c}\" is not a flag of pcre")).hint(hint));
                };
                let flag = flags.part(at..at + 1);
                if parsed.buffer.is_some() {
                    return Err(flag
                        .error("an expression is asked of one buffer only")
                        .hint("keep one of the flags"));
                }
                parsed.buffer = Some((flag, name));
            }
        }
    }
    Ok(parsed)
}

/// Names for captured groups are accepted; nothing asks for what they hold yet.
fn check_names(names: &[Piece<'_>]) -> Result<(), RuleError> {
    for name in names {
        let known = ["flow:", "pkt:", "alert:"]
            .iter()
            .any(|kind| name.node.strip_prefix(kind).is_some_and(|n| !n.is_empty()));
        if !known {
            return Err(name.error("not a name for a captured group").hint("write flow:NAME or pkt:NAME"));
        }
    }
    Ok(())
}

/// The buffer that a flag names.
fn buffer_of(
    flag: &Piece<'_>,
    name: &str,
    pattern: &Piece<'_>,
    flags: Flags,
    rule: &RuleBuilder<'_>,
) -> Result<BufferId, RuleError> {
    let Some(buffer) = rule.registry.buffer_named(name) else {
        return Err(flag.error(format!("there is no buffer {name} here")).hint("http is not built in"));
    };
    // the body of a response is also what file.data shows of HTTP: the older flag means the buffer in force
    if name == "http.response_body" && rule.registry.buffer_named("file.data") == Some(rule.buffer()) {
        return Ok(rule.buffer());
    }
    if rule.is_sticky() && rule.buffer() != buffer {
        return Err(flag
            .error(format!("{name} is asked for while another sticky buffer is in force"))
            .hint(format!("write pkt_data; before it, or {name}; in place of the flag")));
    }
    if name == "http.host" && !flags.caseless && has_upper_case(pattern.node) {
        return Err(pattern
            .error("the host is lower case in this buffer, and the expression has upper case")
            .hint("write it in lower case, or add the flag i"));
    }
    Ok(buffer)
}

/// An upper-case letter that stands for itself.
fn has_upper_case(pattern: &str) -> bool {
    let mut bytes = pattern.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => {
                bytes.next();
            }
            b'A'..=b'Z' => return true,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::super::testing::{check_errors, check_loads, with};
    use super::*;

    #[test]
    fn expressions_that_load() {
        check_loads(&[
            "pcre:\"/abc/\";",
            "pcre:!\"/abc/ism\";",
            "pcre:/abc/;",
            "pcre:\"m/abc/\";",
            "pcre:\"//\";",
            "pcre:\"/a/b/i\";",
            "pcre:\"/abc/O\";",
            "pcre:\"/abc/xAEG\";",
            "pcre:\"/(?P<flow_x>abc)/\";",
            "pcre:\"/(abc)/, flow:x\";",
            "pcre:\"/(?<=a)b/\";",
            "pcre:\"/a\\;b\\\"/\";",
            "http.uri; pcre:\"/abc/U\";",
            "http.uri; pcre:\"/abc/B\";",
            "pcre:\"/ABC/Wi\";",
            "pcre:\"/abc\\D\\W/W\";",
            "content:\"a\"; pcre:\"/b/R\";",
            "content:\"a\"; http.uri; pcre:\"/b/R\";",
        ]);
    }

    #[test]
    fn flags_choose_the_buffer() {
        with("content:\"x\"; pcre:\"/a/U\"; pcre:\"/b/UR\"; pcre:\"/c/\";", |rule| {
            let rule = rule.unwrap();
            let uri = rule.registry.buffer_named("http.uri").unwrap();
            let parts: Vec<_> = rule.parts.iter().map(|p| (p.buffer, p.ops.len())).collect();
            assert_eq!(parts, [(BufferId::PAYLOAD, 2), (uri, 2)]);
            let Op::Pcre(pcre) = &rule.parts[1].ops[1] else { panic!() };
            assert!(pcre.relative && !pcre.negated);
        });
    }

    #[test]
    fn mistakes_are_told() {
        check_errors(&[
            ("pcre:\"/abc/z\";", "\"z\" is not a flag of pcre"),
            ("pcre:\"/abc\";", "the expression has no slash at its end"),
            ("pcre:\"abc\";", "an expression begins with a slash"),
            ("pcre:\"/a(b/\";", "the expression is wrong here: missing closing parenthesis"),
            ("pcre:\"/(?:a){70000}/\";", "the expression is wrong here: number too big in {} quantifier"),
            ("pcre:\"/abc/R\";", "R is relative to a match before it in the same buffer, and there is none"),
            (
                "content:\"a\"; pcre:\"/abc/UR\";",
                "R is relative to a match before it in the same buffer, and there is none",
            ),
            ("pcre:\"/abc/UI\";", "an expression is asked of one buffer only"),
            ("pcre:\"/abc/UB\";", "B (raw bytes) and a buffer contradict each other"),
            ("http.uri; pcre:\"/abc/W\";", "http.host is asked for while another sticky buffer is in force"),
            ("pcre:\"/ABC/W\";", "the host is lower case in this buffer, and the expression has upper case"),
            ("pcre:\"/abc/H\";", "there is no buffer http.header here"),
            ("pcre:\"/(a)/, foo\";", "not a name for a captured group"),
        ]);
    }
}
