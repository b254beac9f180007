//! What a rule keyword is, and what it builds.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::buffer::{BufferId, Origin};
use super::inspect::ops::{Content, Op, Transform, VarId};
use super::registry::Registry;
use super::rule::{
    FileStore, FileTest, FlowTest, HostBit, Meta, PacketTest, Part, Rule, RuleProtocol, Tag, Threshold,
    TxTest, VarAction, VarTest,
};
use super::ruleset::RuleSet;
use super::sets::{DataSet, Sets};
use super::tables::Tables;
use crate::rules::{OptionAst, RuleError};

/// A rule keyword: one row of `keywords/` or of a protocol.
pub trait Keyword: Sync {
    /// Its name in rules.
    fn name(&self) -> &'static str;

    /// Other names of it.
    fn aliases(&self) -> &'static [&'static str] {
        &[]
    }

    /// One sentence for `--list-keywords`.
    fn help(&self) -> &'static str;

    /// Adds what it means to the rule.
    fn compile(&self, option: &OptionAst<'_>, rule: &mut RuleBuilder<'_>) -> Result<(), RuleError>;
}

/// Names that rules share (flowbits, host bits, flow integers), numbered in order of appearance.
#[derive(Debug, Default)]
pub struct Names {
    flowbits: HashMap<String, u32>,
    hostbits: HashMap<String, u32>,
    flowints: HashMap<String, u32>,
    /// Texts that many rules have: one piece of memory for all of them.
    texts: HashSet<Arc<str>>,
    /// Data sets.
    pub sets: Sets,
}

impl Names {
    /// Numbers that go on from those of another set: what was compiled with its names keeps its meaning.
    pub(super) fn after(set: &RuleSet) -> Self {
        let numbered = |names: &[String]| {
            names.iter().enumerate().map(|(nth, name)| (name.clone(), nth as u32)).collect()
        };
        Names {
            flowbits: numbered(&set.flowbit_names),
            hostbits: numbered(&set.hostbit_names),
            flowints: numbered(&set.flowint_names),
            texts: HashSet::new(),
            sets: Sets::default(),
        }
    }

    /// A text that other rules are likely to have too.
    pub fn text(&mut self, text: &str) -> Arc<str> {
        match self.texts.get(text) {
            Some(known) => known.clone(),
            None => {
                let new: Arc<str> = text.into();
                self.texts.insert(new.clone());
                new
            }
        }
    }

    /// The number of that flowbit.
    pub fn flowbit(&mut self, name: &str) -> u32 {
        number(&mut self.flowbits, name)
    }

    /// The number of that host bit (`xbits` and `hostbits` share names only within their own kind: prefix yours).
    pub fn hostbit(&mut self, name: &str) -> u32 {
        number(&mut self.hostbits, name)
    }

    /// The number of that flow integer.
    pub fn flowint(&mut self, name: &str) -> u32 {
        number(&mut self.flowints, name)
    }

    /// Names of flowbits by number.
    pub fn flowbit_names(&self) -> Vec<String> {
        listed(&self.flowbits)
    }

    /// Names of host bits by number.
    pub fn hostbit_names(&self) -> Vec<String> {
        listed(&self.hostbits)
    }

    /// Names of flow integers by number.
    pub fn flowint_names(&self) -> Vec<String> {
        listed(&self.flowints)
    }
}

fn listed(table: &HashMap<String, u32>) -> Vec<String> {
    let mut names = vec![String::new(); table.len()];
    for (name, id) in table {
        names[*id as usize] = name.clone();
    }
    names
}

fn number(table: &mut HashMap<String, u32>, name: &str) -> u32 {
    let next = table.len() as u32;
    *table.entry(name.to_owned()).or_insert(next)
}

/// What keywords may ask of the outside: classes, files.
pub struct Environment<'e> {
    /// Classes by short name: description and priority.
    pub classes: &'e HashMap<String, (String, u8)>,
    /// pcre match limit and recursion limit.
    pub pcre_limits: (u32, u32),
    /// What the configuration switches on and `requires: feature` may ask for.
    pub features: &'e [&'e str],
    /// The version that `requires` is held against.
    pub version: (u16, u16, u16),
    /// What rules look up: data sets, reputation, countries. Keywords ask [`RuleBuilder::tables`].
    pub tables: &'e Tables,
    /// Files that rules name: lists of digests. Keywords ask [`RuleBuilder::files`].
    pub files: &'e dyn RuleFiles,
}

/// Reads files that rules name. A relative name is looked for beside the file of the rule, and where the configuration says.
pub trait RuleFiles: Sync {
    /// All bytes of it.
    fn read(&self, name: &str) -> std::io::Result<Vec<u8>>;
}

/// There are no files.
pub struct NoFiles;

impl RuleFiles for NoFiles {
    fn read(&self, _name: &str) -> std::io::Result<Vec<u8>> {
        Err(std::io::Error::from(std::io::ErrorKind::NotFound))
    }
}

/// A rule in the making. Keywords are applied in the order of the rule's text.
pub struct RuleBuilder<'r> {
    /// All keywords, buffers and protocols.
    pub registry: &'r Registry,
    /// Names shared by all rules.
    pub names: &'r mut Names,
    /// Classes, limits.
    pub environment: &'r Environment<'r>,
    /// What it says of itself.
    pub meta: Meta,
    /// What it is about; a keyword of a protocol narrows it.
    pub protocol: RuleProtocol,
    /// `flow`
    pub flow: Option<FlowTest>,
    /// Tests of the packet or its flow.
    pub packet_tests: Vec<Box<dyn PacketTest>>,
    /// Tests of the transaction.
    pub tx_tests: Vec<Box<dyn TxTest>>,
    /// Tests of a file.
    pub file_tests: Vec<Box<dyn FileTest>>,
    /// `filestore`
    pub file_store: Option<FileStore>,
    /// Tests of the flow's memory.
    pub var_tests: Vec<Box<dyn VarTest>>,
    /// Tests of hosts' bits.
    pub host_tests: Vec<HostBit>,
    /// Changes of the flow's memory.
    pub var_actions: Vec<Box<dyn VarAction>>,
    /// Changes of hosts' bits.
    pub host_actions: Vec<HostBit>,
    /// `threshold`, `detection_filter`
    pub threshold: Option<Threshold>,
    /// `tag`
    pub tags: Vec<Tag>,
    /// `alert`
    pub alert: bool,
    /// `noalert`
    pub noalert: bool,
    /// `bypass`
    pub bypass: bool,
    /// `config:logging disable`: the transaction makes no record.
    pub unlogged: bool,
    /// Data sets that it asks, and whether it changes them.
    pub sets: Vec<(Arc<DataSet>, bool)>,
    /// `prefilter`
    pub prefilter: bool,
    /// What is asked of buffers so far.
    pub parts: Vec<Part>,
    /// Index into `parts` of the buffer in force; `None` before the first `select` (the payload).
    current: Option<usize>,
    /// The part and place of the last literal, for modifiers.
    last: Option<(usize, usize)>,
    /// The part of the last operation of any kind, for relative options behind a content modifier of old.
    touched: Option<usize>,
    /// Keywords that were seen and may stand only once.
    seen: Vec<&'static str>,
    /// Why the rule is not for this engine (`requires`): it is left out without being a mistake.
    pub skip: Option<String>,
    /// What is odd about the rule, which is in use all the same.
    pub warnings: Vec<RuleError>,
    vars: Vec<String>,
    /// `dsize`, `flow:no_stream` and the like: the payload is the packet's.
    pub packet_payload: bool,
    /// Nothing but its text, the variables and the classes has made it so far.
    pub(super) of_text: bool,
}

impl<'r> RuleBuilder<'r> {
    /// An empty rule.
    pub fn new(
        registry: &'r Registry,
        names: &'r mut Names,
        environment: &'r Environment<'r>,
        protocol: RuleProtocol,
    ) -> Self {
        RuleBuilder {
            registry,
            names,
            environment,
            meta: Meta { gid: 1, priority: 0, ..Meta::default() },
            protocol,
            flow: None,
            packet_tests: Vec::new(),
            tx_tests: Vec::new(),
            file_tests: Vec::new(),
            file_store: None,
            var_tests: Vec::new(),
            host_tests: Vec::new(),
            var_actions: Vec::new(),
            host_actions: Vec::new(),
            threshold: None,
            tags: Vec::new(),
            alert: false,
            noalert: false,
            bypass: false,
            unlogged: false,
            sets: Vec::new(),
            prefilter: false,
            parts: Vec::new(),
            current: None,
            last: None,
            touched: None,
            seen: Vec::new(),
            skip: None,
            warnings: Vec::new(),
            vars: Vec::new(),
            packet_payload: false,
            of_text: true,
        }
    }

    /// What rules look up outside themselves. A rule that does is compiled anew with every set.
    pub fn tables(&mut self) -> &'r Tables {
        self.of_text = false;
        self.environment.tables
    }

    /// Files that rules name. A rule that does is compiled anew with every set.
    pub fn files(&mut self) -> &'r dyn RuleFiles {
        self.of_text = false;
        self.environment.files
    }

    /// A sticky buffer: what follows is asked of it. A buffer that comes in many (`Multi`) is a new one each time.
    pub fn select(&mut self, buffer: BufferId) {
        let found = if self.registry.buffer(buffer).is_multi() {
            None
        } else {
            self.parts.iter().position(|p| p.buffer == buffer && p.transforms.is_empty())
        };
        self.current = Some(found.unwrap_or_else(|| self.add_part(buffer)));
        self.last = None;
        self.touched = None;
    }

    /// `pkt_data`: no sticky buffer is in force any more, what follows is asked of the payload.
    pub fn deselect(&mut self) {
        self.current = None;
        self.last = None;
        self.touched = None;
    }

    /// Notes a keyword that may stand only once; false when it stood before.
    pub fn once(&mut self, keyword: &'static str) -> bool {
        let new = !self.seen.contains(&keyword);
        if new {
            self.seen.push(keyword);
        }
        new
    }

    /// Whether [`RuleBuilder::once`] was told of it.
    pub fn has(&self, keyword: &str) -> bool {
        self.seen.contains(&keyword)
    }

    fn add_part(&mut self, buffer: BufferId) -> usize {
        self.parts.push(Part { buffer, transforms: Vec::new(), ops: Vec::new(), absent: None });
        self.parts.len() - 1
    }

    /// The part in force; the payload's when no buffer was selected.
    pub fn part(&mut self) -> &mut Part {
        let at = match self.current {
            Some(at) => at,
            None => self
                .parts
                .iter()
                .position(|p| p.buffer == BufferId::PAYLOAD)
                .unwrap_or_else(|| self.add_part(BufferId::PAYLOAD)),
        };
        &mut self.parts[at]
    }

    /// The buffer in force.
    pub fn buffer(&self) -> BufferId {
        self.current.map_or(BufferId::PAYLOAD, |at| self.parts[at].buffer)
    }

    /// Whether a sticky buffer is in force.
    pub fn is_sticky(&self) -> bool {
        self.current.is_some()
    }

    /// Adds an operation to the buffer in force.
    pub fn push(&mut self, op: Op) {
        self.part();
        let at = self.current.unwrap_or_else(|| {
            self.parts.iter().position(|p| p.buffer == BufferId::PAYLOAD).unwrap_or_default()
        });
        self.push_at(at, op);
    }

    /// Adds an operation that may be relative to the one before: without a sticky buffer in force it is asked of the buffer
    /// that a content modifier of old moved the last literal to (`content:"a"; http_uri; isdataat:!1,relative;`).
    pub fn push_relative(&mut self, op: Op) {
        match self.touched {
            Some(at) if self.current.is_none() && op.is_relative() => self.push_at(at, op),
            _ => self.push(op),
        }
    }

    fn push_at(&mut self, at: usize, op: Op) {
        let literal = matches!(op, Op::Content(_));
        self.parts[at].ops.push(op);
        self.touched = Some(at);
        if literal {
            self.last = Some((at, self.parts[at].ops.len() - 1));
        }
    }

    /// The literal that a modifier such as `nocase` is about: the last one, whatever else stands between.
    pub fn last_content(&mut self) -> Option<&mut Content> {
        let (part, op) = self.last?;
        match self.parts.get_mut(part)?.ops.get_mut(op)? {
            Op::Content(content) => Some(content),
            _ => None,
        }
    }

    /// A content modifier of old (`http_uri`): moves the last literal from the payload to that buffer. False when there
    /// is no literal to move.
    pub fn move_last_to(&mut self, buffer: BufferId) -> bool {
        if self.last_content().is_none() {
            return false;
        }
        let Some((from, at)) = self.last else { return false };
        if self.parts[from].buffer == buffer {
            return true;
        }
        let op = self.parts[from].ops.remove(at);
        let to = self
            .parts
            .iter()
            .position(|p| p.buffer == buffer && p.transforms.is_empty())
            .unwrap_or_else(|| self.add_part(buffer));
        self.push_at(to, op);
        true
    }

    /// Adds an operation to that buffer without selecting it (a `pcre` with a buffer modifier).
    pub fn push_to(&mut self, buffer: BufferId, op: Op) {
        let to = self
            .parts
            .iter()
            .position(|p| p.buffer == buffer && p.transforms.is_empty())
            .unwrap_or_else(|| self.add_part(buffer));
        self.push_at(to, op);
    }

    /// Whether anything was asked of that buffer (without transforms) so far.
    pub fn has_previous_in(&self, buffer: BufferId) -> bool {
        self.parts.iter().any(|p| p.buffer == buffer && p.transforms.is_empty() && !p.ops.is_empty())
    }

    /// A transform of the buffer in force; an error when there is none. What was asked before it is asked of the buffer as
    /// it is, what follows of the transformed one; a second transform must follow the first at once.
    pub fn transform(&mut self, transform: Arc<dyn Transform>) -> Result<(), &'static str> {
        let Some(mut at) = self.current else { return Err("a transform needs a sticky buffer before it") };
        if !self.parts[at].ops.is_empty() {
            if !self.parts[at].transforms.is_empty() {
                return Err("a transform must stand before what is asked of the buffer");
            }
            // the same buffer was used without this transform before: begin another part
            let buffer = self.parts[at].buffer;
            at = self.add_part(buffer);
            self.current = Some(at);
            self.last = None;
            self.touched = None;
        }
        self.parts[at].transforms.push(transform);
        Ok(())
    }

    /// The variable of that name, made if `make`; `None` when unknown or when there are 255 already.
    pub fn var(&mut self, name: &str, make: bool) -> Option<VarId> {
        if let Some(at) = self.vars.iter().position(|v| v == name) {
            return Some(VarId(at as u8));
        }
        if !make || self.vars.len() >= 255 {
            return None;
        }
        self.vars.push(name.to_owned());
        Some(VarId((self.vars.len() - 1) as u8))
    }

    /// Whether anything before was asked of the buffer in force (what a relative option is relative to).
    pub fn has_previous(&mut self) -> bool {
        !self.part().ops.is_empty()
    }

    /// Whether the buffer in force belongs to transactions.
    pub fn is_app_buffer(&self) -> bool {
        matches!(self.registry.buffer(self.buffer()).origin, Origin::App(_))
    }

    /// Whether it changes data sets (`dataset:set`, `dataset:unset`).
    pub fn changes_sets(&self) -> bool {
        self.sets.iter().any(|(_, changes)| *changes)
    }

    /// How many variables.
    pub fn var_count(&self) -> u8 {
        self.vars.len() as u8
    }
}

/// A rule and the mistakes in it.
pub type Compiled = Result<Rule, Vec<RuleError>>;
