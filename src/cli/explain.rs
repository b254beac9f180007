//! `mamparo check --explain SID`: what a rule is, when it is looked at, and what it costs.

use std::collections::BTreeSet;
use std::process::ExitCode;

use super::args::Check;
use super::{complain, print};
use crate::app::ProtocolId;
use crate::detect::buffer::{Kind, Origin};
use crate::detect::inspect::ops::{Arg, Content, FastPattern, Op};
use crate::detect::literal::{candidate, worth};
use crate::detect::rule::{Absent, Rule, RuleProtocol};
use crate::detect::{Class, Placement, Registry, placement};
use crate::engine::bits::{BitUse, Bits, RuleAt, uses};
use crate::engine::lint::shown;
use crate::engine::load::{Loaded, Source, id_of};
use crate::json::JsonWriter;
use crate::rules::{Action, RuleFile, parse_rule};
use crate::types::Direction;

/// Rules named in one line of a relation; more are only counted.
const NAMED_MAX: usize = 12;

/// Explains the rules that were asked for.
pub(super) fn run(check: &Check, loaded: &Loaded, sources: &[Source]) -> Result<ExitCode, String> {
    let mut out = String::new();
    let mut missing = false;
    for wanted in &check.explain {
        let (gid, sid) = *wanted;
        let rules: Vec<&Rule> = loaded
            .rules
            .rules
            .iter()
            .map(|rule| &**rule)
            .filter(|rule| rule.meta.sid == sid && gid.is_none_or(|gid| rule.meta.gid == gid))
            .collect();
        if rules.is_empty() {
            missing = true;
            let mut why = false;
            for complaint in loaded.complaints.iter().filter(|complaint| complaint.sid == sid) {
                complain(complaint.shown.trim_end());
                why = true;
            }
            let what = if why { "is not in use" } else { "is not there" };
            complain(&format!("rule {sid} {what}"));
        }
        for rule in rules {
            let explained = Explained::new(rule, loaded, sources);
            if check.json {
                out.push_str(&explained.json());
            } else {
                out.push_str(&explained.text());
            }
            out.push('\n');
        }
    }
    print(&out);
    Ok(if missing { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// A literal that could be the fast pattern.
struct Choice {
    buffer: &'static str,
    literal: String,
    worth: u32,
    asked: bool,
    chosen: bool,
    /// Why it cannot serve.
    unfit: Option<&'static str>,
}

/// What is asked of one buffer.
struct Asked {
    buffer: String,
    when: String,
    ops: Vec<String>,
}

/// A bit and the other rules that have to do with it.
struct Relation {
    what: &'static str,
    kind: &'static str,
    name: String,
    others: Vec<RuleAt>,
}

/// All that is told of a rule.
struct Explained<'r> {
    rule: &'r Rule,
    place: Option<(String, u32)>,
    text: String,
    placed: Placement,
    group: String,
    choices: Vec<Choice>,
    asked: Vec<Asked>,
    head: Vec<String>,
    relations: Vec<Relation>,
    cost: &'static str,
    why: String,
}

impl<'r> Explained<'r> {
    fn new(rule: &'r Rule, loaded: &Loaded, sources: &[Source]) -> Self {
        let registry = &loaded.rules.registry;
        let placed = placement(rule, registry);
        let found = find_text(rule, sources);
        let (place, text) = match found {
            Some((file, text)) => (Some((file, rule.line)), text),
            None => (None, String::new()),
        };
        let relations =
            parse_rule(&text).map(|ast| relations(&uses(&ast), &loaded.bits, rule)).unwrap_or_default();
        let head = parse_rule(&text).map(|ast| head_options(&ast, registry)).unwrap_or_default();
        let choices = choices(rule, &placed, registry);
        Explained {
            group: group(rule, &placed, registry),
            asked: rule.parts.iter().map(|part| asked(part, rule, registry)).collect(),
            cost: cost(&placed, rule),
            why: why(&placed, &choices, rule),
            rule,
            place,
            text,
            placed,
            choices,
            head,
            relations,
        }
    }

    fn looked_at(&self) -> &'static str {
        match (self.placed.class, self.placed.literal.is_some()) {
            (Class::Event, _) => "when decoding or the stream raised an event",
            (Class::Address, _) => "once for each direction of a flow, by addresses alone",
            (Class::Detection, _) => "once for each direction, when the protocol is known",
            (Class::Packet, true) => "for each packet in which its fast pattern is seen",
            (Class::Packet, false) => "for each packet",
            (Class::Stream, true) => "for each piece of the stream in which its fast pattern is seen",
            (Class::Stream, false) => "for each piece of the stream",
            (Class::PacketStream, true) => {
                "for each packet and each piece of the stream in which its fast pattern is seen"
            }
            (Class::PacketStream, false) => "for each packet and each piece of the stream",
            (Class::Tx, true) => "once for each transaction in which its fast pattern is seen",
            (Class::Tx, false) => "once for each transaction",
            (Class::Frame, true) => "once for each frame in which its fast pattern is seen",
            (Class::Frame, false) => "once for each frame",
        }
    }

    fn class(&self) -> &'static str {
        match self.placed.class {
            Class::Event => "event",
            Class::Address => "address",
            Class::Detection => "protocol",
            Class::Packet => "packet",
            Class::Stream => "stream",
            Class::PacketStream => "packet and stream",
            Class::Tx => "transaction",
            Class::Frame => "frame",
        }
    }

    fn text(&self) -> String {
        let meta = &self.rule.meta;
        let mut out = format!("rule {}:{} rev {}  {}\n", meta.gid, meta.sid, meta.rev, meta.msg);
        if let Some((file, line)) = &self.place {
            out.push_str(&format!("  {file}:{line}\n"));
        }
        if !self.text.is_empty() {
            out.push_str(&format!("  {}\n", self.text));
        }
        let mut line = |name: &str, value: &str| out.push_str(&format!("\n{name:<14}{value}"));
        line("does", action(self.rule));
        line("class", self.class());
        line("looked at", self.looked_at());
        line("group", &self.group);
        line("cost", self.cost);
        line("fast pattern", &self.why);
        for choice in &self.choices {
            let mark = if choice.chosen { "*" } else { " " };
            let note = match (choice.unfit, choice.asked) {
                (Some(why), _) => format!("  ({why})"),
                (None, true) => "  (asked for)".to_owned(),
                (None, false) => String::new(),
            };
            let worth = if choice.unfit.is_some() { "-".to_owned() } else { choice.worth.to_string() };
            line("", &format!("{mark} {worth:>4}  {}  {}{note}", choice.buffer, choice.literal));
        }
        for (nth, option) in self.head.iter().enumerate() {
            line(if nth == 0 { "first" } else { "" }, option);
        }
        for (nth, asked) in self.asked.iter().enumerate() {
            line(
                if nth == 0 { "then" } else { "" },
                &format!("{}. {}  ({})", nth + 1, asked.buffer, asked.when),
            );
            for op in &asked.ops {
                line("", &format!("   {op}"));
            }
        }
        for (nth, relation) in self.relations.iter().enumerate() {
            line(if nth == 0 { "depends" } else { "" }, &relation.text());
        }
        out.push('\n');
        out
    }

    fn json(&self) -> String {
        let meta = &self.rule.meta;
        let mut json = JsonWriter::new();
        json.open();
        json.number("gid", meta.gid);
        json.number("sid", meta.sid);
        json.number("rev", meta.rev);
        json.text("msg", &meta.msg);
        if let Some((file, line)) = &self.place {
            json.text("file", file);
            json.number("line", *line);
        }
        json.text("rule", &self.text);
        json.text("action", action(self.rule));
        json.text("class", self.class());
        json.text("looked_at", self.looked_at());
        json.open_array("directions");
        for dir in Direction::BOTH.iter().filter(|dir| self.placed.dirs[dir.index()]) {
            json.element_text(dir.name());
        }
        json.close_array();
        json.text("group", &self.group);
        json.text("cost", self.cost);
        json.text("fast_pattern", &self.why);
        json.open_array("candidates");
        for choice in &self.choices {
            json.open();
            json.text("buffer", choice.buffer);
            json.text("literal", &choice.literal);
            json.number("worth", choice.worth);
            json.flag("asked", choice.asked);
            json.flag("chosen", choice.chosen);
            if let Some(why) = choice.unfit {
                json.text("unfit", why);
            }
            json.close();
        }
        json.close_array();
        json.open_array("first");
        self.head.iter().for_each(|option| json.element_text(option));
        json.close_array();
        json.open_array("buffers");
        for asked in &self.asked {
            json.open();
            json.text("buffer", &asked.buffer);
            json.text("when", &asked.when);
            json.open_array("operations");
            asked.ops.iter().for_each(|op| json.element_text(op));
            json.close_array();
            json.close();
        }
        json.close_array();
        json.open_array("bits");
        for relation in &self.relations {
            json.open();
            json.text("what", relation.what);
            json.text("keyword", relation.kind);
            json.text("name", &relation.name);
            json.open_array("rules");
            relation.others.iter().for_each(|other| json.element_number(other.sid));
            json.close_array();
            json.close();
        }
        json.close_array();
        json.close();
        String::from_utf8_lossy(json.as_bytes()).into_owned()
    }
}

impl Relation {
    fn text(&self) -> String {
        let mut sids: Vec<String> = self.others.iter().take(NAMED_MAX).map(|at| at.sid.to_string()).collect();
        if self.others.len() > NAMED_MAX {
            sids.push(format!("and {} more", self.others.len() - NAMED_MAX));
        }
        let (verb, other, nobody) = match self.what {
            "sets" => ("sets", "asked for by", "no rule asks for it"),
            "unsets" => ("takes away", "set by", "no rule sets it"),
            "not" => ("asks that it is not set:", "set by", "no rule sets it"),
            _ => ("asks for", "set by", "no rule sets it: this one never matches"),
        };
        let others = match sids.is_empty() {
            true => nobody.to_owned(),
            false => format!("{other} {}", sids.join(", ")),
        };
        format!("{verb} '{}' ({}), {others}", self.name, self.kind)
    }
}

fn relations(
    uses: &[((&'static str, String), BitUse, std::ops::Range<usize>)],
    bits: &Bits,
    rule: &Rule,
) -> Vec<Relation> {
    uses.iter()
        .map(|(key, what, _)| {
            let known = bits.find(key);
            let rules: BTreeSet<RuleAt> = match what {
                BitUse::Set => known
                    .map(|uses| uses.tested.iter().chain(&uses.tested_not).map(|(at, _)| *at).collect())
                    .unwrap_or_default(),
                _ => known.map(|uses| uses.set.iter().map(|(at, _)| *at).collect()).unwrap_or_default(),
            };
            let own = |at: &RuleAt| (at.gid, at.sid) == (rule.meta.gid, rule.meta.sid);
            Relation {
                what: match what {
                    BitUse::Set => "sets",
                    BitUse::Unset => "unsets",
                    BitUse::Test => "asks",
                    BitUse::TestNot => "not",
                },
                kind: key.0,
                name: key.1.clone(),
                others: rules.into_iter().filter(|at| !own(at)).collect(),
            }
        })
        .collect()
}

fn action(rule: &Rule) -> &'static str {
    match (rule.action, rule.noalert) {
        (Action::Pass, _) => "pass: what it matches is let through, and looked at no further",
        (Action::Drop, _) => "drop: inline, what it matches does not go on",
        (Action::Reject(_), _) => "reject: what it matches does not go on, and is answered",
        (Action::Config, _) => "config: no alert, it steers the engine",
        (Action::Alert, true) => "alert, but without one (noalert): it is there for others",
        (Action::Alert, false) => "alert",
    }
}

/// The rule's text and the file it is in.
fn find_text(rule: &Rule, sources: &[Source]) -> Option<(String, String)> {
    for source in sources {
        let file = RuleFile::new(&source.bytes);
        let id = (rule.meta.gid, rule.meta.sid);
        let text = file.rules.iter().find(|text| text.line == rule.line && id_of(&text.text) == id);
        if let Some(text) = text {
            return Some((source.name.clone(), text.text.clone().into_owned()));
        }
    }
    None
}

/// Where the rule is looked for: protocol, direction, ports.
fn group(rule: &Rule, placed: &Placement, registry: &Registry) -> String {
    let what = match rule.protocol {
        RuleProtocol::Any => "every packet, decoded or not".to_owned(),
        RuleProtocol::Ip(None) => "every IP packet".to_owned(),
        RuleProtocol::Ip(Some(version)) => format!("every IPv{version} packet"),
        RuleProtocol::Tcp | RuleProtocol::TcpPacket | RuleProtocol::TcpStream => "tcp".to_owned(),
        RuleProtocol::Udp => "udp".to_owned(),
        RuleProtocol::Icmp(None) => "icmp".to_owned(),
        RuleProtocol::Icmp(Some(version)) => format!("icmpv{version}"),
        RuleProtocol::Sctp => "sctp".to_owned(),
        RuleProtocol::Other(proto) => format!("IP protocol {proto}"),
        RuleProtocol::Either(one, two) => {
            let name = |id: ProtocolId| registry.protocols()[usize::from(id.0)].name();
            format!("transactions of {} and {}", name(one), name(two))
        }
        RuleProtocol::App(id) => match placed.class {
            Class::Tx => format!("transactions of {}", registry.protocols()[usize::from(id.0)].name()),
            _ => format!("tcp and udp (then: flows of {})", registry.protocols()[usize::from(id.0)].name()),
        },
    };
    let dirs = match placed.dirs {
        [true, false] => "to the server",
        [false, true] => "to the client",
        [true, true] => "both directions",
        [false, false] => "no direction: it can never match",
    };
    let header = &rule.header;
    let any = header.source_ports.is_any() && header.destination_ports.is_any();
    let ports = match placed.class {
        // what has a protocol is found by it
        Class::Tx | Class::Event | Class::Address | Class::Detection if any => String::new(),
        Class::Tx | Class::Event | Class::Address | Class::Detection => {
            format!("; ports are tested later: {} -> {}", header.source_ports, header.destination_ports)
        }
        _ if any => ", any port".to_owned(),
        _ => format!(", ports {} -> {}", header.source_ports, header.destination_ports),
    };
    format!("{what}, {dirs}{ports}")
}

fn cost(placed: &Placement, rule: &Rule) -> &'static str {
    let payload = rule.parts.iter().any(|part| !part.ops.is_empty());
    match (placed.class, &placed.literal) {
        (Class::Event | Class::Address | Class::Detection, _) => {
            "small: once a flow, or only where something is odd"
        }
        (_, Some((_, literal))) if literal.len() <= 2 || worth(literal) < 80 => {
            "high: its fast pattern is in much of all traffic"
        }
        (_, Some((_, literal))) if worth(literal) < 160 => "medium: its fast pattern is not rare",
        (_, Some(_)) => "small: its fast pattern is rare",
        (_, None) if !payload => "small each time, but each time: only tests of the head",
        (Class::Tx, None) if placed.payload.is_some() => {
            "medium: evaluated for every transaction, but its payload only where a literal is in it"
        }
        (Class::Tx, None) => "high: evaluated for every transaction",
        (_, None) => "high: evaluated for every packet or piece of the stream",
    }
}

fn choices(rule: &Rule, placed: &Placement, registry: &Registry) -> Vec<Choice> {
    let mut out = Vec::new();
    for (at, part) in rule.parts.iter().enumerate() {
        let buffer = registry.buffer(part.buffer);
        let unfit = match &buffer.origin {
            Origin::App(_) if part.absent.is_some() => Some("its buffer may be absent"),
            Origin::App(_) => None,
            Origin::Payload if placed.class == Class::Tx => Some("the payload is not of one transaction"),
            Origin::Payload => None,
            Origin::Packet(_) => Some("headers are not searched"),
            Origin::Derived => Some("it is made by another option"),
            Origin::Frame(..) if !part.transforms.is_empty() => Some("frames are searched as they are"),
            Origin::Frame(..) => None,
        };
        for op in &part.ops {
            let Op::Content(content) = op else { continue };
            let serving = candidate(content);
            let bytes = serving.map_or(&*content.pattern, |serving| serving.bytes);
            let is = |(part, text): &(usize, Vec<u8>)| *part == at && text.eq_ignore_ascii_case(bytes);
            let beside = serving.is_some() && placed.payload.as_ref().is_some_and(is);
            let chosen = unfit.is_none() && serving.is_some() && placed.literal.as_ref().is_some_and(is);
            out.push(Choice {
                buffer: buffer.name,
                literal: shown(bytes),
                worth: serving.map_or_else(|| worth(bytes), |serving| serving.score()),
                asked: content.fast_pattern.is_some(),
                chosen,
                unfit: match beside {
                    true => Some("the payload is looked at where this is in it, which is searched for all such rules at once"),
                    false => unfit.or(content.negated.then_some("it must not be there")),
                },
            });
        }
    }
    out
}

fn why(placed: &Placement, choices: &[Choice], rule: &Rule) -> String {
    let Some((_, literal)) = &placed.literal else {
        return match placed.class {
            Class::Event | Class::Address | Class::Detection => "none, and none is needed".to_owned(),
            _ if choices.iter().any(|choice| choice.unfit.is_none()) || !rule.parts.is_empty() => {
                "none: no literal can serve".to_owned()
            }
            _ => "none: the rule asks for no literal".to_owned(),
        };
    };
    let asked = choices.iter().any(|choice| choice.chosen && choice.asked);
    let only = choices.iter().filter(|choice| choice.unfit.is_none()).count() == 1;
    let because = match (asked, only) {
        (true, _) => "the rule asks for it",
        (false, true) => "it is the only one that can serve",
        (false, false) => "it is the rarest of those that can serve",
    };
    let score = choices.iter().find(|choice| choice.chosen).map_or(0, |choice| choice.worth);
    format!("{}, worth {score}: {because}", shown(literal))
}

/// The options that are tested before any buffer.
fn head_options(ast: &crate::rules::RuleAst<'_>, registry: &Registry) -> Vec<String> {
    const HEAD: &[&str] =
        &["flow", "flags", "dsize", "itype", "icode", "ttl", "stream_size", "ip_proto", "sameip", "fragbits"];
    let _ = registry;
    let mut out = vec![format!(
        "{} {} -> {} {}",
        part(ast.text, &ast.source.span),
        part(ast.text, &ast.source_ports.span),
        part(ast.text, &ast.destination.span),
        part(ast.text, &ast.destination_ports.span)
    )];
    for option in &ast.options {
        let name = option.name.node.to_ascii_lowercase();
        if HEAD.contains(&name.as_str())
            || name.starts_with("flow.")
            || name.starts_with("tcp.") && option.value.is_some()
        {
            let value = option.value.as_ref().map_or(String::new(), |value| format!(":{}", value.node));
            out.push(format!("{name}{value}"));
        }
    }
    out
}

fn part<'t>(text: &'t str, span: &std::ops::Range<usize>) -> &'t str {
    text.get(span.clone()).unwrap_or("")
}

fn asked(part: &crate::detect::rule::Part, rule: &Rule, registry: &Registry) -> Asked {
    let buffer = registry.buffer(part.buffer);
    let mut name = buffer.name.to_owned();
    for transform in &part.transforms {
        name.push_str(&format!(" → {}", transform.identity()));
    }
    let when = match &buffer.origin {
        Origin::Payload => "payload".to_owned(),
        Origin::Derived => "what an option before made".to_owned(),
        Origin::Packet(_) => "part of the packet".to_owned(),
        Origin::Frame(..) => "when it is complete, or as it arrives".to_owned(),
        Origin::App(sources) => {
            let place = sources
                .iter()
                .find(|source| !matches!(rule.protocol, RuleProtocol::App(id) if id != source.protocol))
                .map(|source| source.place);
            match place.map(|place| place.kind) {
                Some(Kind::Body) => "as it arrives".to_owned(),
                Some(Kind::Multi) => "each of several".to_owned(),
                _ => "when it is complete".to_owned(),
            }
        }
    };
    let mut ops: Vec<String> = part.ops.iter().map(operation).collect();
    match part.absent {
        Some(Absent::Only) => ops.push("it must not be there".to_owned()),
        Some(Absent::OrElse) => ops.insert(0, "it is not there, or:".to_owned()),
        None => {}
    }
    Asked { buffer: name, when, ops }
}

/// An operation in words of the rule language.
fn operation(op: &Op) -> String {
    match op {
        Op::Content(content) => literal(content),
        Op::Pcre(pcre) => {
            let not = if pcre.negated { "!" } else { "" };
            let relative = if pcre.relative { ", from the match before" } else { "" };
            format!("pcre {not}{:?}{relative}", pcre.matcher)
        }
        Op::Test(test) => format!("{test:?}"),
    }
}

fn literal(content: &Content) -> String {
    let mut out = format!("content {}{}", if content.negated { "!" } else { "" }, shown(&content.pattern));
    let mut number = |name: &str, arg: Option<Arg>| match arg {
        Some(Arg::Value(value)) => out.push_str(&format!(" {name}:{value}")),
        Some(Arg::Var(_)) => out.push_str(&format!(" {name}:(a variable)")),
        None => {}
    };
    number("offset", content.offset);
    number("depth", content.depth);
    number("distance", content.distance);
    number("within", content.within);
    let flags = [
        (content.nocase, "nocase"),
        (content.startswith, "startswith"),
        (content.endswith, "endswith"),
        (content.replace.is_some(), "replace"),
    ];
    for (_, name) in flags.iter().filter(|(on, _)| *on) {
        out.push_str(&format!(" {name}"));
    }
    match content.fast_pattern {
        Some(FastPattern::Only) => out.push_str(" fast_pattern:only"),
        Some(FastPattern::Chop(offset, length)) => out.push_str(&format!(" fast_pattern:{offset},{length}")),
        Some(FastPattern::Whole) => out.push_str(" fast_pattern"),
        None => {}
    }
    out
}
