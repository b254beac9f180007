//! Rules from text: files in, a rule set out, and everything that was wrong with them.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use super::bits::{Bits, RuleAt};
use super::lint;
use crate::detect::compile::CompileNumber;
use crate::detect::prefilter::Build;
use crate::detect::sets::By;
use crate::detect::{Compiler, Environment, Refused, Registry, Rule, RuleFiles, RuleSet, Tables};
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
    let mut rules: Vec<Rule> = Vec::new();
    let mut known: HashMap<(u32, u32), usize> = HashMap::new();
    let (mut refused, mut unsupported, mut skipped, mut disabled) = (0, 0, 0, 0);
    let faults = defined_sets(&mut compiler, options.tables);
    let mut told = Told::default();
    let mut bits = Bits::default();
    let files: Vec<RuleFile<'_>> = sources.iter().map(|source| RuleFile::new(&source.bytes)).collect();
    for (at, (source, file)) in sources.iter().zip(&files).enumerate() {
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
                    let Some(&before) = known.get(&id) else {
                        known.insert(id, rules.len());
                        rules.push(rule);
                        continue;
                    };
                    let span = sid_span(&ast);
                    if rule.meta.rev > rules[before].meta.rev {
                        let error = RuleError::new(span, format!("replaces an older rule {}:{}", id.0, id.1))
                            .hint(format!(
                                "that of line {} has rev {}; take one of them out",
                                rules[before].line, rules[before].meta.rev
                            ));
                        say(&error, Severity::Warning("duplicate-sid"));
                        rules[before] = rule;
                    } else {
                        let error = RuleError::new(span, format!("duplicate of rule {}:{}", id.0, id.1))
                            .hint(format!(
                                "that of line {} stays: its rev is no lower; give this one a sid of its own",
                                rules[before].line
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
    let names = std::mem::take(&mut compiler.names);
    let used = rules.len();
    let rules =
        RuleSet::new(rules, options.registry.clone(), &names, options.action_order, options.prefilter);
    let complaints = told.0;
    Loaded { rules: Arc::new(rules), used, refused, unsupported, skipped, disabled, complaints, faults, bits }
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
        let registry = Arc::new(Registry::new(keywords::ALL, keywords::PACKET_BUFFERS, protocols::ALL));
        let (classes, _) = Classifications::parse(crate::signatures::CLASSIFICATION.as_bytes());
        let vars = Vars::usual();
        let options = LoadOptions {
            registry,
            number: keywords::number::compile_number,
            vars: &vars,
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
            lint: true,
            texts: false,
        };
        let source = Source { name: "t.rules".to_owned(), bytes: text.as_bytes().to_vec() };
        load(&[source], &options).complaints
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
