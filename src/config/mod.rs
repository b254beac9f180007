//! YAML → checked [`Config`]: a suricata.yaml as it is, with `--set` overrides.
//!
//! Holds plain data and knows no stage: the wiring maps sections to what the stages want. Mistakes are told with file, line
//! and remedy, all at once; keys that are unknown or without effect are told as warnings.
//! Limits: 16 MiB of text over all included files, 64 levels, a million values, 64 files.
//!
//! [`Config::load`] is the only place here that reads files.

mod af_packet;
mod datasets;
mod known;
mod live;
mod load;
mod locate;
mod outputs;
mod process;
mod section;
mod traffic;
mod yaml;

use std::fmt;
use std::path::PathBuf;

pub use datasets::DatasetsSection;
pub use live::{LiveSection, Onward};
pub use load::{
    AppLayerSection, Config, DetectSection, Enabled, MessageFile, Policies, ProtocolSection, StatsSection,
};
pub use outputs::{
    EveAlert, EveAlertMetadata, EveAnomaly, EveDrop, EveFiles, EveProtocol, EveSection, EveStats, EveTypes,
    FileSection, FileStoreSection, Outputs, StatsLogSection,
};
pub use process::{MetricsSection, SecuritySection, UnixCommandSection};
pub use traffic::{
    DecoderSection, DefragSection, Emergency, FlowSection, FlowTimeouts, HostOs, ReassemblySection,
    StreamSection, Timeouts, TunnelSection, UrgentWord,
};

/// Something about one key: a warning, or a part of a [`ConfigError`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// The dotted key, or empty.
    pub key: String,
    /// The file it stands in.
    pub file: Option<PathBuf>,
    /// The line there, from 1, as far as it can be told.
    pub line: Option<u32>,
    /// What is wrong.
    pub message: String,
    /// The remedy.
    pub hint: Option<String>,
}

/// A key without effect.
pub type ConfigWarning = ConfigProblem;

/// Why a configuration cannot be used: everything at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// At least one.
    pub problems: Vec<ConfigProblem>,
}

impl From<ConfigProblem> for ConfigError {
    fn from(problem: ConfigProblem) -> Self {
        ConfigError { problems: vec![problem] }
    }
}

/// As `file:line: key: message (hint)`.
impl fmt::Display for ConfigProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}:", file.display())?;
        }
        match (self.line, &self.file) {
            (Some(line), Some(_)) => write!(f, "{line}: ")?,
            (Some(line), None) => write!(f, "line {line}: ")?,
            (None, Some(_)) => f.write_str(" ")?,
            (None, None) => {}
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        f.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(f, " ({hint})"),
            None => Ok(()),
        }
    }
}

/// One problem a line.
impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, problem) in self.problems.iter().enumerate() {
            write!(f, "{}{problem}", if at == 0 { "" } else { "\n" })?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigError {}

/// A text that was read, and the key below which it stands.
#[derive(Clone, Debug)]
struct Source {
    path: Option<PathBuf>,
    below: String,
    text: String,
}
