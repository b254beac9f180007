//! What commands have in common: the registry, the configuration, the files that both name.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Common;
use crate::config::{Config, ConfigWarning};
use crate::detect::prefilter::Build;
use crate::detect::{Registry, Tables};
use crate::engine::configure;
use crate::engine::load::{LoadOptions, Loaded, Source, load};
use crate::rules::classification::Classifications;
use crate::rules::file::FileError;
use crate::rules::threshold::{self, ThresholdEntry};
use crate::{keywords, protocols, signatures};

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
        for path in named {
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

/// Loads rules with a configuration.
pub(super) fn load_rules(
    config: &Config,
    companions: &Companions,
    sources: &[Source],
    registry: &Arc<Registry>,
    prefilter: Build,
    tables: &Tables,
) -> Loaded {
    load(
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
        },
    )
}
