//! Rule text → [`RuleAst`]. All mistakes of a rule are told at once, each at its place.
//!
//! Limits: [`RULE_MAX`] bytes, [`OPTIONS_MAX`] options, [`DEPTH_MAX`] nested lists and negations.

use std::ops::Range;

use super::ast::{Action, Arrow, GroupExpr, OptionAst, RejectKind, RuleAst, Scope, Spanned};
use super::lexer::{Field, Options, Step, header, trimmed};
use super::report::{RuleError, did_you_mean};

/// Longest rule, in bytes.
pub const RULE_MAX: usize = 64 * 1024;
/// Most options of one rule.
pub const OPTIONS_MAX: usize = 1024;
/// Deepest nesting of lists and negations in an address or port group.
pub const DEPTH_MAX: usize = 64;
/// Most mistakes told of one rule.
const ERRORS_MAX: usize = 32;

/// The words a rule may begin with.
pub const ACTIONS: &[(&str, Action)] = &[
    ("alert", Action::Alert),
    ("config", Action::Config),
    ("drop", Action::Drop),
    ("pass", Action::Pass),
    ("reject", Action::Reject(RejectKind::Source)),
    ("rejectboth", Action::Reject(RejectKind::Both)),
    ("rejectdst", Action::Reject(RejectKind::Destination)),
    ("rejectsrc", Action::Reject(RejectKind::Source)),
];

/// The action of that name, in any case.
pub fn action(name: &str) -> Option<Action> {
    ACTIONS.iter().find(|(word, _)| word.eq_ignore_ascii_case(name)).map(|&(_, action)| action)
}

/// Takes a rule apart. Its text is one line: see [`super::file`] for files, comments and continued lines.
///
/// Keywords, protocol and variables are not looked up here: their names and values stay as written.
pub fn parse_rule<'t>(text: &'t str) -> Result<RuleAst<'t>, Vec<RuleError>> {
    if text.len() > RULE_MAX {
        let message = format!("a rule of {} bytes; at most {RULE_MAX} are read", text.len());
        return Err(vec![RuleError::new(0..RULE_MAX.min(1), message)]);
    }
    let mut errors = Vec::new();
    let ast = rule(text, &mut errors);
    errors.truncate(ERRORS_MAX);
    match ast {
        Some(ast) if errors.is_empty() => Ok(ast),
        _ => {
            if errors.is_empty() {
                errors.push(RuleError::new(0..text.len(), "this is not a rule"));
            }
            errors.sort_by_key(|error| error.span.start);
            Err(errors)
        }
    }
}

/// Reads one address or port expression that stands alone, such as a variable's value.
pub fn parse_group(text: &str) -> Result<Spanned<GroupExpr<'_>>, RuleError> {
    if text.len() > GROUP_MAX {
        return Err(RuleError::new(0..1, format!("a group of more than {GROUP_MAX} bytes")));
    }
    group(text, trimmed(text, 0..text.len()))
}

/// Longest group outside a rule (variables may hold thousands of addresses), in bytes.
const GROUP_MAX: usize = 4 * 1024 * 1024;

fn rule<'t>(text: &'t str, errors: &mut Vec<RuleError>) -> Option<RuleAst<'t>> {
    if text.trim_ascii().is_empty() {
        errors.push(RuleError::new(0..0, "the rule is empty"));
        return None;
    }
    let header = header(text, errors);
    let fields = fields(text, &header.fields, header.options, errors);
    let options = match header.options {
        Some(paren) => options(text, paren, errors),
        None => {
            // told alone only: text that is no rule at all has worse mistakes
            if errors.is_empty() {
                let end = text.trim_ascii_end().len();
                let hint = "options stand in parentheses: (msg:\"…\"; sid:1;)";
                errors.push(RuleError::new(end..end, "the rule has no options").hint(hint));
            }
            Vec::new()
        }
    };
    let [action, protocol, source, source_ports, arrow, destination, destination_ports] = fields?;
    let spanned = |range: Field| Spanned { node: &text[range.clone()], span: range };
    let (action, scope) = head_pair(spanned(action));
    // firewall rules are refused as a whole
    let scope = scope.filter(|_| !action.node.eq_ignore_ascii_case("accept"));
    let scope = scope.map(|scope| read_scope(&action, scope, errors));
    let action = read_action(action, errors);
    let (protocol, hook) = head_pair(spanned(protocol));
    let hook = hook.and_then(|hook| read_protocol(hook, errors));
    let mut read = |field: Field| match group(text, field) {
        Ok(group) => Some(group),
        Err(error) => {
            errors.push(error);
            None
        }
    };
    let source = read(source);
    let source_ports = read(source_ports);
    let destination = read(destination);
    let destination_ports = read(destination_ports);
    let arrow = read_arrow(spanned(arrow), errors);
    Some(RuleAst {
        text,
        action: action?,
        scope: scope.flatten(),
        protocol: read_protocol(protocol, errors)?,
        hook,
        source: source?,
        source_ports: source_ports?,
        arrow: arrow?,
        destination: destination?,
        destination_ports: destination_ports?,
        options,
    })
}

/// What the seven fields are called when one is missing.
const FIELDS: [&str; 7] = [
    "action",
    "protocol",
    "source addresses",
    "source ports",
    "direction",
    "destination addresses",
    "destination ports",
];

/// The seven fields, or what is wrong with their number.
fn fields(
    text: &str,
    fields: &[Field],
    options: Option<usize>,
    errors: &mut Vec<RuleError>,
) -> Option<[Field; 7]> {
    if let Ok(seven) = <[Field; 7]>::try_from(fields.to_vec()) {
        return Some(seven);
    }
    if !errors.is_empty() {
        // an open bracket has swallowed the fields behind it: that was told
        return None;
    }
    let hint = "a rule begins: action protocol addresses ports -> addresses ports (";
    let first = fields.first().map(|first| &text[first.clone()]).unwrap_or("");
    let glued = fields.iter().find(|field| {
        let field = &text[(*field).clone()];
        field.len() > 2 && (field.contains("->") || field.contains("<>"))
    });
    let first_word = first.split(':').next().unwrap_or(first);
    let error = if !first.is_empty() && action(first_word).is_none() {
        read_action(Spanned { node: first, span: fields[0].clone() }, errors);
        return None;
    } else if let Some(glued) = glued {
        RuleError::new(glued.clone(), "no blanks around the arrow")
            .hint("write blanks on both sides of the arrow")
    } else if fields.len() < 7 {
        let end = options.unwrap_or(text.len());
        let end = text[..end].trim_ascii_end().len();
        RuleError::new(end..end, format!("the {} missing", missing(text, fields))).hint(hint)
    } else {
        RuleError::new(fields[7].clone(), "more fields than a rule's header has").hint(hint)
    };
    errors.push(error);
    None
}

/// Which field is missing: judged by where the arrow stands.
fn missing(text: &str, fields: &[Field]) -> String {
    let arrow = fields.iter().position(|field| matches!(&text[field.clone()], "->" | "<>"));
    let nth = match arrow {
        Some(at) if at < 4 => at,
        _ => fields.len(),
    };
    let name = FIELDS.get(nth).copied().unwrap_or("fields");
    format!("{name} {}", if name.ends_with('s') { "are" } else { "is" })
}

/// Both sides of a colon in a word of the head.
fn head_pair(word: Spanned<&str>) -> (Spanned<&str>, Option<Spanned<&str>>) {
    match word.node.split_once(':') {
        Some((left, right)) => {
            let at = word.span.start + left.len();
            (
                Spanned { node: left, span: word.span.start..at },
                Some(Spanned { node: right, span: at + 1..word.span.end }),
            )
        }
        None => (word, None),
    }
}

fn read_scope(
    action: &Spanned<&str>,
    word: Spanned<&str>,
    errors: &mut Vec<RuleError>,
) -> Option<Spanned<Scope>> {
    let node = match word.node {
        "packet" => Scope::Packet,
        "flow" => Scope::Flow,
        "hook" | "tx" => {
            let error = RuleError::new(word.span, format!("the scope '{}' is not supported yet", word.node));
            errors.push(error.hint("write packet or flow").unsupported());
            return None;
        }
        _ => {
            let error =
                RuleError::new(word.span, format!("{} is not a scope of an action", shown(word.node)));
            errors.push(error.hint("write packet or flow, as in drop:packet"));
            return None;
        }
    };
    if matches!(action.node, "alert" | "config") {
        let error = RuleError::new(word.span, format!("{} has no scope", action.node));
        errors.push(error.hint("pass, drop and reject have one"));
        return None;
    }
    Some(Spanned { node, span: word.span })
}

fn read_action(word: Spanned<&str>, errors: &mut Vec<RuleError>) -> Option<Spanned<Action>> {
    if let Some(node) = action(word.node) {
        return Some(Spanned { node, span: word.span });
    }
    if word.node.eq_ignore_ascii_case("accept") {
        let error = RuleError::new(word.span, "firewall rules (accept) are not supported yet");
        errors.push(error.hint("write pass for what is to be let through").unsupported());
        return None;
    }
    let hint = match did_you_mean(word.node, ACTIONS.iter().map(|(name, _)| *name)) {
        Some(name) => format!("did you mean {name}?"),
        None if word.node.eq_ignore_ascii_case("sdrop") => "write drop with the option noalert".to_owned(),
        None => "one of alert, drop, pass, reject, rejectsrc, rejectdst, rejectboth, config".to_owned(),
    };
    errors.push(RuleError::new(word.span, format!("unknown action {}", shown(word.node))).hint(hint));
    None
}

fn read_protocol<'t>(word: Spanned<&'t str>, errors: &mut Vec<RuleError>) -> Option<Spanned<&'t str>> {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if !word.node.is_empty() && word.node.bytes().all(good) {
        return Some(word);
    }
    errors.push(RuleError::new(word.span, format!("{} is not a protocol's name", shown(word.node))));
    None
}

fn read_arrow(word: Spanned<&str>, errors: &mut Vec<RuleError>) -> Option<Spanned<Arrow>> {
    let node = match word.node {
        "->" => Arrow::Right,
        "<>" => Arrow::Both,
        other => {
            let hint = match other {
                "<-" => "there is no <-: swap the two sides and write ->",
                "<->" => "write <> for both directions",
                _ => "-> or <> stands here",
            };
            errors.push(RuleError::new(word.span, format!("{} is not a direction", shown(other))).hint(hint));
            return None;
        }
    };
    Some(Spanned { node, span: word.span })
}

fn options<'t>(text: &'t str, paren: usize, errors: &mut Vec<RuleError>) -> Vec<OptionAst<'t>> {
    let mut options = Vec::new();
    let mut walk = Options::new(text, paren + 1);
    loop {
        match walk.next(errors) {
            Step::Option(raw) => {
                if options.len() == OPTIONS_MAX {
                    errors.push(RuleError::new(raw.name, format!("more than {OPTIONS_MAX} options")));
                    return options;
                }
                check_name(text, &raw.name, errors);
                options.push(OptionAst {
                    name: Spanned { node: &text[raw.name.clone()], span: raw.name },
                    value: raw.value.map(|span| Spanned { node: &text[span.clone()], span }),
                });
            }
            Step::Close(at) => {
                let rest = trimmed(text, at + 1..text.len());
                if !rest.is_empty() {
                    errors.push(RuleError::new(rest, "text behind the rule's closing parenthesis"));
                }
                return options;
            }
            Step::End => {
                if errors.is_empty() {
                    let end = text.trim_ascii_end().len();
                    errors.push(
                        RuleError::new(end..end, "the options' closing parenthesis is missing")
                            .hint("end the rule with )"),
                    );
                }
                return options;
            }
        }
        if errors.len() > ERRORS_MAX {
            return options;
        }
    }
}

fn check_name(text: &str, name: &Range<usize>, errors: &mut Vec<RuleError>) {
    let word = &text[name.clone()];
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
    if word.is_empty() {
        errors.push(
            RuleError::new(name.start..(name.start + 1).min(text.len()), "an option without a name")
                .hint("take the superfluous semicolon away"),
        );
    } else if let Some(bad) = word.find(|c: char| !c.is_ascii() || !good(c as u8)) {
        let at = name.start + bad;
        let hint =
            "keywords are letters, digits, dots, dashes and underscores; is a colon or semicolon missing?";
        let width = text[at..].chars().next().map_or(1, char::len_utf8);
        errors.push(RuleError::new(at..at + width, format!("{} is not a keyword", shown(word))).hint(hint));
    }
}

/// An address or port expression. Lists may stand without brackets: `80,81`.
fn group<'t>(text: &'t str, span: Range<usize>) -> Result<Spanned<GroupExpr<'t>>, RuleError> {
    let mut reader = GroupReader { text, at: span.start, end: span.end };
    let first = reader.element(0)?;
    if reader.peek() != Some(b',') {
        reader.finish()?;
        return Ok(first);
    }
    let mut list = vec![first];
    while reader.peek() == Some(b',') {
        reader.at += 1;
        list.push(reader.element(0)?);
    }
    reader.finish()?;
    Ok(Spanned { node: GroupExpr::List(list), span })
}

struct GroupReader<'t> {
    text: &'t str,
    at: usize,
    end: usize,
}

impl<'t> GroupReader<'t> {
    /// The byte that comes next, blanks skipped.
    fn peek(&mut self) -> Option<u8> {
        while self.at < self.end {
            let byte = *self.text.as_bytes().get(self.at)?;
            if !byte.is_ascii_whitespace() {
                return Some(byte);
            }
            self.at += 1;
        }
        None
    }

    fn finish(&mut self) -> Result<(), RuleError> {
        match self.peek() {
            None => Ok(()),
            Some(b']') => Err(RuleError::new(self.at..self.at + 1, "this bracket was never opened")),
            Some(_) => {
                Err(RuleError::new(self.at..self.end, "text behind the group").hint("part items with commas"))
            }
        }
    }

    fn element(&mut self, depth: usize) -> Result<Spanned<GroupExpr<'t>>, RuleError> {
        let next = self.peek();
        let start = self.at;
        if depth > DEPTH_MAX {
            let message = format!("lists and negations nested deeper than {DEPTH_MAX}");
            return Err(RuleError::new(start..start + 1, message));
        }
        let node = match next {
            None => return Err(RuleError::new(start..start, "an address, a port or a list is missing here")),
            Some(b'!') => {
                self.at += 1;
                GroupExpr::Not(Box::new(self.element(depth + 1)?))
            }
            Some(b'[') => {
                self.at += 1;
                GroupExpr::List(self.list(start, depth)?)
            }
            Some(b',' | b']') => {
                return Err(RuleError::new(start..start + 1, "an item is missing before this")
                    .hint("take the superfluous comma away"));
            }
            Some(_) => self.item()?,
        };
        Ok(Spanned { node, span: start..self.at })
    }

    /// Behind `[`: items up to the `]`. A comma before the `]` is forgiven.
    fn list(&mut self, open: usize, depth: usize) -> Result<Vec<Spanned<GroupExpr<'t>>>, RuleError> {
        let mut items = Vec::new();
        loop {
            match self.peek() {
                Some(b']') => {
                    self.at += 1;
                    if items.is_empty() {
                        return Err(RuleError::new(open..self.at, "the list is empty"));
                    }
                    return Ok(items);
                }
                None => {
                    return Err(RuleError::new(open..open + 1, "this bracket is never closed")
                        .hint("close the list with ]"));
                }
                Some(_) => items.push(self.element(depth + 1)?),
            }
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b']') | None => {}
                Some(_) => {
                    return Err(RuleError::new(self.at..self.at + 1, "no comma before this item")
                        .hint("part items with commas"));
                }
            }
        }
    }

    fn item(&mut self) -> Result<GroupExpr<'t>, RuleError> {
        let start = self.at;
        let rest = &self.text[start..self.end];
        let len = rest
            .find(|c: char| matches!(c, ',' | '[' | ']' | '!') || c.is_ascii_whitespace())
            .unwrap_or(rest.len());
        self.at += len;
        let word = &rest[..len];
        if let Some(name) = word.strip_prefix('$') {
            let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-' | b'.');
            if name.is_empty() || !name.bytes().all(good) {
                return Err(RuleError::new(
                    start..self.at,
                    format!("{} is not a variable's name", shown(word)),
                ));
            }
            return Ok(GroupExpr::Variable(name));
        }
        if word.eq_ignore_ascii_case("any") {
            return Ok(GroupExpr::Any);
        }
        Ok(GroupExpr::Item(word))
    }
}

/// A word from the rule, cut short, fit for a message.
fn shown(word: &str) -> String {
    super::report::excerpt(word, 40)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "alert tcp any any -> any any ";

    #[test]
    fn heads_may_say_where_and_how_far() {
        let head = |head: &str| {
            parse_rule(&format!("{head} any any -> any any (sid:1;)")).map(|ast| {
                (
                    ast.action.node,
                    ast.scope.map(|s| s.node),
                    ast.protocol.node.len(),
                    ast.hook.map(|h| h.node.len()),
                )
            })
        };
        assert_eq!(head("drop:packet tcp"), Ok((Action::Drop, Some(Scope::Packet), 3, None)));
        assert_eq!(head("pass:flow http1:request_line"), Ok((Action::Pass, Some(Scope::Flow), 5, Some(12))));
        assert_eq!(head("alert tls:client_hello_done"), Ok((Action::Alert, None, 3, Some(17))));
        for (text, message, unsupported) in [
            ("drop:tx tcp", "the scope 'tx' is not supported yet", true),
            ("drop:foo tcp", "\"foo\" is not a scope of an action", false),
            ("alert:flow tcp", "alert has no scope", false),
            ("accept:hook tcp:all", "firewall rules (accept) are not supported yet", true),
            ("alert tcp:", "", false),
        ] {
            let errors = head(text).unwrap_err();
            let first = errors.iter().find(|error| error.message == message || message.is_empty());
            assert!(first.is_some_and(|error| error.unsupported == unsupported), "{text}: {errors:?}");
        }
    }

    #[test]
    fn a_rule_becomes_a_tree() {
        let text = "REJECTboth http [$HOME_NET, !10.1.1.1] any <> !$X [80,8000:8099, ![81]] (msg:\"a\\;b\" ; content: !\"|3b|\"; nocase; flow:to_server,established;)";
        let rule = parse_rule(text).unwrap();
        assert_eq!(rule.action.node, Action::Reject(RejectKind::Both));
        assert_eq!((rule.protocol.node, rule.protocol.span.clone()), ("http", 11..15));
        let GroupExpr::List(items) = &rule.source.node else { panic!("{:?}", rule.source) };
        assert_eq!(items[0].node, GroupExpr::Variable("HOME_NET"));
        let GroupExpr::Not(inner) = &items[1].node else { panic!("{items:?}") };
        assert_eq!((&inner.node, &text[inner.span.clone()]), (&GroupExpr::Item("10.1.1.1"), "10.1.1.1"));
        assert_eq!(rule.source_ports.node, GroupExpr::Any);
        assert_eq!(rule.arrow.node, Arrow::Both);
        assert_eq!(&text[rule.destination_ports.span.clone()], "[80,8000:8099, ![81]]");
        let options: Vec<_> =
            rule.options.iter().map(|o| (o.name.node, o.value.as_ref().map(|v| v.node))).collect();
        assert_eq!(
            options,
            [
                ("msg", Some("\"a\\;b\"")),
                ("content", Some("!\"|3b|\"")),
                ("nocase", None),
                ("flow", Some("to_server,established")),
            ]
        );
        for option in &rule.options {
            assert_eq!(&text[option.name.span.clone()], option.name.node);
            assert!(option.value.as_ref().is_none_or(|value| &text[value.span.clone()] == value.node));
        }
    }

    #[test]
    fn what_suricata_takes_is_taken() {
        for header in [
            "alert TCP any any -> any any",
            "  drop tcp [10.0.0.1, 10.0.0.2] any -> any [80, 81]",
            "alert tcp [1.1.1.1,[2.2.2.2,![3.3.3.3]]] any -> any any",
            "alert tcp [10.0.0.0/8,] any -> any any",
            "alert tcp 10.0.0.1,10.0.0.2 80,81 -> any any",
            "alert tcp any [80,! 81] -> any [:80,90:]",
            "config tls-over ANY : -> fe80::/10 any",
            "pass ip\tany any  ->\tany any",
            "alert tcp [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[10.0.0.1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]] any -> any any",
        ] {
            let text = format!("{header} (msg:\"x\"; sid:1;)");
            assert_eq!(parse_rule(&text).map(|rule| rule.options.len()), Ok(2), "{text}");
        }
        for (options, values) in [
            ("( msg : \"11\" ; sid : 11 ; ) ", &["\"11\"", "11"][..]),
            ("(pcre:\"/a\"b/\"; nocase: ;)", &["\"/a\"b/\"", ""]),
            ("(content:\"a\\\\;b\";)", &["\"a\\\\;b\""]),
            ("(content:\"a\\;b\\\"c\";)", &["\"a\\;b\\\"c\""]),
            ("(pcre:\"/(a|b)\\)/\"; reference:url,x.org/(y);)", &["\"/(a|b)\\)/\"", "url,x.org/(y)"]),
            ("(content:\"abc\"  ;content:!  \"x\";)", &["\"abc\"", "!  \"x\""]),
            ("(content:\"->(\";)", &["\"->(\""]),
            ("()", &[]),
        ] {
            let text = format!("{HEAD}{options}");
            let rule = parse_rule(&text).unwrap_or_else(|e| panic!("{text}: {e:?}"));
            let found: Vec<&str> =
                rule.options.iter().map(|o| o.value.as_ref().map_or("-", |v| v.node)).collect();
            assert_eq!(found, values, "{text}");
        }
    }

    #[test]
    fn mistakes_are_told_where_they_stand() {
        let check = |text: &str, part: &str, message: &str| {
            let errors = parse_rule(text).expect_err(text);
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
            let error = &errors[0];
            assert_eq!(
                (error.message.as_str(), text.get(error.span.clone())),
                (message, Some(part)),
                "{text}"
            );
        };
        check("", "", "the rule is empty");
        check("rejectfoo tcp any any -> any any (sid:1;)", "rejectfoo", "unknown action \"rejectfoo\"");
        check("sdrop tcp any any -> any any (sid:1;)", "sdrop", "unknown action \"sdrop\"");
        check("hello world", "hello", "unknown action \"hello\"");
        check("alert t$p any any -> any any (sid:1;)", "t$p", "\"t$p\" is not a protocol's name");
        check("alert tcp any any <- any any (sid:1;)", "<-", "\"<-\" is not a direction");
        check("alert tcp any any => any any (sid:1;)", "=>", "\"=>\" is not a direction");
        check("alert tcp any any->any any (sid:1;)", "any->any", "no blanks around the arrow");
        check("alert tcp any any -> any any(sid:1;)", "any(", "no blank before the options");
        check("alert tcp any any -> any (sid:1;)", "", "the destination ports are missing");
        check("alert tcp any -> any any (sid:1;)", "", "the source ports are missing");
        check("alert tcp any any -> any any any (sid:1;)", "any", "more fields than a rule's header has");
        check("alert tcp any any -> any any", "", "the rule has no options");
        check("alert tcp [10.0.0.1 any -> any any (sid:1;)", "[", "this bracket is never closed");
        check("alert tcp 10.0.0.1] any -> any any (sid:1;)", "]", "this bracket was never opened");
        check("alert tcp [1.1.1.1,,2.2.2.2] any -> any any (sid:1;)", ",", "an item is missing before this");
        check("alert tcp [1.1.1.1 2.2.2.2] any -> any any (sid:1;)", "2", "no comma before this item");
        check("alert tcp [] any -> any any (sid:1;)", "[]", "the list is empty");
        check("alert tcp ! any -> any any (sid:1;)", "", "an address, a port or a list is missing here");
        check("alert tcp any $ -> any any (sid:1;)", "$", "\"$\" is not a variable's name");
        let options =
            |options: &str, part: &str, message: &str| check(&format!("{HEAD}{options}"), part, message);
        options("(msg:\"8\"; sid:8)", "8", "no semicolon ends this option");
        options("(msg:\"8\"; nocase)", "nocase", "no semicolon ends this option");
        options("(msg:\"9\"; sid:9;) trailing", "trailing", "text behind the rule's closing parenthesis");
        options("(msg:\"5\"; sid:5;", "", "the options' closing parenthesis is missing");
        options("(msg:\"40\"; sid:40;;)", ";", "an option without a name");
        options("(msg:\"a;b\"; sid:1;)", ";", "this semicolon ends the value before its closing quote");
        options("(content:\"ab\" , nocase; sid:1;)", ", nocase", "text behind the closing quote");
        options("(msg:\"52\" sid:52;)", "sid:52", "text behind the closing quote");
        options("(msg:\"2\" content:\"abc\"; sid:2;)", "content:\"abc\"", "text behind the closing quote");
        options("(msg \"x\"; sid:2;)", "msg \"", "no colon between the keyword and its value");
        options("(no case; sid:2;)", " ", "\"no case\" is not a keyword");
        options("(ñ; sid:2;)", "ñ", "\"ñ\" is not a keyword");
    }

    #[test]
    fn several_mistakes_are_told_at_once() {
        let errors = parse_rule("alrt tcp [10.0.0.1,] [] <- any any (msg:\"a;b\"; ;sid:1;)").unwrap_err();
        let messages: Vec<&str> = errors.iter().map(|e| e.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "unknown action \"alrt\"",
                "the list is empty",
                "\"<-\" is not a direction",
                "this semicolon ends the value before its closing quote",
                "an option without a name",
            ]
        );
        assert_eq!(errors[0].hint.as_deref(), Some("did you mean alert?"));
    }

    #[test]
    fn depth_size_and_number_are_bounded() {
        for bomb in ["[", "!", "![", "[!"] {
            let text =
                format!("alert tcp {}1.1.1.1 any -> any any (sid:1;)", bomb.repeat(20_000 / bomb.len()));
            assert!(parse_rule(&text).is_err());
            assert!(parse_group(&bomb.repeat(1_000_000)).is_err());
        }
        let nested = format!("alert tcp {}1.1.1.1{} any -> any any (sid:1;)", "[".repeat(65), "]".repeat(65));
        assert_eq!(parse_rule(&nested).unwrap_err()[0].message, "lists and negations nested deeper than 64");
        let many = format!("{HEAD}({})", "nocase;".repeat(2000));
        assert_eq!(parse_rule(&many).unwrap_err()[0].message, "more than 1024 options");
        let empties = format!("{HEAD}({})", ";".repeat(60_000));
        assert_eq!(parse_rule(&empties).unwrap_err().len(), ERRORS_MAX);
        let long = format!("{HEAD}(msg:\"{}\";)", "x".repeat(RULE_MAX));
        assert_eq!(parse_rule(&long).unwrap_err().len(), 1);
        assert!(parse_rule(&"a ".repeat(30_000)).is_err());
    }

    #[test]
    fn mutated_and_cut_rules_never_panic() {
        use crate::rules::number::{IntTest, seconds, signed, size, unsigned};
        use crate::rules::value::{content_bytes, pairs, quoted, split, text, unescape, unquoted, words};
        let seeds = [
            "alert http $HOME_NET any -> [10.0.0.0/8,!10.1.1.1] ![80,8000:] (msg:\"ñ\\;x\"; content:!\"|41 42|a\\\"b\"; dsize:>5; threshold:type limit, track by_src, count 1, seconds 60; sid:1;)",
            "drop tcp [::1-::9,fe80::/10] :1024 <> any any (pcre:\"/a\\;b\\//R\"; byte_test:4,&,0x80,-4,relative; ttl:!5-10; filesize:1gb; x:&0xc0=0x80;)",
        ];
        let vars = crate::rules::Vars::default();
        let run = |rule: &str| match parse_rule(rule) {
            Ok(ast) => {
                for group in [&ast.source, &ast.destination, &ast.source_ports, &ast.destination_ports] {
                    let _ = (vars.address_set(group), vars.port_set(group));
                }
                for value in ast.options.iter().filter_map(|option| option.value.as_ref()) {
                    assert_eq!(&rule[value.span.clone()], value.node);
                    if let Ok(quoted) = quoted(value) {
                        let _ = content_bytes(&quoted.text).map_err(|e| assert!(rule.get(e.span).is_some()));
                        unescape(quoted.text.node);
                    }
                    let _ = (text(value), unquoted(value), pairs(value), words(value), split(value, b';'));
                    let _ = (unsigned(value, 9), signed(value, -9, 9), size(value, 9), seconds(value, 9));
                    let _ = IntTest::<u8>::parse(value).map_err(|e| assert!(rule.get(e.span).is_some()));
                }
            }
            Err(errors) => {
                assert!(!errors.is_empty());
                for error in &errors {
                    assert!(rule.get(error.span.clone()).is_some(), "{rule}: {error:?}");
                    let report = crate::rules::Report { file: "f", line: 1, column: 1, text: rule, error };
                    assert!(report.render().contains(": "));
                }
            }
        };
        let mut seed = 0x2545_f491_4f6c_dd1d_u64;
        let mut random = move |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        let alphabet: Vec<char> = "\"\\;:()[]!,$|<>-=& a0x/ñ\u{1f980}\u{0}".chars().collect();
        for rule in seeds {
            parse_rule(rule).unwrap();
            let characters: Vec<char> = rule.chars().collect();
            for cut in 0..characters.len() {
                run(&characters[..cut].iter().collect::<String>());
                run(&characters[cut..].iter().collect::<String>());
            }
            for _ in 0..6000 {
                let mut mutant = characters.clone();
                for _ in 0..=random(4) {
                    let at = random(mutant.len());
                    match random(4) {
                        0 => mutant[at] = alphabet[random(alphabet.len())],
                        1 => mutant.insert(at, alphabet[random(alphabet.len())]),
                        2 => {
                            mutant.remove(at);
                        }
                        _ => {
                            let other = random(mutant.len());
                            mutant.swap(at, other);
                        }
                    }
                }
                run(&mutant.into_iter().collect::<String>());
            }
        }
    }
}
