//! What commands have in common: the registry, the configuration, the files that both name.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Common;
use crate::config::{Config, ConfigWarning};
use crate::detect::prefilter::Build;
use crate::detect::{Registry, RuleSet, Tables};
use crate::engine::configure;
use crate::engine::load::{Compiled, LoadOptions, Loaded, Source, compile};
use crate::rules::classification::Classifications;
use crate::rules::file::FileError;
use crate::rules::threshold::{self, ThresholdEntry};
use crate::{keywords, protocols, signatures};

/// Refused rules that are shown in full without `-v -v`.
const SHOWN_MAX: usize = 10;
/// Bytes of one file of rules beyond which it is refused.
const RULES_MAX: u64 = 1 << 30;

/// All keywords, buffers and protocols.
pub(super) fn registry() -> Arc<Registry> {
    Arc::new(Registry::new(keywords::ALL, keywords::PACKET_BUFFERS, protocols::ALL))
}

/// The configuration that the arguments name.
pub(super) fn config(common: &Common) -> Result<(Config, Vec<ConfigWarning>), String> {
    Config::load(common.config.as_deref(), &common.set).map_err(|error| error.to_string())
}

/// What the configuration names beside rules.
pub(super) struct Companions {
    /// Classes.
    pub(super) classes: Classifications,
    /// Lines of the threshold file.
    pub(super) thresholds: Vec<ThresholdEntry>,
    /// What is wrong with these files, ready to be shown.
    pub(super) faults: Vec<String>,
}

/// Reads the classification and threshold files. One that is named and missing is told; built-in classes serve then.
pub(super) fn companions(config: &Config) -> Companions {
    let mut faults = Vec::new();
    let mut tell = |name: &Path, errors: Vec<FileError>| {
        faults.extend(errors.iter().map(|error| error.report(&name.display().to_string()).render()));
    };
    let (mut classes, built_in) = Classifications::parse(signatures::CLASSIFICATION.as_bytes());
    tell(Path::new("built-in classification.config"), built_in);
    let mut missing = Vec::new();
    if let Some(path) = &config.classification_file {
        match std::fs::read(path) {
            Ok(bytes) => {
                let (theirs, errors) = Classifications::parse(&bytes);
                tell(path, errors);
                classes = classes.joined(theirs);
            }
            Err(error) => missing.push(unreadable(path, "classification-file", &error)),
        }
    }
    if let Some(path) = &config.reference_config_file {
        match std::fs::read(path) {
            Ok(bytes) => tell(path, crate::rules::reference::References::parse(&bytes).1),
            Err(error) => missing.push(unreadable(path, "reference-config-file", &error)),
        }
    }
    let mut thresholds = Vec::new();
    if let Some(path) = &config.threshold_file {
        match std::fs::read(path) {
            Ok(bytes) => {
                let (entries, errors) = threshold::parse(&bytes, &config.vars);
                tell(path, errors);
                thresholds = entries;
            }
            // the file of the stock configuration is often not there
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => missing.push(unreadable(path, "threshold-file", &error)),
        }
    }
    faults.extend(missing);
    Companions { classes, thresholds, faults }
}

fn unreadable(path: &Path, key: &str, error: &std::io::Error) -> String {
    format!("{}: {error} (give the right path under {key})", path.display())
}

/// The rule files that are meant: those given, or those of the configuration, or the built-in ones.
pub(super) fn sources(config: &Config, given: &[PathBuf], more: &[PathBuf]) -> Result<Vec<Source>, String> {
    let mut sources = Vec::new();
    if given.is_empty() {
        let named = config.rule_paths();
        if named.is_empty() && more.is_empty() {
            for (name, text) in signatures::RULES {
                sources.push(Source { name: format!("built-in {name}"), bytes: text.as_bytes().to_vec() });
            }
            return Ok(sources);
        }
        for path in named.iter().flat_map(|path| matching(path)) {
            // a file of the stock configuration that is not there is no reason to stop: it is told
            match read_rules(&path) {
                Ok(source) => sources.push(source),
                Err(message) => super::complain(&format!("warning: {message}")),
            }
        }
    }
    for path in given.iter().chain(more) {
        sources.push(read_rules(path)?);
    }
    Ok(sources)
}

/// The files that a pattern (`*.rules`, `et-[a-m]?.rules`) names in its folder, sorted; a name without one stands for itself, and
/// so does a pattern that fits nothing, so that it is told.
fn matching(path: &Path) -> Vec<PathBuf> {
    let pattern = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if !pattern.contains(['*', '?', '[']) || path.exists() {
        return vec![path.to_path_buf()];
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut found: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .filter_map(|entry| Some(entry.ok()?.file_name()))
        .filter(|name| fits(pattern.as_bytes(), name.as_encoded_bytes()))
        .map(|name| folder.join(name))
        .collect();
    found.sort();
    if found.is_empty() { vec![path.to_path_buf()] } else { found }
}

/// Whether a name fits a pattern of the shell: `*`, `?`, `[a-z]`, `[!a]`. A leading dot is fitted by a dot only.
fn fits(pattern: &[u8], name: &[u8]) -> bool {
    if name.first() == Some(&b'.') && pattern.first() != Some(&b'.') {
        return false;
    }
    // the place to go on from when what follows the last `*` does not fit: it takes one byte more
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                star = Some((p + 1, n));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => class(&pattern[p..], name[n]),
            Some(byte) if *byte == name[n] => Some(1),
            _ => None,
        };
        match (step, star) {
            (Some(step), _) => (p, n) = (p + step, n + 1),
            (None, Some((after, from))) => {
                star = Some((after, from + 1));
                (p, n) = (after, from + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// How long the class is that the pattern begins with, if the byte is in it.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = pattern.get(1) == Some(&b'!');
    let start = if negated { 2 } else { 1 };
    // a bracket that stands first is one of the class
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|byte| *byte == b']')?;
    let mut items = pattern.get(start..end)?;
    let mut inside = false;
    while let Some((&low, rest)) = items.split_first() {
        match rest {
            [b'-', high, rest @ ..] => {
                inside |= (low..=*high).contains(&byte);
                items = rest;
            }
            _ => {
                inside |= low == byte;
                items = rest;
            }
        }
    }
    (inside != negated).then_some(end + 1)
}

/// A rule file, gunzipped when its name says so.
fn read_rules(path: &Path) -> Result<Source, String> {
    let failed = |error: std::io::Error| {
        format!("rules {}: {error} (give the path of a rule file with -S)", path.display())
    };
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::new();
    let gzipped = path.extension().is_some_and(|extension| extension == "gz");
    if gzipped {
        flate2::read::MultiGzDecoder::new(file).take(RULES_MAX + 1).read_to_end(&mut bytes)
    } else {
        file.take(RULES_MAX + 1).read_to_end(&mut bytes)
    }
    .map_err(failed)?;
    if bytes.len() as u64 > RULES_MAX {
        return Err(format!("rules {}: larger than {RULES_MAX} bytes; split the file", path.display()));
    }
    Ok(Source { name: path.display().to_string(), bytes })
}

/// Reads what rules look up. What is wrong with it is told here; the answer is whether anything was.
pub(super) fn tables(config: &Config, common: &Common, otherwise: &Path) -> (Tables, bool) {
    let data_dir = common.data_dir.as_deref().unwrap_or(otherwise);
    let (tables, faults) = crate::engine::tables::read(config, data_dir);
    faults.iter().for_each(|fault| super::complain(fault));
    (tables, !faults.is_empty())
}

/// Compiles rules with a configuration. What has not changed is taken over from the rules in use before.
#[expect(
    clippy::too_many_arguments,
    reason = "each comes from elsewhere, and three commands want them otherwise"
)]
pub(super) fn compile_rules(
    config: &Config,
    companions: &Companions,
    sources: &[Source],
    registry: &Arc<Registry>,
    prefilter: Build,
    tables: &Tables,
    lint: bool,
    before: Option<&RuleSet>,
) -> Compiled {
    compile(
        sources,
        &LoadOptions {
            features: &configure::features(config),
            folders: &config.default_rule_path.iter().cloned().collect::<Vec<_>>(),
            registry: registry.clone(),
            number: keywords::number::compile_number,
            vars: &config.vars,
            classes: &companions.classes,
            action_order: configure::action_order(config),
            pcre_limits: (config.pcre_match_limit, config.pcre_recursion_limit),
            prefilter,
            tables,
            lint,
            texts: config
                .outputs
                .records()
                .and_then(|eve| eve.types.alert)
                .is_some_and(|a| a.metadata.rule_raw),
        },
        before,
    )
}

/// Shows what is wrong with rules; all of it when much is to be said, or when it is `all` that is asked for.
pub(super) fn tell_refused(loaded: &Loaded, verbose: u8, all: bool) {
    // rules with a warning are in use: it is told to who asks
    let wanted = |warning: bool| !warning || verbose > 0 || all;
    let complaints: Vec<_> = loaded.complaints.iter().filter(|complaint| wanted(complaint.warning)).collect();
    let shown = if verbose > 1 || all { usize::MAX } else { SHOWN_MAX };
    for complaint in complaints.iter().take(shown) {
        super::complain(complaint.shown.trim_end());
    }
    let rest = complaints.len().saturating_sub(shown);
    if rest > 0 {
        super::complain(&format!(
            "… and {rest} more mistakes in rules; 'mamparo check -S FILE' shows them all"
        ));
    }
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn patterns_fit_as_in_a_shell() {
        for (pattern, name, expected) in [
            ("*.rules", "a.rules", true),
            ("*.rules", ".a.rules", false),
            ("*.rules", "a.rules.gz", false),
            ("a*b*c", "aXbYbc", true),
            ("a*b*c", "aXbY", false),
            ("??.rules", "ab.rules", true),
            ("??.rules", "a.rules", false),
            ("et-[a-c].rules", "et-b.rules", true),
            ("et-[a-c].rules", "et-d.rules", false),
            ("et-[!a-c].rules", "et-d.rules", true),
            ("[]x].rules", "].rules", true),
            ("[a.rules", "a.rules", false),
            ("**", "", true),
            ("", "a", false),
        ] {
            assert_eq!(fits(pattern.as_bytes(), name.as_bytes()), expected, "{pattern} {name}");
        }
        // linear enough: no pattern makes it try everything
        let name = "a".repeat(5000);
        assert!(!fits(format!("{}b", "a*".repeat(50)).as_bytes(), name.as_bytes()));
    }
}
