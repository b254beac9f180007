//! Rules from text: files in, a rule set out, and everything that was wrong with them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::bits::{Bits, RuleAt};
use super::lint;
use crate::detect::compile::{CompileNumber, world};
use crate::detect::prefilter::Build;
use crate::detect::sets::By;
use crate::detect::{Compiler, Environment, Names, Refused, Registry, Rule, RuleFiles, RuleSet, Tables};
use crate::rules::classification::Classifications;
use crate::rules::file::RuleText;
use crate::rules::{Action, Report, RuleAst, RuleError, RuleFile, Vars, parse_rule};

/// A file of rules.
pub struct Source {
    /// Its name, for messages.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A mistake in a rule, ready to be shown.
#[derive(Clone, Debug)]
pub struct Complaint {
    /// Where: file, line and column.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1.
    pub column: u32,
    /// The column behind its end, on the same line; no less than `column`.
    pub end: u32,
    /// The rule's signature, 0 when it has none.
    pub sid: u32,
    /// The kind of mistake, for programs.
    pub code: &'static str,
    /// What, without place.
    pub error: RuleError,
    /// The text with a marker under the place, for people.
    pub shown: String,
    /// A warning: the rule is in use all the same.
    pub warning: bool,
}

/// What came of loading.
pub struct Loaded {
    /// The rules.
    pub rules: Arc<RuleSet>,
    /// How many are in use.
    pub used: usize,
    /// How many were refused.
    pub refused: usize,
    /// How many ask for what is not there yet.
    pub unsupported: usize,
    /// How many `requires` left out.
    pub skipped: usize,
    /// How many stand behind a `#`.
    pub disabled: usize,
    /// What was wrong.
    pub complaints: Vec<Complaint>,
    /// What was wrong with data sets of the configuration, ready to be shown.
    pub faults: Vec<String>,
    /// Which rules set and ask for bits, when [`LoadOptions::lint`] was asked for.
    pub bits: Bits,
}

/// What rules are loaded with.
pub struct LoadOptions<'o> {
    /// Keywords, buffers and protocols.
    pub registry: Arc<Registry>,
    /// Number keywords.
    pub number: CompileNumber,
    /// Address and port variables.
    pub vars: &'o Vars,
    /// Classes.
    pub classes: &'o Classifications,
    /// What the configuration switches on and `requires: feature` may ask for.
    pub features: &'o [&'o str],
    /// Order in which actions are looked at.
    pub action_order: [Action; 4],
    /// pcre match limit and recursion limit.
    pub pcre_limits: (u32, u32),
    /// What makes prefilters.
    pub prefilter: Build,
    /// What rules look up: data sets, reputation, countries.
    pub tables: &'o Tables,
    /// Where files that rules name are looked for, behind the folder of the rule's own file.
    pub folders: &'o [PathBuf],
    /// Looks for what is slow or contradictory too ([`super::lint`]).
    pub lint: bool,
    /// Keeps the text of each rule: records have it.
    pub texts: bool,
}

/// Bytes of a file that a rule names beyond which it is refused.
const FILE_MAX: u64 = 256 << 20;

/// Files beside the file of rules that is being loaded, and in the folders of the configuration.
struct Files<'o> {
    beside: Mutex<PathBuf>,
    folders: &'o [PathBuf],
}

impl Files<'_> {
    fn folder(&self) -> std::sync::MutexGuard<'_, PathBuf> {
        self.beside.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl RuleFiles for Files<'_> {
    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let beside = self.folder().clone();
        let mut fault = io::Error::from(io::ErrorKind::NotFound);
        for folder in std::iter::once(&beside).chain(self.folders) {
            match std::fs::File::open(folder.join(name)) {
                Ok(file) => {
                    let mut bytes = Vec::new();
                    file.take(FILE_MAX + 1).read_to_end(&mut bytes)?;
                    if bytes.len() as u64 > FILE_MAX {
                        return Err(io::Error::other(format!("larger than {FILE_MAX} bytes")));
                    }
                    return Ok(bytes);
                }
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => fault = error,
            }
        }
        Err(fault)
    }
}

/// The version of the rule language that `requires` is held against: that of Suricata's user guide.
pub const LANGUAGE_VERSION: (u16, u16, u16) = (7, 0, 10);

/// Complaints kept; more are only counted.
const COMPLAINTS_MAX: usize = 100_000;

/// Parses and compiles all files.
pub fn load(sources: &[Source], options: &LoadOptions<'_>) -> Loaded {
    compile(sources, options, None).group()
}

/// Rules that are compiled, and not yet put in order.
pub struct Compiled {
    rules: Vec<Arc<Rule>>,
    names: Names,
    registry: Arc<Registry>,
    action_order: [Action; 4],
    prefilter: Build,
    world: u64,
    refused: usize,
    unsupported: usize,
    skipped: usize,
    disabled: usize,
    complaints: Vec<Complaint>,
    faults: Vec<String>,
    bits: Bits,
}

impl Compiled {
    /// Puts them in order. The text that they came from is not needed any more.
    pub fn group(self) -> Loaded {
        let Compiled { refused, unsupported, skipped, disabled, complaints, faults, bits, .. } = self;
        let used = self.rules.len();
        let rules = RuleSet::new(
            self.rules,
            self.registry,
            &self.names,
            self.action_order,
            self.prefilter,
            self.world,
        );
        Loaded {
            rules: Arc::new(rules),
            used,
            refused,
            unsupported,
            skipped,
            disabled,
            complaints,
            faults,
            bits,
        }
    }
}

/// A rule that is known by its number.
struct Known {
    /// Where it is.
    at: usize,
    /// Where its text begins.
    line: u32,
}

/// Parses and compiles all files. What has not changed since the set `before` is taken over from it ([`Compiler::follow`]).
pub fn compile(sources: &[Source], options: &LoadOptions<'_>, before: Option<&RuleSet>) -> Compiled {
    let classes: HashMap<String, (String, u8)> = options
        .classes
        .names()
        .filter_map(|name| {
            let class = options.classes.get(name)?;
            Some((name.to_owned(), (class.description.clone(), class.priority)))
        })
        .collect();
    let lists = Files { beside: Mutex::default(), folders: options.folders };
    let environment = Environment {
        files: &lists,
        classes: &classes,
        pcre_limits: options.pcre_limits,
        features: options.features,
        version: LANGUAGE_VERSION,
        tables: options.tables,
    };
    let mut compiler = Compiler::new(&options.registry, options.vars, &environment, options.number);
    let world = world(options.vars, &environment);
    if let Some(before) = before {
        compiler.follow(before, world);
    }
    let mut rules: Vec<Arc<Rule>> = Vec::new();
    let mut known: HashMap<(u32, u32), Known> = HashMap::new();
    let (mut refused, mut unsupported, mut skipped, mut disabled) = (0, 0, 0, 0);
    let faults = defined_sets(&mut compiler, options.tables);
    let mut told = Told::default();
    let mut bits = Bits::default();
    let mut files: Vec<RuleFile<'_>> = Vec::new();
    for (at, source) in sources.iter().enumerate() {
        let file = RuleFile::new(&source.bytes);
        compiler.names.sets.folder =
            Path::new(&source.name).parent().map(Path::to_path_buf).unwrap_or_default();
        lists.folder().clone_from(&compiler.names.sets.folder);
        disabled += file.disabled;
        for fault in &file.faults {
            refused += 1;
            told.keep(&fault.report(&source.name), None, Severity::Error("not-text"));
        }
        for (nth, text) in file.rules.iter().enumerate() {
            let mut say = |error: &RuleError, severity: Severity| {
                told.keep(&text.report(&source.name, error), Some(text), severity);
            };
            if let Some(rule) = compiler.took_over(&text.text).filter(|_| !options.lint) {
                let id = (rule.meta.gid, rule.meta.sid);
                // a second rule of that number is told of below
                if let Entry::Vacant(place) = known.entry(id) {
                    place.insert(Known { at: rules.len(), line: text.line });
                    rules.push(rule);
                    continue;
                }
            }
            let ast = match parse_rule(&text.text) {
                Ok(ast) => ast,
                Err(errors) if errors.iter().any(|error| error.unsupported) => {
                    unsupported += 1;
                    let those = errors.iter().filter(|error| error.unsupported);
                    those.for_each(|error| say(error, Severity::Warning("unsupported")));
                    continue;
                }
                Err(errors) => {
                    refused += 1;
                    errors.iter().for_each(|error| say(error, Severity::Error("syntax")));
                    continue;
                }
            };
            let compiled = compiler.compile(&ast, text.line);
            if options.lint && !matches!(compiled, Err(Refused::Errors(_) | Refused::Skipped(_))) {
                let (gid, sid) = id_of(&text.text);
                bits.add(&ast, RuleAt { source: at, rule: nth, gid, sid });
            }
            match compiled {
                Ok(mut rule) => {
                    rule.meta.text = options.texts.then(|| text.text.trim().into());
                    for warning in &compiler.warnings {
                        say(warning, Severity::Warning("no-effect"));
                    }
                    if options.lint {
                        for warning in lint::rule(&rule, &ast, &options.registry) {
                            say(&warning, Severity::Warning(""));
                        }
                    }
                    let id = (rule.meta.gid, rule.meta.sid);
                    let rule = Arc::new(rule);
                    let before = match known.entry(id) {
                        Entry::Vacant(place) => {
                            place.insert(Known { at: rules.len(), line: text.line });
                            rules.push(rule);
                            continue;
                        }
                        Entry::Occupied(place) => place.into_mut(),
                    };
                    let Some(other) = rules.get_mut(before.at) else { continue };
                    let span = sid_span(&ast);
                    if rule.meta.rev > other.meta.rev {
                        let error = RuleError::new(span, format!("replaces an older rule {}:{}", id.0, id.1))
                            .hint(format!(
                                "that of line {} has rev {}; take one of them out",
                                before.line, other.meta.rev
                            ));
                        say(&error, Severity::Warning("duplicate-sid"));
                        *other = rule;
                        before.line = text.line;
                    } else {
                        let error = RuleError::new(span, format!("duplicate of rule {}:{}", id.0, id.1))
                            .hint(format!(
                                "that of line {} stays: its rev is no lower; give this one a sid of its own",
                                before.line
                            ));
                        refused += 1;
                        say(&error, Severity::Error("duplicate-sid"));
                    }
                }
                Err(Refused::Unsupported(errors)) => {
                    unsupported += 1;
                    errors.iter().for_each(|error| say(error, Severity::Warning("unsupported")));
                }
                Err(Refused::Skipped(_)) => skipped += 1,
                Err(Refused::Errors(errors)) => {
                    refused += 1;
                    errors.iter().for_each(|error| say(error, Severity::Error("invalid")));
                }
            }
        }
        if options.lint {
            files.push(file);
        }
    }
    if options.lint {
        for (at, error) in lint::across(&bits) {
            let (Some(source), Some(text)) =
                (sources.get(at.source), files.get(at.source).and_then(|file| file.rules.get(at.rule)))
            else {
                continue;
            };
            told.keep(&text.report(&source.name, &error), Some(text), Severity::Warning(""));
        }
    }
    Compiled {
        rules,
        names: std::mem::take(&mut compiler.names),
        registry: options.registry.clone(),
        action_order: options.action_order,
        prefilter: options.prefilter,
        world,
        refused,
        unsupported,
        skipped,
        disabled,
        complaints: told.0,
        faults,
        bits,
    }
}

/// Opens the data sets of the configuration; the answer is what is wrong with them.
fn defined_sets(compiler: &mut Compiler<'_>, tables: &Tables) -> Vec<String> {
    let mut faults = Vec::new();
    for wanted in &tables.defined {
        match compiler.names.sets.open(wanted, By::Config, &tables.sets, &*tables.files) {
            Ok((_, odd)) => {
                faults.extend(odd.into_iter().map(|odd| format!("datasets.{}: {odd}", wanted.name)))
            }
            Err(problem) => {
                faults.push(format!("datasets.{}: {} ({})", wanted.name, problem.message, problem.hint))
            }
        }
    }
    faults
}

/// How grave a complaint is, and its code where the mistake has none of its own.
#[derive(Clone, Copy)]
enum Severity {
    Error(&'static str),
    Warning(&'static str),
}

/// Complaints as they come, as many as are kept.
#[derive(Default)]
struct Told(Vec<Complaint>);

impl Told {
    fn keep(&mut self, report: &Report<'_>, text: Option<&RuleText<'_>>, severity: Severity) {
        if self.0.len() >= COMPLAINTS_MAX {
            return;
        }
        let (warning, otherwise) = match severity {
            Severity::Error(code) => (false, code),
            Severity::Warning(code) => (true, code),
        };
        let code = if report.error.code.is_empty() { otherwise } else { report.error.code };
        let shown = match warning {
            false => report.render(),
            true => {
                let error = RuleError {
                    message: format!("warning[{code}]: {}", report.error.message),
                    ..report.error.clone()
                };
                Report { error: &error, ..*report }.render()
            }
        };
        let end = match text.map(|text| text.position(report.error.span.end)) {
            Some((line, column)) if line == report.line => column.max(report.column),
            _ => report.column.saturating_add(report.error.span.len().try_into().unwrap_or(0)),
        };
        self.0.push(Complaint {
            file: report.file.to_owned(),
            line: report.line,
            column: report.column,
            end,
            sid: id_of(report.text).1,
            code,
            error: report.error.clone(),
            shown,
            warning,
        });
    }
}

/// Generator and signature of a rule's text, whether it can be read or not: 1 and 0 where there are none.
pub fn id_of(text: &str) -> (u32, u32) {
    let number = |name: &str| {
        text.match_indices(name).find_map(|(at, _)| {
            let before = text.get(..at)?.trim_end().chars().next_back()?;
            let rest = text.get(at + name.len()..)?.trim_start().strip_prefix(':')?.trim_start();
            let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
            matches!(before, ';' | '(').then(|| rest[..end].parse().ok())?
        })
    };
    (number("gid").unwrap_or(1), number("sid").unwrap_or(0))
}

fn sid_span(ast: &RuleAst<'_>) -> std::ops::Range<usize> {
    let sid = ast.options.iter().find(|option| option.name.node.eq_ignore_ascii_case("sid"));
    sid.and_then(|option| option.value.as_ref()).map_or(0..1, |value| value.span.clone())
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::{keywords, protocols};

    /// Everything that is told of these rules.
    pub(crate) fn complaints(text: &str) -> Vec<Complaint> {
        loaded(text, true, &Vars::usual(), None).complaints
    }

    fn loaded(text: &str, lint: bool, vars: &Vars, before: Option<&RuleSet>) -> Loaded {
        let registry = match before {
            Some(before) => before.registry.clone(),
            None => Arc::new(Registry::new(keywords::ALL, keywords::PACKET_BUFFERS, protocols::ALL)),
        };
        let (classes, _) = Classifications::parse(crate::signatures::CLASSIFICATION.as_bytes());
        let options = LoadOptions {
            registry,
            number: keywords::number::compile_number,
            vars,
            classes: &classes,
            features: &[],
            action_order: [
                Action::Pass,
                Action::Drop,
                Action::Reject(crate::rules::RejectKind::Source),
                Action::Alert,
            ],
            pcre_limits: (3500, 1500),
            prefilter: crate::detect::prefilter::Everything::build,
            tables: &Tables::default(),
            folders: &[],
            lint,
            texts: false,
        };
        let source = Source { name: "t.rules".to_owned(), bytes: text.as_bytes().to_vec() };
        compile(&[source], &options, before).group()
    }

    #[test]
    fn rules_whose_text_is_the_same_are_taken_over() {
        let rule = |sid: u32, more: &str| {
            format!(
                "alert tcp any any -> $HOME_NET any (msg:\"a\"; content:\"abc{sid}\"; {more} sid:{sid};)\n"
            )
        };
        let first = [rule(1, "flowbits:set,one;"), rule(2, "flowbits:set,two;"), rule(3, "")].concat();
        let vars = Vars::usual();
        let old = loaded(&first, false, &vars, None).rules;
        // on other lines, one changed, one gone, one new, one that was there twice
        let second = [
            "# new\n",
            &rule(4, "flowbits:isset,one;"),
            &rule(2, "flowbits:set,two;"),
            &rule(3, "nocase;"),
            &rule(2, "flowbits:set,two;"),
        ]
        .concat();
        let new = loaded(&second, false, &vars, Some(&old));
        assert_eq!((new.used, new.refused), (3, 1), "a duplicate is told of as ever");
        let by = |set: &RuleSet, sid: u32| set.rules.iter().find(|rule| rule.meta.sid == sid).cloned();
        let same = |sid| match (by(&old, sid), by(&new.rules, sid)) {
            (Some(old), Some(new)) => Arc::ptr_eq(&old, &new),
            _ => false,
        };
        assert_eq!((same(2), same(3)), (true, false));
        // names keep their numbers
        assert_eq!(new.rules.flowbit_names.get(..2), old.flowbit_names.get(..2));
        let (source, other) = (by(&old, 3), by(&new.rules, 3));
        let group = |rule: Option<Arc<Rule>>| rule.map(|rule| Arc::as_ptr(&rule.header.destination));
        assert_eq!(group(source), group(other), "equal groups are one");
        // what a variable is has a say
        let mut others = Vars::usual();
        others.addresses.insert("HOME_NET".to_owned(), "10.0.0.0/8".to_owned());
        let moved = loaded(&first, false, &others, Some(&old)).rules;
        let rules = old.rules.iter().zip(&moved.rules);
        assert!(rules.into_iter().all(|(old, new)| !Arc::ptr_eq(old, new)));
    }

    #[test]
    fn the_rule_of_a_mistake_is_named_even_if_it_cannot_be_read() {
        for (text, id) in [
            ("alert tcp any any -> any any (msg:\"sid:7\"; sid:9; gid:3;)", (3, 9)),
            ("alert tcp any (content:\"a\"; sid : 12 ;)", (1, 12)),
            ("alert tcp (sid:5", (1, 5)),
            ("nothing", (1, 0)),
            ("(sid:99999999999;)", (1, 0)),
        ] {
            assert_eq!(id_of(text), id, "{text}");
        }
        let told = complaints("alert tcp any any -> any any (msg:\"a\"; contnet:\"abc\"; sid:4;)");
        let [only] = told.as_slice() else { panic!("{told:?}") };
        assert_eq!((only.line, only.column, only.end, only.sid), (1, 40, 47, 4));
        assert_eq!((only.code, only.warning), ("invalid", false));
    }
}
