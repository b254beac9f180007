//! `mamparo run`: live traffic, held or watched until a signal says stop.
//!
//! TERM and INT end the run, USR2 reads the rules anew, HUP opens the logs anew.

use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::args::{Checksums, FailArgument, Run as Arguments};
use super::outputs::{Outputs, file_store, log_folder};
use super::{complain, say, setup};
use crate::capture::hook::helper;
use crate::capture::live::now;
use crate::capture::{BACKENDS, Backend, Fail, Interfaces, LiveOptions, Say};
use crate::config::Config;
use crate::detect::prefilter::WindowFilter;
use crate::detect::{Registry, RuleSet};
use crate::engine::live::control::Doors;
use crate::engine::live::notify::Notify;
use crate::engine::live::signals::Signals;
use crate::engine::live::status::{RuleCounts, Status};
use crate::engine::live::{Host, Live, Outcome};
use crate::engine::load::Loaded;
use crate::engine::renewal::Renewal;
use crate::engine::{Collector, configure, sandbox, tables};
use crate::output::{LineWriter, WhenFull};
use crate::rules::threshold::ThresholdEntry;

/// Threads that are started unless told how many.
const WORKERS_MAX: usize = 8;

/// Runs; the answer is 1 when something failed.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    // before any thread is there that a signal could go to
    let signals = Signals::block().map_err(|error| format!("signals cannot be read: {error}"))?;
    super::engine_log::open(&arguments.common, arguments.log_dir.as_deref());
    let (backend, names) = match backend(arguments) {
        Ok(found) => found,
        Err(why) => {
            complain(&why);
            return Ok(ExitCode::from(2));
        }
    };
    if backend.inline {
        may_it()?;
    }
    // no thread is there yet, which what follows needs
    if hook_is_wanted(backend) {
        helper::start().map_err(|error| format!("the process for rules of the kernel: {error}"))?;
    }
    let (config, warnings) = configuration(arguments)?;
    match (arguments.verbose, warnings.len()) {
        (0, 0) => {}
        (0, count) => complain(&format!(
            "warning: {count} keys of the configuration have no effect here (-v names them)"
        )),
        _ => warnings.iter().for_each(|warning| complain(&format!("warning: {warning}"))),
    }
    let folder = log_folder(&config, arguments.log_dir.as_deref(), &arguments.common);
    let doors = doors(arguments, &config)?;
    let notify = Notify::from_environment();
    let confinement = confinement(arguments, &config, &folder);
    let confined = confinement.landlock;
    for line in sandbox::enter(&confinement)? {
        match line.starts_with("warning: ") {
            true => complain(&line),
            false => say(&line),
        }
    }
    let outputs = Outputs::open(&config, &arguments.common, &folder, true, WhenFull::Drop)?;
    let registry = setup::registry();
    let read = read_rules(arguments, &config, &registry, &folder, None)?;
    setup::tell_refused(&read.loaded, arguments.verbose, false);
    if arguments.init_errors_fatal && read.failed {
        return Err("rules could not be loaded, and --init-errors-fatal is given".to_owned());
    }
    if read.loaded.used == 0 {
        complain("warning: no rule is in use, so nothing can be dropped; name a file of rules with -S");
    }
    say(&format!("{} rules in use", read.loaded.used));

    let interfaces = Arc::new(Interfaces::default());
    let fail = fail(arguments, &config);
    let rules = read.loaded.rules.clone();
    let settings = config.settings().to_vec();
    let status = Arc::new(Status::new(backend.name, fail == Fail::Open, settings, interfaces.clone()));
    status.set_rules(counts(&read.loaded));
    status.set_sets(&rules.sets);
    let options = options(arguments, &config, names, fail, &rules, interfaces.clone());
    let opened = (backend.open)(&options)?;
    let checksums = match arguments.checksums {
        Some(Checksums::None) => false,
        Some(Checksums::All | Checksums::Auto) => true,
        None => config.checksum_checks.unwrap_or(true),
    };
    let mut engine =
        configure::engine_config(&config, backend.inline, checksums, arguments.common.config.is_none());
    engine.file_store = file_store(&config, &outputs.folder)?;
    engine.live = true;
    engine.replies = !arguments.dry_run;
    engine.dry_run = arguments.dry_run;
    let engine = Arc::new(engine);
    let stats = config.stats.enabled && engine.records.stats;
    let protocols =
        Arc::new(configure::protocols(&config, registry.protocols(), &rules, backend.inline, true));
    let collector =
        Collector::new(rules.clone(), outputs.records(), outputs.fast.as_ref().map(LineWriter::sender));
    let live = Live {
        config: engine,
        rules: Renewal::new(rules.clone(), protocols, read.thresholds),
        interfaces,
        fail,
        stats_interval: Duration::from_secs(if stats { u64::from(config.stats.interval) } else { 0 }),
        status: status.clone(),
        doors,
        notify,
    };
    let refused = read.loaded.refused;
    drop(read.loaded);
    let operator = Operator {
        arguments,
        config,
        registry,
        inline: backend.inline,
        folder,
        outputs: &outputs,
        rules: Mutex::new((rules, refused)),
        status,
        confined,
    };
    let outcome = live.run(opened, collector, &signals, &operator);
    let (rules, _) = operator.rules.into_inner().unwrap_or_else(PoisonError::into_inner);
    finish(outcome, &rules, outputs)
}

/// What the run wants of the command line's side.
struct Operator<'a> {
    arguments: &'a Arguments,
    config: Config,
    registry: Arc<Registry>,
    /// Traffic is held until it is judged.
    inline: bool,
    folder: PathBuf,
    outputs: &'a Outputs,
    /// Those in use, and how many beside them could not be loaded.
    rules: Mutex<(Arc<RuleSet>, usize)>,
    status: Arc<Status>,
    /// Folders that were not named at the start are out of reach.
    confined: bool,
}

impl Host for Operator<'_> {
    fn say(&self, line: &str) {
        match line.starts_with("warning: ") {
            true => complain(line),
            false => say(line),
        }
    }

    fn complain(&self, line: &str) {
        complain(line);
    }

    fn reload(&self) -> Result<Renewal, String> {
        // variables and names of files may have changed too; what flows are made of stays as it was
        let (config, _) = configuration(self.arguments)?;
        let (old, refused) = self.rules.lock().unwrap_or_else(PoisonError::into_inner).clone();
        // what rules have learned is in files before these are read again
        tables::save(&old.sets).iter().for_each(|message| complain(message));
        let read = read_rules(self.arguments, &config, &self.registry, &self.folder, Some(&old))?;
        if read.failed {
            setup::tell_refused(&read.loaded, self.arguments.verbose, false);
        }
        if read.unreadable && self.confined {
            complain(
                "files in folders that were not named at the start are out of reach: name them under security.landlock.directories.read, or start again",
            );
        }
        // a set that was good enough to start with is so again: what counts is mistakes that are new
        if read.loaded.refused > refused || read.unreadable || read.loaded.used == 0 && !old.rules.is_empty()
        {
            return Err(format!(
                "{} rules cannot be loaded, {refused} could not before; put them right ('mamparo check' shows each) and send USR2 again",
                read.loaded.refused
            ));
        }
        say(&format!("{} rules read", read.loaded.used));
        self.status.set_rules(counts(&read.loaded));
        let rules = read.loaded.rules.clone();
        self.status.set_sets(&rules.sets);
        let protocols =
            configure::protocols(&self.config, self.registry.protocols(), &rules, self.inline, true);
        *self.rules.lock().unwrap_or_else(PoisonError::into_inner) = (rules.clone(), read.loaded.refused);
        Ok(Renewal::new(rules, Arc::new(protocols), read.thresholds))
    }

    fn reopen(&self) {
        self.outputs.reopen().iter().for_each(|fault| complain(fault));
    }
}

/// The way to traffic that the arguments name, and what stands behind it.
fn backend(arguments: &Arguments) -> Result<(&'static Backend, Vec<String>), String> {
    let (name, names) = match (&arguments.tap, arguments.inline.split_first()) {
        (Some(interfaces), _) => ("tap", interfaces.clone()),
        (None, Some((mode, names))) => (mode.as_str(), names.to_vec()),
        (None, None) => return Err("say where to stand: --inline host".to_owned()),
    };
    let wanted = arguments.tap.is_none();
    BACKENDS
        .iter()
        .find(|backend| backend.name == name && backend.inline == wanted)
        .map(|found| (found, names))
        .ok_or_else(|| {
            let known: Vec<&str> =
                BACKENDS.iter().filter(|backend| backend.inline == wanted).map(|b| b.name).collect();
            match known.is_empty() {
                true => format!("{name} is not there yet; there is --inline host"),
                false => format!("{name:?} is no way to live traffic; there is {}", known.join(", ")),
            }
        })
}

/// Whether rules are put into the kernel, which needs what is given up.
fn hook_is_wanted(backend: &Backend) -> bool {
    matches!(backend.name, "host" | "containers")
}

/// Where questions come in.
fn doors(arguments: &Arguments, config: &Config) -> Result<Doors, String> {
    let mut doors = Doors::default();
    if let Some(address) = arguments.metrics.or(config.metrics.listen) {
        doors.open_http(address)?;
        say(&format!("metrics: http://{}/metrics", doors.http_address().unwrap_or(address)));
    }
    let section = &config.unix_command;
    let (path, must) = match (&arguments.unix_socket, section.enabled) {
        (Some(path), _) => (path, true),
        (None, Some(true)) => (&section.path, true),
        (None, None) if section.wanted => (&section.path, false),
        (None, _) => return Ok(doors),
    };
    match doors.open_commands(path) {
        Ok(()) => say(&format!("commands: {}", path.display())),
        Err(why) if must => return Err(why),
        Err(why) => complain(&format!("warning: no control socket: {why}")),
    }
    Ok(doors)
}

/// What the process will need from here on.
fn confinement(arguments: &Arguments, config: &Config, folder: &Path) -> sandbox::Wanted {
    // editors put another file in the place of one, so it is folders that are named
    let beside = |path: &Path| -> PathBuf {
        match path.parent() {
            Some(folder) if folder.as_os_str().is_empty() => PathBuf::from("."),
            Some(folder) => folder.to_path_buf(),
            None => path.to_path_buf(),
        }
    };
    let rules = config.rule_paths();
    let files = [
        &arguments.common.config,
        &config.classification_file,
        &config.reference_config_file,
        &config.threshold_file,
        &config.geoip_database,
        &config.reputation_categories_file,
    ];
    let named =
        files.into_iter().flatten().chain(&rules).chain(&arguments.rules).chain(&arguments.more_rules);
    let mut read: Vec<PathBuf> = named.map(|path| beside(path)).collect();
    read.extend(config.default_rule_path.iter().chain(&config.reputation_path).cloned());
    let loaded = config.datasets.defined.iter().filter_map(|set| set.load.as_deref());
    read.extend(loaded.map(|path| beside(Path::new(path))));
    let data = arguments.common.data_dir.as_deref().unwrap_or(folder);
    let mut write = vec![folder.to_path_buf(), data.to_path_buf()];
    let outputs = &config.outputs;
    let logs = outputs
        .eve
        .iter()
        .map(|eve| &eve.file.filename)
        .chain(outputs.fast.iter().map(|fast| &fast.filename));
    write.extend(logs.map(|name| beside(&folder.join(name))));
    write.extend(outputs.file_store.iter().map(|store| folder.join(&store.dir)));
    let sets = config.datasets.defined.iter();
    let kept = sets.filter_map(|set| set.save.as_ref().or(set.state.as_ref()));
    write.extend(kept.map(|name| beside(&data.join(name))));
    write.iter().for_each(|folder| {
        // one that cannot be made is told by who writes there
        let _ = std::fs::create_dir_all(folder);
    });
    let security = &config.security;
    read.extend(security.read.iter().cloned());
    write.extend(security.write.iter().cloned());
    let socket = arguments.unix_socket.as_ref().unwrap_or(&config.unix_command.path);
    for list in [&mut read, &mut write] {
        list.sort();
        list.dedup();
    }
    sandbox::Wanted {
        capabilities: security.drop_capabilities,
        landlock: security.landlock,
        seccomp: security.seccomp,
        read,
        write,
        // in a folder of many the socket stays, and the next start replaces it
        remove: vec![beside(socket)]
            .into_iter()
            .filter(|folder| !SHARED.iter().any(|shared| folder == Path::new(shared)))
            .collect(),
    }
}

/// Folders in which files of many lie.
const SHARED: [&str; 6] = ["/", "/run", "/var/run", "/tmp", "/var/tmp", "."];

fn counts(loaded: &Loaded) -> RuleCounts {
    RuleCounts {
        loaded: loaded.used as u64,
        failed: (loaded.refused + loaded.unsupported) as u64,
        skipped: loaded.skipped as u64,
        read_at: now(),
    }
}

/// Without the right to administer the network nothing below would work: told before the rules are read, which takes its time.
fn may_it() -> Result<(), String> {
    const NET_ADMIN: u64 = 1 << 12;
    const NET_RAW: u64 = 1 << 13;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    match effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok()) {
        Some(set) if set & NET_ADMIN == 0 => Err(
            "the capability NET_ADMIN is missing: run as root, or in a container with --network host --cap-add NET_ADMIN --cap-add NET_RAW"
                .to_owned(),
        ),
        Some(set) if set & NET_RAW == 0 => {
            complain("warning: the capability NET_RAW is missing: what is rejected is dropped, and its ends are not told; add --cap-add NET_RAW");
            Ok(())
        }
        _ => Ok(()),
    }
}

/// The configuration, with what suits live traffic where it says nothing: flows that are alive before us are picked up, and where
/// traffic must go on it goes on when a limit is reached.
fn configuration(arguments: &Arguments) -> Result<(Config, Vec<crate::config::ConfigWarning>), String> {
    Config::load_live(
        arguments.common.config.as_deref(),
        &arguments.common.set,
        arguments.fail.map(|fail| fail == FailArgument::Open),
    )
    .map_err(|error| error.to_string())
}

/// Rules as they were read.
struct Read {
    loaded: Loaded,
    thresholds: Vec<ThresholdEntry>,
    /// Something of it could not be used.
    failed: bool,
    /// A file could not be read, or is wrong.
    unreadable: bool,
}

fn read_rules(
    arguments: &Arguments,
    config: &Config,
    registry: &Arc<Registry>,
    folder: &Path,
    before: Option<&RuleSet>,
) -> Result<Read, String> {
    let companions = setup::companions(config);
    companions.faults.iter().for_each(|fault| complain(fault.trim_end()));
    let sources = setup::sources(config, &arguments.rules, &arguments.more_rules)?;
    let (tables, tables_bad) = setup::tables(config, &arguments.common, folder);
    let build = WindowFilter::build;
    let compiled =
        setup::compile_rules(config, &companions, &sources, registry, build, &tables, false, before);
    // the text is needed no longer, and what follows takes memory of its own
    drop(sources);
    let loaded = compiled.group();
    loaded.faults.iter().for_each(|fault| complain(fault));
    let unreadable = !companions.faults.is_empty() || !loaded.faults.is_empty() || tables_bad;
    Ok(Read {
        failed: loaded.refused > 0 || unreadable,
        unreadable,
        thresholds: companions.thresholds,
        loaded,
    })
}

fn fail(arguments: &Arguments, config: &Config) -> Fail {
    match arguments.fail {
        Some(FailArgument::Open) => Fail::Open,
        Some(FailArgument::Closed) => Fail::Closed,
        None if config.live.fail_open => Fail::Open,
        None => Fail::Closed,
    }
}

fn options(
    arguments: &Arguments,
    config: &Config,
    names: Vec<String>,
    fail: Fail,
    rules: &RuleSet,
    interfaces: Arc<Interfaces>,
) -> LiveOptions {
    let usual = std::thread::available_parallelism().map_or(1, usize::from).min(WORKERS_MAX);
    // connections are marked only where something may ask for it: it makes the kernel follow them all
    let tls = config.protocol("tls").and_then(|tls| tls.settings.get("encryption-handling"));
    let copied = config.af_packet.of(&names);
    let threads = copied.and_then(|entry| entry.threads).filter(|_| arguments.tap.is_some());
    let wanted = config.stream.bypass
        || rules.rules.iter().any(|rule| rule.bypass)
        || tls.and_then(|value| value.as_str()) == Some("bypass")
        || config.live.bypass.is_some();
    LiveOptions {
        workers: arguments.workers.or(threads).map_or(usual, usize::from),
        say: Say(Arc::new(say)),
        tap: copied.map(|entry| entry.ring).unwrap_or_default(),
        names,
        fail,
        dry_run: arguments.dry_run,
        queue: arguments.queue.unwrap_or(config.live.queue),
        queue_max: config.live.queue_max,
        buffer: usize::try_from(config.live.buffer).unwrap_or(usize::MAX),
        batch: usize::from(config.live.batch),
        bypass: wanted.then(|| config.live.bypass.unwrap_or((1, 1))).filter(|_| !arguments.dry_run),
        onward: config.live.onward,
        set_bridge: config.live.set_bridge,
        interfaces,
    }
}

fn finish(outcome: Outcome, rules: &RuleSet, outputs: Outputs) -> Result<ExitCode, String> {
    let Outcome { sums, lost, collector, mut faults } = outcome;
    let alerts = collector.alerts;
    drop(collector);
    let records = outputs.close()?;
    tables::overflows(&rules.sets).iter().for_each(|message| complain(message));
    faults.extend(tables::save(&rules.sets));
    let verdicts = sums.verdicts;
    say(&format!(
        "{} packets: {} forwarded, {} bypassed, {} dropped ({} rejected); {} not shown to us, {} cut short; {} flows, {alerts} alerts",
        sums.statistics.received,
        verdicts.forwarded,
        verdicts.bypassed,
        verdicts.dropped,
        verdicts.rejected,
        sums.statistics.dropped,
        sums.statistics.truncated,
        sums.counters.flows,
    ));
    if let Some((path, lines, dropped)) = records {
        say(&format!("{lines} records in {path}"));
        if dropped + lost > 0 {
            complain(&format!("warning: {} records found no room and are lost", dropped + lost));
        }
    }
    faults.iter().for_each(|fault| complain(fault));
    Ok(if faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
