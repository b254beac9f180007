//! Rules from text: files in, a rule set out, and everything that was wrong with them.

use std::collections::HashMap;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::detect::compile::CompileNumber;
use crate::detect::prefilter::Build;
use crate::detect::sets::By;
use crate::detect::{Compiler, Environment, Refused, Registry, Rule, RuleFiles, RuleSet, Tables};
use crate::rules::classification::Classifications;
use crate::rules::{Action, RuleError, RuleFile, Vars, parse_rule};

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
    let files = Files { beside: Mutex::default(), folders: options.folders };
    let environment = Environment {
        files: &files,
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
    let mut complaints = Vec::new();
    let faults = defined_sets(&mut compiler, options.tables);
    for source in sources {
        compiler.names.sets.folder =
            Path::new(&source.name).parent().map(Path::to_path_buf).unwrap_or_default();
        let file = RuleFile::new(&source.bytes);
        *files.folder() = Path::new(&source.name).parent().unwrap_or(Path::new("")).to_owned();
        disabled += file.disabled;
        for fault in &file.faults {
            refused += 1;
            let report = fault.report(&source.name);
            keep(&mut complaints, &report, false);
        }
        for text in &file.rules {
            let errors = match parse_rule(&text.text) {
                Err(errors) => errors,
                Ok(ast) => match compiler.compile(&ast, text.line) {
                    Ok(rule) => {
                        for warning in &compiler.warnings {
                            keep(&mut complaints, &text.report(&source.name, warning), true);
                        }
                        let id = (rule.meta.gid, rule.meta.sid);
                        match known.get(&id) {
                            None => {
                                known.insert(id, rules.len());
                                rules.push(rule);
                            }
                            Some(&at) => {
                                let newer = rule.meta.rev > rules[at].meta.rev;
                                let error = RuleError::new(
                                    0..text.text.len().min(1),
                                    format!("duplicate of rule {}:{}", id.0, id.1),
                                )
                                .hint("the one with the higher rev is used; give this one a sid of its own");
                                refused += 1;
                                keep(&mut complaints, &text.report(&source.name, &error), false);
                                if newer {
                                    rules[at] = rule;
                                }
                            }
                        }
                        continue;
                    }
                    Err(Refused::Unsupported(errors)) => {
                        unsupported += 1;
                        for error in &errors {
                            keep(&mut complaints, &text.report(&source.name, error), true);
                        }
                        continue;
                    }
                    Err(Refused::Skipped(_)) => {
                        skipped += 1;
                        continue;
                    }
                    Err(Refused::Errors(errors)) => errors,
                },
            };
            refused += 1;
            for error in &errors {
                keep(&mut complaints, &text.report(&source.name, error), false);
            }
        }
    }
    let names = std::mem::take(&mut compiler.names);
    let used = rules.len();
    let rules =
        RuleSet::new(rules, options.registry.clone(), &names, options.action_order, options.prefilter);
    Loaded { rules: Arc::new(rules), used, refused, unsupported, skipped, disabled, complaints, faults }
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

fn keep(complaints: &mut Vec<Complaint>, report: &crate::rules::Report<'_>, warning: bool) {
    if complaints.len() < COMPLAINTS_MAX {
        let shown = match warning {
            false => report.render(),
            true => {
                let error = RuleError {
                    message: format!("warning: {}", report.error.message),
                    ..report.error.clone()
                };
                crate::rules::Report { error: &error, ..*report }.render()
            }
        };
        complaints.push(Complaint {
            file: report.file.to_owned(),
            line: report.line,
            column: report.column,
            error: report.error.clone(),
            shown,
            warning,
        });
    }
}
