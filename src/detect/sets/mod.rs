//! Data sets: values that rules look up, add and take away, by name shared by all rules.
//!
//! A set that no rule changes is frozen when all rules are loaded, and is looked up without a lock. One that rules change is
//! behind a lock that is taken in the order of packets ([`turns`]), so that every rule gets the answer that it would get from
//! one worker. Knows no file: who loads rules hands in a reader ([`super::tables::Files`]), who ends a run writes.
//!
//! Limits: a set holds as much as its `memcap` allows; what does not fit is counted and not added.

pub mod table;
pub mod text;
pub mod turns;

use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use self::text::Kind;
use super::tables::Files;
use table::Table;

/// Most bytes of a set's name.
pub const NAME_MAX: usize = 255;

/// Bytes that an index can tell apart, and therefore hold.
const TABLE_MAX: u64 = u32::MAX as u64;

/// The section `datasets` of the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// `defaults.memcap`: bytes of a set that does not say.
    pub memcap: u64,
    /// `defaults.hashsize`: entries that a set makes room for at once.
    pub hashsize: u64,
    /// `limits.single-hashsize`: the largest `hashsize` of a set.
    pub single_hashsize_max: u64,
    /// `limits.total-hashsizes`: the largest sum of them.
    pub total_hashsizes_max: u64,
    /// `rules.allow-write`: rules may name files to save to.
    pub allow_write: bool,
    /// `rules.allow-absolute-filenames`: those may lie outside the data folder.
    pub allow_absolute: bool,
    /// Where sets of rules are saved, and their state is read.
    pub data_dir: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            memcap: 100 << 20,
            hashsize: 4096,
            single_hashsize_max: 262_144,
            total_hashsizes_max: 67_108_864,
            allow_write: true,
            allow_absolute: false,
            data_dir: PathBuf::from("."),
        }
    }
}

/// What a rule or the configuration says of a set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Its name.
    pub name: String,
    /// What its values are; not needed for a set that is known.
    pub kind: Option<Kind>,
    /// A file that must be there and is read.
    pub load: Option<String>,
    /// A file that is written at the end.
    pub save: Option<String>,
    /// A file that is read, if it is there, and written at the end.
    pub state: Option<String>,
    /// Its limit, bytes.
    pub memcap: Option<u64>,
    /// Entries to make room for.
    pub hashsize: Option<u64>,
}

/// Who asks for a set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By<'p> {
    /// The configuration: it may name any file.
    Config,
    /// A rule in a file of that folder.
    Rule(&'p Path),
}

/// Why a set cannot be had.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong.
    pub message: String,
    /// The remedy.
    pub hint: String,
}

fn problem(message: impl Into<String>, hint: impl Into<String>) -> Problem {
    Problem { message: message.into(), hint: hint.into() }
}

/// One set.
#[derive(Debug)]
pub struct DataSet {
    name: String,
    kind: Kind,
    load: Option<PathBuf>,
    save: Option<PathBuf>,
    memcap: u64,
    /// The configuration or a rule in use has named it.
    used: AtomicBool,
    /// A rule in use adds to it or takes away.
    changes: AtomicBool,
    /// What it holds, when no rule changes it.
    frozen: OnceLock<Table>,
    /// What it holds otherwise.
    table: Mutex<Table>,
    /// It is frozen, and a person has changed it since: what it holds is not what was frozen.
    amended: AtomicBool,
    /// Values that found no room.
    refused: AtomicU64,
}

impl DataSet {
    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its values are.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Where it is written at the end; nowhere when only refused rules have named it.
    pub fn save_path(&self) -> Option<&Path> {
        self.save.as_deref().filter(|_| self.used.load(Ordering::Relaxed))
    }

    /// Values that found no room.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Its limit, bytes.
    pub fn memcap(&self) -> u64 {
        self.memcap
    }

    /// A rule in use asks it, or changes it.
    pub fn used(&self, changes: bool) {
        self.used.store(true, Ordering::Relaxed);
        self.changes.fetch_or(changes, Ordering::Relaxed);
    }

    /// What it holds now.
    pub fn with<R>(&self, look: impl FnOnce(&Table) -> R) -> R {
        match self.frozen.get() {
            Some(table) if !self.amended.load(Ordering::Acquire) => look(table),
            _ => look(&self.table.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }

    /// Looks at what it holds at this packet.
    fn at_turn<R>(&self, look: impl FnOnce(&Table) -> R) -> R {
        if self.frozen.get().is_none() {
            turns::wait();
        }
        self.with(look)
    }

    /// Whether the value is in it; `None` when it can be no value of this set.
    pub fn contains(&self, value: &[u8]) -> Option<bool> {
        self.kind.key(value, |key| self.at_turn(|table| table.contains(key)))
    }

    /// The value's score, if it is in it.
    pub fn score(&self, value: &[u8]) -> Option<u16> {
        self.kind.key(value, |key| self.at_turn(|table| table.score(key)))?
    }

    /// Adds the value: whether it is new.
    pub fn add(&self, value: &[u8]) -> bool {
        let added = self.kind.key(value, |key| self.changed(|table| table.insert(key, 0, self.memcap)));
        match added {
            Some(Some(None)) => {
                self.refused.fetch_add(1, Ordering::Relaxed);
                false
            }
            Some(Some(Some(new))) => new,
            _ => false,
        }
    }

    /// Takes the value away: whether it was there.
    pub fn remove(&self, value: &[u8]) -> bool {
        let removed = self.kind.key(value, |key| self.changed(|table| table.remove(key)));
        removed.flatten().unwrap_or(false)
    }

    /// `None` when it is frozen: then no rule said that it would change it.
    fn changed<R>(&self, change: impl FnOnce(&mut Table) -> R) -> Option<R> {
        if self.frozen.get().is_some() {
            return None;
        }
        turns::wait();
        Some(change(&mut self.table.lock().unwrap_or_else(PoisonError::into_inner)))
    }

    /// Changes it by hand, whoever looks it up. From then on it is looked up behind its lock.
    fn amend<R>(&self, change: impl FnOnce(&mut Table) -> R) -> R {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        match self.frozen.get() {
            Some(frozen) if !self.amended.load(Ordering::Acquire) => {
                *table = frozen.clone();
                let changed = change(&mut table);
                self.amended.store(true, Ordering::Release);
                changed
            }
            _ => change(&mut table),
        }
    }

    /// Adds a value, written as in a file, by hand: whether it is new. `None` when it is no value of this set, or finds no room.
    pub fn add_by_hand(&self, text: &[u8]) -> Option<bool> {
        let mut value = Vec::new();
        self.kind.parse(text, &mut value).ok()?;
        self.amend(|table| table.insert(&value, 0, self.memcap))
    }

    /// Takes a value away by hand: whether it was there. `None` when it is no value of this set.
    pub fn remove_by_hand(&self, text: &[u8]) -> Option<bool> {
        let mut value = Vec::new();
        self.kind.parse(text, &mut value).ok()?;
        Some(self.amend(|table| table.remove(&value)))
    }

    /// Whether a value is in it that is written as in a file. `None` when it is no value of this set.
    pub fn has_by_hand(&self, text: &[u8]) -> Option<bool> {
        let mut value = Vec::new();
        self.kind.parse(text, &mut value).ok()?;
        Some(self.with(|table| table.contains(&value)))
    }

    /// Takes all values away.
    pub fn clear_by_hand(&self) {
        self.amend(|table| *table = Table::default());
    }

    /// No rule changes it: from now on it is looked up without a lock.
    fn freeze(&self) {
        if self.changes.load(Ordering::Relaxed) || self.frozen.get().is_some() {
            return;
        }
        let mut table = std::mem::take(&mut *self.table.lock().unwrap_or_else(PoisonError::into_inner));
        table.shrink();
        let _ = self.frozen.set(table);
    }
}

/// All sets of a rule set, by name.
#[derive(Clone, Debug, Default)]
pub struct Sets {
    all: Vec<Arc<DataSet>>,
    by_name: HashMap<String, usize>,
    /// Sum of their `hashsize`.
    hashsizes: u64,
    /// The folder of the rules that are compiled now.
    pub folder: PathBuf,
    /// Those of the set before that no file is loaded into.
    before: Vec<Arc<DataSet>>,
}

impl Sets {
    /// Every set, in the order in which they were named.
    pub fn all(&self) -> &[Arc<DataSet>] {
        &self.all
    }

    /// The one of that name.
    pub fn named(&self, name: &str) -> Option<&Arc<DataSet>> {
        self.all.get(*self.by_name.get(name)?)
    }

    /// Whether rules change some set: then workers keep the order of packets.
    pub fn change(&self) -> bool {
        self.all.iter().any(|set| set.changes.load(Ordering::Relaxed))
    }

    /// Sets of before go on, with what they hold, where they are wanted in the same way. Those that are loaded are read anew.
    pub fn follow(&mut self, before: &Sets) {
        self.before = before.all.iter().filter(|set| set.load.is_none()).cloned().collect();
    }

    /// The set of before by that name, if it is as wanted now.
    fn gone_on(
        &self,
        wanted: &Wanted,
        kind: Kind,
        save: Option<&Path>,
        memcap: u64,
        by: By<'_>,
    ) -> Option<Arc<DataSet>> {
        let is_it = |set: &&Arc<DataSet>| {
            (&set.name, set.kind, set.save.as_deref(), set.memcap) == (&wanted.name, kind, save, memcap)
        };
        let set = self.before.iter().find(is_it)?;
        if set.frozen.get().is_none() {
            set.used.fetch_or(by == By::Config, Ordering::Relaxed);
            return Some(set.clone());
        }
        // nobody changed it then, but may from now on
        Some(Arc::new(DataSet {
            name: set.name.clone(),
            kind,
            load: None,
            save: set.save.clone(),
            memcap,
            used: AtomicBool::new(by == By::Config),
            changes: AtomicBool::new(false),
            frozen: OnceLock::new(),
            table: Mutex::new(set.with(Table::clone)),
            amended: AtomicBool::new(false),
            refused: AtomicU64::new(set.refused()),
        }))
    }

    /// All rules are compiled.
    pub fn freeze(&mut self) {
        self.before = Vec::new();
        self.all.iter().for_each(|set| set.freeze());
    }

    /// The set that is wanted: a known one, or a new one. With it, what is odd about it.
    pub fn open(
        &mut self,
        wanted: &Wanted,
        by: By<'_>,
        settings: &Settings,
        files: &dyn Files,
    ) -> Result<(Arc<DataSet>, Vec<String>), Problem> {
        let mut odd = Vec::new();
        if wanted.name.is_empty() || wanted.name.len() > NAME_MAX {
            return Err(problem(
                format!("a set's name has 1 to {NAME_MAX} bytes"),
                "write dataset:isset,NAME,type string;",
            ));
        }
        let (load, save, reads) = paths(wanted, by, settings, &mut odd)?;
        if let Some(at) = self.by_name.get(&wanted.name) {
            let known = &self.all[*at];
            agree(known, wanted, load.as_deref(), save.as_deref())?;
            return Ok((known.clone(), odd));
        }
        let Some(kind) = wanted.kind else {
            return Err(problem(
                format!("no set '{}' is known", wanted.name),
                "give its type: type string, md5, sha256, ipv4 or ip; or define it in the configuration, under datasets",
            ));
        };
        self.sized(wanted, settings)?;
        let memcap = wanted.memcap.unwrap_or(settings.memcap).min(TABLE_MAX);
        let gone_on = match &load {
            None => self.gone_on(wanted, kind, save.as_deref(), memcap, by),
            Some(_) => None,
        };
        let set = match gone_on {
            Some(set) => set,
            None => {
                let mut table = Table::default();
                for (path, must) in reads {
                    odd.extend(read_file(kind, &path, must, &mut table, memcap, files)?);
                }
                Arc::new(DataSet {
                    name: wanted.name.clone(),
                    kind,
                    load,
                    save,
                    memcap,
                    used: AtomicBool::new(by == By::Config),
                    changes: AtomicBool::new(false),
                    frozen: OnceLock::new(),
                    table: Mutex::new(table),
                    amended: AtomicBool::new(false),
                    refused: AtomicU64::new(0),
                })
            }
        };
        self.by_name.insert(wanted.name.clone(), self.all.len());
        self.all.push(set.clone());
        Ok((set, odd))
    }

    /// Takes note of the room that is asked for at once, within the limits.
    fn sized(&mut self, wanted: &Wanted, settings: &Settings) -> Result<(), Problem> {
        let size = wanted.hashsize.unwrap_or(settings.hashsize);
        if size > settings.single_hashsize_max {
            return Err(problem(
                format!("hashsize {size} is over the limit of {}", settings.single_hashsize_max),
                "make it smaller: a set grows by itself; or raise datasets.limits.single-hashsize",
            ));
        }
        let total = self.hashsizes.saturating_add(size);
        if total > settings.total_hashsizes_max {
            return Err(problem(
                format!("the hashsizes of all sets are over the limit of {}", settings.total_hashsizes_max),
                "make them smaller: a set grows by itself; or raise datasets.limits.total-hashsizes",
            ));
        }
        self.hashsizes = total;
        Ok(())
    }
}

/// Refuses a second mention of a set that says something else.
fn agree(known: &DataSet, wanted: &Wanted, load: Option<&Path>, save: Option<&Path>) -> Result<(), Problem> {
    let hint = "name the same everywhere, or give another set another name";
    if let Some(kind) = wanted.kind.filter(|kind| *kind != known.kind) {
        let message = format!("set '{}' holds {}, not {}", known.name, known.kind.name(), kind.name());
        return Err(problem(message, hint));
    }
    for (what, known_path, path) in [("load", &known.load, load), ("save", &known.save, save)] {
        if let Some(path) = path
            && known_path.as_deref() != Some(path)
        {
            let message = match known_path {
                Some(other) => {
                    format!("set '{}' has {what} {}, not {}", known.name, other.display(), path.display())
                }
                None => format!("set '{}' was named before without {what}", known.name),
            };
            return Err(problem(message, hint));
        }
    }
    Ok(())
}

/// What is read before the first packet: each file, and whether it must be there.
type Reads = Vec<(PathBuf, bool)>;

/// Where the set is loaded from and saved to, and what is read.
fn paths(
    wanted: &Wanted,
    by: By<'_>,
    settings: &Settings,
    odd: &mut Vec<String>,
) -> Result<(Option<PathBuf>, Option<PathBuf>, Reads), Problem> {
    let data = |name: &String| -> Result<PathBuf, Problem> {
        if let By::Rule(_) = by {
            may_write(name, settings)?;
        }
        Ok(settings.data_dir.join(name))
    };
    let load = wanted.load.as_ref().map(|name| match by {
        By::Config => PathBuf::from(name),
        By::Rule(folder) => folder.join(name),
    });
    let mut save = wanted.save.as_ref().map(data).transpose()?;
    let mut reads: Reads = load.iter().map(|path| (path.clone(), true)).collect();
    if let Some(name) = &wanted.state {
        let state = data(name)?;
        match (&load, &save) {
            (None, None) => {
                reads.push((state.clone(), false));
                save = Some(state);
            }
            _ => odd.push("'state' has no effect beside 'load' or 'save'".to_owned()),
        }
    }
    Ok((load, save, reads))
}

/// What rules write stays in the data folder.
fn may_write(name: &str, settings: &Settings) -> Result<(), Problem> {
    if !settings.allow_write {
        return Err(problem(
            "rules may not save sets: datasets.rules.allow-write is off",
            "define the set in the configuration, under datasets, or switch allow-write on",
        ));
    }
    if settings.allow_absolute {
        return Ok(());
    }
    let hint = "name a file below the data folder (--data-dir), or switch datasets.rules.allow-absolute-filenames on";
    let path = Path::new(name);
    if path.is_absolute() {
        return Err(problem(format!("absolute paths are not allowed: {name}"), hint));
    }
    let inside = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    match inside && path.file_name().is_some() {
        true => Ok(()),
        false => Err(problem(format!("a path may not lead out of the data folder: {name}"), hint)),
    }
}

/// Reads a file into a set; the answer is what is odd about it.
fn read_file(
    kind: Kind,
    path: &Path,
    must: bool,
    table: &mut Table,
    memcap: u64,
    files: &dyn Files,
) -> Result<Option<String>, Problem> {
    let bytes = match files.read(path) {
        Ok(bytes) => bytes,
        Err(error) if !must && error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => {
            return Err(problem(
                format!("{}: {error}", path.display()),
                "a file to load lies beside the rules; 'state' names one that need not be there yet",
            ));
        }
    };
    let told = text::read(kind, &bytes, table, memcap);
    if told.full {
        return Err(problem(
            format!("{} does not fit into the {memcap} bytes of the set", path.display()),
            "raise its memcap: memcap 200mb, or datasets.defaults.memcap in the configuration",
        ));
    }
    Ok(told.first_bad.map(|(line, what)| {
        format!("{}: {} lines are left out, the first is line {line}, {what}", path.display(), told.bad)
    }))
}

#[cfg(test)]
mod tests;
