//! One rule's syntax tree → [`Rule`]: its words looked up in the registry, its parts checked against each other.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use super::buffer::{BufferId, Origin};
use super::inspect::ops::{Op, mark_loose};
use super::keyword::{Environment, Names, RuleBuilder};
use super::planned::{keyword_without_parser, protocol_without_parser};
use super::registry::{Registry, Word};
use super::rule::{Header, Part, Rule, RuleProtocol};
use super::ruleset::RuleSet;
use crate::app::ProtocolId;
use crate::rules::vars::Resolver;
use crate::rules::{Arrow, RuleAst, RuleError, Spanned, Vars, did_you_mean};
use crate::types::{Direction, Proto};

/// How a number keyword of a protocol is compiled: given by `keywords/`, which knows the operators.
pub type CompileNumber = fn(u16, &crate::rules::OptionAst<'_>, &mut RuleBuilder<'_>) -> Result<(), RuleError>;

/// What all rules of a set are compiled with.
pub struct Compiler<'c> {
    /// All keywords, buffers and protocols.
    pub registry: &'c Registry,
    /// Classes, limits.
    pub environment: &'c Environment<'c>,
    /// Number keywords.
    pub number: CompileNumber,
    /// Names shared by all rules.
    pub names: Names,
    /// What is odd about the rule compiled last, which is good all the same.
    pub warnings: Vec<RuleError>,
    resolver: Resolver<'c>,
    /// Rules of a set in use that may be taken over, by the number of their text.
    before: HashMap<u64, Arc<Rule>, ahash::RandomState>,
    numbers: ahash::RandomState,
}

/// Names of flowbits and the like beyond which numbers begin anew with the next set.
const NAMES_MAX: usize = 1 << 16;

/// The numbers of texts, the same throughout a process; rules come from nobody who is after a collision.
fn numbers() -> ahash::RandomState {
    ahash::RandomState::with_seeds(1, 2, 3, 4)
}

/// The number of all that makes rules besides their text ([`Compiler::follow`]).
pub fn world(vars: &Vars, environment: &Environment<'_>) -> u64 {
    let mut classes: Vec<_> = environment.classes.iter().collect();
    classes.sort();
    let Environment { pcre_limits, features, version, .. } = environment;
    numbers().hash_one(format!("{vars:?}{classes:?}{pcre_limits:?}{features:?}{version:?}"))
}

/// Why a rule is not in the set.
#[derive(Debug)]
pub enum Refused {
    /// It has mistakes.
    Errors(Vec<RuleError>),
    /// It asks for what is in the language and not there yet.
    Unsupported(Vec<RuleError>),
    /// Its own `requires` says that it is not for us.
    Skipped(String),
}

impl<'c> Compiler<'c> {
    /// A compiler for one rule set.
    pub fn new(
        registry: &'c Registry,
        vars: &'c Vars,
        environment: &'c Environment<'c>,
        number: CompileNumber,
    ) -> Self {
        Compiler {
            registry,
            environment,
            number,
            names: Names::default(),
            warnings: Vec::new(),
            resolver: Resolver::new(vars),
            before: HashMap::default(),
            numbers: numbers(),
        }
    }

    /// A compiler that takes rules over from a set in use, where their text has not changed: they are in memory once, and keep what
    /// was built at their first use. `world` is a number of all that makes a rule besides its text ([`world`]); of a set that was
    /// made with another nothing is taken. Data sets go on too ([`super::sets::Sets::follow`]).
    pub fn follow(&mut self, set: &RuleSet, world: u64) {
        self.names.sets.follow(&set.sets);
        let names = set.flowbit_names.len() + set.hostbit_names.len() + set.flowint_names.len();
        // names that no rule has any more stay as long as numbers do
        if set.world != world || names > NAMES_MAX {
            return;
        }
        let sets = std::mem::take(&mut self.names.sets);
        self.names = Names::after(set);
        self.names.sets = sets;
        for rule in &set.rules {
            if let Some(text) = rule.text {
                self.resolver.share([&rule.header.source, &rule.header.destination]);
                self.resolver.share_ports([&rule.header.source_ports, &rule.header.destination_ports]);
                self.before.insert(text, rule.clone());
            }
        }
    }

    /// The rule of that text in the set before.
    pub fn took_over(&self, text: &str) -> Option<Arc<Rule>> {
        match self.before.is_empty() {
            true => None,
            false => self.before.get(&self.numbers.hash_one(text)).cloned(),
        }
    }

    /// Compiles one rule; `line` is where its text begins in its file.
    pub fn compile(&mut self, ast: &RuleAst<'_>, line: u32) -> Result<Rule, Refused> {
        self.warnings.clear();
        let unsupported = protocol_without_parser(ast.protocol.node);
        let mut errors = Vec::new();
        let protocol = match unsupported {
            Some(_) => RuleProtocol::Any,
            None => protocol(self.registry, &ast.protocol).unwrap_or_else(|error| {
                errors.push(error);
                RuleProtocol::Any
            }),
        };
        let header = self.header(ast, &mut errors);
        let environment = self.environment;
        let registry = self.registry;
        let mut names = std::mem::take(&mut self.names);
        let mut builder = RuleBuilder::new(registry, &mut names, environment, protocol);
        for option in &ast.options {
            if let Err(error) = apply(registry, self.number, option, &mut builder) {
                errors.push(error);
            }
            if let Some(why) = builder.skip.take() {
                self.names = names;
                return Err(Refused::Skipped(why));
            }
        }
        if let (Some(hook), true) = (&ast.hook, errors.is_empty())
            && let Err(error) = super::hook::compile(hook, &mut builder)
        {
            errors.push(error);
        }
        if let Some(name) = unsupported {
            // its keywords are not known either: one reason is enough
            errors = vec![not_supported(ast.protocol.span.clone(), "protocol", name)];
        }
        if builder.meta.sid == 0 && errors.is_empty() {
            errors.push(
                RuleError::new(0..ast.text.len().min(1), "rule has no sid")
                    .hint("every rule needs a number of its own: sid:1000001;"),
            );
        }
        let rule =
            if errors.is_empty() { finish(&mut builder, ast, header, line, &mut errors) } else { None };
        self.warnings.append(&mut builder.warnings);
        let sets = std::mem::take(&mut builder.sets);
        let of_text = builder.of_text && self.warnings.is_empty();
        drop(builder);
        self.names = names;
        match rule {
            Some(mut rule) if errors.is_empty() => {
                // one that is to be warned of is compiled again, to be warned of again
                rule.text = of_text.then(|| self.numbers.hash_one(ast.text));
                sets.iter().for_each(|(set, changes)| set.used(*changes));
                Ok(rule)
            }
            _ if errors.iter().any(|error| error.unsupported) => {
                errors.retain(|error| error.unsupported);
                Err(Refused::Unsupported(errors))
            }
            _ => Err(Refused::Errors(errors)),
        }
    }

    fn header(&mut self, ast: &RuleAst<'_>, errors: &mut Vec<RuleError>) -> Option<Header> {
        let resolver = &mut self.resolver;
        let source = resolver.addresses(ast.text, &ast.source);
        let source_ports = resolver.ports(ast.text, &ast.source_ports);
        let destination = resolver.addresses(ast.text, &ast.destination);
        let destination_ports = resolver.ports(ast.text, &ast.destination_ports);
        Some(Header {
            source: keep(source, errors)?,
            destination: keep(destination, errors)?,
            source_ports: keep(source_ports, errors)?,
            destination_ports: keep(destination_ports, errors)?,
            both_ways: ast.arrow.node == Arrow::Both,
        })
    }
}

/// A word of a protocol that has no parser yet.
pub(crate) fn not_supported(span: Range<usize>, what: &str, protocol: &str) -> RuleError {
    RuleError::new(span, format!("{what} '{protocol}' is not supported yet"))
        .hint("mamparo --list-protocols shows the protocols there are")
        .unsupported()
}

fn keep<T>(result: Result<T, RuleError>, errors: &mut Vec<RuleError>) -> Option<T> {
    result.map_err(|error| errors.push(error)).ok()
}

fn protocol(registry: &Registry, word: &Spanned<&str>) -> Result<RuleProtocol, RuleError> {
    const FIXED: &[(&str, RuleProtocol)] = &[
        ("ip", RuleProtocol::Ip(None)),
        ("ipv4", RuleProtocol::Ip(Some(4))),
        ("ip4", RuleProtocol::Ip(Some(4))),
        ("ipv6", RuleProtocol::Ip(Some(6))),
        ("ip6", RuleProtocol::Ip(Some(6))),
        ("tcp", RuleProtocol::Tcp),
        ("tcp-pkt", RuleProtocol::TcpPacket),
        ("tcp-stream", RuleProtocol::TcpStream),
        ("udp", RuleProtocol::Udp),
        ("icmp", RuleProtocol::Icmp(None)),
        ("icmpv4", RuleProtocol::Icmp(Some(4))),
        ("icmpv6", RuleProtocol::Icmp(Some(6))),
        ("sctp", RuleProtocol::Sctp),
        ("pkthdr", RuleProtocol::Any),
        ("gre", RuleProtocol::Other(Proto::GRE)),
        ("esp", RuleProtocol::Other(Proto::ESP)),
        ("ah", RuleProtocol::Other(Proto::AH)),
        ("igmp", RuleProtocol::Other(Proto::IGMP)),
    ];
    let name = word.node.to_ascii_lowercase();
    if let Some((_, protocol)) = FIXED.iter().find(|(known, _)| *known == name) {
        return Ok(*protocol);
    }
    if let Some(id) = registry.protocol_named(&name) {
        let other = registry.protocols().iter().position(|p| p.family() == Some(name.as_str()));
        return Ok(match other {
            Some(other) => RuleProtocol::Either(id, ProtocolId(other as u8)),
            None => RuleProtocol::App(id),
        });
    }
    let known = FIXED.iter().map(|(name, _)| *name).chain(registry.protocols().iter().map(|p| p.name()));
    let error = RuleError::new(word.span.clone(), format!("unknown protocol '{}'", word.node));
    Err(match did_you_mean(&name, known) {
        Some(near) => error.hint(format!("did you mean '{near}'?")),
        None => error.hint("mamparo --list-protocols shows the protocols there are"),
    })
}

fn apply(
    registry: &Registry,
    number: CompileNumber,
    option: &crate::rules::OptionAst<'_>,
    rule: &mut RuleBuilder<'_>,
) -> Result<(), RuleError> {
    // keywords are written in any case
    let folded = option.name.node.to_ascii_lowercase();
    let name = folded.as_str();
    let span = option.name.span.clone();
    match registry.find(name) {
        Some(Word::Keyword(keyword)) => keyword.compile(option, rule),
        Some(Word::Sticky(buffer)) => {
            if let Some(value) = &option.value {
                return Err(RuleError::new(value.span.clone(), format!("'{name}' takes no value")));
            }
            rule.select(buffer);
            Ok(())
        }
        Some(Word::Modifier(buffer)) => {
            if rule.is_sticky() {
                return Err(RuleError::new(span, format!("content modifier '{name}' after a sticky buffer"))
                    .hint(format!(
                        "use the sticky form '{}' before the content",
                        registry.buffer(buffer).name
                    )));
            }
            if rule.move_last_to(buffer) {
                // the modifiers of old are those of the first protocol that had the buffer: HTTP/1
                if let Origin::App(sources) = &registry.buffer(buffer).origin
                    && let Some(first) = sources.first()
                    && matches!(rule.protocol, RuleProtocol::Either(one, _) if one == first.protocol)
                {
                    rule.protocol = RuleProtocol::App(first.protocol);
                }
                Ok(())
            } else {
                Err(RuleError::new(span, format!("'{name}' modifies a content, and none is before it")))
            }
        }
        Some(Word::Number(id)) => number(id, option, rule),
        None => {
            if let Some(protocol) = keyword_without_parser(name) {
                return Err(not_supported(span, &format!("keyword '{name}' of protocol"), protocol));
            }
            let error = RuleError::new(span, format!("unknown keyword '{name}'"));
            Err(match did_you_mean(name, registry.names()) {
                Some(near) => error.hint(format!("did you mean '{near}'?")),
                None => error.hint("mamparo --list-keywords shows the keywords there are"),
            })
        }
    }
}

/// Checks the parts against each other and puts the rule together.
fn finish(
    builder: &mut RuleBuilder<'_>,
    ast: &RuleAst<'_>,
    header: Option<Header>,
    line: u32,
    errors: &mut Vec<RuleError>,
) -> Option<Rule> {
    let registry = builder.registry;
    let whole = 0..ast.text.len();
    builder.parts.retain(|part| !part.ops.is_empty() || part.absent.is_some());
    let vars = builder.var_count();
    let changes_sets = builder.changes_sets();
    // contents that can never match in their buffer, and the old modifiers' leftovers
    for part in &builder.parts {
        let buffer = registry.buffer(part.buffer);
        for op in &part.ops {
            if let Op::Content(content) = op
                && let Some(transform) = part.transforms.iter().find(|t| !t.can_contain(&content.pattern))
            {
                errors.push(
                    RuleError::new(
                        whole.clone(),
                        format!(
                            "content in '{}' is never found behind {}",
                            buffer.name,
                            transform.identity()
                        ),
                    )
                    .hint("write the content as the transform leaves it"),
                );
            }
            if let (Op::Content(content), Some(check)) = (op, buffer.check)
                && let Err(why) = check(&content.pattern)
            {
                errors.push(RuleError::new(whole.clone(), format!("content in '{}' {why}", buffer.name)));
            }
        }
    }
    for (error, fatal) in super::fit::check(&builder.parts, &builder.packet_tests, registry, ast) {
        if fatal {
            errors.push(error);
        } else {
            builder.warnings.push(error);
        }
    }
    // a frame is looked at alone
    let frame = |buffer| matches!(registry.buffer(buffer).origin, Origin::Frame(..));
    if let Some(first) = builder.parts.iter().map(|part| part.buffer).find(|buffer| frame(*buffer)) {
        let alone = builder.parts.iter().all(|part| {
            part.buffer == first
                || matches!(registry.buffer(part.buffer).origin, Origin::Packet(_) | Origin::Derived)
        });
        if !alone || !builder.tx_tests.is_empty() {
            errors.push(
                RuleError::new(whole.clone(), "'frame' does not go with other buffers")
                    .hint("a rule looks into frames of one type; tie several rules with flowbits"),
            );
        }
    }
    // every application buffer must be of the rule's protocol
    let mut protocol = builder.protocol;
    for part in &builder.parts {
        let Origin::App(sources) = &registry.buffer(part.buffer).origin else { continue };
        match protocol {
            RuleProtocol::App(_) | RuleProtocol::Either(..)
                if !sources.iter().any(|s| registry.is_about(protocol, s.protocol)) =>
            {
                errors.push(RuleError::new(
                    ast.protocol.span.clone(),
                    format!(
                        "protocol '{}' has no buffer '{}'",
                        ast.protocol.node,
                        registry.buffer(part.buffer).name
                    ),
                ))
            }
            RuleProtocol::App(_) | RuleProtocol::Either(..) => {}
            _ => {
                let mut ids: Vec<_> = sources.iter().map(|s| s.protocol).collect();
                ids.dedup();
                if let [only] = ids.as_slice() {
                    protocol = RuleProtocol::App(*only);
                }
            }
        }
    }
    // a direction in which every application buffer is there
    if let Some(dir) = builder.flow.and_then(|flow| flow.dir) {
        for part in &builder.parts {
            if part.absent.is_some() {
                continue;
            }
            if let Origin::App(sources) = &registry.buffer(part.buffer).origin
                && !sources.iter().any(|s| s.place.dir == dir)
            {
                errors.push(
                    RuleError::new(
                        whole.clone(),
                        format!("'{}' is never there {}", registry.buffer(part.buffer).name, dir.name()),
                    )
                    .hint(format!("use flow:{}", dir.opposite().name())),
                );
            }
        }
    } else {
        let possible = |dir: Direction| {
            builder.parts.iter().all(|part| match &registry.buffer(part.buffer).origin {
                Origin::App(sources) => sources.iter().any(|s| s.place.dir == dir),
                _ => true,
            })
        };
        if !possible(Direction::ToServer) && !possible(Direction::ToClient) {
            errors.push(
                RuleError::new(whole, "buffers of both directions in one rule can never match together")
                    .hint("write a rule for each direction and tie them with flowbits"),
            );
        }
    }
    // literals of buffers that are evaluated together: a variable must be made before it is used, so parts keep their order
    let about_tx = !builder.tx_tests.is_empty()
        || builder.parts.iter().any(|part| matches!(registry.buffer(part.buffer).origin, Origin::App(_)));
    builder.parts.sort_by_key(|part| {
        // beside buffers of a transaction the payload is the longest, and no literal of it is looked for beforehand
        let last = about_tx && vars == 0 && part.buffer == BufferId::PAYLOAD;
        (part.buffer == BufferId::BASE64, last)
    });
    for op in builder.parts.iter_mut().flat_map(|part| &mut part.ops) {
        if let Op::Content(content) = op {
            content.rarest = super::literal::rarest(&content.pattern);
        }
    }
    if changes_sets {
        order_changes(&mut builder.parts, registry, protocol, vars);
    }
    builder.parts.iter_mut().for_each(|part| mark_loose(&mut part.ops));
    if builder.meta.priority == 0 {
        builder.meta.priority = 3;
    }
    for part in &mut builder.parts {
        part.ops.shrink_to_fit();
        part.transforms.shrink_to_fit();
    }
    builder.parts.shrink_to_fit();
    builder.packet_tests.shrink_to_fit();
    builder.var_tests.shrink_to_fit();
    builder.var_actions.shrink_to_fit();
    Some(Rule {
        meta: std::mem::take(&mut builder.meta),
        action: ast.action.node,
        scope: ast.scope.as_ref().map(|scope| scope.node),
        protocol,
        carrier: match protocol {
            RuleProtocol::App(id) => registry.carrier(id),
            _ => None,
        },
        header: header?,
        flow: builder.flow,
        packet_payload: builder.packet_payload,
        packet_tests: std::mem::take(&mut builder.packet_tests),
        tx_tests: std::mem::take(&mut builder.tx_tests),
        file_tests: std::mem::take(&mut builder.file_tests),
        file_store: builder.file_store,
        parts: std::mem::take(&mut builder.parts),
        var_tests: std::mem::take(&mut builder.var_tests),
        host_tests: std::mem::take(&mut builder.host_tests),
        var_actions: std::mem::take(&mut builder.var_actions),
        host_actions: std::mem::take(&mut builder.host_actions),
        threshold: builder.threshold,
        tags: std::mem::take(&mut builder.tags),
        alert: builder.alert,
        noalert: builder.noalert,
        bypass: builder.bypass,
        unlogged: builder.unlogged,
        changes_sets,
        prefilter: builder.prefilter,
        vars,
        line,
        text: None,
    })
}

/// Puts what changes a data set where it belongs: when its buffer's turn comes, and behind every literal that a prefilter may
/// look for, so that no choice of a prefilter changes what is in the set.
fn order_changes(parts: &mut [Part], registry: &Registry, protocol: RuleProtocol, vars: u8) {
    for part in parts.iter_mut() {
        if let Some(last) = part.ops.iter().rposition(Op::is_literal) {
            // stable: what changes goes behind the last literal, all else keeps its order
            part.ops[..=last].sort_by_key(Op::changes);
        }
    }
    // a variable must be made before it is used
    if vars == 0 {
        parts.sort_by_key(|part| {
            let gate = part.ops.iter().any(Op::is_literal) && !part.ops.iter().any(Op::changes);
            let origin = &registry.buffer(part.buffer).origin;
            (part.buffer == BufferId::BASE64, !gate, earliest(origin, protocol))
        });
    }
}

/// The progress from which a buffer is there.
fn earliest(origin: &Origin, protocol: RuleProtocol) -> u8 {
    let Origin::App(sources) = origin else { return 0 };
    let ours = sources.iter().filter(|source| match protocol {
        RuleProtocol::App(id) => source.protocol == id,
        _ => true,
    });
    ours.map(|source| source.place.progress).min().unwrap_or(0)
}
